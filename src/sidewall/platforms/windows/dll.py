"""One DLL: its functions bound by prototype at their first use, called in one place, failures raised by name.

Knows: ctypes, the words of prototypes, how Windows says that a call failed.  Must not know: what any function is good
for.  Follows "Windows Data Types" of the Win32 reference; types have the same width on every system, so that prototypes
and structures can be checked where there is no Windows.

A DLL is taken from System32 and from nowhere else, whatever lies beside the program or in the current directory.
"""

from __future__ import annotations

import ctypes
import sys

from sidewall.platforms.windows import layouts, prototypes
from sidewall.platforms.windows.errors import ApiError, CallError, MissingFunction, failed
from sidewall.platforms.windows.handles import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol
else:
    Protocol = object

TYPES: dict[str, Any] = {
    "BOOL": ctypes.c_int32, "BOOLEAN": ctypes.c_uint8, "BYTE": ctypes.c_uint8, "WORD": ctypes.c_uint16,
    "SHORT": ctypes.c_int16, "DWORD": ctypes.c_uint32, "FLAGS": ctypes.c_uint32, "LONG": ctypes.c_int32,
    "INT": ctypes.c_int32, "ULONGLONG": ctypes.c_uint64, "LONGLONG": ctypes.c_int64, "SIZE_T": ctypes.c_size_t,
    "ULONG_PTR": ctypes.c_size_t, "PWSTR": ctypes.c_wchar_p, "SECRET": ctypes.c_wchar_p, "PVOID": ctypes.c_void_p,
    "HANDLE": ctypes.c_void_p, "PSID": ctypes.c_void_p, "PSECURITY_DESCRIPTOR": ctypes.c_void_p,
    "HLOCAL": ctypes.c_void_p, "HWINSTA": ctypes.c_void_p, "HDESK": ctypes.c_void_p, "HPCON": ctypes.c_void_p,
    "HWND": ctypes.c_void_p, "LSA_HANDLE": ctypes.c_void_p, "FWPM_ENGINE_HANDLE": ctypes.c_void_p,
    "LPPROC_THREAD_ATTRIBUTE_LIST": ctypes.c_void_p, "PHANDLER_ROUTINE": ctypes.c_void_p,
    "LPOVERLAPPED_COMPLETION_ROUTINE": ctypes.c_void_p,
    "NTSTATUS_VALUE": ctypes.c_int32, "FWPM_FILTER_ENUM_HANDLE": ctypes.c_void_p,
}
"""What a word is to ctypes.  Words that are not here are structures of ``layouts``."""

OPAQUE = ("DEVMODEW", "SEC_WINNT_AUTH_IDENTITY_W")
"""Structures of which only the null pointer is ever given."""

_RESULT_TYPES: dict[str, Any] = {
    "COUNT": ctypes.c_uint32, "FILE_HANDLE": ctypes.c_void_p, "WAIT": ctypes.c_uint32, "ATTRIBUTES": ctypes.c_uint32,
    "NULLABLE_HANDLE": ctypes.c_void_p, "WIN32_ERROR": ctypes.c_uint32,
    "NET_API_STATUS": ctypes.c_uint32, "FWP_STATUS": ctypes.c_uint32, "NTSTATUS": ctypes.c_int32,
    "HRESULT": ctypes.c_int32, "ANSWER": ctypes.c_int32, "VOID": None,
}

NEEDED = {
    "CreatePseudoConsole": "Windows 10 version 1809", "ResizePseudoConsole": "Windows 10 version 1809",
    "ClosePseudoConsole": "Windows 10 version 1809",
}

UNSAID = 0xFFFFFFFF
"""Stands for the number of an error that has none."""

SYSTEM32 = 0x800
"""LOAD_LIBRARY_SEARCH_SYSTEM32."""

trace: Callable[[str, str], object] | None = None
"""When set, told library and function before each call: a test counts what a command costs."""


class Library(Protocol):
    """A loaded library: where functions come from, and the thread's last error."""

    def function(self, name: str) -> Any:
        """The foreign function.  Raises AttributeError when there is none."""

    def last_error(self) -> int:
        """The last error that a function of this library left."""

    def forget_error(self) -> None:
        """Makes the last error 0, so that an old one is never taken for a new one."""


class SystemLibrary:
    """A DLL of System32, loaded when this is made.  Raises MissingFunction where there is none."""

    def __init__(self, name: str) -> None:
        if sys.platform != "win32":
            raise MissingFunction(f"{name} is a part of Windows; this is {sys.platform}", library=name)
        if ctypes.sizeof(ctypes.c_void_p) != 8:
            raise MissingFunction(f"{name}: this is a Python of 32 bits", library=name,
                                  hint="install a Python of 64 bits")
        try:
            self._dll: Any = ctypes.WinDLL(name, use_last_error=True, winmode=SYSTEM32)
        except OSError as error:
            raise MissingFunction(f"{name} cannot be loaded: {error}", library=name,
                                  hint="this Windows lacks a component (a Server Core or container image?)") from None

    def function(self, name: str) -> Any:
        return getattr(self._dll, name)

    def last_error(self) -> int:
        if sys.platform == "win32":
            return ctypes.get_last_error()
        return 0

    def forget_error(self) -> None:
        if sys.platform == "win32":
            ctypes.set_last_error(0)


