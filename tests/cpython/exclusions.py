"""The tests of CPython's own suite that cannot pass with _fastproc, each with its reason.

Listed is only what looks inside asyncio (the name that it uses is in the reason) or is against the
contract. A test that several classes inherit is listed once, by the class that defines it.
"""

from typing import NamedTuple


class Listed(NamedTuple):
    """Why, and where. It counts wherever the test exists, and from `since` to before `until` it
    has to exist; a test that came with a bugfix release has the first version that was seen with
    it. With a `loop`, it counts on that loop only. `lost_status`: it counts only where a status
    that somebody else has taken is lost (Linux before 6.15), and may pass there too."""

    reason: str
    since: tuple = (3, 11)
    until: tuple = (4,)
    loop: str | None = None
    lost_status: bool = False

    def must_exist(self, version):
        return self.since <= tuple(version) < self.until


MOCKS_CONNECTING = "replaces loop.connect_read_pipe and connect_write_pipe, by which asyncio goes"

EXCLUSIONS = {
    "test_subprocess": {
        "SubprocessMixin.test_pause_reading": Listed(
            "replaces loop.connect_read_pipe to have mocks for methods of asyncio's pipe transport"
        ),
        "SubprocessMixin.test_popen_error": Listed(
            "replaces subprocess.Popen, by which asyncio's loop starts a child", loop="uvloop"
        ),
        "SubprocessMixin.test_popen_error_with_stdin_pipe": Listed(
            "replaces subprocess.Popen, by which asyncio's loop starts a child", loop="uvloop"
        ),
        "SubprocessMixin.test_subprocess_read_pipe_cancelled": Listed(
            MOCKS_CONNECTING, since=(3, 14)
        ),
        "SubprocessMixin.test_subprocess_write_pipe_cancelled": Listed(
            MOCKS_CONNECTING, since=(3, 14)
        ),
        "SubprocessMixin.test_subprocess_read_write_pipe_cancelled": Listed(
            MOCKS_CONNECTING, since=(3, 14)
        ),
        "SubprocessThreadedWatcherTests.test_pid_not_reaped_before_exit_published": Listed(
            "looks for its child in loop._watcher._threads", since=(3, 14, 10)
        ),
        "SubprocessWatcherMixin.test_watcher_implementation": Listed(
            "looks at loop._watcher, which uvloop has not", since=(3, 14), loop="uvloop"
        ),
        "GenericWatcherTests.test_create_subprocess_fails_with_inactive_watcher": Listed(
            "wants a child watcher to be asked; the contract is: no child watcher", until=(3, 14)
        ),
        "SubprocessFastWatcherTests.*": Listed(
            "its watcher takes the status of all children; the contract is: then it is 255",
            until=(3, 14),
            loop="stdlib",
            lost_status=True,
        ),
    },
    "test_streams": {
        "StreamTests.test_start_tls_buffered_data": Listed(
            "waits by reader._wait_for_data()", since=(3, 14, 10)
        ),
        "StreamTests.test_open_connection_happy_eyeball_refcycles": Listed(
            "no stream: uvloop's create_connection() has no happy_eyeballs_delay",
            since=(3, 14, 10),
            loop="uvloop",
        ),
    },
}
