"""The server of scripts that the other tests use."""

import os
import socket
import subprocess

import pytest
from script_server import ScriptServer, is_possible
from support import script_environment

KILL_THE_SERVER = "import os; os.kill(os.getppid(), 9); print('done')"


@pytest.fixture
def server():
    server = ScriptServer(script_environment())
    yield server
    server.close()


def run(server, source):
    return server.run(source, [], dict(os.environ), timeout=30)


@pytest.mark.parametrize("name", ["send_fds", "recv_fds"])
def test_it_is_not_used_where_descriptors_cannot_be_sent(monkeypatch, name):
    def refuse(*args):
        raise PermissionError

    assert is_possible()
    monkeypatch.setattr(socket, name, refuse)
    assert not is_possible()


def test_another_server_is_started_when_one_has_died():
    server = ScriptServer(script_environment())
    try:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                run(server, KILL_THE_SERVER)
            server.revive()
            assert run(server, "print(7)").stdout == b"7\n"
    finally:
        server.close()


def test_a_script_that_takes_too_long_is_killed_and_the_server_goes_on(server):
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("import time; print(os.getpid()); time.sleep(60)", [], dict(os.environ), 0.2)
    assert run(server, "import sys; sys.exit(7)").returncode == 7
