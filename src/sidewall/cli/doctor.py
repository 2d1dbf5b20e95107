"""``sidewall doctor``: what this machine can enforce, why not more, and the remedy.

Knows: which questions to ask of backend, plan and configuration.  Must not know: how a platform answers them.
Nothing is changed, and nothing is printed that belongs to the user but paths.
"""

from __future__ import annotations

import os
import platform
import sys

from sidewall._version import __version__
from sidewall.audit import jsonl, reader
from sidewall.cli import paint
from sidewall.cli.choice import policy_for, workspace
from sidewall.cli.explain import guarantee_table
from sidewall.cli.options import TIERS
from sidewall.errors import MachineError, SidewallError
from sidewall.plan.explain import guarantee_lines
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy

OK, WARN, BAD = "ok", "warn", "bad"
SCHEMA = 1
UNFIT = 1


class Finding(Record):
    """One answer: ``group``, ``name``, ``state`` (ok, warn, bad), what was found, one remedy."""

    group: str
    name: str
    state: str
    text: str
    remedy: str = ""


class Examination:
    """All that was found, and the plan of the default policy without its requirements."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.plan: Plan | None = None

    def add(self, group: str, name: str, state: str, text: str, remedy: str = "") -> None:
        """One more finding."""
        self.findings.append(Finding(group=group, name=name, state=state, text=text, remedy=remedy))

    def fault(self, group: str, name: str, error: SidewallError, state: str = BAD) -> None:
        """A finding out of an error."""
        self.add(group, name, state, str(error), error.hint)

    @property
    def fit(self) -> bool:
        """Nothing found forbids a run with the default policy."""
        return not any(finding.state == BAD for finding in self.findings)


def main(arguments: Namespace) -> int:
    """Prints the findings; exit code 1 when the default policy cannot be enforced here."""
    found = examine()
    if arguments.json:
        paint.print_json({
            "schema": SCHEMA, "fit": found.fit, "version": __version__,
            "tier": found.plan.tier if found.plan else None,
            "findings": [finding.to_dict() for finding in found.findings],
            "guarantees": [line.to_dict() for line in found.plan.guarantees] if found.plan else [],
        })
    elif paint.painted():
        _paint(found)
    else:
        paint.print_lines(_plain(found))
    return 0 if found.fit else UNFIT


def examine() -> Examination:
    """Asks everything; no answer keeps the others from being asked."""
    found = Examination()
    found.add("installation", "sidewall", OK, f"{__version__} in {_home_of_sidewall()}")
    found.add("installation", "python", OK, f"{platform.python_version()} at {sys.executable}")
    policy = _policy(found)
    if policy is not None:
        _writable_installation(found, policy)
        _machine(found, policy)
    _audit(found)
    return found


def _home_of_sidewall() -> str:
    return os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def _policy(found: Examination) -> Policy | None:
    """The policy of the current directory; if it has none, one that writes nothing, so that the machine is examined."""
    try:
        policy = policy_for({}, workspace())
        found.add("configuration", "policy", OK, f"{policy.name} for {policy.workspace}")
        return policy
    except SidewallError as error:
        found.fault("configuration", "policy", error)
    from sidewall.policy import profiles

    try:
        return profiles.build(profiles.READ_ONLY, workspace="/", home=os.path.expanduser("~"))
    except SidewallError:
        return None


def _writable_installation(found: Examination, policy: Policy) -> None:
    """A command that can write Sidewall's own files could change what the next run promises."""
    from sidewall.policy.decide import decide
    from sidewall.policy.model import Request

    for name, path in (("sidewall", _home_of_sidewall()), ("python", os.path.realpath(sys.prefix))):
        if policy.confined and decide(policy, Request(action="write", target=path)).allowed:
            found.add("installation", f"{name} is writable", WARN,
                      f"{path} lies where a command may write: it could change {name} for the next run",
                      "install Sidewall outside of the workspace, for example: pipx install sidewall")


