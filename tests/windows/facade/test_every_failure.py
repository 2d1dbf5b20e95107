"""Every function of every facade that can fail, refused once: what its error says for people."""

from __future__ import annotations

import importlib
import re

import pytest

from sidewall.platforms.windows import api, errors, prototypes
from sidewall.platforms.windows.handles import Borrowed
from sidewall.platforms.windows.prototypes import FILTERING, HRESULT, LAST, NET, STATUS, WIN32, Prototype

REFUSALS = {LAST: (5, "ERROR_ACCESS_DENIED (5)"), WIN32: (5, "ERROR_ACCESS_DENIED (5)"),
            NET: (2221, "NERR_UserNotFound (2221)"), STATUS: (0xC0000022, "STATUS_ACCESS_DENIED (0xC0000022)"),
            HRESULT: (0x80070005, "(0x80070005)"), FILTERING: (0x80320012, "(0x80320012)")}
SYSTEM = bytes.fromhex("010100000000000512000000")
WHOLE, FLAGS = 7, 0x1200
QUIET = {"BOOL", "BOOLEAN", "PVOID"}
"""A switch and an address say nothing to people."""


def declared() -> list[Prototype]:
    found = []
    for name in api.NAMES:
        text = importlib.import_module(f"sidewall.platforms.windows.{name}").PROTOTYPES
        found += [prototypes.read(statement) for statement in prototypes.statements(text).values()]
    return [one for one in found if prototypes.RESULTS[one.result] is not None]


def value(word: str) -> tuple[object, str]:
    """What such an argument is given, and what an error then says of it."""
    if word == "SECRET":
        return "correct horse", "(secret)"
    if word in ("PWSTR", "PSTR"):
        return "C:\\한글 a", "'C:\\한글 a'"
    if word == "PSID":
        return SYSTEM, "S-1-5-18"
    if word == "FLAGS":
        return FLAGS, "0x1200"
    if word.startswith("H") and word.isupper() and word != "HRESULT":
        return Borrowed(64, "the sandbox's thing"), "of the sandbox's thing"
    return WHOLE, "7"


@pytest.mark.parametrize("prototype", declared(), ids=lambda one: one.name)
def test_it_says_call_arguments_name_and_remedy(prototype: Prototype) -> None:
    source, _ = prototypes.RESULTS[prototype.result] or ("", None)
    code, name = REFUSALS[source]
    given = [value(parameter.word) if not parameter.stars else (None, "") for parameter in prototype.parameters]
    error = errors.failed(prototype, source, code, [one for one, _ in given])
    head, _, told = error.message.partition(" [")
    assert head.startswith(f"{prototype.name} failed: ") and name in head and "\n" not in error.message
    assert re.search(r"\): \w", head), "the error is explained in words"
    for parameter, (_, shown) in zip(prototype.parameters, given, strict=True):
        if shown and parameter.word not in QUIET:
            assert f"{prototypes.meaning(parameter.name)} {shown}" in told
    assert "correct horse" not in repr(error) + repr(vars(error))
    assert error.hint and not error.hint.endswith(".")
    assert (error.call, error.code) == (prototype.name, code)


def test_they_are_all_there() -> None:
    names = {one.name for one in declared()}
    assert len(names) > 150 and {"CreateProcessW", "NtOpenDirectoryObject", "FwpmFilterAdd0", "NetUserAdd"} <= names
