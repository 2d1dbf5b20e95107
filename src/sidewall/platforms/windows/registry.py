"""The machine's part of the registry (HKEY_LOCAL_MACHINE), by the few calls that set-up needs.

Knows: ``winreg``, the names of Win32's errors.  Must not know: which values mean what (``hiding``, ``credentials``).
Keys are paths below HKEY_LOCAL_MACHINE, always of the 64-bit view.  A Windows in memory fills the same Protocol.
"""

from __future__ import annotations

import sys

from sidewall.platforms.windows.errors import ApiError, failure
from sidewall.platforms.windows.prototypes import LAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeAlias, TypeVar

    Value: TypeAlias = int | str | bytes
    T = TypeVar("T")
else:
    Protocol = object

FILE_NOT_FOUND, NO_MORE_ITEMS = 2, 259


class Registry(Protocol):
    """Every call raises Win32Error; what is missing is an answer and no error."""

    def value(self, key: str, name: str) -> Value | None:
        """A value: a number, a text or bytes; None where there is none, or one of another kind."""

    def values(self, key: str) -> tuple[str, ...]:
        """The names of a key's values; none of a key that is not there."""

    def keys(self, key: str) -> tuple[str, ...]:
        """The names of the keys below; none of a key that is not there."""

    def exists(self, key: str) -> bool:
        """Whether the key is there."""

    def set_value(self, key: str, name: str, value: Value) -> None:
        """Writes a value; the key is made where it is missing."""

    def make_key(self, key: str) -> None:
        """Makes a key, and those above it."""

    def delete_value(self, key: str, name: str) -> None:
        """Removes a value; one that is not there is no error."""

    def delete_key(self, key: str) -> None:
        """Removes a key that has none below it; one that is not there is no error."""


def refused(call: str, code: int, key: str, name: str = "") -> ApiError:
    """The error of a call of the registry."""
    place = f"HKEY_LOCAL_MACHINE\\{key}"
    told = (("key", place), ("value", name)) if name else (("key", place),)
    return failure(call, LAST, code, arguments=told, target=place,
                   hint="run `sidewall setup` again and say yes to the prompt for an administrator"
                   if code == 5 else "")


class NativeRegistry:
    """This machine's."""

    if sys.platform == "win32":
        def _open(self, key: str, access: int) -> Any:
            import winreg

            return winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, access=access | winreg.KEY_WOW64_64KEY)

        def _ask(self, call: str, key: str, name: str, missing: T, action: Callable[[], T]) -> T:
            try:
                return action()
            except OSError as error:
                if error.winerror == FILE_NOT_FOUND:
                    return missing
                raise refused(call, error.winerror, key, name) from None

        def value(self, key: str, name: str) -> Value | None:
            import winreg

            def read() -> Value | None:
                with self._open(key, winreg.KEY_READ) as opened:
                    found = winreg.QueryValueEx(opened, name)[0]
                return found if isinstance(found, (int, str, bytes)) else None

            return self._ask("RegQueryValueExW", key, name, None, read)

        def _listed(self, key: str, one: Callable[[Any, int], str]) -> tuple[str, ...]:
            import winreg

            def read() -> tuple[str, ...]:
                found: list[str] = []
                with self._open(key, winreg.KEY_READ) as opened:
                    while True:
                        try:
                            found.append(one(opened, len(found)))
                        except OSError as error:
                            if error.winerror == NO_MORE_ITEMS:
                                return tuple(found)
                            raise

            return self._ask("RegEnumKeyExW", key, "", (), read)

        def values(self, key: str) -> tuple[str, ...]:
            import winreg

            return self._listed(key, lambda opened, index: winreg.EnumValue(opened, index)[0])

        def keys(self, key: str) -> tuple[str, ...]:
            import winreg

            return self._listed(key, winreg.EnumKey)

        def exists(self, key: str) -> bool:
            import winreg

            def read() -> bool:
                self._open(key, winreg.KEY_READ).Close()
                return True

            return self._ask("RegOpenKeyExW", key, "", False, read)

        def make_key(self, key: str) -> None:
            import winreg

            access = winreg.KEY_WRITE | winreg.KEY_WOW64_64KEY
            try:
                winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, key, 0, access).Close()
            except OSError as error:
                raise refused("RegCreateKeyExW", error.winerror, key) from None

        def set_value(self, key: str, name: str, value: Value) -> None:
            import winreg

            kind = {int: winreg.REG_DWORD, str: winreg.REG_SZ, bytes: winreg.REG_BINARY}[type(value)]
            self.make_key(key)
            try:
                with self._open(key, winreg.KEY_SET_VALUE) as opened:
                    winreg.SetValueEx(opened, name, 0, kind, value)
            except OSError as error:
                raise refused("RegSetValueExW", error.winerror, key, name) from None

        def delete_value(self, key: str, name: str) -> None:
            import winreg

            def delete() -> None:
                with self._open(key, winreg.KEY_SET_VALUE) as opened:
                    winreg.DeleteValue(opened, name)

            self._ask("RegDeleteValueW", key, name, None, delete)

        def delete_key(self, key: str) -> None:
            import winreg

            self._ask("RegDeleteKeyExW", key, "", None,
                      lambda: winreg.DeleteKeyEx(winreg.HKEY_LOCAL_MACHINE, key, winreg.KEY_WOW64_64KEY))

    else:
        def value(self, key: str, name: str) -> Value | None:
            raise refused("RegQueryValueExW", 120, key, name)

        def values(self, key: str) -> tuple[str, ...]:
            raise refused("RegEnumValueW", 120, key)

        def keys(self, key: str) -> tuple[str, ...]:
            raise refused("RegEnumKeyExW", 120, key)

        def exists(self, key: str) -> bool:
            raise refused("RegOpenKeyExW", 120, key)

        def make_key(self, key: str) -> None:
            raise refused("RegCreateKeyExW", 120, key)

        def set_value(self, key: str, name: str, value: Value) -> None:
            raise refused("RegSetValueExW", 120, key, name)

        def delete_value(self, key: str, name: str) -> None:
            raise refused("RegDeleteValueW", 120, key, name)

        def delete_key(self, key: str) -> None:
            raise refused("RegDeleteKeyExW", 120, key)


__all__ = ["NativeRegistry", "Registry", "refused"]
