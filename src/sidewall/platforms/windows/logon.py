"""Starts a program as one of the sandbox's accounts: suspended, with nothing of the user's about it.

Knows: CreateProcessWithLogonW, which of its errors are final, what a process of another account needs to start.  Must
not know: what the program does (``runner``), what is planned.  Follows the Win32 reference of that function.

* A wrong password counts towards a lock-out of the account.  So the account is looked at first, a refusal is noted with
  the password's generation before it is told, and that password is not tried again; set-up makes another one.  From the
  look to the note no other process of the user's tries.
* With the profile: without it a program has the settings of nobody, and no certificates.  The profile is a trace that
  ``status`` lists and ``uninstall`` removes.
* Nobody logs on while commands of the account may run: the program is started from a process that was logged on before
  them, and stays as long as any sandbox of the account is open (``runner_parent``).
* A desktop is named always.  Without a name the system would let the account into the user's own, for good.
* The environment is a block of a few names; neither a variable nor a handle of the user's passes.  No word on the
  command line is a secret: everybody can read it.
"""

from __future__ import annotations

import _thread

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.plan import windows_session
from sidewall.plan.facts_windows import CREDENTIAL_GOOD
from sidewall.plan.windows_steps import Desktop
from sidewall.plan.windows_unenforced import Unenforced
from sidewall.platforms.windows import (
    accounts,
    credentials,
    desktops,
    quoting,
    readiness,
    runner_parent,
    runtime,
    runtime_files,
    tokens,
    turns,
)
from sidewall.platforms.windows.advapi32_logon import LONGEST_LOGON_LINE
from sidewall.platforms.windows.constants_process import (
    CREATE_NO_WINDOW,
    CREATE_SUSPENDED,
    LOGON_WITH_PROFILE,
)
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.startup import Started, StartInfo, environment_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.windows_steps import Accounts
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.credentials import Stored
    from sidewall.platforms.windows.desktops import Surroundings
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.machine import Caller, Machine
    from sidewall.platforms.windows.runner_parent import Parent
    from sidewall.platforms.windows.runtime import Runtime
    from sidewall.platforms.windows.secret import Secret

SETUP = "run `sidewall setup`, which repairs the account"
POLICY = "ask whoever keeps that policy to let the sandbox's group log on locally, or use --tier token"
SERVICE = "as an administrator: sc config seclogon start= demand; or use --tier token"
ROOM = "close other sandboxes, or restart this machine"
_READ = "look whether a policy (AppLocker, WDAC) or a virus scanner keeps pythonw.exe in the profile from starting"

FINAL = {
    1317: ("it was deleted", SETUP),
    1326: ("its password is another one than the stored one", SETUP),
    1327: ("a policy of this machine restricts it", POLICY),
    1329: ("a policy of this machine restricts where it may log on", POLICY),
    1330: ("its password has expired", SETUP),
    1331: ("it is disabled", SETUP),
    1385: ("a policy of this machine refuses it an interactive logon", POLICY),
    1793: ("it has expired", SETUP),
    1907: ("its password must be changed before it can be used", SETUP),
    1909: ("it is locked out", "look who logs on as that account; then " + SETUP),
}
"""Errors after which the same password is not tried again: what is the matter, and the remedy."""
PASSING = {
    1056: ("the Secondary Logon service (seclogon) does not start", SERVICE),
    1058: ("the Secondary Logon service (seclogon) is disabled", SERVICE),
    1060: ("there is no Secondary Logon service (seclogon)", "use --tier token"),
    1062: ("the Secondary Logon service (seclogon) does not run", SERVICE),
    1068: ("the Secondary Logon service (seclogon) does not start", SERVICE),
    1328: ("it may not log on at this hour", "try at another hour, or let an administrator change its logon hours"),
    8: ("this machine has no room for another logon", ROOM), 14: ("this machine has no room for another logon", ROOM),
    1130: ("this machine has no room for another logon", ROOM),
    1311: ("nothing answers that could log it on", "restart this machine"),
    1450: ("this machine has no room for another logon", ROOM),
    1455: ("this machine has no room for another logon", ROOM),
    1816: ("this machine has no room for another logon", ROOM),
    2: ("its copy of Python is not where it was made", _READ),
    3: ("its copy of Python is not where it was made", _READ),
    5: ("Windows denies it its copy of Python, or this process the logon", _READ),
    267: ("it may not enter the directory of its copy of Python", _READ),
    1260: ("a policy of this machine forbids its copy of Python", _READ),
    4551: ("a policy of this machine forbids its copy of Python", _READ),
}
"""Errors that say nothing of the password: the next cell tries again."""

