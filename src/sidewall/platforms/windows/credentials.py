"""Passwords of the sandbox accounts: made, protected for one user of this machine, kept in one file, read again.

Knows: DPAPI, the file.  Must not know: how an account gets its password, or what is run with it.

The user's own DPAPI key protects, with the user's SID as entropy, so that another blob of the same user is not taken
for one of these.  ``generation`` and ``changed`` say which of an account's passwords this is: an older one is never
tried, since a wrong password counts towards a lock-out.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import ledger, private_file
from sidewall.platforms.windows.errors import ApiError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.platforms.windows.machine import Caller, Machine

DIRECTORY, FILE = r"\AppData\Local\sidewall", "accounts.json"
SCHEMA = 1
LENGTH = 40
LOWER, UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS, MARKS = "0123456789", "!#$%&()*+,-./:;<=>?@[]^_{|}~"
CLASSES = (LOWER, UPPER, DIGITS, MARKS)
DESCRIPTION = "Sidewall sandbox account"
SLACK_SECONDS = 30
"""Between two readings of "changed so many seconds ago"."""


class Credential(Record):
    """An account's password.  ``changed`` is when the account got it, in seconds since 1970 by this machine."""

    name: str
    sid: Sid
    password: str
    generation: int
    changed: int

    def __repr__(self) -> str:
        return f"Credential(name={self.name!r}, generation={self.generation})"


class Unreadable(Record):
    """A credential that is there and cannot be read; ``reason`` for people."""

    name: str
    reason: str


def password() -> str:
    """A new one: 40 characters, all four classes, more than 250 bits."""
    import secrets

    while True:
        made = "".join([secrets.choice("".join(CLASSES)) for _ in range(LENGTH)])
        if all(set(kind).intersection(made) for kind in CLASSES):
            return made


def path_of(home: str) -> str:
    """Where a user's credentials lie, by the profile directory of the token and not of a variable."""
    return f"{home}{DIRECTORY}\\{FILE}"


def _entropy(user: Sid) -> bytes:
    return b"sidewall account\0" + user.encode("ascii")


def protected(machine: Machine, user: Sid, made: tuple[Credential, ...], *, everybody: bool = False) -> bytes:
    """Credentials as bytes that can be stored.  ``everybody``: for every user of this machine.  Raises Win32Error."""
    import base64
    import json

    entries: list[dict[str, Any]] = []
    for one in made:
        secret = machine.api.crypt32.CryptProtectData(one.password.encode("utf-8"), description=DESCRIPTION,
                                                      entropy=_entropy(user), machine=everybody)
        entries.append({"name": one.name, "sid": str(one.sid), "generation": one.generation, "changed": one.changed,
                        "secret": base64.b64encode(secret).decode("ascii")})
    return json.dumps({"schema": SCHEMA, "accounts": entries}, indent=1).encode("ascii") + b"\n"


def opened(machine: Machine, user: Sid, data: bytes) -> dict[str, Credential | Unreadable]:
    """Credentials by account name out of stored bytes; none at all of what is damaged.  Raises nothing."""
    import base64
    import json

    found: dict[str, Credential | Unreadable] = {}
    try:
        entries = json.loads(data)["accounts"]
        for entry in entries:
            name = str(entry["name"])
            try:
                plain, _ = machine.api.crypt32.CryptUnprotectData(base64.b64decode(entry["secret"], validate=True),
                                                                  entropy=_entropy(user))
                found[name] = Credential(name=name, sid=Sid(str(entry["sid"])), password=plain.decode("utf-8"),
                                         generation=int(entry["generation"]), changed=int(entry["changed"]))
            except (ApiError, NtError, ValueError, KeyError, TypeError) as error:
                # Only the kind of a fault that is no call's: its text may hold what was decrypted.
                reason = str(error) if isinstance(error, ApiError) else type(error).__name__
                found[name] = Unreadable(name=name, reason=reason)
    except (ValueError, KeyError, TypeError):
        return {}
    return found


def store(machine: Machine, caller: Caller, made: tuple[Credential, ...]) -> None:
    """Protects, writes, and reads back.  Called by the user whose accounts they are.  Raises MachineError."""
    data = protected(machine, caller.user, made)
    private_file.write(machine.api, caller.home + DIRECTORY, FILE, data, caller.user)
    if _stored(machine, caller) != {one.name: one for one in made}:
        raise MachineError(f"{path_of(caller.home)} does not read back as it was written",
                           hint="look whether another program changes it; then run `sidewall setup` again")


def load(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    """This user's credentials by account name; those that still wait for the user are newer than the file.  Changes
    nothing.  Raises MachineError when the file cannot be read at all."""
    return _waiting(machine, caller) or _stored(machine, caller)


def _stored(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    data = private_file.read(machine.api, path_of(caller.home))
    return opened(machine, caller.user, data) if data is not None else {}


def _waiting(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    data = machine.registry.value(ledger.key_of(caller.user), ledger.WAITING)
    return opened(machine, caller.user, data) if isinstance(data, bytes) else {}


def leave(machine: Machine, user: Sid, made: tuple[Credential, ...]) -> None:
    """Leaves credentials for a user who is not here, where only that user reads.  Raises Win32Error."""
    ledger.open_for(machine, user)
    machine.registry.set_value(ledger.key_of(user), ledger.WAITING, protected(machine, user, made, everybody=True))


def take(machine: Machine, caller: Caller) -> bool:
    """Takes what was left for this user, under the user's own key; whether there was something.

    Raises MachineError when it cannot be stored: then it stays where it was.
    """
    found = _waiting(machine, caller).values()
    good = tuple([one for one in found if isinstance(one, Credential)])
    if len(good) != len(found) or not good:
        return False
    store(machine, caller, good)
    machine.registry.delete_value(ledger.key_of(caller.user), ledger.WAITING)
    return True


__all__ = ["CLASSES", "DIRECTORY", "FILE", "LENGTH", "SLACK_SECONDS", "Credential", "Unreadable", "leave", "load",
           "opened", "password", "path_of", "protected", "store", "take"]
