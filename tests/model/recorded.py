"""Programs that once found something, so that they are run every time."""

PIPES = {
    "shell": False,
    "stdin": "pipe",
    "stdout": "pipe",
    "stderr": "pipe",
    "limit": 65536,
    "pipesize": -1,
}

RECORDED = [
    # communicate() left a pipe open whose end had been fed by hand.
    (PIPES, [("feed_eof", 1), ("torrent", 2, 2, "communicate")]),
    (PIPES, [("feed_eof", 1), ("communicate", None), ("say", 2, b"line\n"), ("cancel", 0)]),
    # The end is fed by hand to a stream whose pipe is paused.
    (
        PIPES | {"limit": 8},
        [("feed", 1, b"x" * 20), ("feed_eof", 1), ("say", 1, b"a"), ("readexactly", 1, 30)],
    ),
    # What is behind a limit while a reader that waited for more is cancelled.
    (PIPES | {"limit": 8}, [("readexactly", 1, 200), ("say", 1, b"x" * 20), ("cancel", 0)]),
    (PIPES | {"limit": 8}, [("read", 1, -1), ("say", 1, "a line of 5000"), ("cancel", 0)]),
    # The child is gone, or has written, and the loop has not seen it.
    (PIPES, [("read", 1, 0), ("exit", 0, "quiet"), ("drain",)]),
    (PIPES, [("readuntil", 1, b"\n"), ("exit", 0, "quiet"), ("readuntil", 1, b"\n")]),
    (PIPES, [("wait",), ("wait",), ("cancel", 0), ("exit", 7, "quiet"), ("kill",)]),
    # A grandchild holds the pipes of a child that has exited.
    (PIPES, [("hold",), ("say", 1, b"a"), ("wait",), ("exit", 255), ("communicate", None)]),
    # Cancelled in the midst of a lot.
    (PIPES | {"limit": 1}, [("torrent", 1, 4, "read"), ("torrent", 1, 9, "communicate")]),
    (PIPES | {"limit": 1}, [("flood", 1), ("gulp", 1), ("read", 1, -1), ("gulp", 1 << 21)]),
    # The rest of a group that was stopped, and what the child's Process holds for it.
    (
        PIPES | {"leads": True},
        [("say", 1, b"a"), ("hold",), ("release",), ("stop", 9, 0)],
    ),
]
