"""Test vectors about files: open, create, delete, rename by the descriptors of object and parent.

Knows: the fields of the kinds ``fs_*``.  Must not know: which rights an operation asks for (`operations` does).
The format is that of docs/nt-model.md; it follows no Microsoft document.
"""

from __future__ import annotations

import json

from sidewall.nt.access_check_answer import CANNOT_PROVE, DENIED, GRANTED
from sidewall.nt.mask import FILE_GENERIC_READ
from sidewall.nt.operations import Place, create_in, delete_file, open_file, rename_file
from sidewall.nt.vectors_fields import VectorError, descriptor, number, token, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.nt.operations_answer import Outcome
    from sidewall.nt.vectors_fields import Judge


def _open(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    desired = number(vector.get("desired", FILE_GENERIC_READ), "desired")
    return _fits(open_file(_object(vector), _parent(vector), token(vector), desired, trace=True), vector["expect"])


def _create(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    creator = None if vector.get("creator") is None else descriptor(vector, "creator")
    where = Place(sd=descriptor(vector, "parent"), directory=True, path="parent")
    outcome = create_in(where, token(vector), directory=truth(vector, "directory", False), creator=creator, trace=True)
    return _fits(outcome, vector["expect"])


def _delete(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    return _fits(delete_file(_object(vector), _parent(vector), token(vector), trace=True), vector["expect"])


def _rename(vector: Mapping[str, Any]) -> tuple[bool, str, str, list[str]]:
    where = Place(sd=descriptor(vector, "new_parent"), directory=True, path="new_parent")
    target = None
    if vector.get("target") is not None:
        target = Place(sd=descriptor(vector, "target"), path="target")
    outcome = rename_file(_object(vector), _parent(vector), where, token(vector), target=target, trace=True)
    return _fits(outcome, vector["expect"])


def _object(vector: Mapping[str, Any]) -> Place:
    return Place(sd=descriptor(vector, "file"), directory=truth(vector, "directory", False),
                 read_only=truth(vector, "readonly", False), path="file")


def _parent(vector: Mapping[str, Any]) -> Place | None:
    if vector.get("parent") is None:
        return None
    return Place(sd=descriptor(vector, "parent"), directory=True, path="parent")


def _fits(outcome: Outcome, expect: Any) -> tuple[bool, str, str, list[str]]:
    if expect == "refuse":
        wanted = CANNOT_PROVE
    elif isinstance(expect, dict) and isinstance(expect.get("granted"), bool):
        wanted = GRANTED if expect["granted"] else DENIED
    else:
        raise VectorError("a file operation expects \"refuse\" or an object with 'granted'", hint="add 'granted'")
    return outcome.verdict == wanted, json.dumps(expect), outcome.verdict, outcome.explain()


FILE_JUDGES: Mapping[str, Judge] = {
    "fs_open": _open, "fs_create": _create, "fs_delete": _delete, "fs_rename": _rename,
}
