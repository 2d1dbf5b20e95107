"""A window station and a desktop of the cell's own, each with the plan's access list.

Knows: that a desktop is made in the process's current window station, and how a station without a name is named.
Must not know: what windows are for.  Follows "Window Stations and Desktops" of the Win32 reference.
"""

from __future__ import annotations

import _thread
import os

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import DescriptorError
from sidewall.nt.sddl import parse
from sidewall.plan.windows_unenforced import DESKTOP, Unenforced
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.errors import ApiError, MissingFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.windows_steps import Desktop
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

STATION_ACCESS, DESKTOP_ACCESS = 0xF037F, 0xF01FF
_switching = _thread.allocate_lock()
"""The current window station is the whole process's."""


class Surroundings:
    """An open station and desktop; ``name`` is what a process is started with.  ``missing`` says what does not hold."""

    __slots__ = ("_desktop", "_station", "missing", "name")

    def __init__(self, name: str, station: Handle, desktop: Handle, missing: tuple[Unenforced, ...]) -> None:
        self.name = name
        self._station = station
        self._desktop = desktop
        self.missing = missing

    def close(self) -> None:
        """Gives both back; they go when no process uses them any more."""
        for handle in (self._desktop, self._station):
            if not handle.closed:
                handle.close()


def make(api: Api, step: Desktop) -> Surroundings | Unenforced:
    """Makes both, or says why there is none: a session without windows has no stations either."""
    try:
        return _make(api, step)
    except (ApiError, MissingFunction) as error:
        return Unenforced(facility=DESKTOP, reason=f"no desktop of its own ({error.message})")


def _make(api: Api, step: Desktop) -> Surroundings:
    user = api.user32
    name = "sidewall-" + os.urandom(8).hex()
    station = user.CreateWindowStationW(None, STATION_ACCESS, security=_descriptor(step.station))
    try:
        with _switching:
            before = user.GetProcessWindowStation()
            user.SetProcessWindowStation(station)
            try:
                desktop = user.CreateDesktopW(name, DESKTOP_ACCESS, security=_descriptor(step.desktop))
            except BaseException:
                user.SetProcessWindowStation(before)
                raise
            try:
                user.SetProcessWindowStation(before)
            except BaseException:
                desktop.close()
                raise
        try:
            missing = _compare(api, ((station, step.station, "station"), (desktop, step.desktop, "desktop")))
            return Surroundings(f"{user.UserObjectName(station)}\\{name}", station, desktop, missing)
        except BaseException:
            desktop.close()
            raise
    except BaseException:
        station.close()
        raise


def _descriptor(sddl: str) -> bytes:
    return parse(sddl).to_bytes()


def _compare(api: Api, objects: tuple[tuple[Handle, str, str], ...]) -> tuple[Unenforced, ...]:
    """What the objects say of themselves against what they were given.

    The station of a logon session is there already when another cell made it; its list is the same then.
    """
    for handle, sddl, kind in objects:
        wanted = parse(sddl).dacl
        data = api.user32.GetUserObjectSecurity(handle, DACL_SECURITY_INFORMATION)
        try:
            found = SecurityDescriptor.from_bytes(data).dacl
        except DescriptorError:
            found = None  # what is there is no descriptor
        if wanted is None or found is None or found.aces != wanted.aces:
            return (Unenforced(facility=DESKTOP, reason=f"the window {kind} keeps no access list"),)
    return ()


__all__ = ["Surroundings", "make"]
