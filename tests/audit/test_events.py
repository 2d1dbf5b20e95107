"""Events and their JSON: every name of a file can be written, and no secret gets in.

Knows: ``sidewall.audit.events``.  Must not know: files.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.audit import events
from sidewall.plan.guarantees import Guarantee
from sidewall.plan.steps import Plan
from sidewall.policy.model import Environ, Policy

ANY_TEXT = st.text(st.characters())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def plan() -> Plan:
    policy = Policy(name=":workspace", workspace="/w", home="/h", environ=Environ(set=(("API_KEY", "hunter2"),)))
    report = (Guarantee(name="write-outside", level="enforced", mechanism="mounts"),)
    return Plan(platform="linux", tier="namespace", policy=policy, steps=(), guarantees=report, digest="d" * 64)


@given(VALUES)
def test_any_value_reads_back_the_same(value: object) -> None:
    line = events.dumps(value)
    assert "\n" not in line and line.isascii()
    assert json.loads(line) == value


def test_undecodable_bytes_of_a_name_survive() -> None:
    name = b"caf\xe9\n\x1b[2J".decode("utf-8", "surrogateescape")
    back = json.loads(events.dumps(name))
    assert back.encode("utf-8", "surrogateescape") == b"caf\xe9\n\x1b[2J"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": object()}, b"bytes", {"set"}])
def test_what_json_cannot_say_is_an_error(value: object) -> None:
    with pytest.raises(TypeError):
        events.dumps(value)


def test_a_command_tells_its_program_and_no_argument() -> None:
    argv = ["curl", "-H", "Authorization: Bearer hunter2", "https://example.org"]
    told = events.command("s", argv, number=7)
    assert told["program"] == "curl" and told["arguments"] == 3
    assert "hunter2" not in events.dumps(told)


def test_arguments_are_told_on_request_and_bounded() -> None:
    told = events.command("s", [b"printf", b"\xff", "x" * 9000, *["y" * 4000] * 9], arguments=True)
    assert told["argv"][:2] == ["printf", "\udcff"]
    assert len(told["argv"][2]) < 5000 and told["argv"][-1] == "..."
    assert len(events.dumps(told)) < 60000


def test_a_session_tells_its_promises_and_no_variable() -> None:
    told = events.session_open("s", plan())
    assert told["guarantees"] == {"write-outside": "enforced"} and told["plan"] == "d" * 64
    assert "hunter2" not in events.dumps(told)


def test_denials_are_bounded() -> None:
    denials = [{"path": "p" * 100000, "nested": {"list": ["q" * 100000]}, "number": 3}] * 500
    told = events.command_exit("s", returncode=-9, seconds=1 / 3, denials=denials)
    assert len(told["denials"]) == 20 and told["denials"][0]["number"] == 3
    assert len(events.dumps(told)) < 300_000
    assert told["returncode"] == -9 and told["seconds"] == 0.333333


def test_a_closing_tells_an_error_only_when_there_was_one() -> None:
    assert "error" not in events.session_close("s")
    assert events.session_close("s", error="gone")["error"] == "gone"
