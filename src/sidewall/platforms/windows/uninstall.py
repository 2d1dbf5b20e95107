"""Uninstall as a user sees it: access lists first, then what an administrator must remove, then the user's own file.

Knows: the order, and which side of the prompt removes what.  Must not know: how each thing goes, printing.

Access lists go first: once an account is deleted its SID is a number that nobody can put a name to.  The stored
passwords go last, and only when the accounts are gone, so that an interrupted uninstall leaves something that works or
something that the next one finishes.
"""

from __future__ import annotations

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.sid import Sid
from sidewall.platforms.traces import Removed, Trace
from sidewall.platforms.windows import credentials, private_file, removal, runtime_removal, status
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.exchange import UNINSTALL
from sidewall.platforms.windows.setup import CANCELLED, Declined, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.credentials import Credential
    from sidewall.platforms.windows.machine import Caller, Machine
    from sidewall.platforms.windows.setup import Elevate
    from sidewall.platforms.windows.status import Lists

NEEDS_ADMINISTRATOR = frozenset(("account", "group", "hidden", "right", "profile", "filter", "registry"))


def run(machine: Machine, elevate: Elevate, lists: Lists | None = None) -> Removed:
    """Removes every trace of the caller's; what could not be removed is in ``left``.  Raises Declined, MachineError."""
    caller = checked(machine)
    done: list[str] = []
    left: list[str] = []
    if lists is not None:
        undone, kept = lists.uninstall()
        done += undone
        left += kept
    found = status.look(machine)
    if _concerns(found.traces, caller.user):
        gone = _ask(machine, elevate)
        done += gone.done
        left += gone.left
    if not any(one.kind == "account" and one.owner == caller.user for one in status.look(machine).traces):
        _files(machine, caller, done, left)
    return Removed(done=tuple(done), left=tuple(left))


def _concerns(traces: tuple[Trace, ...], user: Sid) -> bool:
    """Whether an administrator has to remove something: what belongs to nobody in particular is the last user's."""
    owners = {one.owner for one in traces if one.kind in NEEDS_ADMINISTRATOR}
    return user in owners or owners == {""}


def _ask(machine: Machine, elevate: Elevate) -> Removed:
    def keep(made: tuple[Credential, ...]) -> None:
        raise MachineError("the helper made accounts where it was to remove them", hint="run `sidewall status`")

    try:
        return elevate(machine, UNINSTALL, keep)
    except ApiError as error:
        if error.code == CANCELLED and error.call == "ShellExecuteExW":
            raise Declined(f"an administrator's consent is needed to remove accounts and filters: {error}",
                           hint="say yes to the prompt; `sidewall status` lists what is still there") from None
        raise


def _files(machine: Machine, caller: Caller, done: list[str], left: list[str]) -> None:
    gone, kept = runtime_removal.uninstall(machine.api, caller.home)
    done += gone
    left += kept
    directory = caller.home + credentials.DIRECTORY
    paths: tuple[str, ...] = ()
    try:
        paths = credentials.files_of(machine, caller.home)
    except SidewallError as error:
        left.append(f"{directory}: {error}")
    for path in paths:
        try:
            if private_file.remove(machine.api, path):
                done.append(f"removed {path}")
        except SidewallError as error:
            left.append(f"{path}: {error}")
    try:
        machine.api.kernel32.RemoveDirectoryW(directory)
        done.append(f"removed {directory}")
    except ApiError as error:
        if error.code not in private_file.NOT_THERE and not kept:
            left.append(f"{directory}: {error}")


def for_user(machine: Machine, user: Sid) -> Removed:
    """Removes what an administrator's set-up made for somebody.  Raises MachineError.

    The user's own files and access lists are that user's to remove.
    """
    if not machine.caller().elevated:
        raise MachineError("--for-user needs an administrator's rights already", hint="run it from an elevated prompt")
    return removal.remove(machine, user)


__all__ = ["for_user", "run"]
