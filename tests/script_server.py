"""Runs the scripts of tests, each in a process forked off from one that has imported asyncio already.

To start Python and to import asyncio takes ten times as long as most scripts. _fastproc itself is
imported by the script. With --slow each script has a fresh interpreter, see Aio.script().
"""

import contextlib
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time

LONGEST = 1 << 20  # bytes of a request: source, arguments, environment


def is_possible():
    """Not in a sandbox that refuses to send descriptors."""
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, other:
        try:
            socket.send_fds(ours, [b"x"], [])
            socket.recv_fds(other, 1, 0)
        except OSError:
            return False
    return True


def serve():
    """Returns only in processes that are to run a script, with its source."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    if os.fork() != 0:
        os._exit(0)  # so that the server is no child of who runs the tests
    gc.freeze()  # what is here need not be collected, and so copied, at the end of each script
    while True:
        request, outputs, *_ = socket.recv_fds(connection, LONGEST, 2)
        if not request:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            break
        for fd in outputs:
            os.close(fd)
        connection.send(b"%d" % pid)
        _, status = os.waitpid(pid, 0)
        connection.send(b"%d" % os.waitstatus_to_exitcode(status))
    connection.close()
    for number, fd in enumerate(outputs, 1):
        os.dup2(fd, number)
        os.close(fd)
    source, args, environment, folder = json.loads(request)
    sys.argv[1:] = args
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    return source


class ScriptServer:
    def __init__(self, env):
        self.env = env
        self.settings = settings(env)
        self.start()

    def start(self):
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = "from support import *\nfrom script_server import serve\nexec(serve())"
        command = [sys.executable, "-S", "-s", "-c", source, str(other.fileno())]
        null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        with other:
            subprocess.run(command, env=self.env, pass_fds=[other.fileno()], check=True, **null)

    def close(self):
        self.socket.close()

    def revive(self):
        """Start another server if this one has died, or owes the answer to a call that was cut short."""
        if select.select([self.socket], [], [], 0)[0]:
            self.close()
            self.start()

    def fits(self, env):
        """Whether an interpreter with that environment would be like this one."""
        return settings(env) == self.settings

    def run(self, source, args, env, timeout, output=None):
        """Like subprocess.run(), with both outputs captured or written to a file.

        Raises ConnectionError if the server dies meanwhile.
        """
        pipes = [] if output else [os.pipe() for _ in range(2)]
        outputs = [write for _, write in pipes] or [output.fileno()] * 2
        request = json.dumps([source, args, env, os.getcwd()]).encode()
        try:
            try:
                socket.send_fds(self.socket, [request], outputs)
            finally:
                for _, write in pipes:
                    os.close(write)
            deadline = time.monotonic() + timeout
            pid = self.receive()
            try:
                texts = read_all([read for read, _ in pipes], deadline)
                self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
                status = self.receive()
            except BaseException as error:
                self.socket.settimeout(None)
                with contextlib.suppress(ProcessLookupError, ConnectionError):
                    os.kill(pid, signal.SIGKILL)
                    self.receive()
                if isinstance(error, TimeoutError):
                    raise subprocess.TimeoutExpired(source, timeout) from None
                raise
        finally:
            for read, _ in pipes:
                os.close(read)
        self.socket.settimeout(None)
        return subprocess.CompletedProcess(source, status, *(texts or [None, None]))

    def receive(self):
        """A pid or a status."""
        if not (number := self.socket.recv(20)):
            raise ConnectionError("the server of scripts has died")
        return int(number)


def settings(env):
    """What is read when an interpreter starts."""
    return {name: value for name, value in env.items() if name.startswith(("PYTHON", "LD_"))}


def read_all(fds, deadline):
    """What comes through each until its end; TimeoutError."""
    texts = dict.fromkeys(fds, b"")
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            if not (ready := selector.select(max(deadline - time.monotonic(), 0))):
                raise TimeoutError
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                texts[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
    return list(texts.values())
