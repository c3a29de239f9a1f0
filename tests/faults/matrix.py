"""One row of the fault matrix, in a process of its own, so that a crash has a name.

    python matrix.py FOLDER SCENARIO PATH LOOP MODE [--quick] [--from N]

--quick: one errno for each call, and no look at Python's memory.  FOLDER has the package that build.py
has made.  Says on standard output, in lines of JSON, which call it is about to have fail, and what came
of it.
"""

import argparse
import asyncio
import contextlib
import ctypes
import errno
import faulthandler
import gc
import json
import logging
import os
import re
import signal
import sys
import warnings
from pathlib import Path

STUCK = 60  # seconds after which a run that holds up the loop itself is shot, with a traceback
PATIENCE = 8  # seconds that a scenario may take; each takes milliseconds
MOST_ERRNOS = 6
IDLE = 2  # runs without a failure until there are no more calls: of which now there are more, now fewer
MAIN, THREAD, CHILD = range(3)
SYSTEM, MEMORY, PYTHON = 1, 2, 4

# mode: (what fails, where), as in seam.c
MODES = {
    "system": (SYSTEM, MAIN),
    "system-thread": (SYSTEM, THREAD),
    "system-child": (SYSTEM, CHILD),
    "memory": (MEMORY, MAIN),
    "memory-thread": (MEMORY, THREAD),
    "memory-child": (MEMORY, CHILD),
    "python": (PYTHON, MAIN),
}


class Seam:
    """The functions at the end of seam.c."""

    def __init__(self, library):
        self.library = ctypes.PyDLL(library)
        self.library.seam_hit_name.restype = ctypes.c_char_p
        self.library.seam_hit_from.restype = ctypes.c_long
        self.library.seam_blocks.restype = ctypes.c_long
        self.disarm = self.library.seam_disarm

    def arm(self, mode, at, which):
        self.library.seam_arm(*MODES[mode], at, which)

    def refuse(self, calls):
        for name, number in calls.items():
            if not self.library.seam_refuse(name.encode(), number):
                raise ValueError(name)

    def hit(self):
        """(name, errno, address of the caller), or None while nothing has failed."""
        name = self.library.seam_hit_name()
        if name is None:
            return None
        return name.decode(), self.library.seam_hit_errno(), self.library.seam_hit_from()

    def blocks(self):
        return self.library.seam_blocks()


