# SPDX-License-Identifier: MIT
"""Lines of any length: StreamReader.lines() and Process.lines()."""

import codecs

from . import _core

CHUNK = 64 * 1024  # bytes: what a pipe holds


def decoder_of(encoding, errors):
    """An incremental decoder.  ValueError where bytes do not tell where a line ends (UTF-16)."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    if codecs.getincrementaldecoder(encoding)("replace").decode(b"\r\n", True) != "\r\n":
        raise ValueError(f"{encoding} does not write a newline as ASCII does")
    return decoder


class Lines:
    """An asynchronous iterator of a stream's lines, as bytes."""

    def __init__(self, reader, most):
        self.next_line = reader._next_line
        self.most = most

    def __aiter__(self):
        return self

    def __anext__(self):
        return self.next_line(self.most, False)


class TextLines(Lines):
    """The same as str."""

    def __init__(self, reader, most, decoder):
        super().__init__(reader, most)
        self.decoder = decoder

    async def __anext__(self):
        while line := await self.next_line(self.most, True):
            is_last = line[-1] not in b"\r\n" and (self.most is None or len(line) < self.most)
            if text := text_of(line, self.decoder, is_last):
                return text
        if text := decode(self.decoder, b"", True):  # a character that was never finished
            return text
        raise StopAsyncIteration


def decode(decoder, data, is_last=False):
    """After an error decoding begins anew with the next bytes."""
    try:
        return decoder.decode(data, is_last)
    except UnicodeDecodeError:
        decoder.reset()
        raise


def text_of(line, decoder, is_last=False):
    text = decode(decoder, line, is_last)
    if line[-1] == 13 or line[-2:] == b"\r\n":
        return text.rstrip("\r\n") + "\n"
    return text


class Splitter:
    """Makes lines of data that comes in pieces."""

    def __init__(self, most, decoder):
        self.most = most
        self.decoder = decoder
        self.rest = bytearray()  # the beginning of a line
        self.skips_newline = False  # the last line ended in "\r", and a "\n" may still belong to it

    def finished(self, line):
        return line if self.decoder is None else text_of(line, self.decoder)

    def split(self, data):
        """Iterate over the lines that these bytes complete."""
        if self.skips_newline:
            data = data.removeprefix(b"\n")
        if self.decoder is None:
            ends = data.split(b"\n")
            pieces = [piece + b"\n" for piece in ends[:-1]] + ends[-1:]
        else:
            pieces = data.splitlines(keepends=True)
            self.skips_newline = data[-1:] == b"\r"
        for piece in pieces:
            is_ended = piece[-1:] == b"\n" or (self.decoder is not None and piece[-1:] == b"\r")
            if is_ended and not self.rest and (self.most is None or len(piece) <= self.most):
                yield piece
                continue
            self.rest += piece
            if self.most is not None:
                yield from self.cut()
            if is_ended and self.rest:
                yield bytes(self.rest)
                self.rest.clear()

    def cut(self):
        while len(self.rest) >= self.most:
            size = self.most
            if self.decoder is not None and self.rest[size - 1 : size + 1] == b"\r\n":
                size += 1
            yield bytes(self.rest[:size])
            del self.rest[:size]

    def tail(self):
        """The rest after the last newline."""
        last = bytes(self.rest)
        self.rest.clear()
        if self.decoder is not None:
            last = decode(self.decoder, last, True)
        return last


def reader_lines(self, *, encoding=None, errors="strict", max_line=None):
    """Iterate over the lines of the stream, of any length, by `async for`.

    Nothing is read ahead of the line that is given, so stopping loses
    nothing. The limit of the stream does not count. What follows the
    last newline comes last, without a newline.

    encoding: str, or None for bytes, where only a newline ends a line.
        It gives str, with universal newlines; the newline of the
        encoding has to be that of ASCII.
    errors: str; what to do with bytes that cannot be decoded.
    max_line: int, in bytes; a longer line comes in pieces of that size,
        of which only the last has the newline, as from readline(size)
        of a file. None is no limit.
    Returns an asynchronous iterator of bytes or str.
    Raises RuntimeError if another task is waiting for data, LookupError
        for an unknown encoding, ValueError for one that does not fit.

    Not in asyncio.
    """
    check(max_line)
    if encoding is None:
        return Lines(self, max_line)
    return TextLines(self, max_line, decoder_of(encoding, errors))


def process_lines(self, *, encoding=None, errors="strict", max_line=None):
    """Iterate over the lines of stdout and stderr, by `async for`.

    They come as pairs (1 or 2, line), in the order in which their ends
    arrived, until both streams have ended. Data that was read from a
    stream, up to 64 KiB, is not available to its other methods.

    encoding: as in StreamReader.lines().
    errors: as in StreamReader.lines().
    max_line: as in StreamReader.lines().
    Returns an asynchronous iterator of (int, bytes) or (int, str).
    Raises RuntimeError if another task is waiting for data, LookupError
        for an unknown encoding, ValueError for one that does not fit.

    Not in asyncio.
    """
    check(max_line)
    decoders = [None, None]
    if encoding is not None:
        decoders = [decoder_of(encoding, errors) for _ in decoders]
    return LinesOfBoth(self, [Splitter(max_line, decoder) for decoder in decoders])


class LinesOfBoth:
    """An asynchronous iterator of the pairs.  A step that was cancelled or has raised can be
    followed by another, which a generator does not allow."""

    def __init__(self, process, splitters):
        self.process = process
        self.splitters = splitters
        self.stream = 1
        self.lines = iter(())  # of the stream, read but not returned yet

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            splitter = self.splitters[self.stream - 1]
            for line in self.lines:
                if line := splitter.finished(line):
                    return self.stream, line
            piece = await self.process._next_output(CHUNK)
            if piece is None:
                return self.tail()
            self.stream, data = piece
            self.lines = self.splitters[self.stream - 1].split(data)

    def tail(self):
        for stream, splitter in enumerate(self.splitters, 1):
            if tail := splitter.tail():
                return stream, tail
        raise StopAsyncIteration


def check(max_line):
    if max_line is not None and max_line < 1:
        raise ValueError("max_line must be above 0")


def become_methods():
    for cls, function in (_core.StreamReader, reader_lines), (_core.Process, process_lines):
        function.__name__ = "lines"
        function.__qualname__ = f"{cls.__name__}.lines"
        cls.lines = function


become_methods()
