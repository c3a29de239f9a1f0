# SPDX-License-Identifier: MIT
import asyncio
import subprocess
from asyncio.subprocess import DEVNULL as DEVNULL
from asyncio.subprocess import PIPE as PIPE
from asyncio.subprocess import STDOUT as STDOUT
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from os import PathLike
from resource import struct_rusage
from types import ModuleType, TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypedDict, TypeVar, final, overload

from _typeshed import FileDescriptorLike
from typing_extensions import Buffer, Unpack, disjoint_base

_Name: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_File: TypeAlias = FileDescriptorLike | None
_Env: TypeAlias = Mapping[str, _Name] | Mapping[bytes, _Name]

_Protocol = TypeVar("_Protocol", bound=asyncio.SubprocessProtocol)

__version__: str
PTY: int
__all__ = (
    "DEVNULL",
    "PIPE",
    "PTY",
    "STDOUT",
    "Cgroup",
    "CompletedProcess",
    "Process",
    "StreamReader",
    "StreamWriter",
    "SubprocessTransport",
    "TimeoutExpired",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "installed",
    "run",
    "run_shell",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
)

_core: ModuleType

# "type: ignore[override]": where typeshed's type of asyncio's method is not the whole truth.

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
    def exception(self) -> Exception | None: ...  # type: ignore[override]
    def set_exception(self, exc: Exception) -> None: ...
    def set_transport(self, transport: asyncio.BaseTransport) -> None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> bytes: ...
    @overload
    def lines(
        self, *, encoding: None = None, errors: str = "strict", max_line: int | None = None
    ) -> AsyncIterator[bytes]: ...
    @overload
    def lines(
        self, *, encoding: str, errors: str = "strict", max_line: int | None = None
    ) -> AsyncIterator[str]: ...

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
    # None for what is neither a pipe nor a terminal.
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
        self, input: Buffer | None = None, *, linger: float | None = None
    ) -> tuple[bytes | None, bytes | None]: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def signal_group(self, signal: int) -> None: ...
    def set_terminal_size(self, rows: int, columns: int) -> None: ...
    async def stop(self, signal: int = ..., *, grace: float = 5.0) -> int: ...
    def close(self) -> None: ...
    @overload
    def lines(
        self, *, encoding: None = None, errors: str = "strict", max_line: int | None = None
    ) -> AsyncIterator[tuple[int, bytes]]: ...
    @overload
    def lines(
        self, *, encoding: str, errors: str = "strict", max_line: int | None = None
    ) -> AsyncIterator[tuple[int, str]]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

async def create_subprocess_exec(
    program: _Name,
    *args: _Name,
    stdin: _File = None,
    stdout: _File = None,
    stderr: _File = None,
    limit: int | None = 65536,
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
    rlimits: Mapping[int, int | tuple[int, int]] | None = None,
    parent_death_signal: int | None = None,
    cgroup: _Name | FileDescriptorLike | None = None,
    nice: int | None = None,
    cpu_affinity: Iterable[int] | None = None,
    no_new_privileges: bool = False,
    oom_score_adj: int | None = None,
    ignore_signals: Iterable[int] | None = None,
    default_signals: Iterable[int] | None = None,
    terminal_size: tuple[int, int] | None = None,
    terminal_raw: bool = False,
) -> Process: ...
async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: _File = None,
    stdout: _File = None,
    stderr: _File = None,
    limit: int | None = 65536,
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
    rlimits: Mapping[int, int | tuple[int, int]] | None = None,
    parent_death_signal: int | None = None,
    cgroup: _Name | FileDescriptorLike | None = None,
    nice: int | None = None,
    cpu_affinity: Iterable[int] | None = None,
    no_new_privileges: bool = False,
    oom_score_adj: int | None = None,
    ignore_signals: Iterable[int] | None = None,
    default_signals: Iterable[int] | None = None,
    terminal_size: tuple[int, int] | None = None,
    terminal_raw: bool = False,
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
    rlimits: Mapping[int, int | tuple[int, int]] | None = None,
    parent_death_signal: int | None = None,
    cgroup: _Name | FileDescriptorLike | None = None,
    nice: int | None = None,
    cpu_affinity: Iterable[int] | None = None,
    no_new_privileges: bool = False,
    oom_score_adj: int | None = None,
    ignore_signals: Iterable[int] | None = None,
    default_signals: Iterable[int] | None = None,
    terminal_size: tuple[int, int] | None = None,
    terminal_raw: bool = False,
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
    rlimits: Mapping[int, int | tuple[int, int]] | None = None,
    parent_death_signal: int | None = None,
    cgroup: _Name | FileDescriptorLike | None = None,
    nice: int | None = None,
    cpu_affinity: Iterable[int] | None = None,
    no_new_privileges: bool = False,
    oom_score_adj: int | None = None,
    ignore_signals: Iterable[int] | None = None,
    default_signals: Iterable[int] | None = None,
    terminal_size: tuple[int, int] | None = None,
    terminal_raw: bool = False,
) -> Coroutine[Any, Any, tuple[SubprocessTransport, _Protocol]]: ...
def install() -> None: ...
def uninstall() -> None: ...
def installed() -> AbstractContextManager[None]: ...

