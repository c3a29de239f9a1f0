"""Where asyncio compares numbers, any that can be compared will do."""

import asyncio
import decimal
import errno
import fractions
import sys

import pytest
from support import kill_and_wait, running

pytestmark = pytest.mark.one_loop("numbers are looked at before a loop is used")


INF, NAN, HUGE = float("inf"), float("nan"), 2**70
DATA = b"hello world"


class Index:
    """An int to who asks for one, and not to who compares."""

    def __index__(self):
        return 3


@pytest.mark.parametrize(
    "limit", [1e6, INF, NAN, 2**64, HUGE, True, decimal.Decimal("1e9"), fractions.Fraction(199, 2)]
)
def test_limit_of_any_number(aio, limit):
    async def main():
        reader = aio.StreamReader(limit=limit)
        assert reader._limit is limit
        assert f"limit={limit}" in repr(reader)
        proc = await aio.create_subprocess_exec("echo", "hi", stdout=aio.PIPE, limit=limit)
        assert proc.stdout._limit is limit
        reader.feed_data(b"\nx\n")
        assert await reader.readline() == b"\n"
        assert await reader.readline() == b"x\n"
        assert limit == 1 or await proc.stdout.readline() == b"hi\n"
        proc.stdout._limit = 100.5
        assert proc.stdout._limit == 100.5
        await proc.wait()

    aio.run(main)


@pytest.mark.parametrize("limit", [0, 0.0, -1, -HUGE, False, -INF, decimal.Decimal(0)])
def test_limit_that_is_not_above_zero(aio, limit):
    async def main():
        with pytest.raises(ValueError, match="Limit cannot be <= 0"):
            aio.StreamReader(limit=limit)

    aio.run(main)


@pytest.mark.parametrize("limit", ["1", 1j, []])
def test_limit_that_cannot_be_compared(aio, limit):
    async def main():
        with pytest.raises(TypeError, match="'<=' not supported between instances"):
            aio.StreamReader(limit=limit)

    aio.run(main)


@pytest.mark.parametrize("limit", [3, 3.5, fractions.Fraction(7, 2), decimal.Decimal("3.99")])
def test_limit_is_exact(aio, limit):
    """3 bytes are within it, 4 are not; the transport is paused above twice as much."""

    class Transport:
        def __init__(self):
            self.calls = []

        def pause_reading(self):
            self.calls.append("pause")

        def resume_reading(self):
            self.calls.append("resume")

    async def main():
        reader, transport = aio.StreamReader(limit=limit), Transport()
        reader.feed_data(b"123\n1234\n12")
        assert await reader.readline() == b"123\n"
        with pytest.raises(ValueError, match="Separator is found, but chunk is longer than limit"):
            await reader.readline()
        reader.set_transport(transport)
        reader.feed_data(b"x" * (int(2 * limit) - 2))
        assert not transport.calls
        reader.feed_data(b"x")
        assert transport.calls == ["pause"]
        while len(reader._buffer) > 4:
            await reader.readexactly(1)
        assert transport.calls == ["pause"]
        await reader.readexactly(1)
        assert transport.calls == ["pause", "resume"]

    aio.run(main)


@pytest.mark.parametrize(
    "given",
    [
        {"high": 1e6},
        {"high": HUGE},
        {"high": HUGE, "low": HUGE - 1},
        {"low": 2.5},
        {"low": 2**62},
        {"high": INF, "low": 0},
        {"high": 10.5, "low": 2},
        {"high": decimal.Decimal(8)},
        {"high": fractions.Fraction(9, 2)},
        {"high": True},
        {"high": 0},
        {"high": 0, "low": 0},
        {},
    ],
    ids=repr,
)
@pytest.mark.differs("uvloop", "other numbers")
def test_write_buffer_limits_of_any_number(aio, given):
    high, low = given.get("high"), given.get("low")
    if high is None:
        high = 64 * 1024 if low is None else 4 * low
    if low is None:
        low = high // 4

    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            transport.set_write_buffer_limits(**given)
            assert repr(transport.get_write_buffer_limits()) == repr((low, high))

    aio.run(main)


@pytest.mark.parametrize(
    "given, error",
    [
        ({"high": 10, "low": 20}, r"^high \(10\) must be >= low \(20\) must be >= 0$"),
        ({"high": INF}, r"^high \(inf\) must be >= low \(nan\) must be >= 0$"),
        ({"high": NAN}, "must be >= low"),
        ({"high": -1}, r"^high \(-1\) must be >= low \(-1\) must be >= 0$"),
        ({"low": -2.5}, r"^high \(-10.0\) must be >= low \(-2.5\) must be >= 0$"),
        ({"high": "a"}, TypeError),
        ({"low": []}, TypeError),
    ],
    ids=repr,
)
@pytest.mark.differs("uvloop", "other numbers")
def test_write_buffer_limits_that_are_refused(aio, given, error):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            before = transport.get_write_buffer_limits()
            kind = TypeError if error is TypeError else ValueError
            with pytest.raises(kind, match=None if error is TypeError else error):
                transport.set_write_buffer_limits(**given)
            assert transport.get_write_buffer_limits() == before

    aio.run(main)


@pytest.mark.differs("uvloop", "other numbers")
def test_high_water_of_a_fraction(aio):
    async def main():
        async with running(aio, "sleep", "60", stdin=aio.PIPE) as proc:
            transport = proc.stdin.transport
            transport.set_write_buffer_limits(high=10.5)
            while transport.get_write_buffer_size() == 0:
                proc.stdin.write(bytes(4096))
            transport.set_write_buffer_limits(high=transport.get_write_buffer_size() + 0.5)
            proc.stdin.write(b"x")
            draining = asyncio.ensure_future(proc.stdin.drain())
            await asyncio.sleep(0.01)
            assert not draining.done()
            draining.cancel()
            await asyncio.wait([draining])

    aio.run(main)


