"""Set-up as a user sees it: look, ask an administrator only if something is missing, keep the passwords, look again.

Knows: what is done on which side of the prompt.  Must not know: how the accounts are made (``provision``), printing.

Idempotent: where everything is as it should be nobody is asked anything.  What counts is what the machine shows
afterwards, not that every call said yes.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import accounts, credentials, private_file, provision, readiness
from sidewall.platforms.windows.errors import ApiError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from sidewall.platforms.traces import Removed
    from sidewall.platforms.windows.credentials import Credential
    from sidewall.platforms.windows.machine import Caller, Machine

    Keep: TypeAlias = Callable[[tuple[Credential, ...]], object]
    Elevate: TypeAlias = Callable[[Machine, str, Keep], Removed]
    """Does ``exchange.SETUP`` or ``exchange.UNINSTALL`` as administrator for whoever calls."""

READY, WAITING = "ready", "waiting"
CANCELLED = 1223


class Outcome(Record):
    """How a set-up ended: ``state`` is ``ready``, or ``waiting`` for the user to come (fleets); ``user`` whose accounts
    they are; what was done, one line each."""

    state: str
    user: Sid
    accounts: tuple[str, ...]
    done: tuple[str, ...] = ()


class Declined(MachineError):
    """The person said no to the prompt; nothing was changed."""


def run(machine: Machine, elevate: Elevate, copy: Callable[[Machine, Caller], tuple[str, ...]] | None = None
        ) -> Outcome:
    """Sets up the caller's accounts, and last has ``copy`` make what they start from, which says what it did.

    Raises Declined, MachineError with all changes taken back; what ``copy`` raises goes through, and the accounts stay.
    """
    outcome = _accounts(machine, elevate)
    made = copy(machine, machine.caller()) if copy is not None else ()
    return outcome.replace(done=(*outcome.done, *made))


def copy_python(machine: Machine, caller: Caller) -> tuple[str, ...]:
    """The copy of Python from which the accounts run; what was done.  Raises MachineError."""
    from sidewall.platforms.windows import runtime

    group = accounts.group_sid(machine.api, account_names(caller.user)[0])
    if group is None:
        raise MachineError("the sandbox's group is gone again", hint="run `sidewall setup` again")
    found = runtime.find(machine, caller, group)
    if found is not None:
        found.close()
        return ()
    with runtime.ready(machine, caller, group) as made:
        return (f"made a copy of Python in {made.directory}",)


def _accounts(machine: Machine, elevate: Elevate) -> Outcome:
    caller = checked(machine)
    names = account_names(caller.user)
    credentials.take(machine, caller)
    if not readiness.lacking(readiness.gather(machine, caller)):
        return Outcome(state=READY, user=caller.user, accounts=names)
    made = _ask(machine, caller, elevate)
    lacking = readiness.lacking(readiness.gather(machine, caller))
    if lacking:
        raise MachineError(f"set-up ran, and still {'; '.join(lacking)}",
                           hint="look whether a policy or a security product of this machine undoes it; "
                                "`sidewall status` lists what is there")
    return Outcome(state=READY, user=caller.user, accounts=names, done=made.done)


def _ask(machine: Machine, caller: Caller, elevate: Elevate) -> Removed:
    from sidewall.platforms.windows.exchange import SETUP

    before = _bytes(machine, caller)
    try:
        return elevate(machine, SETUP, lambda made: credentials.store(machine, caller, made))
    except ApiError as error:
        _put_back(machine, caller, before)
        if error.code == CANCELLED and error.call == "ShellExecuteExW":
            raise Declined(f"an administrator's consent is needed once, and was refused: {error}",
                           hint=error.hint) from None
        raise
    except MachineError:
        _put_back(machine, caller, before)
        raise


def _bytes(machine: Machine, caller: Caller) -> bytes | None:
    try:
        return private_file.read(machine.api, credentials.path_of(caller.home))
    except MachineError:
        return None


def _put_back(machine: Machine, caller: Caller, before: bytes | None) -> None:
    """Passwords of accounts that were not made after all are not kept.

    An account that was there has its new password by now, which then is the only one that is right: it stays.
    """
    try:
        if before is None and all(accounts.find(machine.api, name) is None
                                  for name in account_names(caller.user)[1:]):
            private_file.remove(machine.api, credentials.path_of(caller.home))
    except MachineError:
        return  # the error that led here is the one to tell; status lists the file


def checked(machine: Machine) -> Caller:
    """The caller.  Raises MachineError for one who runs inside a sandbox."""
    caller = machine.caller()
    if caller.confined or any(accounts_of(machine, caller.user)):
        raise MachineError("this process runs inside a sandbox, which may not change how sandboxes are set up",
                           hint="run it in a terminal of your own")
    return caller


def accounts_of(machine: Machine, user: Sid) -> tuple[str, ...]:
    """The names of sandbox accounts whose SID this is: none for a person."""
    found = []
    for name, _ in accounts.all_of_ours(machine.api):
        there = accounts.find(machine.api, name)
        if there is not None and Sid.from_bytes(there.sid) == user:
            found.append(name)
    return tuple(found)


def for_user(machine: Machine, user: Sid) -> Outcome:
    """Sets up somebody else's accounts, without a prompt, for fleets.  The passwords wait for that user.

    Raises MachineError when this process is not an administrator's, or with all changes taken back.
    """
    caller = machine.caller()
    if not caller.elevated:
        raise MachineError("--for-user needs an administrator's rights already", hint="run it from an elevated prompt")
    if caller.user == user:
        # Nothing has to wait: this process can store for its own user.
        done = provision.provision(machine, user, lambda made: credentials.store(machine, caller, made))
        return Outcome(state=READY, user=user, accounts=account_names(user), done=done)
    done = provision.provision(machine, user, lambda made: credentials.leave(machine, user, made))
    return Outcome(state=WAITING, user=user, accounts=account_names(user), done=done)


def here(machine: Machine, action: str, keep: Keep) -> Removed:
    """``Elevate`` for a process that is an administrator's already: no prompt, no second process."""
    from sidewall.platforms.traces import Removed
    from sidewall.platforms.windows import removal
    from sidewall.platforms.windows.exchange import SETUP

    caller = machine.caller()
    if action == SETUP:
        return Removed(done=provision.provision(machine, caller.user, keep))
    return removal.remove(machine, caller.user)


def elevation(machine: Machine, warn: Callable[[str], object]) -> Elevate:
    """The way to an administrator's rights from here; ``warn`` is told what the user is to know before the prompt."""
    if machine.caller().elevated:
        return here

    def prompt(machine: Machine, action: str, keep: Keep) -> Removed:
        from sidewall.platforms.windows import elevated, elevated_code

        found = elevated_code.look(machine.api, machine.caller().user, elevated_code.files())
        elevated_code.check(found)
        text = elevated_code.warning(found)
        if text:
            warn(text)
        return elevated.run(machine, action, keep)

    return prompt


__all__ = ["READY", "WAITING", "Declined", "Outcome", "checked", "copy_python", "elevation", "for_user", "here", "run"]
