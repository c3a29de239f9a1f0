# SPDX-License-Identifier: MIT
import asyncio
from asyncio.subprocess import DEVNULL as DEVNULL
from asyncio.subprocess import PIPE as PIPE
from asyncio.subprocess import STDOUT as STDOUT
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from os import PathLike
from resource import struct_rusage
from types import ModuleType
from typing import Any, Self, TypeAlias, TypeVar, final

from _typeshed import FileDescriptorLike
from typing_extensions import Buffer, disjoint_base

_Name: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_File: TypeAlias = FileDescriptorLike | None
_Env: TypeAlias = Mapping[str, _Name] | Mapping[bytes, _Name]

_Protocol = TypeVar("_Protocol", bound=asyncio.SubprocessProtocol)

__version__: str
__all__ = (
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Process",
    "StreamReader",
    "StreamWriter",
    "SubprocessTransport",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "installed",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
)

_core: ModuleType

# "type: ignore[override]": where typeshed says of asyncio's class what is not the whole truth.

@disjoint_base
class StreamReader(asyncio.StreamReader):
    def __init__(
        self, limit: int = 65536, loop: asyncio.AbstractEventLoop | None = None
    ) -> None: ...
    async def read(self, n: int = -1) -> bytes: ...
    async def readline(self) -> bytes: ...
    async def readexactly(self, n: int) -> bytes: ...
    async def readuntil(self, separator: Buffer | tuple[Buffer, ...] = b"\n") -> bytes: ...
    def at_eof(self) -> bool: ...
    def feed_data(self, data: Iterable[Any]) -> None: ...
    def feed_eof(self) -> None: ...
    def exception(self) -> Exception | None: ...
    def set_exception(self, exc: Exception) -> None: ...
    def set_transport(self, transport: asyncio.BaseTransport) -> None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> bytes: ...

@final
class StreamWriter(asyncio.StreamWriter):
    @property
    def transport(self) -> asyncio.WriteTransport: ...
    def write(self, data: Buffer) -> None: ...
    def writelines(self, data: Iterable[Buffer]) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...
    def is_closing(self) -> bool: ...
    async def wait_closed(self) -> None: ...
    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...
    def __del__(self) -> None: ...  # type: ignore[override]

@final
class SubprocessTransport(asyncio.SubprocessTransport):
    def get_pid(self) -> int: ...
    def get_returncode(self) -> int | None: ...
    def get_pipe_transport(self, fd: int) -> asyncio.BaseTransport | None: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_protocol(self) -> asyncio.BaseProtocol | None: ...  # type: ignore[override]
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...

@final
class Process(asyncio.subprocess.Process):
    # None for what is not piped.
    stdin: StreamWriter | None
    stdout: StreamReader | None
    stderr: StreamReader | None
    @property
    def returncode(self) -> int | None: ...
    @property
    def resource_usage(self) -> struct_rusage | None: ...
    async def wait(self) -> int: ...
    # None for what is not piped.
    async def communicate(  # type: ignore[override]
        self, input: Buffer | None = None
    ) -> tuple[bytes | None, bytes | None]: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...

async def create_subprocess_exec(
    program: _Name,
    *args: _Name,
    stdin: _File = None,
    stdout: _File = None,
    stderr: _File = None,
    limit: int = 65536,
    preexec_fn: Callable[[], Any] | None = None,
    close_fds: bool = True,
    pass_fds: Collection[int] = (),
    cwd: _Name | None = None,
    env: _Env | None = None,
    executable: _Name | None = None,
    restore_signals: bool = True,
    start_new_session: bool = False,
    process_group: int | None = None,
    user: str | int | None = None,
    group: str | int | None = None,
    extra_groups: Iterable[str | int] | None = None,
    umask: int = -1,
    pipesize: int = -1,
) -> Process: ...
async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: _File = None,
    stdout: _File = None,
    stderr: _File = None,
    limit: int = 65536,
    *,
    preexec_fn: Callable[[], Any] | None = None,
    close_fds: bool = True,
    pass_fds: Collection[int] = (),
    cwd: _Name | None = None,
    env: _Env | None = None,
    executable: _Name | None = None,
    restore_signals: bool = True,
    start_new_session: bool = False,
    process_group: int | None = None,
    user: str | int | None = None,
    group: str | int | None = None,
    extra_groups: Iterable[str | int] | None = None,
    umask: int = -1,
    pipesize: int = -1,
) -> Process: ...
def subprocess_exec(
    protocol_factory: Callable[[], _Protocol],
    program: _Name,
    *args: _Name,
    stdin: _File = -1,
    stdout: _File = -1,
    stderr: _File = -1,
    preexec_fn: Callable[[], Any] | None = None,
    close_fds: bool = True,
    pass_fds: Collection[int] = (),
    cwd: _Name | None = None,
    env: _Env | None = None,
    executable: _Name | None = None,
    restore_signals: bool = True,
    start_new_session: bool = False,
    process_group: int | None = None,
    user: str | int | None = None,
    group: str | int | None = None,
    extra_groups: Iterable[str | int] | None = None,
    umask: int = -1,
    pipesize: int = -1,
) -> Coroutine[Any, Any, tuple[SubprocessTransport, _Protocol]]: ...
def subprocess_shell(
    protocol_factory: Callable[[], _Protocol],
    cmd: str | bytes,
    *,
    stdin: _File = -1,
    stdout: _File = -1,
    stderr: _File = -1,
    preexec_fn: Callable[[], Any] | None = None,
    close_fds: bool = True,
    pass_fds: Collection[int] = (),
    cwd: _Name | None = None,
    env: _Env | None = None,
    executable: _Name | None = None,
    restore_signals: bool = True,
    start_new_session: bool = False,
    process_group: int | None = None,
    user: str | int | None = None,
    group: str | int | None = None,
    extra_groups: Iterable[str | int] | None = None,
    umask: int = -1,
    pipesize: int = -1,
) -> Coroutine[Any, Any, tuple[SubprocessTransport, _Protocol]]: ...
def install() -> None: ...
def uninstall() -> None: ...
def installed() -> AbstractContextManager[None]: ...
