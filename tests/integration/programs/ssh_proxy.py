"""asyncssh: connections through a proxy command to a server that runs local children.

With the argument `relay` and a port it is the proxy command.
"""

import asyncio
import hashlib
import os
import socket
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import asyncssh
from loops import run

CONNECTIONS = 2


def relay(port):
    """Joins stdin and stdout to a TCP port, as netcat does."""
    with socket.create_connection(("127.0.0.1", port)) as connection:

        def upstream():
            while data := os.read(0, 1 << 16):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=upstream, daemon=True).start()
        while data := connection.recv(1 << 16):
            os.write(1, data)


serving = set()  # the tasks of commands


async def serve_command(process):
    """Runs the command of the client in a child, whose streams are the channel's."""
    serving.add(asyncio.current_task())
    child = await asyncio.create_subprocess_shell(
        process.command, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    # Two streams end here, in any order, and the first must not close the channel.
    await process.redirect(child.stdin, child.stdout, child.stderr, send_eof=False)
    status = await child.wait()
    await process.stdout.drain()
    await process.stderr.drain()
    process.exit(status)
    await process.wait_closed()


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


def command(connection, text):
    """One that has no input (and sees so: uvloop dislikes an end of file sent to the dead)."""
    return connection.run(f"cat && {{ {text}; }}", stdin=DEVNULL)


async def use(connection):
    done = await command(connection, "echo out; echo err >&2; exit 3")
    print("run", done.exit_status, repr(done.stdout), repr(done.stderr))

    done = await connection.run("tr a-z A-Z", input="through two processes\n" * 3)
    print("input", done.exit_status, repr(done.stdout))

    data = bytes(range(256)) * 8192
    done = await connection.run("cat", input=data, encoding=None)
    print("2 MiB", done.exit_status, digest(done.stdout))

    done = await asyncio.gather(*(command(connection, f"expr {n} '*' {n}") for n in range(1, 21)))
    print("together", [int(each.stdout) for each in done])

    async with connection.create_process("cat") as process:
        for word in ("one", "two", "three"):
            process.stdin.write(word + "\n")
            print("line", repr(await process.stdout.readline()))
        process.stdin.write_eof()
        print("rest", repr(await process.stdout.read()))

    # A child of this side feeds the command on the other.
    child = await asyncio.create_subprocess_exec("seq", "20000", stdout=PIPE)
    async with connection.create_process("wc -lc", stdin=child.stdout) as process:
        print("fed by a child", (await process.stdout.read()).split())
    print("which left with", await child.wait())


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    keys = asyncssh.import_authorized_keys(key.export_public_key().decode())
    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=keys,
        process_factory=serve_command,
        encoding=None,
    ) as server:
        proxy = [sys.executable, __file__, "relay", str(server.get_port())]
        options = {"proxy_command": proxy, "known_hosts": None, "config": None}
        for number in range(CONNECTIONS):
            async with asyncssh.connect(
                "behind.proxy", username="user", client_keys=[key], agent_path=None, **options
            ) as connection:
                print("connection", number, connection.get_extra_info("username"))
                await use(connection)
                await asyncio.wait(serving)
            await connection.wait_closed()

        # A proxy command that leaves after the first line.
        options["proxy_command"] = ["sh", "-c", "read version"]
        try:
            await asyncssh.connect("behind.proxy", username="user", agent_path=None, **options)
        except (asyncssh.Error, OSError) as error:
            print("no proxy", isinstance(error, asyncssh.ConnectionLost))
    # asyncssh does not wait for the proxy commands that it ends, and a loop that is closed says so.
    while Path(f"/proc/self/task/{os.getpid()}/children").read_text():
        await asyncio.sleep(0.01)


if "relay" in sys.argv[1:]:
    relay(int(sys.argv[-1]))
else:
    run(main())