@final
class Cgroup:
    path: str
    def __init__(
        self,
        parent: Cgroup | _Name | None = None,
        *,
        memory_max: int | str | None = None,
        pids_max: int | str | None = None,
        cpu_max: float | tuple[int | str, int] | str | None = None,
    ) -> None: ...
    def fileno(self) -> int: ...
    def pids(self) -> list[int]: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __del__(self) -> None: ...

# The types of stdout and stderr, None included, as a checker can tell them from the call.
_Out = TypeVar("_Out")
_Err = TypeVar("_Err")

class CompletedProcess(subprocess.CompletedProcess[Any], Generic[_Out, _Err]):
    stdout: _Out
    stderr: _Err
    resource_usage: struct_rusage | None
    duration: float
    stdout_bytes: int
    stderr_bytes: int
    lingering: bool

class TimeoutExpired(subprocess.TimeoutExpired, TimeoutError): ...

class _Options(TypedDict, total=False):
    limit: int | None
    preexec_fn: Callable[[], Any] | None
    close_fds: bool
    pass_fds: Collection[int]
    cwd: _Name | None
    env: _Env | None
    executable: _Name | None
    restore_signals: bool
    start_new_session: bool
    process_group: int | None
    user: str | int | None
    group: str | int | None
    extra_groups: Iterable[str | int] | None
    umask: int
    pipesize: int
    rlimits: Mapping[int, int | tuple[int, int]] | None
    parent_death_signal: int | None
    cgroup: _Name | FileDescriptorLike | None
    nice: int | None
    cpu_affinity: Iterable[int] | None
    no_new_privileges: bool
    oom_score_adj: int | None
    ignore_signals: Iterable[int] | None
    default_signals: Iterable[int] | None
    terminal_size: tuple[int, int] | None
    terminal_raw: bool

@overload
async def run(
    program: _Name,
    *args: _Name,
    input: Buffer | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes, bytes]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: Buffer | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes, bytes | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: Buffer | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes | None, bytes | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run(
    program: _Name,
    *args: _Name,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: Buffer | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes, bytes]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: Buffer | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes, bytes | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: Buffer | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[bytes | None, bytes | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: str,
    errors: str | None = None,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stderr: _File,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str, str | None]: ...
@overload
async def run_shell(
    cmd: str | bytes,
    *,
    input: str | None = None,
    stdin: _File = -3,
    stdout: _File,
    stderr: _File = -1,
    timeout: float | None = None,
    grace: float = 2.0,
    linger: float | None = 0.5,
    kill_orphans: bool = False,
    max_output: int | None = None,
    keep: Literal["head", "tail"] = "tail",
    tee: Literal[True] | Callable[[int, bytes], object] | None = None,
    check: bool = False,
    text: Literal[True] | None = None,
    encoding: None = None,
    errors: str,
    **popen_keywords: Unpack[_Options],
) -> CompletedProcess[str | None, str | None]: ...
