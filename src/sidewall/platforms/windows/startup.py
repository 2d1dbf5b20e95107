"""How a process is to start, in values and as the structures that all three functions for it take.

Knows: ``STARTUPINFOEX``, environment blocks, command lines.  Must not know: which function starts the process, tokens,
policies.  Follows "CreateProcessAsUserW" and "Changing Environment Variables" of the Win32 reference.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_process import (
    CREATE_UNICODE_ENVIRONMENT,
    EXTENDED_STARTUPINFO_PRESENT,
    STARTF_USESHOWWINDOW,
    STARTF_USESTDHANDLES,
)
from sidewall.platforms.windows.errors import CallError
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import (
    PROCESS_INFORMATION,
    SECURITY_ATTRIBUTES,
    STARTUPINFOEXW,
    STARTUPINFOW,
)
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

LONGEST_LINE = 32_766
"""Characters of a command line, its zero not counted."""


class AttributeList(Handle):
    """A list of attributes for one start; keeps what the attributes point to."""

    __slots__ = ("kept",)

    def __init__(self, value: int, close: Callable[[int], object], what: str, kept: Sequence[object]) -> None:
        super().__init__(value, close, what)
        self.kept = kept


class StartInfo(Record):
    """One process.  ``application`` is the program's full path; without it Windows takes the first word of the line.

    ``environment`` is a block (``environment_block``), None for the caller's own.  ``stdio`` are inheritable handles.
    ``inherit`` lets handles pass, with ``attributes`` only the listed ones.  ``desktop`` is ``station\\desktop``.
    ``security`` is the self-relative descriptor of the process and of its first thread, None for Windows' own choice.
    """

    command_line: str
    application: str | None = None
    directory: str | None = None
    environment: bytes | None = None
    flags: int = 0
    desktop: str | None = None
    stdio: tuple[Handle, Handle, Handle] | None = None
    attributes: AttributeList | None = None
    inherit: bool = False
    show: int | None = None
    security: bytes | None = None


class Started(Record):
    """A process that was started: two handles, which the caller closes, and two numbers."""

    process: Handle
    thread: Handle
    process_id: int
    thread_id: int

    def close(self) -> None:
        """Closes what is still open of the two handles; the process goes on."""
        for handle in (self.thread, self.process):
            if not handle.closed:
                handle.close()


class Start:
    """The arguments of a start in memory.  Raises CallError for a text that Windows would cut or refuse."""

    def __init__(self, info: StartInfo) -> None:
        if len(info.command_line) > LONGEST_LINE:
            raise CallError(f"a command line has {len(info.command_line)} characters; Windows takes {LONGEST_LINE}")
        if "\0" in info.command_line:
            raise CallError("a command line has a zero in it")
        self.info = info
        # The function may write into the line, so it is never a constant's memory.
        self.line = ctypes.create_unicode_buffer(info.command_line)
        self.flags = info.flags
        self.result = PROCESS_INFORMATION()
        self._startup = STARTUPINFOEXW()
        self._desktop = memory.wide(info.desktop) if info.desktop is not None else None
        self._fill(self._startup.StartupInfo)
        self.security = Security(info.security)
        self.environment = None
        if info.environment is not None:
            self.environment = ctypes.create_string_buffer(info.environment, len(info.environment))
            self.flags |= CREATE_UNICODE_ENVIRONMENT

    def _fill(self, startup: STARTUPINFOW) -> None:
        info = self.info
        startup.cb = ctypes.sizeof(STARTUPINFOW)
        if self._desktop is not None:
            startup.lpDesktop = ctypes.addressof(self._desktop)
        if info.stdio is not None:
            startup.dwFlags |= STARTF_USESTDHANDLES
            startup.hStdInput, startup.hStdOutput, startup.hStdError = [handle.value for handle in info.stdio]
        if info.show is not None:
            startup.dwFlags |= STARTF_USESHOWWINDOW
            startup.wShowWindow = info.show
        if info.attributes is not None:
            startup.cb = ctypes.sizeof(STARTUPINFOEXW)
            self._startup.lpAttributeList = info.attributes.value
            self.flags |= EXTENDED_STARTUPINFO_PRESENT

    @property
    def startup(self) -> Any:
        """A pointer to the structure."""
        return memory.pointer(self._startup, STARTUPINFOW)

    def started(self, close: Callable[[int], object]) -> Started:
        """What the function gave, once it succeeded."""
        result = self.result
        return Started(
            process=Handle(result.hProcess, close, f"process {result.dwProcessId}"),
            thread=Handle(result.hThread, close, f"the first thread of process {result.dwProcessId}"),
            process_id=result.dwProcessId, thread_id=result.dwThreadId,
        )  # fmt: skip


def environment_block(variables: Mapping[str, str]) -> bytes:
    """Variables as a block of UTF-16, sorted by name without case, as Windows wants it.

    Raises CallError for a name with ``=`` after its first character or a zero anywhere.
    """
    lines: list[str] = []
    for name in sorted(variables, key=str.upper):
        if not name or "=" in name[1:] or "\0" in name or "\0" in variables[name]:
            raise CallError(f"an environment variable that Windows cannot hold: {name!r}")
        lines.append(f"{name}={variables[name]}\0")
    return ("".join(lines) + ("\0" if lines else "\0\0")).encode("utf-16-le", "surrogatepass")


def environment_of(block: bytes) -> dict[str, str]:
    """The variables of a block; the inverse of ``environment_block``."""
    found: dict[str, str] = {}
    for line in block.decode("utf-16-le", "surrogatepass").split("\0"):
        if not line:
            break
        name, _, value = line[1:].partition("=")
        found[line[0] + name] = value
    return found


class Security:
    """``SECURITY_ATTRIBUTES`` for a new object: a self-relative descriptor or none, inheritable or not."""

    def __init__(self, descriptor: bytes | None, inherit: bool = False) -> None:
        self._attributes = SECURITY_ATTRIBUTES(ctypes.sizeof(SECURITY_ATTRIBUTES), None, inherit)
        if descriptor is not None:
            memory_of = ctypes.create_string_buffer(descriptor, len(descriptor))
            self._attributes.lpSecurityDescriptor = ctypes.addressof(memory_of)
            # A reference to the structure keeps the structure, and thereby what it points to: this object may go.
            self._attributes.kept = memory_of
        self._plain = descriptor is None and not inherit

    @property
    def argument(self) -> Any:
        """A reference for the call, None for Windows' own choice."""
        return None if self._plain else ctypes.byref(self._attributes)


__all__ = ["LONGEST_LINE", "AttributeList", "Security", "Start", "StartInfo", "Started", "environment_block",
           "environment_of"]
