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
    from sidewall.platforms.windows.secret import Secret

DIRECTORY, FILE, REFUSED = r"\AppData\Local\sidewall", "accounts.json", "refused.json"
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


class Stored(Record):
    """A credential as it is stored: ``sealed`` is its password, which only this user can open."""

    name: str
    sid: Sid
    generation: int
    changed: int
    sealed: bytes


class Refused(Record):
    """A logon that Windows refused: with which password (its ``generation``), ``code`` of the error, when (seconds
    since 1970).  That password is not tried again."""

    sid: Sid
    generation: int
    code: int
    when: int = 0


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


def files_of(machine: Machine, home: str) -> tuple[str, ...]:
    """Paths of all files that are kept here and are there: passwords, refusals, and what unfinished writing left.

    Raises Win32Error, MachineError.
    """
    directory = home + DIRECTORY
    listed = private_file.names(machine.api, directory) or ()
    return tuple([f"{directory}\\{name}" for name in listed
                  if any(name.lower() == one or name.lower().startswith(one + ".") for one in (FILE, REFUSED))])


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


def entries(data: bytes) -> dict[str, Stored | Unreadable]:
    """Stored credentials by account name; none at all of what is damaged.  Raises nothing."""
    import base64
    import json

    found: dict[str, Stored | Unreadable] = {}
    try:
        for entry in json.loads(data)["accounts"]:
            name = str(entry["name"])
            try:
                found[name] = Stored(name=name, sid=Sid(str(entry["sid"])), generation=int(entry["generation"]),
                                     changed=int(entry["changed"]),
                                     sealed=base64.b64decode(entry["secret"], validate=True))
            except (NtError, ValueError, KeyError, TypeError) as error:
                found[name] = Unreadable(name=name, reason=type(error).__name__)
    except (ValueError, KeyError, TypeError):
        return {}
    return found


def opened(machine: Machine, user: Sid, data: bytes) -> dict[str, Credential | Unreadable]:
    """Credentials with their passwords, for set-up, out of stored bytes; see ``entries``.  Raises nothing."""
    found: dict[str, Credential | Unreadable] = {}
    for name, one in entries(data).items():
        if isinstance(one, Unreadable):
            found[name] = one
            continue
        try:
            plain, _ = machine.api.crypt32.CryptUnprotectData(one.sealed, entropy=_entropy(user))
            found[name] = Credential(name=name, sid=one.sid, password=plain.decode("utf-8"),
                                     generation=one.generation, changed=one.changed)
        except (ApiError, ValueError) as error:
            # Only the kind of a fault that is no call's: its text may hold what was decrypted.
            reason = str(error) if isinstance(error, ApiError) else type(error).__name__
            found[name] = Unreadable(name=name, reason=reason)
    return found


def unsealed(machine: Machine, user: Sid, one: Stored) -> Secret:
    """The password, to be wiped by whoever takes it.  Raises Win32Error, and MachineError for what is none."""
    try:
        return machine.api.crypt32.UnprotectSecret(one.sealed, entropy=_entropy(user))
    except ValueError:
        raise MachineError(f"what is stored for the account {one.name} is no password",
                           hint="run `sidewall setup`") from None


def known(machine: Machine, caller: Caller) -> dict[str, Stored | Unreadable]:
    """This user's credentials by account name, each opened to see that it can be and wiped at once; those that still
    wait for the user are newer than the file.  Changes nothing.  Raises MachineError when the file cannot be read."""
    waiting = machine.registry.value(ledger.waiting_key(caller.user), ledger.WAITING)
    found = entries(waiting) if isinstance(waiting, bytes) else {}
    if not found:
        data = private_file.read(machine.api, path_of(caller.home))
        found = entries(data) if data is not None else {}
    for name, one in found.items():
        if isinstance(one, Stored):
            try:
                unsealed(machine, caller.user, one).close()
            except MachineError as error:
                found[name] = Unreadable(name=name, reason=str(error))
    return found


def refusals(machine: Machine, caller: Caller) -> dict[Sid, Refused] | None:
    """What is noted of refused logons; None when the note cannot be read, so that nobody knows.  Raises nothing."""
    import json

    try:
        data = private_file.read(machine.api, f"{caller.home}{DIRECTORY}\\{REFUSED}")
        found = [Refused(sid=Sid(str(one["sid"])), generation=int(one["generation"]), code=int(one["code"]),
                         when=int(one["when"])) for one in json.loads(data)["refused"]] if data is not None else []
    except (MachineError, NtError, ValueError, KeyError, TypeError):
        return None
    return {one.sid: one for one in found}


def note_refusal(machine: Machine, caller: Caller, refused: Refused) -> None:
    """Notes that Windows refused this password.  Raises MachineError."""
    import json

    noted = {**(refusals(machine, caller) or {}), refused.sid: refused}
    data = json.dumps({"schema": SCHEMA, "refused": [one.to_dict() for one in noted.values()]}).encode("ascii")
    private_file.write(machine.api, caller.home + DIRECTORY, REFUSED, data, caller.user)


def store(machine: Machine, caller: Caller, made: tuple[Credential, ...]) -> None:
    """Protects, writes, and reads back.  Called by the user whose accounts they are.  Raises MachineError."""
    data = protected(machine, caller.user, made)
    private_file.write(machine.api, caller.home + DIRECTORY, FILE, data, caller.user)
    # What was refused was refused with older passwords.
    private_file.remove(machine.api, f"{caller.home}{DIRECTORY}\\{REFUSED}")
    if _stored(machine, caller) != {one.name: one for one in made}:
        raise MachineError(f"{path_of(caller.home)} does not read back as it was written",
                           hint="look whether another program changes it; then run `sidewall setup` again")


def load(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    """The same with passwords, for set-up.  Raises MachineError when the file cannot be read at all."""
    return _waiting(machine, caller) or _stored(machine, caller)


def _stored(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    data = private_file.read(machine.api, path_of(caller.home))
    return opened(machine, caller.user, data) if data is not None else {}


def _waiting(machine: Machine, caller: Caller) -> dict[str, Credential | Unreadable]:
    data = machine.registry.value(ledger.waiting_key(caller.user), ledger.WAITING)
    return opened(machine, caller.user, data) if isinstance(data, bytes) else {}


def leave(machine: Machine, user: Sid, made: tuple[Credential, ...]) -> None:
    """Leaves credentials for a user who is not here, where only that user reads.  Raises Win32Error."""
    ledger.open_waiting(machine, user)
    machine.registry.set_value(ledger.waiting_key(user), ledger.WAITING, protected(machine, user, made, everybody=True))


def take(machine: Machine, caller: Caller) -> bool:
    """Takes what was left for this user, under the user's own key; whether there was something.

    Raises MachineError when it cannot be stored: then it stays where it was.
    """
    found = _waiting(machine, caller).values()
    good = tuple([one for one in found if isinstance(one, Credential)])
    if len(good) != len(found) or not good:
        return False
    store(machine, caller, good)
    machine.registry.delete_value(ledger.waiting_key(caller.user), ledger.WAITING)
    return True


__all__ = ["CLASSES", "DIRECTORY", "FILE", "LENGTH", "REFUSED", "SLACK_SECONDS", "Credential", "Refused", "Stored",
           "Unreadable", "entries", "files_of", "known", "leave", "load", "note_refusal", "opened", "password",
           "path_of", "protected", "refusals", "store", "take", "unsealed"]
