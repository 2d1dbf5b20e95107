"""A window station and a desktop of the cell's own, each with the plan's access list.

Knows: that a desktop is made in the process's current window station, and how a station without a name is named.
Must not know: what windows are for.  Follows "Window Stations and Desktops" of the Win32 reference.

The desktop is the cell's own.  A station without a name is the logon session's, and only administrators name one: the
cells of every tier that one session opens share it, and each lets in whom its plan names besides those who are in.
"""

from __future__ import annotations

import _thread
import os

from sidewall.nt.ace import ACCESS_ALLOWED, Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import DELETE, WRITE_DAC, WRITE_OWNER
from sidewall.nt.sddl import parse
from sidewall.plan.windows_unenforced import DESKTOP, Unenforced
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.errors import ApiError, MissingFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.windows_steps import Desktop
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

STATION_ACCESS, DESKTOP_ACCESS = 0xF033F, 0xF00FF
"""All but ending the session and switching to the desktop, which nobody is granted."""
STATION_USE = STATION_ACCESS & ~(DELETE | WRITE_DAC | WRITE_OWNER)
"""What another cell's entry on the station may grant: using it, and not changing who may."""
DENIED = 5
_switching, _merging = _thread.allocate_lock(), _thread.allocate_lock()
"""The current window station is the whole process's; and one thread at a time adds to a list."""


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


def make(api: Api, step: Desktop, turn: Callable[[], Handle] | None = None) -> Surroundings | Unenforced:
    """Makes both, or says why there is none: a session without windows has no stations either.

    Whoever has the ``turn`` adds to the station's list, and nobody else at that moment.  None is for a logon session
    in which all add the same.
    """
    try:
        return _make(api, step, turn)
    except (ApiError, MissingFunction) as error:
        return Unenforced(facility=DESKTOP, reason=f"no desktop of its own ({error.message})")


def _make(api: Api, step: Desktop, turn: Callable[[], Handle] | None) -> Surroundings:
    user = api.user32
    name = "sidewall-" + os.urandom(8).hex()
    station = _station(api, step)
    try:
        _let_in(api, station, step.station, turn)
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
                # Once more: else this whole process stays in the station of its sandboxes.
                user.SetProcessWindowStation(before)
                raise
        try:
            missing = _compare(api, station, desktop, step)
            return Surroundings(f"{user.UserObjectName(station)}\\{name}", station, desktop, missing)
        except BaseException:
            desktop.close()
            raise
    except BaseException:
        station.close()
        raise


def _descriptor(sddl: str) -> bytes:
    return parse(sddl).to_bytes()


def _station(api: Api, step: Desktop) -> Handle:
    """One that another cell made may be open to its users, and not for changing who they are."""
    user, security = api.user32, _descriptor(step.station)
    try:
        return user.CreateWindowStationW(None, STATION_ACCESS, security=security)
    except ApiError as error:
        if error.code != DENIED:
            raise
        return user.CreateWindowStationW(None, STATION_USE, security=security)


def _let_in(api: Api, station: Handle, sddl: str, turn: Callable[[], Handle] | None) -> None:
    """Adds the entries that the station has not yet.  What is lost because somebody else wrote at the same moment is
    seen when the list is compared, and nothing is started then."""
    if not _missing(api, station, sddl):
        return
    with _merging:
        held = turn() if turn is not None else None
        try:
            missing, found = _missing(api, station, sddl), _list(api, station)
            if missing and found is not None:
                made = SecurityDescriptor(dacl=Acl(aces=(*found.aces, *missing)))
                api.user32.SetUserObjectSecurity(station, DACL_SECURITY_INFORMATION, made.to_bytes())
        finally:
            if held is not None:
                held.close()


def _missing(api: Api, station: Handle, sddl: str) -> tuple[Ace, ...]:
    wanted, found = parse(sddl).dacl, _list(api, station)
    if wanted is None or found is None:
        return ()  # what keeps no list refuses nobody, and is told when it is compared
    return tuple([ace for ace in wanted.aces if ace not in found.aces])


def _list(api: Api, handle: Handle) -> Acl | None:
    data = api.user32.GetUserObjectSecurity(handle, DACL_SECURITY_INFORMATION)
    try:
        return SecurityDescriptor.from_bytes(data).dacl
    except NtError:
        return None  # what is there is no descriptor


def _compare(api: Api, station: Handle, desktop: Handle, step: Desktop) -> tuple[Unenforced, ...]:
    """What the objects say of themselves against what they were given."""
    wanted, found = parse(step.desktop).dacl, _list(api, desktop)
    if wanted is None or found is None or found.aces != wanted.aces:
        return (Unenforced(facility=DESKTOP, reason="the window desktop keeps no access list"),)
    wanted, found = parse(step.station).dacl, _list(api, station)
    if wanted is None or found is None or not set(wanted.aces) <= set(found.aces):
        return (Unenforced(facility=DESKTOP, reason="the window station keeps no access list"),)
    others = [ace for ace in found.aces if ace not in wanted.aces]
    if any(ace.type != ACCESS_ALLOWED or ace.mask & ~STATION_USE for ace in others):
        return (Unenforced(facility=DESKTOP, reason="the window station is open to others than the sandbox's"),)
    return ()


__all__ = ["Surroundings", "make"]
