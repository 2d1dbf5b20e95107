"""user32 in memory: the window station of a logon session, desktops, each with an access list."""

from __future__ import annotations

from typing import Any

from tests.windows.memory.windows import Facade

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import WRITE_DAC
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.prototypes import LAST

STATION = "Service-0x0-1234$"


class Window(Handle):
    __slots__ = ("access", "name", "place")
    access: int
    name: str
    place: dict[str, SecurityDescriptor]


class User(Facade):
    def _handle(self, name: str, place: dict[str, SecurityDescriptor]) -> Window:
        made = Window(1, lambda value: None, name)
        made.name, made.place, made.access = name, place, WRITE_DAC
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
        there = self.windows.stations.get(STATION)
        if there is None:
            self.windows.stations[STATION] = SecurityDescriptor.from_bytes(security).replace(
                owner=self.person.user, group=self.person.user)
        elif not self.person.may(there.replace(owner=there.owner or self.person.user, group=self.person.user), access,
                                 "window_station"):
            raise failure("CreateWindowStationW", LAST, 5)
        made = self._handle(STATION, self.windows.stations)
        made.access = access
        return made

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
        if not handle.access & WRITE_DAC:
            raise failure("SetUserObjectSecurity", LAST, 5)
        handle.place[handle.name] = handle.place[handle.name].replace(
            dacl=SecurityDescriptor.from_bytes(descriptor).dacl)