def type_of(word: str, stars: int = 0) -> Any:
    """The ctypes type of a word with ``stars`` pointers before it.  Raises KeyError for an unknown word."""
    if word in OPAQUE:
        word, stars = "PVOID", stars - 1
    kind = TYPES.get(word) or layouts.find(word)
    for _ in range(stars):
        kind = ctypes.POINTER(kind)
    return kind


def result_type(word: str) -> Any:
    """The ctypes type of a result's word, None for VOID."""
    return _RESULT_TYPES[word] if word in _RESULT_TYPES else TYPES[word]


def argument_types(prototype: prototypes.Prototype) -> tuple[Any, ...]:
    """The ctypes types of a prototype's parameters."""
    return tuple([type_of(parameter.word, parameter.stars) for parameter in prototype.parameters])


class Function:
    """One function, bound.  Called with as many values as its prototype has parameters.

    Handles go in as `Handle`; structures by ``ctypes.byref``; SIDs and descriptors as bytes.  Gives the result as
    ctypes has it (None for NULL), or raises the ApiError of its numbering, or CallError for wrong arguments.
    """

    __slots__ = ("_failing", "_foreign", "_library", "_name", "prototype")

    def __init__(self, name: str, library: Library, prototype: prototypes.Prototype) -> None:
        self._name = name
        self._library = library
        self.prototype = prototype
        self._foreign = library.function(prototype.name)
        self._foreign.argtypes = argument_types(prototype)
        self._foreign.restype = result_type(prototype.result)
        self._failing = prototypes.RESULTS[prototype.result]

    def __call__(self, *values: Any) -> Any:
        if len(values) != len(self.prototype.parameters):
            raise CallError(f"{self.prototype.name} takes {len(self.prototype.parameters)} values, not {len(values)}")
        if trace is not None:
            trace(self._name, self.prototype.name)
        if self._failing is None:
            return self._enter(values)
        source, is_failure = self._failing
        if source == prototypes.LAST:
            self._library.forget_error()
        result = self._enter(values)
        if is_failure(result):
            code = self._library.last_error() if source == prototypes.LAST else int(result or 0)
            raise failed(self.prototype, source, code, values)
        return result

    def code(self, *values: Any) -> int:
        """The error's number, 0 on success: for callers to whom some errors are answers.  Raises CallError only."""
        if self._failing is None:
            raise CallError(f"{self.prototype.name} does not fail")
        if trace is not None:
            trace(self._name, self.prototype.name)
        source, is_failure = self._failing
        if source == prototypes.LAST:
            self._library.forget_error()
        result = self._enter(values)
        if not is_failure(result):
            return 0
        # Some functions fail without saying why; that is not success.
        code = self._library.last_error() if source == prototypes.LAST else int(result or 0) & 0xFFFFFFFF
        return code or UNSAID

    def error(self, code: int, *values: Any) -> ApiError:
        """The error of a call with these values that gave ``code``."""
        source = self._failing[0] if self._failing is not None else prototypes.WIN32
        return failed(self.prototype, source, code, values)

    def _enter(self, values: Sequence[Any]) -> Any:
        ready = [value.value if isinstance(value, Handle) else value for value in values]
        for index, value in enumerate(ready):
            # ctypes lets it pass, and Windows would stop reading there: at another path than was checked.  The text
            # itself may be a password, and is not shown.
            if isinstance(value, str) and "\0" in value:
                name = prototypes.meaning(self.prototype.parameters[index].name)
                raise CallError(f"{self.prototype.name}: {name} has a zero in it, at character {value.index(chr(0))}")
        try:
            return self._foreign(*ready)
        except (ctypes.ArgumentError, ValueError) as error:
            raise CallError(f"{self.prototype.name}: {error}") from None


class Dll:
    """A DLL by name and prototypes: functions are its attributes.  Nothing is loaded before the first is asked for."""

    def __init__(self, name: str, text: str, load: Callable[[str], Library] = SystemLibrary) -> None:
        self.name = name
        self.text = text
        self._load = load
        self._library: Library | None = None
        self._statements: dict[str, str] | None = None

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._statements is None:
            self._statements = prototypes.statements(self.text)
        statement = self._statements.get(name)
        if statement is None:
            raise AttributeError(f"{self.name}: no prototype of {name}")
        if self._library is None:
            self._library = self._load(self.name)
        try:
            function = Function(self.name, self._library, prototypes.read(statement))
        except AttributeError:
            needed = NEEDED.get(name, "a newer Windows")
            raise MissingFunction(f"{self.name} has no {name} on this machine", library=self.name, call=name,
                                  hint=f"{needed} is needed") from None
        self.__dict__[name] = function
        return function

    def last_error(self) -> int:
        """The thread's last error, for functions that succeed with one."""
        return self._library.last_error() if self._library is not None else 0


__all__ = ["NEEDED", "OPAQUE", "TYPES", "UNSAID", "Dll", "Function", "Library", "SystemLibrary", "argument_types",
           "result_type", "type_of"]
