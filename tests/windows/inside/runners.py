"""Cells of the account tier for tests: everything real but the logon and the filters, which Wine does not do.

Knows: how a runner is started as the same user, which facts and filters are claimed for that.  Must not know: what a
test looks for.

The plan names the test's own user as the account.  The runner is a process of its own, started suspended like the one
that is logged on, told the same words, put through the same checks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from tests.windows.inside.cells import BACKEND, policy

from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan import compile as compile_plan
from sidewall.plan import windows_network
from sidewall.plan.facts_windows import AccountFact, Filtering, WindowsFacts
from sidewall.plan.steps import Plan
from sidewall.platforms.windows import api, runner, wfp
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.backend import WindowsBackend
from sidewall.platforms.windows.constants_process import CREATE_NEW_CONSOLE, CREATE_SUSPENDED
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import FILTERING
from sidewall.platforms.windows.runner_guard import guarded
from sidewall.platforms.windows.startup import Started, StartInfo, environment_block
from sidewall.policy.model import Policy

REAL: Any = api.native()
GROUP = Sid("S-1-5-21-7-7-7-1007")
HERE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
NO_FILTER = 0x80320003


class Engine:
    """A filtering engine that has the filters that it is given."""

    def __init__(self, *filters: Any) -> None:
        self.filters = {one.key: one for one in filters}

    def FwpmEngineOpen0(self, name: str, **_: Any) -> Handle:
        return Handle(1, lambda value: None, "the filtering engine")

    def FwpmFilterGetByKey0(self, engine: Handle, key: str) -> Any:
        if key not in self.filters:
            raise failure("FwpmFilterGetByKey0", FILTERING, NO_FILTER, target=key)
        return self.filters[key]


class Claimed:
    """This machine, with another filtering engine."""

    def __init__(self, engine: Engine) -> None:
        self.fwpuclnt = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(REAL, name)


class Launcher:
    """Starts runners as this user.  ``program`` are the words before the runner's own; ``started`` is the last one."""

    def __init__(self, *program: str, python: str = sys.executable, variables: dict[str, str] | None = None) -> None:
        self.program = program or ("-X", "utf8", runner.__file__)
        self.python = python
        path = os.pathsep.join([HERE, *sys.path])
        self.variables = {**os.environ, "PYTHONPATH": path} if variables is None else variables
        self.started: Started | None = None
        self.words: tuple[str, ...] = ()

    def launch(self, *words: str) -> Started:
        line = subprocess.list2cmdline([self.python, *self.program, *words])
        self.words = words
        # On Wine a process without a console of its own can have no pseudo console.
        self.started = REAL.kernel32.CreateProcessW(StartInfo(
            command_line=line, application=self.python, flags=CREATE_SUSPENDED | CREATE_NEW_CONSOLE, show=0,
            environment=environment_block(self.variables), security=parse(guarded(user())).to_bytes()))
        return self.started


def plan(workspace: str, **changes: Any) -> Plan:
    """A plan of the account tier whose account is this user."""
    return planned(policy(workspace, **changes))


def planned(about: Policy) -> Plan:
    return compile_plan(about, settled(about), tier="account")


def settled(about: Policy) -> WindowsFacts:
    """The facts of this machine, were it set up with this user for an account."""
    facts = BACKEND.facts(about, tier="token")
    account = AccountFact(name="sidewall-test-off", sid=facts.user, profile=facts.home)
    filters = (*windows_network.offline(facts.user).filters, *windows_network.online(facts.user).filters)
    return facts.replace(group=GROUP, offline=account, online=account, runner=True,
                         filtering=Filtering(present=tuple([one.name for one in filters])))


def user() -> Sid:
    from sidewall.platforms.windows import tokens

    with tokens.own(REAL) as token:
        return tokens.read(REAL, token).user


def engine() -> Engine:
    """An engine with every filter of the plan."""
    me = user()
    return Engine(*wfp.wanted(me, me, me))


def backend(launcher: Launcher, filters: Engine | None = None) -> WindowsBackend:
    machine: Any = Claimed(filters if filters is not None else engine())
    return WindowsBackend(machine, launch=lambda accounts: launcher.launch)


def opener(about: Policy, tier: str) -> AccountCell:
    """Such a cell for a session that wants one."""
    assert tier == "account"
    made = backend(Launcher()).apply(planned(about))
    assert isinstance(made, AccountCell)
    return made


def opened(workspace: str, launcher: Launcher | None = None, **changes: Any) -> AccountCell:
    """An open cell."""
    made = backend(launcher or Launcher()).apply(plan(workspace, **changes))
    assert isinstance(made, AccountCell)
    return made
