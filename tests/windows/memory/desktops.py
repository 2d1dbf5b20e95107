"""user32 in memory: the window station of a logon session, desktops, each with an access list."""

from __future__ import annotations

from typing import Any

from tests.windows.memory.windows import Facade

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.prototypes import LAST

STATION = "Service-0x0-1234$"


class Window(Handle):
    __slots__ = ("name", "place")
    name: str
    place: dict[str, SecurityDescriptor]


class User(Facade):
    def _handle(self, name: str, place: dict[str, SecurityDescriptor]) -> Window:
        made = Window(1, lambda value: None, name)
        made.name, made.place = name, place
        return made

    def GetProcessWindowStation(self) -> Handle:
        return Borrowed(1, "WinSta0")

    def SetProcessWindowStation(self, station: Handle) -> None:
        return

    def CreateWindowStationW(self, name: str | None, access: int, *, security: bytes, **_: Any) -> Handle:
        if not self.windows.windows_there:
            raise failure("CreateWindowStationW", LAST, 1459)
        assert name is None, "a name is for administrators"
        # One a logon session: whoever comes later gets that of the first.
        self.windows.stations.setdefault(STATION, SecurityDescriptor.from_bytes(security))
        return self._handle(STATION, self.windows.stations)

    def OpenWindowStationW(self, name: str, access: int, **_: Any) -> Handle:
        return self._handle(name, self.windows.stations)

    def CreateDesktopW(self, name: str, access: int, *, security: bytes, **_: Any) -> Handle:
        self.windows.desktops[name] = SecurityDescriptor.from_bytes(security)
        made = Window(1, lambda value: self.windows.desktops.pop(name), name)
        made.name, made.place = name, self.windows.desktops
        return made

    def UserObjectName(self, handle: Any) -> str:
        name: str = handle.name
        return name

    def GetUserObjectSecurity(self, handle: Any, what: int) -> bytes:
        found: SecurityDescriptor = handle.place[handle.name]
        return found.to_bytes()

    def SetUserObjectSecurity(self, handle: Any, what: int, descriptor: bytes) -> None:
        handle.place[handle.name] = SecurityDescriptor.from_bytes(descriptor)
