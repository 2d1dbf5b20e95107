"""The access check against Samba's, on random cases; each class of difference is named, and judged by the documents.

Knows: how a question is put to Samba, which knows neither group attributes nor restricting SIDs nor generic rights.
Must not know: how our check walks.

The second pass is put to Samba as a question of its own, with the restricting SIDs as the only ones of the token; what
is ours in that is only that both passes must grant, and when a write-restricted token needs the second.
The number of cases comes from ``SIDEWALL_DIFFERENTIAL_CASES``; a failure names the number that makes its case again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.nt.dice_access import AccessDice
from tests.nt.plain_access import mapped

from sidewall.nt import sddl
from sidewall.nt.access_check import access_check
from sidewall.nt.access_check_answer import OWNER_READ_CONTROL, Answer
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_PRESENT, SecurityDescriptor
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token

ORACLE = Path(__file__).with_name("samba_oracle.py")
SYSTEM_PYTHON = "/usr/bin/python3"
CASES = int(os.environ.get("SIDEWALL_DIFFERENTIAL_CASES", "4000"))
BATCH = 500

NOBODY, OWNER_RIGHTS = Sid("S-1-5-21-8-8-8-8"), Sid("S-1-3-4")
SYSTEM_SECURITY, MAXIMUM, WRITE_OWNER, OWNED = 0x1000000, 0x2000000, 0x80000, 0x60000
KNOWN_PRIVILEGES = {"SeSecurityPrivilege", "SeTakeOwnershipPrivilege"}
WRITES = {"file": 0x10D0116, "key": 0x10D0006}  # the published masks, as numbers

# What Samba does otherwise, and who is right by the documents.
CLASSES = {
    "S1": "a descriptor without a DACL denies all; MS-DTYP 2.5.3.2 and a test that is run on Windows: it grants all",
    "S2": "the maximum of a NULL DACL is what the owner has; the same test on Windows: all of the type's rights",
    "S3": "a maximum of nothing is a success with mask 0; MS-DTYP 2.5.3.2: access is denied",
    "S4": "the DACL can give ACCESS_SYSTEM_SECURITY; MS-DTYP 2.5.3.2: SeSecurityPrivilege alone can",
    "O1": "an owner has rights in each pass that knows its SID; published reimplementations: only if both know it",
    "W1": "an owner that is not among the restricting SIDs of a write-restricted token has READ_CONTROL; not public",
}


MET = (336800154455,)  # cases that were not explained once: S4 and W1 in one answer


class Oracle:
    """The running program; ``ask`` takes many questions at once."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([SYSTEM_PYTHON, str(ORACLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def ready(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == "ready\n"

    def ask(self, questions: list[object]) -> list[int | None]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(questions) + "\n")
        self.process.stdin.flush()
        answers: list[int | None] = json.loads(self.process.stdout.readline())
        assert not [answer for answer in answers if isinstance(answer, str)]
        return answers

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(name="samba")
def _samba():  # type: ignore[no-untyped-def]
    if not os.access(SYSTEM_PYTHON, os.X_OK):
        pytest.skip(f"no {SYSTEM_PYTHON} here")
    oracle = Oracle()
    try:
        if not oracle.ready():
            pytest.skip("python3-samba is not installed (on Debian: apt-get install python3-samba)")
        yield oracle
    finally:
        oracle.close()


class Case:
    """A random question to both, made from a number alone."""

    def __init__(self, number: int) -> None:
        dice = AccessDice(number)
        self.number = number
        self.kind = dice.random.choice(("file", "file", "key"))
        self.sd = without_maximum(dice.descriptor())
        token = dice.token()
        self.token: Token = token.replace(privileges=token.privileges & KNOWN_PRIVILEGES)
        self.desired = dice.desired()

        request = mapped(self.desired, MAPPINGS[self.kind])
        self.most, self.asked = bool(request & MAXIMUM), request & ~MAXIMUM
        held = self.token.privileges
        self.given = self.asked & SYSTEM_SECURITY if "SeSecurityPrivilege" in held else 0
        self.given |= self.asked & WRITE_OWNER if "SeTakeOwnershipPrivilege" in held else 0
        enabled = {group.sid for group in token.groups if group.enabled}
        deny_only = {group.sid for group in token.groups if group.deny_only}
        (deny_only if token.user_deny_only else enabled).add(token.user)
        self.owns = self.sd.owner in enabled and not names_owner_rights(self.sd)
        self.listed = token.restricting is None or self.sd.owner in token.restricting
        self.first = self.question(enabled, deny_only - enabled, held, request)
        self.second = None
        if token.restricting is not None and self.needs_second():
            asked = MAXIMUM if self.most else self.asked & ~self.given
            self.second = self.question(set(token.restricting), set(), frozenset(), asked)

    def needs_second(self) -> bool:
        left = self.asked & ~self.given & ~(OWNED if self.owns and self.listed else 0)
        return self.most or bool(left & (WRITES[self.kind] if self.token.write_restricted else left))

    def question(self, enabled: set[Sid], deny_only: set[Sid], privileges: frozenset[str], mask: int) -> list[object]:
        """Samba has no attributes: what may only deny is in its token, but every entry that allows it names nobody."""
        sd = self.sd
        owner = sd.owner
        if owner in deny_only:
            sd = swapped(sd, lambda sid, allows: (NOBODY if allows else owner) if sid == OWNER_RIGHTS else sid)
            sd = sd.replace(owner=NOBODY)
        sd = swapped(sd, lambda sid, allows: NOBODY if allows and sid in deny_only else sid)
        entries: object = None if sd.control & SE_DACL_PRESENT else False
        if sd.dacl is not None:
            mapping = MAPPINGS[self.kind]
            entries = [[ace.type, ace.flags, mapped(ace.mask, mapping), ace.sid] for ace in sd.dacl.aces]
        return [sd.owner, sd.group, entries, sorted(enabled | deny_only), sorted(privileges), mask]


