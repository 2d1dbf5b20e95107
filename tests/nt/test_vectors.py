"""The vectors that are shipped, and the command that judges a file of them.

Knows: the file and the format of its lines.  Must not know: how an answer is found.

Vectors whose expectation rests on a single source, or on a report from the field, are judged apart: if one of these
fails after a change, it may be the vector that is wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sidewall.nt.__main__ import main
from sidewall.nt.vectors import JUDGES, Judgement, judge, judge_line
from sidewall.nt.vectors_fields import VectorError

FILE = Path(__file__).parent / "data" / "vectors.jsonl"
LINES = FILE.read_text(encoding="utf-8").splitlines()
JUDGED = [judge_line(line, number) for number, line in enumerate(LINES, 1)]
CONFIRMED = [each for each in JUDGED if not each.unconfirmed]
UNCONFIRMED = [each for each in JUDGED if each.unconfirmed]

USER = "S-1-5-21-1-2-3-1001"
TOKEN = {"user": USER, "groups": [["S-1-1-0", "enabled"]]}
GOOD = {"id": "good", "kind": "access", "sd": "O:BAG:BAD:(A;;0x1;;;WD)", "token": TOKEN, "desired": "0x1",
        "expect": {"granted": True, "mask": "0x1"}}


def told(each: Judgement) -> str:
    return "\n".join((f"{each.id}: expected {each.expected}, got {each.got}", *each.trace))


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sidewall.nt", *arguments], input=text, capture_output=True, text=True,
                          timeout=60)


def test_every_kind_and_confidence_is_there() -> None:
    assert {each.kind for each in JUDGED} == set(JUDGES)
    assert Counter(each.confidence for each in JUDGED) == {
        "doc": 144, "oracles": 222, "windows-tested": 99, "single-source": 41, "field-report": 3,
    }


@pytest.mark.parametrize("kind", sorted({each.kind for each in CONFIRMED}))
def test_confirmed_vectors(kind: str) -> None:
    wrong = [told(each) for each in CONFIRMED if each.kind == kind and not each.passed]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("confidence", ["single-source", "field-report"])
def test_unconfirmed_vectors(confidence: str) -> None:
    chosen = [each for each in UNCONFIRMED if each.confidence == confidence]
    assert chosen
    wrong = [told(each) for each in chosen if not each.passed]
    assert not wrong, "\n".join(wrong)


def test_the_command_judges_the_file() -> None:
    done = run(str(FILE))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("509 vectors: 509/509 passed; access 293/293; ")
    assert lines[0].endswith("; of them field-report 3/3; of them single-source 41/41")


def test_a_mismatch_is_shown_with_its_trace_and_counted() -> None:
    wrong = {**GOOD, "id": "wrong", "confidence": "doc", "expect": {"granted": False, "mask": "0x0"}}
    done = run("-", text=json.dumps(GOOD) + "\n\n" + json.dumps(wrong) + "\n")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "-: line 3: wrong (access, doc)"
    assert lines[1] == '    expected {"granted": false, "mask": "0x0"}'
    assert lines[2] == "    got      granted (success) 0x1"
    assert lines[-2] == "        normal pass ACE 0 S-1-1-0 0x1: allowed"
    assert lines[-1] == "2 vectors: 1/2 passed; access 1/2"
    assert done.stderr == ""


@pytest.mark.parametrize(("line", "told"), [
    ("{", "not JSON"),
    ("[]", "a vector is a JSON object, not list"),
    ("7", "a vector is a JSON object, not int"),
    pytest.param("[" * 100_000, "not JSON", id="nested"),
    ("{}", "kind is missing"),
    ('{"kind": 1}', "kind is no text"),
    ('{"kind": "fly", "expect": true}', "unknown kind 'fly'"),
    ('{"kind": "access"}', "nothing is expected"),
    (json.dumps({**GOOD, "sd": "O:BAG:BAD:(A;;0x1;;;"}), "sd: "),
    (json.dumps({**GOOD, "sd": 5}), "sd is no text"),
    (json.dumps({**GOOD, "sd": "O:S-1-5-99999999999G:BAD:"}), "sd: "),
    (json.dumps({**GOOD, "token": None}), "no token"),
    (json.dumps({**GOOD, "token": {"user": "me"}}), "not a SID"),
    (json.dumps({**GOOD, "token": {**TOKEN, "groups": [["S-1-1-0"]]}}), "not a group"),
    (json.dumps({**GOOD, "token": {**TOKEN, "groups": [["S-1-1-0", []]]}}), "roup"),
    (json.dumps({**GOOD, "token": {**TOKEN, "groups": 5}}), "groups"),
    (json.dumps({**GOOD, "token": {**TOKEN, "groups": [[5, "enabled"]]}}), "groups"),
    (json.dumps({**GOOD, "token": {**TOKEN, "restricted": 5}}), "restricted"),
    (json.dumps({**GOOD, "token": {**TOKEN, "privileges": [[]]}}), "privileges"),
    (json.dumps({**GOOD, "token": {**TOKEN, "integrity": "low"}}), "integrity"),
    (json.dumps({**GOOD, "token": {**TOKEN, "capabilities": {"a": 1}}}), "capabilities"),
    (json.dumps({**GOOD, "token": {**TOKEN, "colour": 1}}), "colour"),
    (json.dumps({**GOOD, "desired": "many"}), "desired is no number"),
    (json.dumps({**GOOD, "desired": -1}), "desired is no number"),
    (json.dumps({**GOOD, "desired": True}), "desired is no number"),
    (json.dumps({**GOOD, "desired": None}), "desired is no number"),
    (json.dumps({**GOOD, "desired": "0x1ffffffff"}), "desired is no number"),
    (json.dumps({**GOOD, "desired": 1.5}), "desired is no number"),
    (json.dumps({**GOOD, "mapping": "teapot"}), "teapot"),
    (json.dumps({**GOOD, "expect": True}), "an access check expects"),
    (json.dumps({**GOOD, "expect": {"granted": 1}}), "an access check expects"),
    (json.dumps({**GOOD, "expect": {"granted": True, "mask": []}}), "mask is no number"),
    (json.dumps({"kind": "inherit", "expect": {"dacl": None}}), "inheritance expects"),
    (json.dumps({"kind": "inherit", "expect": {"dacl": ""}}), "owner is missing"),
    (json.dumps({"kind": "propagate", "expect": {"a": "D:"}}), "no object describes"),
    (json.dumps({"kind": "propagate", "expect": []}), "propagation expects"),
    (json.dumps({"kind": "propagate", "tree": {"sd": "D:", "children": []}, "expect": {"a": "D:"}}), "no descriptor"),
    (json.dumps({"kind": "propagate", "tree": {"sd": "D:", "children": [1]}, "expect": {"a": "D:"}}), "no object"),
    (json.dumps({"kind": "propagate", "tree": {"sd": "D:", "children": {"..": {"sd": "D:"}}}, "expect": {}}), ".."),
    (json.dumps({"kind": "fs_open", "token": TOKEN, "file": "O:BAG:BAD:", "expect": 1}), "a file operation expects"),
    (json.dumps({"kind": "fs_open", "token": TOKEN, "file": "O:BAG:BAD:", "readonly": 1, "expect": 1}), "readonly"),
    (json.dumps({"kind": "fs_rename", "token": TOKEN, "file": "O:BAG:BAD:", "expect": "refuse"}), "new_parent"),
    ("\udcff", "not UTF-8"),
])
def test_a_line_that_is_no_vector_is_one_clear_error(
    line: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes((json.dumps(GOOD) + "\n" + line + "\n").encode("utf-8", "surrogateescape"))
    assert main([str(path)]) == 2
    printed = capsys.readouterr()
    complaints = printed.err.splitlines()
    assert len(complaints) == 1
    assert f"{path}: line 2: " in complaints[0]
    assert told in complaints[0]
    assert printed.out.splitlines() == ["1 vectors: 1/1 passed; access 1/1; and 1 that could not be judged"]


def test_deep_trees_and_long_lines_are_errors(tmp_path: Path) -> None:
    tree = '{"sd": "D:", "children": {"a": ' * 900 + '{"sd": "D:"}' + "}}" * 900
    path = tmp_path / "deep.jsonl"
    path.write_text('{"kind": "propagate", "expect": {}, "tree": ' + tree + "}\n"
                    + " " * 10 + "1" * (1 << 20) + "\n" + json.dumps(GOOD) + "\n" + "2" * (5 << 20))
    done = run(str(path))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == "1 vectors: 1/1 passed; access 1/1; and 3 that could not be judged\n"
    first, second, third = done.stderr.splitlines()
    assert f"{path}: line 1: " in first  # which of the two recursions ends first depends on the interpreter
    assert f"{path}: line 2: longer than" in second
    assert f"{path}: line 4: longer than" in third


def test_files_that_cannot_be_read_and_empty_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.jsonl")]) == 2
    assert "absent.jsonl: cannot be read: No such file" in capsys.readouterr().err
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    assert main([str(empty)]) == 2
    assert "no vectors in" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
    assert main(["--colour"]) == 2
    capsys.readouterr()
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage:")
    both = tmp_path / "both.jsonl"
    both.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "expect": "refuse"}) + "\n" + json.dumps(GOOD))
    assert main([str(both), str(both)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "6 vectors: 4/6 passed; access 4/6"


def expects(expect: object, **changes: object) -> bool:
    return judge({**GOOD, **changes, "expect": expect}).passed


def test_denied_does_not_pass_for_refused_nor_the_other_way_round() -> None:
    conditional = "O:BAG:BAD:(XA;;FA;;;WD;(Member_of {SID(BA)}))"
    assert expects("refuse", sd=conditional)
    assert not expects({"granted": False}, sd=conditional)
    assert not expects({"granted": True}, sd=conditional)
    assert not expects("refuse", sd="O:BAG:BAD:")
    assert not expects("refuse")
    assert expects({"granted": False}, sd="O:BAG:BAD:")
    assert not expects({"granted": True}, sd="O:BAG:BAD:")


def test_masks_bounds_and_statuses_are_compared() -> None:
    assert not expects({"granted": True, "mask": "0x3"})
    assert expects({"granted": True, "mask": 1})
    assert expects({"granted": True, "status": "success"})
    assert not expects({"granted": True, "status": "access_denied"})
    assert expects({"granted": False, "status": "privilege_not_held"}, desired="0x1000000")
    assert not expects({"granted": False, "status": "access_denied"}, desired="0x1000000")
    assert expects({"granted": False, "status": "invalid_security_descr"}, sd="D:(A;;FA;;;WD)")
    assert not expects({"granted": False}, sd="D:(A;;FA;;;WD)")
    writes = {**TOKEN, "restricted": ["S-1-5-21-71-72-73-1"], "write_restricted": True}
    sd = "O:BAG:BAD:(A;;0x3;;;WD)(A;;0x2;;;S-1-5-21-71-72-73-1)"
    for bounds, passes in (("0x2 0x3", True), ("0x3 0x3", False), ("0x2 0x2", False), ("0x0 0x3", False)):
        low, high = bounds.split()
        assert expects({"granted": True, "mask_min": low, "mask": high}, sd=sd, token=writes,
                       desired="0x2000000") is passes
    assert expects({"granted": True, "mask_min": 2, "mask_max": 3}, sd=sd, token=writes, desired="0x2000000")


def test_what_is_not_given_has_the_documented_default() -> None:
    assert expects({"granted": True, "mask": "0x120089"}, sd="O:BAG:BAD:(A;;FR;;;WD)", desired="0x80000000")
    assert expects({"granted": False}, token={"user": USER, "integrity": 4096}, sd="O:BAG:BA", desired=2)
    made = judge({"kind": "inherit", "owner": USER, "group": USER, "parent": "D:(A;CI;FA;;;WD)",
                  "expect": {"dacl": "D:(A;CI;FA;;;WD)"}})
    assert (made.passed, made.id) == (True, "(no id)")


@pytest.mark.parametrize(("kind", "expect"), [
    ("write_mask", "0x10d0117"), ("canonical", False), ("inherit", {"dacl": "D:"}), ("propagate", {"f": "D:"}),
    ("propagate", {"f": "D:(A;ID;FA;;;WD)"}), ("fs_open", {"granted": True}), ("fs_open", "refuse"),
    ("fs_create", {"granted": True}), ("fs_delete", {"granted": True}), ("fs_rename", {"granted": True}),
])
def test_every_kind_can_fail(kind: str, expect: object) -> None:
    closed = "O:BAG:BAD:(A;;0x1;;;SY)"
    vector = {
        "kind": kind, "expect": expect, "sd": "D:", "token": TOKEN, "file": closed, "parent": closed,
        "new_parent": closed, "owner": USER, "group": USER, "desired": "0x2",
        "tree": {"sd": "O:BAG:BAD:AI(A;OICI;FA;;;WD)", "children": {"f": {"sd": "O:BAG:BAD:AI", "container": False}}},
    }
    assert not judge(vector).passed


def test_a_bad_vector_names_its_line() -> None:
    with pytest.raises(VectorError, match=r"^line 12: not JSON") as caught:
        judge_line("nonsense", 12)
    assert (caught.value.line, caught.value.hint) == (12, "one JSON object a line")
