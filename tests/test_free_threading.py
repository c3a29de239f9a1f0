"""CPython built without a GIL: the module asks for one, and what holds where it is refused.

Of an interpreter and a module built with ThreadSanitizer these tests want no report either.
"""

import sysconfig

import pytest
from support import Aio

pytestmark = [
    pytest.mark.skipif(
        not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this CPython has a GIL"
    ),
    pytest.mark.may_warn("has been enabled to load module"),  # in this process as well
]
PRELUDE = "from busy import *\n"


@pytest.fixture
def script(monkeypatch):
    """Aio.script() where PYTHON_GIL is as given: "0" keeps the GIL off, None leaves it to modules."""

    def run(gil, source):
        if gil is None:
            monkeypatch.delenv("PYTHON_GIL", raising=False)
        else:
            monkeypatch.setenv("PYTHON_GIL", gil)
        done = Aio("fastproc", "stdlib").script(PRELUDE + source, timeout=200)
        return done.stderr.decode()

    return run


def test_import_turns_the_gil_on(script):
    """Not before objects that several threads use are guarded may it say that it needs none."""
    told = script(None, "assert sys._is_gil_enabled()")
    assert "GIL) has been enabled to load module '_fastproc._core'" in told


def test_loops_in_eight_threads_at_once_without_it(script):
    told = script(
        "0",
        "assert not sys._is_gil_enabled(); in_threads([lambda n=n: be_busy(n) for n in range(8)])",
    )
    assert told == ""


def test_forks_beside_them(script):
    told = script(
        "0",
        """
def forks():
    for _ in range(40):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            os._exit(0 if aio.run(output_of(aio, "echo", "x")) == b"x\\n" else 1)
        assert os.waitpid(pid, 0) == (pid, 0)

warnings.simplefilter("ignore")
in_threads([forks] + [lambda n=n: be_busy(n) for n in range(3)])
""",
    )
    assert told == ""
