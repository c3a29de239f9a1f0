# SPDX-License-Identifier: MIT
"""How run() keeps the first or last bytes of outputs, decodes them, and copies them to our own."""

import codecs
import collections
import contextlib
import errno
import io
import locale
import os
import sys


class Kept:
    """The first or last bytes of a stream, and how many there were."""

    SMALL = 4096  # bytes: from here on a piece is kept as it is, without a copy

    def __init__(self, most, keep):
        self.most = most
        self.keep = keep
        self.pieces = collections.deque()
        self.size = 0  # of all pieces
        self.count = 0

    def add(self, data):
        self.count += len(data)
        if self.most is not None and self.keep == "head":
            data = data[: self.most - self.size]
        self.size += len(data)
        if len(data) >= self.SMALL:
            self.pieces.append(data)
        elif self.pieces and isinstance(self.pieces[-1], bytearray):
            self.pieces[-1] += data
            if len(self.pieces[-1]) >= self.SMALL:
                self.pieces[-1] = bytes(self.pieces[-1])
        else:
            self.pieces.append(bytearray(data))
        if self.most is not None and self.keep == "tail":
            while self.pieces and self.size - len(self.pieces[0]) >= self.most:
                self.size -= len(self.pieces.popleft())

    def all(self):
        data = b"".join(self.pieces)
        if self.most is not None and self.keep == "tail":
            return data[max(0, len(data) - self.most) :]
        return data


class Codec:
    """Converts between bytes and text as subprocess.run() does in text mode."""

    LONGEST = 4  # bytes of a character

    def __init__(self, encoding, errors):
        self.encoding = encoding or io.text_encoding(None)
        if self.encoding == "locale":
            self.encoding = locale.getencoding()
        "".encode(self.encoding)  # LookupError also for a codec without text, such as "hex"
        self.errors = errors or "strict"

    def encode(self, text):
        if not isinstance(text, str):
            raise TypeError(f"input must be str in text mode, not {type(text).__name__}")
        return text.encode(self.encoding, self.errors)

    def decode(self, data, cut):
        """cut: "tail" if what was before is missing, "head" if what came after."""
        if cut == "head":
            text = codecs.getincrementaldecoder(self.encoding)(self.errors).decode(data)
        else:
            text = self.decode_from(data, self.LONGEST if cut else 1)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def decode_from(self, data, tries):
        """Decode, leaving out the rest of a character that was cut."""
        for start in range(tries):
            with contextlib.suppress(UnicodeDecodeError):
                return data[start:].decode(self.encoding, self.errors)
        return data.decode(self.encoding, self.errors)


class OurOwn:
    """Copies the outputs of the child to our own sys.stdout and sys.stderr."""

    def __init__(self):
        new_decoder = codecs.getincrementaldecoder("utf-8")
        self.decoders = {1: new_decoder("replace"), 2: new_decoder("replace")}

    def __call__(self, stream, data):
        file = sys.stdout if stream == 1 else sys.stderr
        if file is None:  # the descriptor was closed when Python started; print() is silent, too
            return
        buffer = getattr(file, "buffer", None)
        if buffer is None:
            file.write(self.decoders[stream].decode(data))
        else:
            file.flush()
            write_all(buffer, data)
        file.flush()


def write_all(file, data):
    """Also to a raw file, as under `python -u`, because a signal may end its write() early."""
    if not isinstance(file, io.RawIOBase):
        file.write(data)
        return
    while data:
        written = file.write(data)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = data[written:]
