"""A library whose functions are written in Python and called as C: what a facade puts on the stack arrives here.

Knows: ctypes, the words of prototypes.  Must not know: what any function of Windows does.

It stands below the code under test, where Windows would: values are converted by the same argument types, structures
are read from the memory that the facade made, and every pointer arrives as an address.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from sidewall.platforms.windows import dll, prototypes
from sidewall.platforms.windows.api import NativeApi

RAISED: list[BaseException] = []
"""What functions behind a facade raised; a fixture looks after each test."""


class Behind:
    """Functions by name, for all libraries.  A function may set ``error`` before it gives its failing result.

    ``calls`` are the functions called, in order; ``allocated`` the addresses that were given out and not yet freed.
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self.functions = functions
        self.error = 0
        self.calls: list[str] = []
        self.allocated: dict[int, Any] = {}
        self._kept: list[Any] = []
        self.api = NativeApi(self.load)
        self._texts: dict[str, str] = {}

    def load(self, name: str) -> Library:
        """A library; ``calls`` notes that it was loaded."""
        self.calls.append(f"load {name}")
        return Library(self, name.removesuffix(".dll"))

    def hand_out(self, memory: Any) -> int:
        """Gives memory to the caller, who must free it: its address."""
        place = ctypes.addressof(memory)
        self.allocated[place] = memory
        return place

    def free(self, place: int | None) -> int:
        """Takes memory back; memory that was never given out, or was taken back already, fails the test."""
        if place:
            del self.allocated[place]
        return 0


class Library:
    """One library of ``Behind``."""

    def __init__(self, behind: Behind, name: str) -> None:
        self._behind = behind
        text = behind.api.dll(name).text
        self._statements = prototypes.statements(text)

    def function(self, name: str) -> Any:
        called = self._behind.functions.get(name)
        if called is None:
            raise AttributeError(name)
        prototype = prototypes.read(self._statements[name])
        kinds = [kind if issubclass(kind, ctypes._SimpleCData | ctypes.Structure) and kind is not ctypes.c_wchar_p
                 else ctypes.c_void_p for kind in dll.argument_types(prototype)]  # fmt: skip

        def entered(*values: Any) -> Any:
            self._behind.calls.append(name)
            try:
                return called(*values)
            except BaseException as error:  # C cannot pass it on, and a failed assertion must fail the test
                RAISED.append(error)
                return 0

        foreign = ctypes.CFUNCTYPE(dll.result_type(prototype.result), *kinds)(entered)
        self._behind._kept.append(foreign)
        return foreign

    def last_error(self) -> int:
        return self._behind.error

    def forget_error(self) -> None:
        self._behind.error = 0


def put(place: int | None, kind: Any, value: Any) -> None:
    """Writes a number to an address that the facade gave."""
    assert place, "no place was given for a result"
    kind.from_address(place).value = value


def text(place: int | None) -> str | None:
    """A text of the C library's width, as a PWSTR argument arrives."""
    return ctypes.wstring_at(place) if place else None


def wide(value: str) -> Any:
    """A text of UTF-16, as it stands in structures."""
    return ctypes.create_string_buffer(value.encode("utf-16-le") + b"\0")
