"""Test vectors of the Windows security model: one JSON object a line, judged by this room's modules.

Knows: the format (kinds, fields, what is expected) and how an answer is compared with it.
Must not know: where lines come from (`__main__` does), or how an answer is found.
The format is that of docs/nt-model.md; it follows no Microsoft document.

A vector of an unknown kind, or with a field of the wrong shape, is an error and never a pass.
"""

from __future__ import annotations

import json

from sidewall.nt import sddl
from sidewall.nt.access_check import access_check, write_mask
from sidewall.nt.access_check_answer import CANNOT_PROVE, GRANTED
from sidewall.nt.descriptor import SE_DACL_AUTO_INHERITED, SE_DACL_PRESENT, SE_DACL_PROTECTED
from sidewall.nt.errors import NtError
from sidewall.nt.inherit import child
from sidewall.nt.inherit_tree import propagate
from sidewall.nt.mask import mapping_of
from sidewall.nt.sid import Sid
from sidewall.nt.tree import Item, Tree
from sidewall.nt.vectors_fields import VectorError, descriptor, number, text, token, truth
from sidewall.nt.vectors_files import FILE_JUDGES
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.nt.access_check_answer import Answer
    from sidewall.nt.acl import Acl
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.vectors_fields import Judge

UNCONFIRMED = ("single-source", "field-report")
"""Confidences of vectors that nobody else confirmed; they are counted apart."""

ROOT = "C:\\vector"
_COMPARED = SE_DACL_PRESENT | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED


class Judgement(Record):
    """One vector, judged.  ``expected`` and ``got`` are words for people, ``trace`` lines that lead to ``got``."""

    id: str
    kind: str
    confidence: str
    passed: bool
    expected: str
    got: str
    trace: tuple[str, ...] = ()

    @property
    def unconfirmed(self) -> bool:
        """Whether the expectation rests on one source, or on one report from the field."""
        return self.confidence in UNCONFIRMED


def judge_line(given: str, line: int = 0) -> Judgement:
    """Judge one line.  Raises VectorError, with the line's number, if it is not a vector."""
    try:
        vector = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise VectorError(f"not JSON: {error}", line=line, hint="one JSON object a line") from None
    if not isinstance(vector, dict):
        raise VectorError(f"a vector is a JSON object, not {type(vector).__name__}", line=line,
                          hint="one JSON object a line")
    try:
        return judge(vector)
    except RecursionError:
        raise VectorError("the tree is nested too deeply", line=line, hint="use fewer levels") from None
    except NtError as error:
        raise VectorError(error.message, line=line, hint=error.hint) from None


def judge(vector: Mapping[str, Any]) -> Judgement:
    """Judge one vector.  Raises NtError (VectorError, or what a SID, a text or a token is wrong by)."""
    kind = text(vector, "kind")
    judged_by = JUDGES.get(kind)
    if judged_by is None:
        raise VectorError(f"unknown kind {kind!r}", hint="known kinds: " + ", ".join(sorted(JUDGES)))
    if "expect" not in vector:
        raise VectorError("nothing is expected", hint="give 'expect'")
    passed, expected, got, trace = judged_by(vector)
    return Judgement(id=text(vector, "id", "(no id)"), kind=kind, confidence=text(vector, "confidence", ""),
                     passed=passed, expected=expected, got=got, trace=tuple(trace))


