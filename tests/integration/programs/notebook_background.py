"""IPython: cells run by other programs in the background (%%script --bg).

The children belong to a loop that IPython keeps in a thread of its own, the cells to another.
"""

import tempfile

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def use(shell):
    options = "--bg --out lines --proc process sh"
    shell.run_cell_magic("script", options, "echo in the background; seq 3; exit 5")
    shell.run_cell("print(await lines.readline()); print(await lines.read())")
    shell.run_cell("print(await process.wait(), process.returncode)")
    shell.run_cell_magic("script", options, "echo ready; exec sleep 60")
    shell.run_cell("print(await lines.readline())")
    shell.run_cell("process.terminate(); print(await process.wait())")


with tempfile.TemporaryDirectory() as folder:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    use(InteractiveShell.instance(config=config, ipython_dir=folder))