def without_maximum(sd: SecurityDescriptor) -> SecurityDescriptor:
    """The bit of the question in an entry means nothing to anybody."""
    return sd if sd.dacl is None else sd.replace(dacl=Acl(aces=tuple(
        ace.replace(mask=ace.mask & ~MAXIMUM) for ace in sd.dacl.aces)))


def swapped(sd: SecurityDescriptor, other) -> SecurityDescriptor:  # type: ignore[no-untyped-def]
    return sd if sd.dacl is None else sd.replace(dacl=Acl(aces=tuple(
        ace.replace(sid=other(ace.sid, ace.type == 0)) for ace in sd.dacl.aces)))


def names_owner_rights(sd: SecurityDescriptor) -> bool:
    return sd.dacl is not None and any(ace.sid == OWNER_RIGHTS and not ace.flags & 8 for ace in sd.dacl.aces)


def joined(case: Case, first: int | None, second: int | None) -> int | None:
    """Samba's two answers as one; None is denied."""
    if first is None or (case.second is not None and second is None):
        return None
    if not case.most:
        return case.asked
    if case.second is None:
        return first
    assert second is not None
    if case.token.write_restricted:
        second |= ~WRITES[case.kind]
    both = (first & (second | case.given)) if first else 0
    return both if not case.asked & ~both and (both or not first) else None


def kind_of_difference(case: Case, ours: Answer, theirs: int | None) -> str:
    """The class of a difference; ``""`` if the two agree, ``"?"`` if nothing explains it."""
    mine = ours.mask if ours.granted else None
    if mine == theirs:
        return ""
    if not case.sd.control & SE_DACL_PRESENT and theirs is None:
        return "S1"
    if case.sd.dacl is None and case.most and not (theirs or 0) & ~(OWNED | case.asked) and ours.granted:
        return "S2"
    if mine is None and theirs == 0 and case.most:
        return "S3"
    if mine is None and case.asked & SYSTEM_SECURITY & ~case.given:
        return "S4"
    if case.most and theirs is not None and theirs & SYSTEM_SECURITY & ~case.given:
        theirs &= ~SYSTEM_SECURITY  # ... and another class may come on top
        if (mine or 0) == theirs:
            return "S4"
    if case.token.restricting is not None and not names_owner_rights(case.sd) and case.owns != case.listed:
        differ = ((mine or 0) ^ (theirs or 0)) if case.most else case.asked
        if OWNER_READ_CONTROL in ours.readings and (not case.most or not differ & ~0x20000):
            return "W1"
        if differ & OWNED and (not differ & ~OWNED if case.most and mine is not None else unowned_is_granted(case)):
            return "O1"
    return "?"


def unowned_is_granted(case: Case) -> bool:
    """Whether our check grants all of the request but what an owner has."""
    rest = case.asked & ~OWNED | (MAXIMUM if case.most else 0)
    return not rest & ~MAXIMUM or access_check(case.sd, case.token, rest, MAPPINGS[case.kind]).granted


def test_access_checks_agree_with_samba(samba: Oracle) -> None:
    seed = random.SystemRandom().randrange(2**40)
    found: Counter[str] = Counter()
    for start in range(seed, seed + CASES, BATCH):
        cases = [Case(number) for number in range(start, min(start + BATCH, seed + CASES))]
        if start == seed:
            cases[-len(MET):] = [Case(number) for number in MET]
        questions = [each for case in cases for each in (case.first, case.second) if each is not None]
        answers = iter(samba.ask(questions))
        for case in cases:
            first = next(answers)
            second = next(answers) if case.second is not None else None
            ours = access_check(case.sd, case.token, case.desired, MAPPINGS[case.kind])
            theirs = joined(case, first, second)
            name = kind_of_difference(case, ours, theirs)
            if name == "?":
                pytest.fail(explanation(case, ours, first, second, theirs))
            found[name or "agree"] += 1
    print(f"seed {seed}: " + ", ".join(f"{name} {count}" for name, count in sorted(found.items())))
    assert sum(found.values()) == CASES
    assert set(found) <= {"agree", *CLASSES}
    assert found["agree"] > CASES * 0.8


def explanation(case: Case, ours: Answer, first: int | None, second: int | None, theirs: int | None) -> str:
    traced = access_check(case.sd, case.token, case.desired, MAPPINGS[case.kind], trace=True)
    return "\n".join((
        f"unexplained: Case({case.number}), {case.kind}, desired 0x{case.desired:x}, {sddl.format(case.sd)}",
        repr(case.token), f"samba: {first} and {second}, together {theirs}", *traced.explain(),
    ))