def _access(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    answer = access_check(descriptor(vector, "sd"), token(vector), number(vector["desired"], "desired"),
                          mapping_of(text(vector, "mapping", "file")), trace=True)
    expect = vector["expect"]
    got = f"{answer.verdict} ({answer.status}) 0x{answer.mask:x}"
    if answer.lower != answer.mask:
        got += f" at least 0x{answer.lower:x}"
    return _fits(answer, expect), json.dumps(expect), got, answer.explain()


def _fits(answer: Answer, expect: Any) -> bool:
    """Refusing is an answer of its own: "denied" does not pass for it, nor the other way round.

    With one exception: where the vector names the error that Windows' function returns for input that it does not
    judge at all, and the model names the same one.
    """
    if expect == "refuse":
        return answer.verdict == CANNOT_PROVE
    if not isinstance(expect, dict) or not isinstance(expect.get("granted"), bool):
        raise VectorError("an access check expects \"refuse\" or an object with 'granted'", hint="add 'granted'")
    status = expect.get("status")
    if status is not None and status != answer.status:
        return False
    if not expect["granted"]:
        return answer.verdict != GRANTED and (status is not None or answer.verdict != CANNOT_PROVE)
    fits = answer.verdict == GRANTED
    for name, value in (("mask", answer.mask), ("mask_min", answer.lower), ("mask_max", answer.mask)):
        if name in expect:
            fits = fits and number(expect[name], name) == value
    return fits


def _write_mask(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    expected, got = number(vector["expect"], "expect"), write_mask(mapping_of(text(vector, "mapping", "file")))
    return expected == got, f"0x{expected:x}", f"0x{got:x}", []


def _canonical(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    dacl = descriptor(vector, "sd").dacl
    got = dacl is None or dacl.is_canonical()
    return got is vector["expect"], str(vector["expect"]), str(got), []


def _inherit(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    expect = vector["expect"]
    if not isinstance(expect, dict) or not isinstance(expect.get("dacl"), str):
        raise VectorError("inheritance expects an object with 'dacl'", hint='"" stands for no DACL')
    made = child(
        None if vector.get("parent") is None else descriptor(vector, "parent"),
        None if vector.get("creator") is None else descriptor(vector, "creator"),
        container=truth(vector, "container", True),
        owner=Sid(text(vector, "owner")), group=Sid(text(vector, "group")),
        mapping=mapping_of(text(vector, "mapping", "file")),
        default_dacl=None if vector.get("default_dacl") is None else descriptor(vector, "default_dacl").dacl,
        auto_inherit=truth(vector, "auto_inherit", False),
    )
    return _same_dacl(made, sddl.parse(expect["dacl"])), expect["dacl"], dacltext(made), []


def _propagate(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    expect = vector["expect"]
    if not isinstance(expect, dict):
        raise VectorError("propagation expects an object of paths and DACLs", hint='{"dir/file": "D:..."}')
    items: list[Item] = []
    _plant(vector.get("tree"), ROOT, items)
    done = propagate(Tree.build(items), ROOT)
    found = {path: node.sd for path, node in done.tree.paths()}
    passed, expected, got = True, [], []
    for name, dacl in expect.items():
        sd = found.get(f"{ROOT}\\{name}".replace("/", "\\"))
        if sd is None or not isinstance(dacl, str):
            raise VectorError(f"no descriptor of {name!r} in the tree, or no text", hint="paths are below the root")
        passed = passed and _same_dacl(sd, sddl.parse(dacl))
        expected.append(f"{name}: {dacl}")
        got.append(f"{name}: {dacltext(sd)}")
    trace = [f"left: {stop}" for stop in done.stops] + [f"doubt: {doubt}" for doubt in done.doubts]
    return passed, "; ".join(expected), "; ".join(got), trace


def _plant(tree: Any, path: str, items: list[Item]) -> None:
    if not isinstance(tree, dict):
        raise VectorError(f"no object describes {path}", hint="a tree is {'sd': ..., 'children': {name: tree}}")
    children = tree.get("children") or {}
    if not isinstance(children, dict):
        raise VectorError(f"the children of {path} are no object", hint="children is {name: tree}")
    items.append(Item(path=path, sd=descriptor(tree, "sd"), directory=truth(tree, "container", True),
                      reparse="mount-point" if truth(tree, "reparse", False) else "",
                      links=number(tree.get("links", 1), "links")))
    for name, inner in children.items():
        _plant(inner, f"{path}\\{name}", items)


def _same_dacl(made: SecurityDescriptor, wanted: SecurityDescriptor) -> bool:
    return _entries(made.dacl) == _entries(wanted.dacl) and not (made.control ^ wanted.control) & _COMPARED


def _entries(acl: Acl | None) -> object:
    return None if acl is None else acl.aces


def dacltext(sd: SecurityDescriptor) -> str:
    """The DACL alone as SDDL, ``""`` where there is none."""
    return sddl.format(sd.replace(owner=None, group=None, sacl=None, control=sd.control & _COMPARED))


JUDGES: Mapping[str, Judge] = {
    "access": _access, "refuse": _access, "write_mask": _write_mask, "canonical": _canonical, "inherit": _inherit,
    "propagate": _propagate, **FILE_JUDGES,
}