class Noise(logging.Handler):
    """Warnings, unraisable exceptions and what asyncio logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []
        logging.getLogger("asyncio").addHandler(self)
        logging.getLogger("asyncio").propagate = False
        sys.unraisablehook = self.unraisable
        warnings.showwarning = self.warning
        warnings.simplefilter("always")

    def emit(self, record):
        error = record.exc_info[1] if record.exc_info else None
        self.heard.append((record.getMessage(), error))

    def unraisable(self, args):
        where = type(args.object).__name__
        self.heard.append((f"unraisable in {where}: {args.exc_value!r}", args.exc_value))

    def warning(self, message, category, filename, lineno, file=None, line=None):
        self.heard.append((f"{category.__name__}: {message}", None))

    def take(self):
        heard, self.heard = self.heard, []
        return heard


def chain(error):
    """The exception and what it came of."""
    seen, todo = [], [error]
    while todo:
        error = todo.pop()
        if error is not None and error not in seen:
            seen.append(error)
            todo += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]
    return seen


class Row:
    def __init__(self, package, name, path, loop, mode):
        sys.path[:0] = [str(package), str(Path(__file__).parent), str(Path(__file__).parent.parent)]
        import scenarios
        import support

        import _fastproc

        self.core = _fastproc._core
        assert Path(self.core.__file__).is_relative_to(package), self.core.__file__
        self.support = support
        self.scenario = scenarios.SCENARIOS[name]
        plain = {"spawn": "auto", "reap": "auto", "gate": 2, "share_from": 1024}
        self.configuration = plain | scenarios.PATHS[path]
        self.seam = Seam(self.core.__file__)
        self.seam.refuse(self.configuration.pop("refuse", {}))
        if mode == "python":
            self.seam.library.seam_hook_allocators()
        self.mode = mode
        self.plain = path == "clone" and loop == "stdlib"
        self.fault = scenarios.Fault(self.injected)
        self.noise = Noise()
        self.new_loop = (
            support.uvloop.new_event_loop if loop == "uvloop" else asyncio.SelectorEventLoop
        )
        self.types = tuple(value for value in vars(self.core).values() if isinstance(value, type))

    def injected(self):
        hit = self.seam.hit()
        return {hit[1]} - {0} if hit else set()

    # One run

    def run(self, at, which):
        """The exception that came out, or None; and what was seen to be wrong."""
        self.core.configure(**self.configuration)
        loop = self.new_loop()
        main = loop.create_task(self.begin(at, which))
        self.stuck = False
        alarms = [
            loop.call_later(PATIENCE, self.give_up, main),
            loop.call_later(PATIENCE + 2, loop.stop),
        ]
        faulthandler.dump_traceback_later(STUCK, exit=True)
        error = None
        try:
            loop.run_until_complete(main)
            loop.close()
        except BaseException as raised:
            self.seam.disarm()
            error = raised
        else:
            self.seam.disarm()
        if not loop.is_closed():
            error = self.end(loop, main, error)
        for alarm in alarms:
            alarm.cancel()
        faulthandler.cancel_dump_traceback_later()
        return error, self.stuck

    async def begin(self, at, which):
        """Within the task, since what fails before that is asyncio's alone."""
        self.seam.arm(self.mode, at, which)
        await self.scenario.function(self.fault)

    def give_up(self, main):
        self.stuck = True
        main.cancel()

    def end(self, loop, main, error):
        """Ends what a fault has interrupted."""
        if not main.done():  # it came out of the loop itself
            loop.call_later(PATIENCE, loop.stop)
            try:
                loop.run_until_complete(main)
            except BaseException as raised:
                raised.__context__ = error
                error = raised
        loop.close()
        return error

    # What may come of it

    def is_of_the_fault(self, error):
        if self.mode == "python" or self.mode.startswith("memory"):
            if any(isinstance(e, MemoryError) for e in chain(error)):
                return True
            if any(isinstance(e, OSError) and e.errno == errno.ENOMEM for e in chain(error)):
                return True  # a floor below Python's has no other word for it
            return self.mode == "memory-child" and type(error).__name__ == "SubprocessError"
        return any(isinstance(e, OSError) and e.errno in self.injected() for e in chain(error))

    def is_of_a_child_left(self, text):
        return (
            re.fullmatch(r"(ResourceWarning: )?subprocess \d+ is still running", text) is not None
        )

    def unexpected_noise(self, error):
        for text, about in self.noise.take():
            if about is not None and self.is_of_the_fault(about):
                continue
            if self.is_of_a_child_left(text) and (error or self.scenario.leaves_child):
                continue
            if text.startswith("Unknown child process pid") and self.may_lose_a_status():
                continue
            yield text

    def may_lose_a_status(self):
        return self.scenario.name == "status_taken_by_another" or self.fault.was(errno.ECHILD)

    def left(self, before):
        gc.collect()
        found = before.settled()
        objects = [o for o in gc.get_objects() if type(o).__module__.startswith("_fastproc")]
        objects = [o for o in objects if not isinstance(o, type)]
        objects = [o for o in objects if type(o).__name__ != "CoroutineFunction"]
        if (blocks := self.seam.blocks() - self.blocks) > 0:
            found["blocks"] = blocks
        if objects:
            found["objects"] = [repr(o)[:80] for o in objects[:5]]
        return found

    def judge(self, error, stuck):
        """What is wrong with what a run has come to, as a list of texts."""
        wrong = []
        if stuck:
            wrong.append("it hung")
        elif error is not None and not self.is_of_the_fault(error):
            wrong.append(f"raised {error!r}{location(error)}")
        return wrong + [f"noise: {text}" for text in self.unexpected_noise(error)]

    def try_point(self, at, which):
        """(what failed, the outcome, what is wrong)"""
        error, stuck = self.run(at, which)
        hit = self.seam.hit()
        outcome = "correct" if error is None else "raised"
        wrong = self.judge(error, stuck)
        error = outcome == "raised"  # the exception itself holds the Process of a child
        left = self.left(self.before)
        wrong += [f"noise: {text}" for text in self.unexpected_noise(error)]
        if self.cannot_kill(hit):
            for what in "children", "threads", "descriptors", "blocks":  # its own, and who waits
                left.pop(what, None)
        if left:
            wrong.append(f"left: {left}")
        if wrong or self.cannot_kill(hit):
            self.clean_up()
        return hit, outcome, wrong

    def cannot_kill(self, hit):
        """Whether the fault was one that a child of another user brings about, which then lives."""
        return hit is not None and hit[:2] in (
            ("pidfd_send_signal", errno.EPERM),
            ("kill", errno.EPERM),
        )

    def end_children(self):
        for pid in self.support.children():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def clean_up(self):
        """So that what is wrong with one is not held against the next."""
        self.end_children()
        # Who has waited for them in a thread closes a descriptor then.
        self.support.until_blocking(lambda: len(self.support.threads()) == 1)
        gc.collect()
        self.start_from_here()

    def start_from_here(self):
        self.before, self.blocks = self.support.Holdings(), self.seam.blocks()

    def leak(self, at, which):
        """Blocks of memory that each run leaves behind; of those that only the first leaves, 0."""
        for times in 4, 32, 256, 512:  # Python's free lists fill up meanwhile
            gc.collect()
            before = sys.getallocatedblocks() + self.seam.blocks()
            for _ in range(times):
                self.run(at, which)
                gc.collect()  # CPython has 16 MemoryErrors; then one that keeps all its tracebacks
                self.noise.take()
            self.clean_up()  # which is the scenario's business where it could kill: cannot_kill()
            growth = sys.getallocatedblocks() + self.seam.blocks() - before
            if growth < 0.9 * times:
                return 0
        return growth / times

    # All of them

    def all(self, first, quick):
        self.leaks_count = not quick and self.mode in ("system", "memory") and self.plain
        for _ in range(2 if quick else 50):  # fills caches, and shows that it is right
            error, stuck = self.run(-1, 0)
            assert error is None and not stuck, repr(error)
        self.noise.take()
        gc.collect()
        self.start_from_here()
        at, idle = first, 0
        while idle < IDLE:
            there = [self.point(at, which, quick) for which in self.errnos(quick)]
            idle = 0 if any(there) else idle + 1
            at += 1
        say(done=at)

    def errnos(self, quick):
        """The numbers of the errnos to fail with, as long as the call that was hit has one."""
        yield 0
        if not quick and self.mode.startswith("system"):
            for which in range(1, MOST_ERRNOS):
                if (hit := self.seam.hit()) is None or hit[1] == 0:
                    return
                yield which

    def point(self, at, which, quick):
        """Has one call fail.  Whether there was one."""
        say(begin=at, which=which)
        hit, outcome, wrong = self.try_point(at, which)
        there = hit is not None and hit[1] != 0
        if there and not wrong and self.leaks_count and not self.cannot_kill(hit):
            if leak := self.leak(at, which):
                wrong.append(f"leaks {leak:.1f} blocks of memory")
        say(at=at, which=which, there=there, hit=hit, outcome=outcome, wrong=wrong)
        return there


def location(error):
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f" at line {at.tb_lineno} of {at.tb_frame.f_code.co_name}" if at else ""


def say(**facts):
    print(json.dumps(facts), flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("package", "scenario", "path", "loop", "mode"):
        parser.add_argument(name)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--from", dest="first", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    row = Row(
        Path(options.package).resolve(), options.scenario, options.path, options.loop, options.mode
    )
    row.all(options.first, options.quick)


if __name__ == "__main__":
    main()