_logging_on = _thread.allocate_lock()


class LogonRefused(MachineError):
    """An account was not logged on, and nothing runs: ``account``, ``code`` of the error (0: it was not tried);
    ``final`` when only set-up or an administrator can change that."""

    def __init__(self, message: str, *, account: str = "", code: int = 0, final: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.account = account
        self.code = code
        self.final = final


class Launched(Started):
    """A process of the account, with what it must find while it starts and the process that it was made from; ``close``
    gives these back too."""

    copy: Runtime
    surroundings: Surroundings
    parent: Parent

    def close(self) -> None:
        """See ``Started.close``."""
        super().close()
        self.parent.close()
        self.copy.close()
        self.surroundings.close()


class Launcher:
    """Starts the program of the private copy of Python as the account that a plan names.  Safe from several threads."""

    def __init__(self, machine: Machine, caller: Caller, step: Accounts,
                 ready: Callable[[Machine, Caller, Sid], Runtime] = runtime.ready) -> None:
        self._machine = machine
        self._caller = caller
        self._step = step
        self._ready = ready

    def __call__(self, *words: str) -> Started:
        """The process, which has not run an instruction yet and is closed to the account; ``words`` are its arguments,
        and no secrets.  Raises LogonRefused, MachineError.
        """
        copy = self._ready(self._machine, self._caller, self._step.group_sid)
        try:
            surroundings = surroundings_for(self._machine.api, self._caller.user, self._step.use_sid, self._turn)
            try:
                info = _info(self._machine.api, copy, surroundings.name, words)
                with _logging_on, self._turn():
                    parent = self._parent(copy, surroundings)
                try:
                    started = parent.start(info)
                except BaseException:
                    parent.close()
                    raise
            except BaseException:
                surroundings.close()
                raise
        except BaseException:
            copy.close()
            raise
        return Launched(process=started.process, thread=started.thread, process_id=started.process_id,
                        thread_id=started.thread_id, copy=copy, surroundings=surroundings, parent=parent)

    def _parent(self, copy: Runtime, surroundings: Surroundings) -> Parent:
        """The process that was logged on, or is now."""
        api = self._machine.api
        with tokens.own(api) as token:
            # What that process has of the user is his logon session, which its commands are told to do without.
            session = str(tokens.logon_of(api, token) or "")
        return runner_parent.taken(
            api, self._caller.home, self._caller.user, self._step.use_sid, session,
            lambda *words: self._start(_info(api, copy, surroundings.name, words)))

    def _turn(self) -> Handle:
        return turns.take(self._machine.api, self._caller.home, self._caller.user)

    def _start(self, info: StartInfo) -> Started:
        stored = self._checked()
        try:
            with self._secret(stored) as secret:
                return self._machine.api.advapi32.CreateProcessWithLogonW(stored.name, ".", secret, info,
                                                                          flags=LOGON_WITH_PROFILE)
        except ApiError as error:
            if error.call != "CreateProcessWithLogonW":
                raise
            raise self._refused(stored, error) from error

    def _secret(self, stored: Stored) -> Secret:
        try:
            return credentials.unsealed(self._machine, self._caller.user, stored)
        except ApiError as error:
            raise LogonRefused(f"the stored password of {stored.name} cannot be decrypted: {error}",
                               account=stored.name, code=error.code, final=True, hint=SETUP) from error

    def _checked(self) -> Stored:
        """The stored password, if nothing that can be known speaks against trying it."""
        machine, name, sid = self._machine, self._step.use, self._step.use_sid
        stored = credentials.known(machine, self._caller).get(name)
        found = accounts.find(machine.api, name)
        if found is None or Sid.from_bytes(found.sid) != sid:
            why = "it was deleted" if found is None else "it was made anew since the plan was made"
            raise LogonRefused(f"the account {name} cannot be logged on: {why}", account=name, final=True, hint=SETUP)
        fact = readiness.account(machine, name, self._caller.user, self._step.group,
                                 {} if stored is None else {name: stored}, credentials.refusals(machine, self._caller))
        against = readiness.troubles(fact)
        if against or not isinstance(stored, credentials.Stored) or fact.credential != CREDENTIAL_GOOD:
            raise LogonRefused(f"the account {name} is not logged on: it {' and '.join(against)}", account=name,
                               final=True, hint=SETUP)
        return stored

    def _refused(self, stored: Stored, error: ApiError) -> LogonRefused:
        final = error.code in FINAL
        why, hint = FINAL.get(error.code) or PASSING.get(error.code) or (error.message, error.hint)
        number = f"{error.name or 'error'} ({error.code})"
        told = f"the account {stored.name} could not be logged on: {why}: {number}"
        if final:
            refused = credentials.Refused(sid=stored.sid, generation=stored.generation, code=error.code,
                                          when=int(self._machine.clock()))
            try:
                credentials.note_refusal(self._machine, self._caller, refused)
                told += "; it is not tried again"
            except MachineError as other:
                told += f"; and that cannot be noted, do not try again: {other}"
        return LogonRefused(told, account=stored.name, code=error.code, final=final, hint=hint)


def _info(api: Api, copy: Runtime, desktop: str, words: tuple[str, ...]) -> StartInfo:
    line = quoting.join((copy.python, *runtime_files.FLAGS, copy.start, *words))
    if len(line) > LONGEST_LOGON_LINE:
        raise MachineError(f"the profile's path is too long for a program of another account: its command line has "
                           f"{len(line)} characters, and Windows takes {LONGEST_LOGON_LINE}", hint="use --tier token")
    return StartInfo(command_line=line, application=copy.python, directory=copy.directory, desktop=desktop, show=0,
                     environment=environment_block(variables(api)), flags=CREATE_SUSPENDED | CREATE_NO_WINDOW)


def variables(api: Api) -> dict[str, str]:
    """What a program needs to start, by what the system says of itself."""
    windows, system = api.kernel32.GetWindowsDirectoryW(), api.kernel32.GetSystemDirectoryW()
    return {"SystemRoot": windows, "windir": windows, "SystemDrive": windows[:2], "ComSpec": f"{system}\\cmd.exe",
            "PATH": f"{system};{windows}"}


def surroundings_for(api: Api, user: Sid, account: Sid, turn: Callable[[], Handle]) -> Surroundings:
    """A station and a desktop for a program of the account, not the user's own; ``turn`` as for ``desktops.make``.

    Raises MachineError.
    """
    def dacl(every: int, use: int) -> str:
        return f"D:P(A;;{every:#x};;;SY)(A;;{every:#x};;;{user})(A;;{use:#x};;;{account})"

    step = Desktop(station=dacl(windows_session.STATION_ALL, windows_session.STATION_USE),
                   desktop=dacl(windows_session.DESKTOP_ALL, windows_session.DESKTOP_USE))
    made = desktops.make(api, step, turn)
    if isinstance(made, Unenforced):
        raise MachineError(f"a program of another account needs a desktop to start: {made.reason}",
                           hint="start Sidewall in a session of the user, or use --tier token")
    return made


def launcher(machine: Machine, caller: Caller, step: Accounts) -> Launcher:
    """See ``Launcher``; its copy of Python is found, or made, when it is used."""
    return Launcher(machine, caller, step)


def native(api: Api) -> Callable[[Accounts], Launcher]:
    """How programs are started as the accounts of a plan on this machine.  Raises Win32Error when used."""
    from sidewall.platforms.windows.machine import Machine
    from sidewall.platforms.windows.registry import NativeRegistry

    def prepared(step: Accounts) -> Launcher:
        machine = Machine(api, NativeRegistry())
        return launcher(machine, machine.caller(), step)

    return prepared


__all__ = ["FINAL", "PASSING", "Launched", "Launcher", "LogonRefused", "launcher", "native", "surroundings_for",
           "variables"]
