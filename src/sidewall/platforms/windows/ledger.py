"""What set-up made for a Windows user, kept where only administrators write: for uninstall, and no proof of readiness.

Knows: one key of the registry for each user.  Must not know: what is made of it.

An account that was deleted by hand leaves its rights, its profile and its filters behind, and no name leads to them any
more: its SID is here.  For a fleet the passwords wait here, protected for this machine and readable by their user only,
until that user takes them.
"""

from __future__ import annotations

from sidewall.nt.errors import NtError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION,
    SE_REGISTRY_KEY,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.machine import Machine
    from sidewall.platforms.windows.registry import Registry

BASE = r"SOFTWARE\Sidewall"
ACCOUNTS, WAITING = "Accounts", "Credentials"
_READ_AND_TAKE = 0x2001B
"""KEY_READ and KEY_SET_VALUE: whoever took the passwords removes them."""


def key_of(user: Sid) -> str:
    """The key of a user."""
    return f"{BASE}\\{user}"


def open_for(machine: Machine, user: Sid) -> None:
    """Makes the user's key with its access list.  Raises Win32Error."""
    key = key_of(user)
    machine.registry.make_key(key)
    dacl = parse(f"D:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;;{_READ_AND_TAKE:#x};;;{user})").dacl
    assert dacl is not None
    machine.api.advapi32.SetNamedSecurityInfoW(
        f"MACHINE\\{key}", DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, kind=SE_REGISTRY_KEY,
        dacl=dacl.to_bytes())


def remember(registry: Registry, user: Sid, sid: Sid) -> None:
    """Adds a SID that was made.  Raises Win32Error."""
    known = made(registry, user)
    if sid not in known:
        registry.set_value(key_of(user), ACCOUNTS, " ".join((*known, sid)))


def forget(registry: Registry, user: Sid, sid: Sid) -> None:
    """Takes a SID out again.  Raises Win32Error."""
    known = made(registry, user)
    if sid in known:
        registry.set_value(key_of(user), ACCOUNTS, " ".join([one for one in known if one != sid]))


def made(registry: Registry, user: Sid) -> tuple[Sid, ...]:
    """The SIDs that were ever made for a user.  Raises Win32Error."""
    text = registry.value(key_of(user), ACCOUNTS)
    return _sids(text.split()) if isinstance(text, str) else ()


def _sids(words: list[str]) -> tuple[Sid, ...]:
    found = []
    for word in words:
        try:
            found.append(Sid(word))
        except NtError:
            continue
    return tuple(found)


def users(registry: Registry) -> tuple[Sid, ...]:
    """The users that have a key.  Raises Win32Error."""
    return _sids(list(registry.keys(BASE)))


def close(registry: Registry, user: Sid) -> bool:
    """Removes the user's key, and the one above with the last; whether it was there.  Raises Win32Error."""
    key = key_of(user)
    there = registry.exists(key)
    if there:
        registry.delete_key(key)
    if registry.exists(BASE) and not registry.keys(BASE) and not registry.values(BASE):
        registry.delete_key(BASE)
    return there


__all__ = ["BASE", "WAITING", "close", "forget", "key_of", "made", "open_for", "remember", "users"]
