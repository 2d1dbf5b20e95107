"""What set-up finds out last, once the accounts are there: does a program start as one, which places are open to it.

Knows: the backend, a policy that writes nothing.  Must not know: how either is found out.

Both would be found out by the first session; here nobody waits for a command, and what is wrong is told before one is
needed.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, MachineError
from sidewall.plan import compile as compile_plan
from sidewall.plan import windows_steps as steps
from sidewall.plan.windows_report import NEEDS_EVERYONE, holes
from sidewall.platforms.windows import findings, setup
from sidewall.platforms.windows.backend import WindowsBackend, step
from sidewall.policy import paths, profiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.machine import Caller, Machine
    from sidewall.policy.model import Policy

    class Backend(Protocol):
        """See ``backend.WindowsBackend``."""

        def facts(self, policy: Policy, *, tier: str) -> WindowsFacts: ...

        def try_start(self, plan: Plan) -> str: ...

        def start_known(self, facts: WindowsFacts) -> str: ...


def finish(machine: Machine, caller: Caller) -> tuple[str, ...]:
    """The copy of Python, then all that can be found out; one line each.  Raises MachineError."""
    made = setup.copy_python(machine, caller)
    return (*made, *look(WindowsBackend(machine.api), caller.home))


def look(backend: Backend, home: str) -> tuple[str, ...]:
    """What was found out that nobody knew before, one line each; nothing where it was known.

    Raises MachineError where a program does not start as the account.
    """
    above = home.rpartition("\\")[0]
    policy = profiles.build(profiles.READ_ONLY, workspace=above, home=home, flavour=paths.WINDOWS).replace(require=())
    facts = backend.facts(policy, tier=steps.ACCOUNT)
    if backend.start_known(facts):
        return ()
    try:
        plan = compile_plan(policy, facts, tier=steps.ACCOUNT)
    except GuaranteeError as error:
        raise MachineError(f"set-up is done, and the account tier cannot be used: {error.message}",
                           hint=error.hint) from error
    started = backend.try_start(plan)
    told = [NEEDS_EVERYONE if started == findings.EVERYONE else "a program starts in the sandbox's account"]
    recipe = step(plan, steps.TokenRecipe)
    assert recipe is not None  # every plan of that tier has one
    opened = holes(facts, recipe)
    if opened:
        more = f", and {len(opened) - 4} more" if len(opened) > 4 else ""
        told.append(f"directories that the sandbox's account can change: {', '.join(opened[:4])}{more}")
    if not facts.audited:
        told.append(facts.unaudited)
    return tuple(told)


__all__ = ["finish", "look"]