def _machine(found: Examination, policy: Policy) -> None:
    from sidewall.platforms import detect

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    try:
        backend = detect.backend()
        # What is kept of an earlier look is not what doctor is asked for.
        again = getattr(backend, "look_again", None)
        if again is not None:
            again()
        facts = backend.facts(policy)
    except SidewallError as error:
        found.fault("machine", "backend", error)
        return
    found.add("machine", "system", OK, system)
    try:
        for line in backend.recover():
            found.add("machine", "left by a crash", OK, line)
    except (SidewallError, OSError) as error:
        found.add("machine", "left by a crash", WARN, str(error))
    bare = policy.replace(require=())
    found.plan = _tiers(found, bare, facts)
    for note in getattr(facts, "notes", ()):
        found.add("machine", "note", WARN, note)
    if found.plan is None:
        return
    try:
        _compile(policy, facts, "auto")
    except SidewallError as error:
        found.fault("guarantees", "required", error)
    else:
        found.add("guarantees", "required", OK, ", ".join(policy.require) or "none")


def _tiers(found: Examination, policy: Policy, facts: Any) -> Plan | None:
    """Which tier this machine gives; each better one with the reason why not."""
    for tier in TIERS[1:]:
        try:
            plan = _compile(policy, facts, tier)
        except SidewallError as error:
            found.fault("machine", f"tier {tier}", error, WARN)
            continue
        found.add("machine", f"tier {plan.tier}", OK, _features(facts) or "can be had")
        return plan
    found.add("machine", "tier", BAD, "no tier can confine a command here", "see the remedies above")
    return None


def _compile(policy: Policy, facts: Any, tier: str) -> Plan:
    from sidewall import plan as planner

    return planner.compile(policy, facts, tier=tier)


def _features(facts: Any) -> str:
    """The host facts that people ask for, as far as the platform has them."""
    told = []
    if getattr(facts, "kinds", ()):
        told.append("namespaces " + " ".join(facts.kinds))
    if getattr(facts, "landlock", 0):
        told.append(f"Landlock ABI {facts.landlock}")
    if getattr(facts, "seccomp", False):
        told.append("seccomp" + (" with notification" if getattr(facts, "notify", False) else ""))
    if hasattr(facts, "delegated"):
        told.append(f"control group {facts.delegated}" if facts.delegated else "no delegated control group")
    return "; ".join(told)


def _audit(found: Examination) -> None:
    if not jsonl.enabled(os.environ):
        found.add("audit", "log", WARN, "switched off by SIDEWALL_AUDIT")
        return
    where = jsonl.directory(os.environ)
    try:
        state = reader.verify(where)
    except OSError as error:
        found.fault("audit", "log", MachineError(f"cannot read {where}: {error.strerror}"), WARN)
        return
    if state.holds:
        found.add("audit", "log", OK, f"{where}: {state.lines} lines, the chain holds")
    else:
        first = next(problem for problem in state.problems if problem.serious)
        found.add("audit", "log", WARN, f"{first.file}:{first.row}: {first.what}", "sidewall log --verify shows more")


def _plain(found: Examination) -> list[str]:
    lines, group = [], ""
    for finding in found.findings:
        if finding.group != group:
            group = finding.group
            lines.append(group)
        lines.append(f"  {finding.state:4}  {finding.name}: {finding.text}")
        if finding.remedy:
            lines.append(f"        {finding.remedy}")
    if found.plan is not None:
        lines += ["guarantees of the default policy", *(f"  {row}" for row in guarantee_lines(found.plan.guarantees))]
    return lines


def _paint(found: Examination) -> None:
    console = paint.console()
    group = ""
    for finding in found.findings:
        if finding.group != group:
            group = finding.group
            console.print(paint.styled(group, "bold"))
        line = paint.styled(f"  {paint.MARKS[finding.state]} ", finding.state)
        line.append_text(paint.styled(f"{finding.name}: {finding.text}"))
        console.print(line)
        if finding.remedy:
            console.print(paint.styled(f"      {finding.remedy}", "dim"))
    if found.plan is not None:
        console.print()
        console.print(guarantee_table(found.plan.guarantees))
