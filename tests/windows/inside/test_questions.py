"""The open questions, asked of this kernel: it runs to the end, and what a kernel does not enforce is not an answer."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.commands import questions
from tests.windows.inside.cells import on_wine

WINES_GAPS = 0x2000000 | 0x1000000 | 0x80000
"""MAXIMUM_ALLOWED, ACCESS_SYSTEM_SECURITY and WRITE_OWNER, which Wine's check takes in its own way."""


def gap_of_wines(vector: dict[str, Any]) -> bool:
    token = vector["token"]
    denying = token.get("user_deny_only") or any(state == "deny_only" for _, state in token["groups"])
    return bool(denying or "S-1-3-4" in vector["sd"] or int(vector["desired"], 0) & WINES_GAPS)


@pytest.fixture(scope="module")
def told() -> tuple[int, dict[str, Any]]:
    from contextlib import redirect_stdout
    from io import StringIO

    said = StringIO()
    with redirect_stdout(said):
        code = questions.main(["--answers"])
    return code, json.loads(said.getvalue())


def test_it_says_which_kernel_answered(told: tuple[int, dict[str, Any]]) -> None:
    machine = told[1]["machine"]
    assert machine["wine"] is on_wine()
    assert machine["windows"].startswith("10.0.")
    assert all(told[1]["controls"].values())


def test_every_question_has_an_answer_or_says_why_not(told: tuple[int, dict[str, Any]]) -> None:
    measured = told[1]["questions"]
    assert list(measured) == list(questions.ASKED)
    assert all(each["holds"] for each in measured.values())
    for name in questions.RESTRICTED:
        unmeasured = measured[name]["holds"] == questions.NO_RESTRICTING
        assert unmeasured is not told[1]["restricting SIDs enforced"]
    if on_wine():
        assert not told[1]["restricting SIDs enforced"] and told[1]["why not"]
    else:
        assert told[1]["restricting SIDs enforced"]
        assert [each["holds"] for each in measured.values() if "not measured" in each["holds"]] == [
            questions.NO_CONTAINER]


def test_each_vector_is_answered_or_left_out_with_a_reason(told: tuple[int, dict[str, Any]]) -> None:
    code, report = told
    vectors = {(each := json.loads(line))["id"]: each for line in questions.VECTORS.read_text(
        encoding="utf-8").splitlines() if '"kind": "access"' in line}
    judged = report["vectors"]
    assert sum(judged["verdicts"].values()) + sum(judged["left out"].values()) == len(vectors)
    assert len(judged["answers"]) == sum(judged["verdicts"].values()) >= 80
    assert code == (1 if judged["differ"] else 0)
    if not on_wine():
        assert judged["differ"] == []
        return
    # Wine lets SIDs for denying only deny nothing, knows no OWNER RIGHTS, and gives the maximum differently.
    assert [each["id"] for each in judged["differ"] if not gap_of_wines(vectors[each["id"]])] == []
    assert judged["verdicts"]["agrees"] >= 80
    # A token without restricting SIDs answers for no vector that has some.
    assert not [each["id"] for each in judged["answers"] if "restricted" in vectors[each["id"]]["token"]]
