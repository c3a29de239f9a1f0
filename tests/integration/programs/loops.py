"""Runs a program's main coroutine, on uvloop if that is an argument of the program."""

import asyncio
import sys

UVLOOP = "uvloop" in sys.argv[1:]


def run(main):
    loop_factory = None
    if UVLOOP:
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)
