"""Finds the host facts of Windows.  Reads the machine and the paths that a policy names; changes nothing.

Knows: where a fact is found (the process's token, the registry, volumes).  Must not know: what follows from a fact
(``plan`` does), files (``facts_paths``), the sandbox's accounts beyond whether they exist.
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError
from sidewall.plan import windows_session, windows_token
from sidewall.plan.facts_windows import (
    UAC_ASKS,
    UAC_OFF,
    UAC_SILENT,
    WindowsFacts,
)
from sidewall.plan.windows_sids import capability
from sidewall.plan.windows_steps import ACCOUNT, TOKEN, TOKEN_STRICT
from sidewall.platforms.windows import (
    facts_open,
    facts_paths,
    findings,
    readiness,
    runtime,
    selftest,
    tokens,
    turns,
)
from sidewall.platforms.windows.machine import Caller, Machine
from sidewall.platforms.windows.registry import NativeRegistry
from sidewall.policy import paths
from sidewall.policy.model import WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.plan.windows_unenforced import Unenforced
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.tokens import TokenState
    from sidewall.policy.model import Policy

MACHINES = {"AMD64": "amd64", "ARM64": "arm64", "X86": "x86"}
_POLICIES = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"
_CRYPTOGRAPHY = r"SOFTWARE\Microsoft\Cryptography"
_SERVICE = r"SYSTEM\CurrentControlSet\Services\seclogon"
_STARTS = {2: "automatic", 3: "manual", 4: "disabled"}


def gather(api: Api, policy: Policy, tier: str, tried: dict[str, tuple[Unenforced, ...]],
           held: frozenset[str] = frozenset()) -> WindowsFacts:
    """Facts for this policy.  ``tried`` keeps what the kernel does not do, by tier, for the life of the process;
    ``held`` are paths at which cells hold absent names.

    Raises Win32Error when the process's own token cannot be read.
    """
    with tokens.own(api) as token:
        state = tokens.read(api, token)
        variables = api.userenv.CreateEnvironmentBlock(token)
        home = api.userenv.GetUserProfileDirectoryW(token)
    variables["SystemRoot"] = api.kernel32.GetWindowsDirectoryW()
    install = machine_identity()
    known = _accounts(api, state, home)
    looker = facts_paths.Looker(api, policy, state, held)
    looked = looker.look_through(own_places())
    temp = temporary_parent(home)
    problem = runtime.obstacle() if known.group is not None else ""
    build = api.ntdll.RtlGetVersion()[2]
    # Only in the account tier does it change what is promised.
    search = (known.group is not None and not problem and tier in ("auto", ACCOUNT) and policy.confined
              and state.restricting is None)
    wide = facts_open.gather(api, state.user, home, variables, build, search=search)
    found = WindowsFacts(
        build=build, machine=MACHINES.get(_machine(variables), "amd64"), install=install,
        user=state.user, home=policy.home, logon=state.logon, groups=state.groups, privileges=state.privileges,
        restricted=state.restricting is not None, container=state.container, elevated=state.elevated,
        session=state.session, uac=_uac(), group=known.group, offline=known.offline, online=known.online,
        logon_forbidden=known.logon_forbidden, filtering=known.filtering,
        seclogon=_STARTS.get(_number(_SERVICE, "Start", 3), "manual"), home_private=looked.home_private,
        volumes=looked.volumes, paths=looked.paths, protected=looked.protected, git=looked.git,
        listings=looked.listings, matches=looked.matches, linked=(), reparses=looked.reparses,
        tools=_tools(variables, policy.home), scanned=looked.scanned, expanded=looked.expanded,
        wide=facts_open.outside(wide.places, _inside(policy, looked, known)), audited=not wide.missing,
        unaudited=wide.missing, notes=wide.notes, temp=temp, environ=tuple(sorted(variables.items())),
        runner=not problem, runner_problem=problem,
        needs_everyone=findings.start_of(api, home, build, known.group) == findings.EVERYONE,
    )
    if found.restricted or found.logon is None or not policy.confined:
        return found
    chosen = TOKEN_STRICT if tier == TOKEN_STRICT else TOKEN
    if chosen not in tried:
        recipe = windows_token.recipe(chosen, found, capability(install, state.user, policy))
        tried[chosen] = selftest.check(api, recipe, windows_session.job(policy),
                                       windows_session.desktop(found, None), turns.of_caller(api))
    return found.replace(unenforced=tried[chosen])


def _inside(policy: Policy, looked: facts_paths.Looked, known: readiness.AccountFacts) -> tuple[str, ...]:
    """Where a command may write by its policy, and the accounts' own profiles."""
    roots = {rule.path for rule in policy.files if rule.access == WRITE and not rule.glob}
    real = [found.real for found in looked.paths if found.path in roots and found.real]
    return (*real, *[one.profile for one in (known.offline, known.online) if one is not None])


def temporary_parent(home: str) -> str:
    """Where private directories are made: the user's own temporary directory, not what a variable says."""
    for place in (home + r"\AppData\Local\Temp", home + r"\AppData\Local"):
        if os.path.isdir(place):
            return place
    return ""


def own_places() -> tuple[str, ...]:
    """Where this program and its interpreter lie: a command that could write there would be what runs next."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    places = {package, sys.prefix, sys.base_prefix}
    return tuple(sorted({os.path.realpath(place) for place in places}))


def machine_identity() -> str:
    """A text that no other installation of Windows has."""
    return _text(_CRYPTOGRAPHY, "MachineGuid") or os.environ.get("COMPUTERNAME", "") or "this machine"


def _machine(variables: dict[str, str]) -> str:
    return next((value.upper() for name, value in variables.items() if name.upper() == "PROCESSOR_ARCHITECTURE"), "")


def _accounts(api: Api, state: TokenState, home: str) -> readiness.AccountFacts:
    """The group, the two accounts and their filters; nothing of them where the machine does not tell."""
    caller = Caller(user=state.user, home=home, elevated=state.elevated, confined=state.restricting is not None)
    try:
        return readiness.gather(Machine(api, NativeRegistry()), caller)
    except MachineError:
        return readiness.AccountFacts()


def _tools(variables: dict[str, str], home: str) -> tuple[str, ...]:
    """Directories of PATH below the profile: nobody else may read there, and programs are started from them."""
    value = next((text for name, text in variables.items() if name.upper() == "PATH"), "")
    base = _key(home)
    return tuple([entry for entry in _entries(value) if _key(entry)[: len(base)] == base])


def _key(path: str) -> tuple[str, ...]:
    return paths.key(path, paths.WINDOWS, wide=True)


def _entries(value: str) -> Iterator[str]:
    for entry in value.split(";"):
        entry = entry.strip().strip('"').rstrip("\\")
        if paths.is_absolute(entry, paths.WINDOWS) and not paths.doubt(entry, paths.WINDOWS):
            yield entry


def _uac() -> str:
    if not _number(_POLICIES, "EnableLUA", 1):
        return UAC_OFF
    return UAC_ASKS if _number(_POLICIES, "ConsentPromptBehaviorAdmin", 5) else UAC_SILENT


def _number(key: str, name: str, default: int) -> int:
    value = _value(key, name)
    return value if isinstance(value, int) else default


def _text(key: str, name: str) -> str:
    value = _value(key, name)
    return value if isinstance(value, str) else ""


def _value(key: str, name: str) -> object:
    """A value of HKEY_LOCAL_MACHINE, None where there is none."""
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, access=winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as opened:
            return winreg.QueryValueEx(opened, name)[0]
    except OSError:
        return None


__all__ = ["gather", "machine_identity", "own_places", "temporary_parent"]
