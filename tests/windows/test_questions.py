"""Vectors carried over to another token keep their meaning, and answers are compared as strictly as they are told.

Knows: the vectors and the model.  Must not know: the kernel's answers (``inside/test_questions.py`` asks for those).
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from tests.windows.commands import ROOT, vectors

from sidewall.nt.access_check import access_check
from sidewall.nt.access_check_answer import CANNOT_PROVE, DENIED, GRANTED, WHOLE_REQUEST, Answer
from sidewall.nt.mask import mapping_of
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import SE_GROUP_USE_FOR_DENY_ONLY, Group, Token
from sidewall.nt.vectors_fields import descriptor, number

FILE = ROOT / "tests/nt/data/vectors.jsonl"
LINES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
VECTORS = [each for each in LINES if each["kind"] == "access"]
USER, LOGON = Sid("S-1-5-21-5-6-7-500"), Sid("S-1-5-5-0-31337")
GROUPS = [Sid(text) for text in ("S-1-1-0", "S-1-5-114", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-3", "S-1-5-11",
                                 "S-1-5-15", "S-1-5-113", "S-1-2-0", "S-1-5-64-10")]
PRIVILEGES = ("SeSecurityPrivilege", "SeTakeOwnershipPrivilege", "SeRelabelPrivilege", "SeChangeNotifyPrivilege")


def runner(**changes: Any) -> Any:
    """What an elevated runner's token tells."""
    told = {"state": SimpleNamespace(user=USER, integrity=0x3000), "enabled": [*GROUPS, LOGON], "logons": {LOGON},
            "privileges": {name: number for number, name in enumerate(PRIVILEGES)}}
    return SimpleNamespace(**told | changes)


def made(wanted: Any) -> Token:
    """The token that a kernel would make of it."""
    groups = [Group(sid=sid, attributes=SE_GROUP_USE_FOR_DENY_ONLY) if sid in wanted.disable else Group(sid=sid)
              for sid in (*GROUPS, LOGON)]
    return Token(user=USER, groups=tuple(groups), restricting=wanted.restrict, integrity=wanted.integrity,
                 write_restricted=wanted.write_restricted, privileges=frozenset(wanted.privileges),
                 user_deny_only=USER in wanted.disable)


def test_a_vector_that_is_carried_over_has_the_same_answer() -> None:
    asked, wrong = 0, []
    for vector in VECTORS:
        sd, token = descriptor(vector, "sd"), Token.from_json(vector["token"])
        try:
            there, wanted = vectors.carried(runner(), sd, token)
        except vectors.LeftOut:
            continue
        asked += 1
        desired, mapping = number(vector["desired"], "desired"), mapping_of(vector.get("mapping", "file"))
        before = access_check(sd, token, desired, mapping)
        after = access_check(there, made(wanted), desired, mapping)
        if (before.verdict, before.lower, before.mask, before.upper, before.readings) != (
                after.verdict, after.lower, after.mask, after.upper, after.readings):
            wrong.append(vector["id"])
    assert not wrong
    assert asked > 200


def test_no_group_of_the_runner_decides_where_the_vector_does_not_know_it() -> None:
    token = Token(user=Sid("S-1-5-21-1-2-3-1001"), groups=(Group(sid=Sid("S-1-5-11")),))
    sd, wanted = vectors.carried(runner(), parse("O:BAG:BAD:(A;;FA;;;BA)(A;;0x1;;;AU)(A;;0x2;;;OW)"), token)
    assert sd.dacl is not None
    administrators, authenticated, owner = [one.sid for one in sd.dacl.aces]
    assert administrators not in GROUPS and sd.owner == administrators
    assert (authenticated, owner) == ("S-1-5-11", "S-1-3-4")
    assert (wanted.disable, wanted.restrict, wanted.integrity) == ((), None, 0x3000)


@pytest.mark.parametrize(("token", "why"), [
    ({"groups": [["S-1-5-4", "disabled"]]}, "neither enabled nor"),
    ({"package": "S-1-15-2-1-2-3"}, "AppContainer"),
    ({"no_write_up": False}, "mandatory policy"),
    ({"restricted": [], "write_restricted": True}, "empty list"),
    ({"privileges": ["SeTcbPrivilege"]}, "no SeTcbPrivilege"),
    ({"integrity": 0x4000}, "higher integrity"),
    ({"groups": [[f"S-1-5-21-9-9-9-{number}", "enabled"] for number in range(12)]}, "more groups"),
])
def test_what_cannot_be_asked_is_left_out_with_a_reason(token: dict[str, Any], why: str) -> None:
    with pytest.raises(vectors.LeftOut, match=why):
        vectors.carried(runner(), parse("O:BAG:BAD:"), Token.from_json({"user": "S-1-5-21-1-2-3-1001", **token}))


def answer(verdict: Any, lower: int, mask: int, upper: int, *readings: str) -> Answer:
    return Answer(verdict=verdict, lower=lower, mask=mask, upper=upper, status="", readings=readings)


@pytest.mark.parametrize(("granted", "mask", "told", "word"), [
    (True, 3, answer(GRANTED, 3, 3, 3), vectors.AGREES),
    (False, 0, answer(DENIED, 0, 0, 0), vectors.AGREES),
    (True, 3, answer(DENIED, 0, 0, 0), vectors.DIFFERS),
    (False, 0, answer(GRANTED, 3, 3, 3), vectors.DIFFERS),
    (True, 2, answer(GRANTED, 3, 3, 3), vectors.DIFFERS),
    (True, 3, answer(DENIED, 0, 0, 3, WHOLE_REQUEST), vectors.ANOTHER),
    (True, 2, answer(GRANTED, 2, 3, 7, WHOLE_REQUEST), vectors.ANOTHER),
    (True, 8, answer(GRANTED, 2, 3, 7, WHOLE_REQUEST), vectors.DIFFERS),
    (True, 1, answer(CANNOT_PROVE, 0, 0, 7, WHOLE_REQUEST), vectors.SILENT),
])
def test_answers_are_compared_mask_by_mask(granted: bool, mask: int, told: Answer, word: str) -> None:
    assert vectors.compare(granted, mask, told) == word


@pytest.mark.skipif(sys.platform == "win32", reason="it measures there")
def test_elsewhere_it_says_that_there_is_nothing_to_measure() -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.windows_questions"], cwd=ROOT, capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "windows_questions: this is no Windows\n")
