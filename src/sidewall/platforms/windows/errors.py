"""A call of Windows failed: which, with which arguments, the error by name, one remedy.

    SystemCallError
     +-- ApiError             ``source`` says whose numbering ``code`` is of
          +-- Win32Error      GetLastError, or the result of a function that gives it at once
          +-- NetError        NET_API_STATUS: Win32 numbers and those of the network management functions
          +-- StatusError     NTSTATUS
          +-- HResultError    HRESULT
          +-- FilteringError  the Windows Filtering Platform: Win32 numbers and its own HRESULTs

Knows: how an error is put into words.  Must not know: ctypes, any function.  Names and meanings are in ``error_names``,
remedies in ``error_remedies``; both are read only when something failed.
"""

from __future__ import annotations

from sidewall.errors import InternalError, MachineError, SystemCallError
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import FILTERING, HRESULT, LAST, NET, STATUS, WIN32, meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.platforms.windows.prototypes import Prototype


class ApiError(SystemCallError):
    """A function of Windows failed.

    ``call`` is the function, ``code`` the number as the reference lists it (unsigned for NTSTATUS and HRESULT),
    ``name`` its name ('' when it has none here), ``arguments`` pairs of meaning and text, secrets left out.
    ``target`` is the first path, name or handle among the arguments.
    """

    source = WIN32

    def __init__(self, message: str, *, call: str = "", code: int = 0, name: str = "", target: str = "",
                 arguments: tuple[tuple[str, str], ...] = (), step: str = "", hint: str = "") -> None:
        super().__init__(message, step=step, call=call, target=target, errno=code, hint=hint)
        self.code = code
        self.name = name
        self.arguments = arguments


class Win32Error(ApiError):
    """A Win32 error number."""


class NetError(ApiError):
    """A NET_API_STATUS."""

    source = NET


class StatusError(ApiError):
    """An NTSTATUS."""

    source = STATUS


class HResultError(ApiError):
    """An HRESULT."""

    source = HRESULT


class FilteringError(ApiError):
    """A result of the Windows Filtering Platform."""

    source = FILTERING


class MissingFunction(MachineError):
    """This Windows has no such function: ``library`` and ``call``."""

    def __init__(self, message: str, *, library: str = "", call: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.library = library
        self.call = call


class CallError(InternalError):
    """A function was called with arguments that its prototype does not take; nothing was called."""


_CLASSES: dict[str, type[ApiError]] = {
    LAST: Win32Error, WIN32: Win32Error, NET: NetError, STATUS: StatusError, HRESULT: HResultError,
    FILTERING: FilteringError,
}


def failure(call: str, source: str, code: int, *, arguments: tuple[tuple[str, str], ...] = (), target: str = "",
            hint: str = "") -> ApiError:
    """The error of one failed call, in words.  ``code`` may be negative, as a signed result is."""
    from sidewall.platforms.windows.error_names import name_of
    from sidewall.platforms.windows.error_remedies import remedy

    code &= 0xFFFFFFFF
    name, explained = name_of(source, code)
    number = f"0x{code:08X}" if code > 0xFFFF else str(code)
    told = f"{name} ({number}): {explained}" if name else f"error {number}: {explained}"
    given = ", ".join([f"{word} {value}" for word, value in arguments])
    message = f"{call} failed: {told}" + (f" [{given}]" if given else "")
    return _CLASSES[source](message, call=call, code=code, name=name, target=target, arguments=arguments,
                            hint=hint or remedy(call, name))


def failed(prototype: Prototype, source: str, code: int, values: Sequence[object]) -> ApiError:
    """The error of a call by prototype; what the arguments mean is taken from their names and values."""
    pairs: list[tuple[str, str]] = []
    target = ""
    for parameter, value in zip(prototype.parameters, values, strict=True):
        text = _spoken(parameter.word, value)
        if not text or parameter.stars:
            continue
        if not target and (isinstance(value, Handle) or parameter.word == "PWSTR"):
            target = value.what if isinstance(value, Handle) else str(value)
        pairs.append((meaning(parameter.name), text))
    return failure(prototype.name, source, code, arguments=tuple(pairs), target=target)


def _spoken(word: str, value: object) -> str:
    """An argument in words; '' for what says nothing (nulls, buffers, places for results)."""
    if value is None:
        return ""
    if word == "SECRET":
        return "(secret)"
    if isinstance(value, Handle):
        return f"of {value.what}"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes) and word == "PSID":
        return _sid(value)
    if isinstance(value, int) and word not in ("BOOL", "BOOLEAN", "HANDLE", "PVOID"):
        return f"0x{value:X}" if word == "FLAGS" and value > 9 else str(value)
    return ""


def quoted(text: str) -> str:
    """A text as people read it: no doubled backslashes, but control characters spelled out."""
    return f"'{text}'" if text.isprintable() else repr(text)


def _sid(value: bytes) -> str:
    """A SID's text, for an error only: nothing is refused here (MS-DTYP 2.4.2.2)."""
    numbers = [int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4)]
    return "-".join(["S-1", str(int.from_bytes(value[2:8], "big")), *[str(number) for number in numbers]])


__all__ = ["ApiError", "CallError", "FilteringError", "HResultError", "MissingFunction", "NetError", "StatusError",
           "Win32Error", "failed", "failure", "quoted"]
