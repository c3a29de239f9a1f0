"""Many commands on the workers of a Dask cluster: python dask_commands.py COUNT [--kill-a-worker]

A worker runs tasks that are coroutines on its own event loop, many at a time, and run() is one. The
cluster here is of this machine; another needs only another address in Client().
"""

import os
import signal
import sys

from distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker

AT_ONCE = 16  # commands that a worker runs at a time
SECONDS = 2  # that each may take

# A worker that is killed cannot end its commands any more. So each has a watcher in its process group,
# which reads from a pipe that the worker holds open: at its end it kills the group. kill_orphans ends
# the watcher of a command that is through.
WATCHED = "(read _ </dev/fd/{lifeline}; kill -KILL 0) >/dev/null 2>&1 & {command}"


class Lifeline(WorkerPlugin):
    def setup(self, worker):
        worker.lifeline, worker.held_open = os.pipe()


async def run_command(number):
    """One task. What it returns is sent back, so it is plain data."""
    import _fastproc

    lifeline = get_worker().lifeline
    command = "sleep 1000 & sleep 1000" if number % 100 == 7 else f"echo {number}"
    try:
        done = await _fastproc.run_shell(
            WATCHED.format(lifeline=lifeline, command=command),
            pass_fds=[lifeline],
            timeout=SECONDS,
            kill_orphans=True,
            check=True,
            max_output=65536,
        )
    except TimeoutError:
        return number, None
    return number, int(done.stdout)


def main(count, kill_a_worker):
    with (
        LocalCluster(n_workers=2, threads_per_worker=AT_ONCE, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Lifeline())
        futures = client.map(run_command, range(count), pure=False)
        results = {}
        for _, (number, answer) in as_completed(futures, with_results=True):
            results[number] = answer
            if kill_a_worker and len(results) == count // 4:
                pids = client.run(os.getpid)
                os.kill(next(iter(pids.values())), signal.SIGKILL)
    late = [number for number, answer in results.items() if answer is None]
    assert all(answer in (number, None) for number, answer in results.items())
    print(f"{len(results) - len(late)} done, {len(late)} too long")


if __name__ == "__main__":
    main(int(sys.argv[1]), "--kill-a-worker" in sys.argv[2:])
