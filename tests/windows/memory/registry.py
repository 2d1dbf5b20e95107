"""HKEY_LOCAL_MACHINE in memory: keys with access lists, inherited by the keys below."""

from __future__ import annotations

from typing import Any

from tests.windows.memory.windows import MACHINE_KEY, Facade

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.platforms.windows.registry import refused

READ, SET_VALUE, CREATE, DELETE = 0x20019, 0x2, 0x4, 0x10000


def security(windows: Any, key: str) -> SecurityDescriptor:
    """The key's own list, or that of the nearest key above (all are inheritable here)."""
    while key:
        if key in windows.key_security:
            found: SecurityDescriptor = windows.key_security[key]
            return found
        key = key.rpartition("\\")[0]
    return MACHINE_KEY


class Registry(Facade):
    def _may(self, call: str, key: str, mask: int, name: str = "") -> None:
        if not self.person.may(security(self.windows, key.upper()), mask, "key"):
            raise refused(call, 5, key, name)

    def value(self, key: str, name: str) -> Any:
        if key.upper() not in self.windows.keys:
            return None
        self._may("RegQueryValueExW", key, READ, name)
        return self.windows.keys[key.upper()].get(name)

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(self.windows.keys.get(key.upper(), {}))

    def keys(self, key: str) -> tuple[str, ...]:
        start = key.upper() + "\\"
        return tuple([one[len(start):] for one in self.windows.keys if one.startswith(start)
                      and "\\" not in one[len(start):]])

    def exists(self, key: str) -> bool:
        return key.upper() in self.windows.keys

    def make_key(self, key: str) -> None:
        parts = key.upper().split("\\")
        for length in range(2, len(parts) + 1):
            one = "\\".join(parts[:length])
            if one not in self.windows.keys:
                self._may("RegCreateKeyExW", one.rpartition("\\")[0], CREATE)
                self.windows.keys[one] = {}

    def set_value(self, key: str, name: str, value: Any) -> None:
        self.make_key(key)
        self._may("RegSetValueExW", key, SET_VALUE, name)
        self.windows.keys[key.upper()][name] = value

    def delete_value(self, key: str, name: str) -> None:
        if name in self.windows.keys.get(key.upper(), {}):
            self._may("RegDeleteValueW", key, SET_VALUE, name)
            del self.windows.keys[key.upper()][name]

    def delete_key(self, key: str) -> None:
        if key.upper() in self.windows.keys:
            self._may("RegDeleteKeyExW", key, DELETE)
            if self.keys(key):
                raise refused("RegDeleteKeyExW", 5, key)
            del self.windows.keys[key.upper()]
            self.windows.key_security.pop(key.upper(), None)
