"""The child that obeys: builds it once, and gives it orders.  See puppet.c."""

import contextlib
import os
import select
import shlex
import shutil
import socket
import struct
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("puppet.c")
ORDER = struct.Struct("=BBHI")
ANSWER = struct.Struct("=IiQ")
PATIENCE = 30  # seconds: only turns a hang into a failure


class Puppets:
    """The program, and the socket to which those that run connect."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.program = os.path.join(self.folder, "puppet")
        self.address = os.path.join(self.folder, "socket")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener.bind(self.address)
        self.listener.listen(8)
        self.listener.settimeout(PATIENCE)

    def build(self):
        """False if there is no compiler."""
        command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
        if shutil.which(command[0]) is None:
            return False
        # A static program starts in a third of the time; not every machine can link one.
        for static in (["-static"], []):
            line = [*command, "-std=c11", "-D_GNU_SOURCE", "-O1", *static, SOURCE]
            if subprocess.run([*line, "-o", self.program], capture_output=True).returncode == 0:
                return True
        return False

    def accept(self):
        """The connection of one that was just started."""
        return Puppet(self.listener.accept()[0])

    def close(self):
        self.listener.close()
        shutil.rmtree(self.folder)


class Puppet:
    """One that runs, or the grandchild that it left."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(PATIENCE)

    def order(self, what, number=0, count=0, data=b""):
        self.connection.sendall(ORDER.pack(ord(what), number, 0, count or len(data)) + data)

    def has_answered(self):
        return bool(select.select([self.connection], [], [], 0)[0])

    def answer(self):
        """(count, errno, hash); None if it is gone."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while len(received) < ANSWER.size:
                piece = self.connection.recv(ANSWER.size - len(received))
                if not piece:
                    return None
                received += piece
        return ANSWER.unpack(received) if received else None

    def wait_until_gone(self, pid=None):
        """Until it has closed everything and, if it is ours, exited; without the loop."""
        with contextlib.suppress(ConnectionError):
            while self.connection.recv(1 << 12):
                pass
        deadline = time.monotonic() + PATIENCE
        while pid is not None and not has_exited(pid):
            assert time.monotonic() < deadline, "the child does not exit"
            time.sleep(0.0001)

    def release(self):
        """Lets a grandchild go, and waits until it has."""
        credentials = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        fd = os.pidfd_open(struct.unpack("=iII", credentials)[0])
        self.close()
        gone = select.select([fd], [], [], PATIENCE)[0]
        os.close(fd)
        assert gone, "the grandchild does not exit"

    def close(self):
        self.connection.close()


def has_exited(pid):
    """Whether a child of ours is a zombie or reaped; leaves it as it is."""
    try:
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return status is not None
