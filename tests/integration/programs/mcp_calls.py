"""The MCP Python SDK: a client and its stdio server exchange 1,000 tool calls.

With the argument `serve` it is the server.
"""

import hashlib
import sys

import anyio
from loops import UVLOOP
from mcp import ClientSession, MCPError, StdioServerParameters, stdio_client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

CALLS = 1000
AT_ONCE = 8

server = MCPServer("arithmetic", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@server.tool()
def repeat(text: str, times: int) -> str:
    """The text so many times."""
    return text * times


@server.tool()
def fail(reason: str) -> str:
    """Never succeeds."""
    raise ToolError(reason)


@server.resource("squares://{number}")
def square(number: int) -> str:
    return str(number**2)


def text_of(result):
    return "".join(block.text for block in result.content)


async def call(session, number):
    """Every tenth call has a long answer."""
    if number % 10:
        return text_of(await session.call_tool("add", {"a": number, "b": 1}))
    arguments = {"text": f"{number} ", "times": 5000}
    text = text_of(await session.call_tool("repeat", arguments))
    return hashlib.sha256(text.encode()).hexdigest()


async def call_many(session):
    answers = [None] * CALLS

    async def caller(first):
        for number in range(first, CALLS, AT_ONCE):
            answers[number] = await call(session, number)

    async with anyio.create_task_group() as group:
        for first in range(AT_ONCE):
            group.start_soon(caller, first)
    print(CALLS, "calls", hashlib.sha256(repr(answers).encode()).hexdigest())
    print(answers[:3], answers[-1])


async def main():
    this_server = StdioServerParameters(command=sys.executable, args=[__file__, "serve"])
    async with stdio_client(this_server) as streams, ClientSession(*streams) as session:
        hello = await session.initialize()
        print(hello.server_info.name)
        print(sorted(tool.name for tool in (await session.list_tools()).tools))
        await call_many(session)
        failed = await session.call_tool("fail", {"reason": "as asked"})
        print(failed.is_error, text_of(failed))
        resource = await session.read_resource("squares://12")
        print(resource.contents[0].text)
        try:
            await session.read_resource("cubes://3")
        except MCPError as error:
            print(type(error).__name__, error.error.message)

    # A server that neither answers nor ends with its stdin: the SDK kills it.
    silent = StdioServerParameters(command="sleep", args=["60"])
    with anyio.move_on_after(0.3) as scope:
        async with stdio_client(silent) as streams, ClientSession(*streams) as session:
            await session.initialize()
    print("silent server", scope.cancelled_caught)

    # One that ends at once.
    async with stdio_client(StdioServerParameters(command="true")) as streams:
        print("no server", [message async for message in streams[0]])


if "serve" in sys.argv[1:]:
    server.run("stdio")
else:
    anyio.run(main, backend_options={"use_uvloop": UVLOOP})
