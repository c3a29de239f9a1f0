"""CPython built without a GIL: the module needs none, with loops and other users in many threads.

Where there is a GIL the same holds, between any two instructions of Python. Of an interpreter and a
module built with ThreadSanitizer these tests want no report either.
"""

import sysconfig

import pytest
from support import Aio

HAS_GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")
PRELUDE = """
import gc
from workload import *
from cross_thread_use import *
sys.setswitchinterval(1e-5)
"""


@pytest.fixture
def script(monkeypatch):
    """Run a script that has no GIL, if that can be, and return what it says to stderr."""

    def run(source):
        monkeypatch.delenv("PYTHON_GIL", raising=False)
        if not HAS_GIL:
            source = f"assert not sys._is_gil_enabled()\n{source}\nassert not sys._is_gil_enabled()"
        done = Aio("fastproc", "stdlib").script(PRELUDE + source, timeout=200)
        return done.stderr.decode()

    return run


@pytest.mark.skipif(HAS_GIL, reason="this CPython has a GIL")
def test_import_leaves_the_gil_off(script):
    assert script("import _fastproc") == ""


def test_loops_in_eight_threads_at_once(script):
    assert script("in_threads([lambda n=n: be_busy(n) for n in range(8)])") == ""


def test_other_threads_that_look_at_the_objects_of_a_loop(script):
    assert script("only_look(rounds=6)") == ""


def test_other_threads_that_use_the_objects_of_a_loop(script):
    """Wrongly, by asyncio's rules: nobody can say what comes of it, but the interpreter goes on."""
    assert script("meddle(rounds=12)") == ""


def test_loops_in_threads_and_other_users_of_each(script):
    told = script(
        "in_threads([lambda: meddle(4, 2), lambda: meddle(4, 2), lambda: only_look(4, 2)])"
    )
    assert told == ""


def test_configuration_that_changes_meanwhile(script):
    told = script("""
def change():
    while not over.is_set():
        aio.core.configure(gate=1, shortcuts=False, reap="thread", spawn="vfork")
        aio.core.configure(gate=3, shortcuts=True, reap="auto", spawn="auto")

over = threading.Event()
changing = threading.Thread(target=change)
changing.start()
try:
    in_threads([lambda n=n: be_busy(n, rounds=2) for n in range(3)])
finally:
    over.set()
    changing.join()
""")
    assert told == ""


@pytest.mark.slow("test_forks.py has them where there is a GIL")
def test_forks_beside_them(script):
    told = script(
        """
def forks():
    for _ in range(40):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            gc.collect()  # no more: see test_forks.py
            os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)

warnings.simplefilter("ignore")
in_threads([forks] + [lambda n=n: be_busy(n) for n in range(3)])
"""
    )
    assert told == ""
