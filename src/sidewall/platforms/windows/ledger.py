"""What set-up made for a Windows user, kept where only administrators write: for uninstall, and no proof of readiness.

Knows: one key of the registry for each user, and who could have written it.  Must not know: what is made of it.

An account that was deleted by hand leaves its rights, its profile and its filters behind, and no name leads to them any
more: its SID is here.  Nobody else may decide what an administrator's process ends and deletes by this list, so it is
believed only while its key belongs to administrators and nobody else may change it.  For a fleet the passwords wait in
a key below, protected for this machine, where their user alone reads them, takes them and removes them.
"""

from __future__ import annotations

from sidewall.nt import wellknown as known
from sidewall.nt.ace import ALLOW_TYPES
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import DELETE, GENERIC_ALL, GENERIC_WRITE, MAXIMUM_ALLOWED, WRITE_DAC, WRITE_OWNER
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION,
    SE_REGISTRY_KEY,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.machine import Machine
    from sidewall.platforms.windows.registry import Registry

BASE = r"SOFTWARE\Sidewall"
ACCOUNTS, WAITING = "Accounts", "Credentials"
_LIST = "D:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;;{mask:#x};;;{user})"
_READ, _READ_AND_TAKE = 0x20019, 0x2001B
"""KEY_READ; and with KEY_SET_VALUE: whoever took the passwords removes them."""
_SET_VALUE, _CREATE_KEY, _CREATE_LINK = 0x2, 0x4, 0x20
_CHANGING = (_SET_VALUE | _CREATE_KEY | _CREATE_LINK | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_ALL | GENERIC_WRITE
             | MAXIMUM_ALLOWED)
_TRUSTED = (known.SYSTEM, known.ADMINISTRATORS, known.TRUSTED_INSTALLER)


def key_of(user: Sid) -> str:
    """The key of a user."""
    return f"{BASE}\\{user}"


def waiting_key(user: Sid) -> str:
    """The key below it in which a fleet's passwords wait for the user."""
    return key_of(user) + r"\Waiting"


def believed(machine: Machine, user: Sid) -> bool:
    """Whether administrators alone can have written the user's key; one that is not there says nothing wrong.

    Raises Win32Error when its access list may not be read.
    """
    key = key_of(user)
    if not machine.registry.exists(key):
        return True
    try:
        found = SecurityDescriptor.from_bytes(machine.api.advapi32.GetNamedSecurityInfoW(
            f"MACHINE\\{key}", OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, kind=SE_REGISTRY_KEY))
    except NtError:
        return False
    if found.owner not in _TRUSTED or found.dacl is None:
        return False
    # An entry for keys below counts too: whoever may write those is no stranger to this one.
    return not any(ace.type in ALLOW_TYPES and ace.mask & _CHANGING and ace.sid not in _TRUSTED
                   for ace in found.dacl.aces)


def open_for(machine: Machine, user: Sid) -> None:
    """Makes the user's key with its access list, anew where others could have written it.  Raises Win32Error."""
    key = key_of(user)
    if not believed(machine, user):
        # Whoever could write it may hold it open, and its list is theirs: only another key is not.
        close(machine.registry, user)
    machine.registry.make_key(key)
    _guard(machine, key, user, _READ)


def open_waiting(machine: Machine, user: Sid) -> None:
    """Makes the key in which passwords wait, with its access list, anew.  Raises Win32Error."""
    open_for(machine, user)
    machine.registry.delete_key(waiting_key(user))
    machine.registry.make_key(waiting_key(user))
    _guard(machine, waiting_key(user), user, _READ_AND_TAKE)


def _guard(machine: Machine, key: str, user: Sid, mask: int) -> None:
    dacl = parse(_LIST.format(mask=mask, user=user)).dacl
    assert dacl is not None
    machine.api.advapi32.SetNamedSecurityInfoW(
        f"MACHINE\\{key}",
        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
        kind=SE_REGISTRY_KEY, owner=known.ADMINISTRATORS.to_bytes(), dacl=dacl.to_bytes())


def remember(registry: Registry, user: Sid, sid: Sid) -> None:
    """Adds a SID that was made.  Raises Win32Error."""
    there = made(registry, user)
    if sid not in there:
        registry.set_value(key_of(user), ACCOUNTS, " ".join((*there, sid)))


def forget(registry: Registry, user: Sid, sid: Sid) -> None:
    """Takes a SID out again.  Raises Win32Error."""
    there = made(registry, user)
    if sid in there:
        registry.set_value(key_of(user), ACCOUNTS, " ".join([one for one in there if one != sid]))


def made(registry: Registry, user: Sid) -> tuple[Sid, ...]:
    """The SIDs that were ever made for a user, as the key says: see ``believed``.  Raises Win32Error."""
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
        for below in registry.keys(key):
            registry.delete_key(f"{key}\\{below}")
        registry.delete_key(key)
    if registry.exists(BASE) and not registry.keys(BASE) and not registry.values(BASE):
        registry.delete_key(BASE)
    return there


__all__ = ["BASE", "WAITING", "believed", "close", "forget", "key_of", "made", "open_for", "open_waiting", "remember",
           "users", "waiting_key"]
