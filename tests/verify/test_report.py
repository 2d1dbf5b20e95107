"""Verdicts: what follows from outcomes and promises, in words, as JSON.

Knows: reports made up here.  Must not know: any sandbox.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidewall.plan.guarantees import LEVELS, Guarantee
from sidewall.verify.probe import WORKS
from sidewall.verify.report import (
    ALLOWED,
    BROKEN,
    EFFECT,
    HELD,
    HOLDS,
    NOT_SHOWN,
    NOTHING,
    Report,
    Result,
    sentence,
    worth_telling,
)


def result(outcome: str, level: str = "enforced", *, guarantee: str = "desktop", excuse: str = "",
           said: str = "") -> Result:
    return Result(id="L-1 x", guarantee=guarantee, what="try it", outcome=outcome, level=level, excuse=excuse,
                  said=said)


def report(level: str, *results: Result) -> Report:
    line = Guarantee(name="desktop", level=level, mechanism="walls", required=True)
    return Report(platform="linux", tier="namespace", policy=":workspace", require=("desktop",), guarantees=(line,),
                  results=results)


@pytest.mark.parametrize(("level", "outcomes", "verdict", "ok"), [
    ("enforced", [HELD, HELD], HOLDS, True),
    ("enforced", [HELD, EFFECT], BROKEN, False),
    ("enforced", [HELD, NOTHING], HOLDS, True),
    ("enforced", [NOTHING, NOTHING], NOT_SHOWN, True),
    ("partial", [HELD, EFFECT], "partial as said", True),
    ("partial", [HELD], "partial as said", True),
    ("advisory", [EFFECT], "advisory as said", True),
    ("open", [EFFECT, HELD], "open as said", True),
])
def test_a_verdict_follows_from_the_promise_and_what_came_of_it(level: str, outcomes: list[str], verdict: str,
                                                               ok: bool) -> None:
    made = report(level, *[result(outcome, level) for outcome in outcomes])
    (line,) = made.verdicts
    assert (line.verdict, made.ok) == (verdict, ok)
    assert (line.held, line.effect, line.nothing) == tuple(map(outcomes.count, (HELD, EFFECT, NOTHING)))


def test_what_its_own_session_did_not_promise_breaks_nothing() -> None:
    assert report("enforced", result(HELD), result(EFFECT, "partial")).ok


def test_what_the_policy_allows_breaks_nothing_and_shows_nothing() -> None:
    made = report("enforced", result(EFFECT, excuse="the policy allows the network"))
    assert made.ok
    assert made.verdicts[0].verdict == ALLOWED
    assert report("enforced", result(HELD, excuse="x")).verdicts[0].verdict == NOT_SHOWN


@pytest.mark.parametrize(("outcome", "said", "ok"), [
    (EFFECT, "", True), (HELD, "no such device", False), (NOTHING, "inside it did not run: gone", False),
    (NOTHING, "without a sandbox it does not start: no git", True),
])
def test_what_must_work_must(outcome: str, said: str, ok: bool) -> None:
    made = report("enforced", result(outcome, "", guarantee=WORKS, said=said))
    assert made.ok is ok
    assert ("DOES NOT WORK" in sentence(made.works[0])) is not ok
    assert (made.works[0] in worth_telling(made)) is (outcome != EFFECT)


def test_an_effect_against_a_promise_is_told_in_plain_words() -> None:
    assert sentence(result(EFFECT)) == "HAD ITS EFFECT, and the report promised that it would not"
    assert sentence(result(EFFECT, "open")) == "had its effect; desktop is open here"
    assert sentence(result(HELD, said="Permission denied")) == "held: Permission denied"


def test_the_page_explains_every_verdict() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "verify.md").read_text(encoding="utf-8")
    lower = [f"{level} as said" for level in LEVELS if level != "enforced"]
    for verdict in (HOLDS, BROKEN, NOT_SHOWN, ALLOWED, *lower):
        assert f"`{verdict}`" in page


def test_json_says_all_of_it() -> None:
    told = json.loads(json.dumps(report("enforced", result(HELD), result(EFFECT),
                                        result(EFFECT, "", guarantee=WORKS)).to_dict()))
    assert set(told) == {"schema", "ok", "platform", "tier", "policy", "require", "seconds", "guarantees", "works"}
    assert told["ok"] is False
    (line,) = told["guarantees"]
    assert line["name"] == "desktop" and line["verdict"] == BROKEN and line["required"]
    assert [probe["outcome"] for probe in line["probes"]] == [HELD, EFFECT]
    assert [probe["wrong"] for probe in line["probes"]] == [False, True]
    assert set(line["probes"][0]) == {"id", "what", "outcome", "level", "said", "excuse", "wrong"}
    assert told["works"][0]["outcome"] == EFFECT
