"""Sub-interpreters with a GIL of their own, in one way on every version of Python that has them.

Imported by the scripts of test_interpreters.py.
"""

import sys

if sys.version_info >= (3, 14):
    from concurrent import interpreters

    def create():
        return interpreters.create()

    def run(interpreter, source):
        interpreter.exec(source)

    def destroy(interpreter):
        interpreter.close()

elif sys.version_info >= (3, 12):
    if sys.version_info >= (3, 13):
        import _interpreters
    else:
        import _xxsubinterpreters as _interpreters

    def create():
        return _interpreters.create()

    def run(interpreter, source):
        failure = _interpreters.run_string(interpreter, source)
        if failure is not None:  # before 3.13 it is raised
            raise RuntimeError(getattr(failure, "errdisplay", failure))

    def destroy(interpreter):
        _interpreters.destroy(interpreter)


class Interpreter:
    """One with a GIL of its own; `with` destroys it in the end."""

    def __init__(self):
        self.interpreter = create()

    def run(self, source):
        """Run source in it, in this thread; an exception there is one here."""
        run(self.interpreter, source)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        destroy(self.interpreter)
