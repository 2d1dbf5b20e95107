"""Handles that cannot leak: each is counted while open, closed once, and unusable afterwards.

Knows: that a handle is a number with a function that closes it.  Must not know: any DLL, or what a handle stands for
beyond the words that an error shows.

``ledger`` tells a test what is open, and what was dropped without being closed (closed then by the collector, and
remembered: the system forgives that, we do not).
"""

from __future__ import annotations

from sidewall.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


class HandleError(InternalError):
    """A handle was used after it was closed, or closed twice."""


class Ledger:
    """What is open in this process: ``open`` maps an entry's number to what it stands for, ``leaked`` lists words."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self.leaked: list[str] = []
        self.opened = 0

    def enter(self, what: str) -> int:
        """A new entry's number."""
        self.opened = number = self.opened + 1
        self.open[number] = what
        return number

    def leave(self, number: int) -> None:
        """The entry is closed."""
        self.open.pop(number, None)


ledger = Ledger()


class Handle:
    """An owned handle.  ``close`` gives the number back to the system; ``what`` says for people what it stands for.

    A context manager.  Raises HandleError on use after close and on a second close.
    """

    __slots__ = ("_close", "_entry", "_value", "what")

    def __init__(self, value: int, close: Callable[[int], object], what: str) -> None:
        self._value = value
        self._close: Callable[[int], object] | None = close
        self.what = what
        self._entry = ledger.enter(what)

    @property
    def value(self) -> int:
        """The number, while open."""
        if self._close is None:
            raise HandleError(f"the handle of {self.what} is used after it was closed")
        return self._value

    @property
    def closed(self) -> bool:
        """Whether it was closed or given away."""
        return self._close is None

    def close(self) -> None:
        """Gives the handle back.  It counts as closed even when the system then refuses (ApiError)."""
        close, self._close = self._close, None
        if close is None:
            raise HandleError(f"the handle of {self.what} is closed twice")
        ledger.leave(self._entry)
        close(self._value)

    def detach(self) -> int:
        """The number; from now on somebody else must close it."""
        value = self.value
        self._close = None
        ledger.leave(self._entry)
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._close is not None:
            self.close()

    def __del__(self) -> None:
        if getattr(self, "_close", None) is not None:
            try:
                ledger.leaked.append(self.what)
                self.close()
            except Exception:
                pass  # nobody is left who could be told, and the interpreter may be ending

    def __repr__(self) -> str:
        state = "closed" if self._close is None else f"0x{self._value:X}"
        return f"<{type(self).__name__} of {self.what}: {state}>"


def _nothing(value: int) -> None:
    """Closing what is not ours gives nothing back."""


class Borrowed(Handle):
    """A handle that somebody else owns (a pseudo handle, a standard handle): not counted, never given back."""

    __slots__ = ()

    def __init__(self, value: int, what: str) -> None:
        self._value = value
        self._close = _nothing
        self.what = what
        self._entry = 0

    def close(self) -> None:
        """From now on it is not to be used."""
        if self._close is None:
            raise HandleError(f"the handle of {self.what} is closed twice")
        self._close = None

    def __del__(self) -> None:
        self._close = None


__all__ = ["Borrowed", "Handle", "HandleError", "Ledger", "ledger"]
