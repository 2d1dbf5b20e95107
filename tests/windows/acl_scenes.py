"""One small machine on which everything lies that access lists can trip over, and plans for it.

Knows: the worlds' small language.  Must not know: what a test expects.
"""

from __future__ import annotations

from functools import cache

from tests.plan.windows import proving
from tests.plan.windows.proving import OWN, OWN_FILE, SYSTEM, USER, directory, file

from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sid import Sid
from sidewall.plan.steps import Plan
from sidewall.plan.world import World

WORK = "C:\\Users\\u\\w"
OTHER = "S-1-5-21-7-7-7-1234"
FOREIGN = f"O:{USER}G:{USER}D:AI(A;ID;FR;;;BU)(A;ID;FA;;;{OTHER})"
"""What a file has that was moved here from elsewhere."""
UNMARKED = f"O:{USER}G:{USER}D:(A;OICI;FA;;;SY)(A;OICI;FA;;;{USER})"


@cache
def world() -> World:
    """A workspace with a repository, files moved in, shared, protected, linked, open to all."""
    inherits = f"O:{USER}G:{USER}D:AI(A;OICI;0x1200a9;;;{OTHER})"
    return proving.small(
        directory(WORK + "\\.git"), directory(WORK + "\\.git\\hooks"), file(WORK + "\\.git\\hooks\\pre-commit"),
        file(WORK + "\\.git\\config"), file(WORK + "\\.git\\HEAD"), directory(WORK + "\\.git\\objects"),
        directory(WORK + "\\.git\\refs"), directory(WORK + "\\.vscode"), file(WORK + "\\.vscode\\settings.json"),
        directory(WORK + "\\src"), file(WORK + "\\src\\main.py"), file(WORK + "\\moved", FOREIGN),
        directory(WORK + "\\deep", inherits + OWN.partition("D:AI")[2]), directory(WORK + "\\deep\\er",
                  f"O:{USER}G:{USER}D:AI(A;OICIID;0x1200a9;;;{OTHER})" + OWN.partition("D:AI")[2]),
        file(WORK + "\\deep\\er\\x", f"O:{USER}G:{USER}D:AI(A;ID;0x1200a9;;;{OTHER})" + OWN_FILE.partition("D:AI")[2]),
        directory(WORK + "\\sealed", SYSTEM.replace("O:SYG:SY", f"O:{USER}G:{USER}") + f"(A;OICI;FA;;;{USER})"),
        file(WORK + "\\sealed\\y", f"O:{USER}G:{USER}D:AI(A;ID;FA;;;{USER})"),
        directory(WORK + "\\old", UNMARKED), file(WORK + "\\old\\z", f"O:{USER}G:{USER}D:(A;;FA;;;{USER})"),
        file(WORK + "\\stored", links=2, identity="s1"), file(WORK + "\\open", f"O:{USER}G:{USER}D:NO_ACCESS_CONTROL"),
        directory(WORK + "\\link", reparse="junction", target="C:\\Users\\u"),
        directory("C:\\Users\\u\\lib"), file("C:\\Users\\u\\lib\\a.py"), file("C:\\Users\\u\\stored2"),
        directory("C:\\Users\\u\\new"), file("C:\\Users\\u\\new\\b"),
    )  # fmt: skip


@cache
def plan(tier: str = "account", *rules: tuple[str, str]) -> Plan:
    """A plan for it; other rules make another policy."""
    return proving.plan_for(world(), tier, *rules)


@cache
def plans() -> tuple[Plan, ...]:
    """Policies whose places overlap: the workspace in two ways, a part of it, its parent's other directories."""
    return (plan(), plan("account", ("write", "C:\\Users\\u\\lib")), plan("token"),
            plan("account", ("write", WORK + "\\deep"), ("deny", WORK + "\\src")),
            plan("token-strict", ("write", "C:\\Users\\u\\new")))


@cache
def little_world() -> World:
    """The same with one thing of each kind, for tests that go through every call."""
    return proving.small(
        directory(WORK + "\\.vscode"), file(WORK + "\\.vscode\\settings.json"), directory(WORK + "\\src"),
        file(WORK + "\\src\\main.py"), file(WORK + "\\moved", FOREIGN), directory(WORK + "\\old", UNMARKED),
        file(WORK + "\\old\\z", f"O:{USER}G:{USER}D:(A;;FA;;;{USER})"), file(WORK + "\\stored", links=2, identity="s1"),
        file(WORK + "\\open", f"O:{USER}G:{USER}D:NO_ACCESS_CONTROL"),
    )  # fmt: skip


@cache
def little_plan() -> Plan:
    """Grants, holds what is there, and a name that is not."""
    about = proving.policy_for(little_world(), protected=(".vscode", ".envrc"))
    return proving.plan_for(little_world(), "account", policy=about)


def explicit(descriptor: SecurityDescriptor, sid: str = OTHER, mask: int = 0x120089) -> SecurityDescriptor:
    """What somebody else does to a list: one more explicit entry, first behind the denies."""
    entry = Ace(type=0, mask=mask, sid=Sid(sid))
    return descriptor.replace(dacl=Acl(aces=(entry, *(descriptor.dacl or Acl()).aces)).canonical())