def fed(aio, data=DATA):
    reader = aio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize("n", [HUGE, 2**63, 2**64, 12])
def test_readexactly_more_than_can_be(aio, n):
    async def main():
        reader = aio.StreamReader()
        reading = asyncio.ensure_future(reader.readexactly(n))
        reader.feed_data(DATA)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not reading.done()
        reader.feed_eof()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reading
        assert (caught.value.partial, caught.value.expected) == (DATA, n)

    aio.run(main)


@pytest.mark.parametrize("n", [-1, -HUGE, -0.5, -INF, decimal.Decimal(-1)])
def test_readexactly_less_than_nothing(aio, n):
    async def main():
        with pytest.raises(ValueError, match="^readexactly size can not be less than zero$"):
            await fed(aio).readexactly(n)

    aio.run(main)


@pytest.mark.parametrize("n", [INF, 12.0, decimal.Decimal(30), fractions.Fraction(23, 2)])
def test_readexactly_of_a_number_that_is_not_there(aio, n):
    async def main():
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await fed(aio).readexactly(n)
        assert caught.value.partial == DATA and caught.value.expected is n

    aio.run(main)


@pytest.mark.parametrize("n", [1.0, 5.5, decimal.Decimal(3), NAN, "a", None, Index(), []])
def test_readexactly_of_what_is_no_int(aio, n):
    async def main():
        reader = fed(aio)
        with pytest.raises(TypeError):
            await reader.readexactly(n)
        assert await reader.read() == DATA

    aio.run(main)


@pytest.mark.parametrize("method", ["read", "readexactly"])
@pytest.mark.parametrize("n", [0, 0.0, False, decimal.Decimal(0)])
def test_zero_of_any_kind(aio, method, n):
    async def main():
        reader = aio.StreamReader()
        assert await getattr(reader, method)(n) == b""

    aio.run(main)


@pytest.mark.parametrize("n", [HUGE, 2**63, -1, -HUGE, -0.5, -INF])
def test_read_far_out(aio, n):
    async def main():
        assert await fed(aio).read(n) == DATA

    aio.run(main)


@pytest.mark.parametrize("n", [INF, NAN, 12.0, 11.0, decimal.Decimal(30)])
@pytest.mark.differs("asyncio", "slices by it before 3.15", when=sys.version_info < (3, 15))
def test_read_more_than_there_is(aio, n):
    async def main():
        assert await fed(aio).read(n) == DATA

    aio.run(main)


@pytest.mark.parametrize("n", [1.0, 5.5, decimal.Decimal(3), "a", None, Index(), []])
def test_read_of_what_is_no_int(aio, n):
    async def main():
        reader = fed(aio)
        with pytest.raises(TypeError):
            await reader.read(n)
        assert await reader.read() == DATA

    aio.run(main)


@pytest.mark.parametrize("method", ["read", "readexactly"])
def test_nothing_is_looked_at_before_it_is_awaited(aio, method):
    async def main():
        coro = getattr(fed(aio), method)("a")
        with pytest.raises(TypeError):
            await coro

    aio.run(main)


@pytest.mark.differs("uvloop", "wants an int")
def test_get_pipe_transport_of_what_equals(aio):
    async def main():
        async with running(aio, "cat", stdout=aio.PIPE) as proc:
            pipe = proc._transport.get_pipe_transport(1)
            for same in (1.0, True, decimal.Decimal(1)):
                assert proc._transport.get_pipe_transport(same) is pipe
            for other in (0, 2, 3, -1, HUGE, "x", None, 1.5):
                assert proc._transport.get_pipe_transport(other) is None
            with pytest.raises(TypeError):
                proc._transport.get_pipe_transport([])

    aio.run(main)


@pytest.mark.differs("uvloop", "other errors")
def test_signal_numbers(aio):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            for number in (-1, 1000, 2**31):
                with pytest.raises(OSError) as caught:
                    proc.send_signal(number)
                assert caught.value.errno == errno.EINVAL
            with pytest.raises(OverflowError):
                proc.send_signal(HUGE)
            for number in (9.0, "SIGKILL", None):
                with pytest.raises(TypeError):
                    proc.send_signal(number)
            assert proc.returncode is None

    aio.run(main)


@pytest.mark.parametrize("signal", [0, HUGE, 1.0, "SIGTERM", None])
@pytest.mark.differs("uvloop", "other errors")
@pytest.mark.differs("asyncio", "says nothing from 3.14 on", when=sys.version_info >= (3, 14))
def test_signal_to_a_child_that_has_ended(aio, signal):
    async def main():
        async with running(aio, "cat", stdin=aio.PIPE) as proc:
            await kill_and_wait(proc)
            with pytest.raises(ProcessLookupError):
                proc.send_signal(signal)

    aio.run(main)


@pytest.mark.may_warn("integer value out of range")  # of asyncio, from 3.15 on
@pytest.mark.parametrize("size", [HUGE, -HUGE, 1, -1, 0])
@pytest.mark.differs("uvloop", "does not know it")
def test_pipe_size_far_out(aio, size):
    async def main():
        proc = await aio.create_subprocess_exec("echo", "x", stdout=aio.PIPE, pipesize=size)
        assert await proc.communicate() == (b"x\n", None)

    aio.run(main)


@pytest.mark.parametrize("size", [0.0, decimal.Decimal(0)])
@pytest.mark.differs("uvloop", "other errors")
def test_bufsize_that_is_no_int(aio, size):
    async def main():
        with pytest.raises(TypeError, match="^bufsize must be an integer$"):
            await aio.create_subprocess_exec("true", bufsize=size)

    aio.run(main)
