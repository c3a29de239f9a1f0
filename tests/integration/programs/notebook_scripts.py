"""IPython: cells run by other programs (%%script).

The children belong to a loop that IPython keeps in a thread of its own.
"""

import hashlib
import tempfile
from subprocess import CalledProcessError

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def use(shell):
    def script(line, text):
        try:
            shell.run_cell_magic("script", line, text)
        except CalledProcessError as error:
            print("failed", error.returncode)

    script("sh", "echo hello; echo from a script")
    script("--out out --err err sh", "echo out; echo err >&2")
    print(repr(shell.user_ns["out"]), repr(shell.user_ns["err"]))
    script("--out numbers sh", "seq 100000")
    print(hashlib.sha256(shell.user_ns["numbers"].encode()).hexdigest())
    script("--out copy cat", "not a program " * 10_000)
    print(len(shell.user_ns["copy"]))
    script("sh", "exit 3")
    script("--no-raise-error sh", "exit 3")
    script("/no/such/program", "nothing")


with tempfile.TemporaryDirectory() as folder:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    use(InteractiveShell.instance(config=config, ipython_dir=folder))
