"""The comparison catches what it is for: a declaration is broken in one place, and that place is named.

Knows: the declarations and how they could be wrong.  Must not know: what they are for.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

import pytest

from sidewall.platforms.windows import (
    advapi32_tokens,
    dll,
    kernel32,
    kernel32_files,
    layouts_process,
    prototypes,
)
from sidewall.platforms.windows.layouts_filtering import FWPM_FILTER0
from sidewall.platforms.windows.prototypes import Parameter, Prototype

from .compare import compare_constant, compare_function, compare_record
from .winmd import Metadata, for_this_processor

DUPLICATE = prototypes.read(prototypes.statements(advapi32_tokens.PROTOTYPES)["DuplicateTokenEx"])
CREATE = prototypes.read(prototypes.statements(kernel32_files.PROTOTYPES)["CreateFileW"])


def changed(of: Prototype, index: int, word: str | None = None, stars: int | None = None) -> Prototype:
    """A copy with another type at one place."""
    parameters = list(of.parameters)
    old = parameters[index]
    parameters[index] = Parameter(word or old.word, old.stars if stars is None else stars, old.name)
    return Prototype(of.name, of.result, tuple(parameters))


def swapped(of: Prototype, first: int, second: int) -> Prototype:
    """A copy with two parameters in the other order."""
    parameters = list(of.parameters)
    parameters[first], parameters[second] = parameters[second], parameters[first]
    return Prototype(of.name, of.result, tuple(parameters))


def test_whole_ones_pass(metadata: Metadata) -> None:
    assert not compare_function(DUPLICATE, "advapi32.dll", metadata)
    assert not compare_function(CREATE, kernel32.NAME, metadata)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (changed(DUPLICATE, 1, "ULONGLONG"), "dwDesiredAccess"),  # too wide
        (changed(DUPLICATE, 1, "WORD"), "dwDesiredAccess"),  # too narrow
        (changed(DUPLICATE, 3, "DWORD"), "ImpersonationLevel"),  # the other sign
        (changed(DUPLICATE, 0, "DWORD"), "hExistingToken"),  # half of a handle
        (changed(DUPLICATE, 0, "PSID"), "hExistingToken"),  # another kind of pointer
        (changed(DUPLICATE, 5, stars=0), "phNewToken"),  # a value where a place is due
        (changed(DUPLICATE, 5, stars=2), "phNewToken"),
        (changed(DUPLICATE, 2, "STARTUPINFOW"), "lpTokenAttributes"),  # another structure
        (swapped(DUPLICATE, 3, 4), "parameters"),  # two numbers of the same type
        (swapped(CREATE, 1, 2), "parameters"),
        (Prototype(DUPLICATE.name, "BOOL", DUPLICATE.parameters[:-1]), "parameters"),  # one too few
        (Prototype(DUPLICATE.name, "VOID", DUPLICATE.parameters), "gives"),  # errors would be lost
        (Prototype(DUPLICATE.name, "HANDLE", DUPLICATE.parameters), "gives"),
        (Prototype("DuplicateTokenEx2", "BOOL", DUPLICATE.parameters), "not in the metadata"),
    ],
)
def test_a_broken_prototype_is_caught(broken: Prototype, word: str, metadata: Metadata) -> None:
    (difference,) = compare_function(broken, "advapi32.dll" if broken is not CREATE else "kernel32.dll", metadata)[-1:]
    assert word in difference


def test_a_function_of_another_library_is_caught(metadata: Metadata) -> None:
    (difference,) = compare_function(DUPLICATE, "kernel32.dll", metadata)
    assert "advapi32.dll" in difference


def test_a_word_with_the_wrong_width_is_caught(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dll.TYPES, "FLAGS", ctypes.c_uint64)
    assert "FLAGS" in compare_function(DUPLICATE, "advapi32.dll", metadata)[0]
    monkeypatch.setitem(dll.TYPES, "FLAGS", ctypes.c_int32)
    assert "FLAGS" in compare_function(DUPLICATE, "advapi32.dll", metadata)[0]


def with_fields(fields: list[tuple[str, Any]], name: str = "PROCESS_INFORMATION", base: Any = ctypes.Structure,
                packed: int = 0) -> Any:
    """A structure of these fields."""
    body = {"_fields_": fields, **({"_pack_": packed} if packed else {})}
    return type(name, (base,), body)


WHOLE = list(layouts_process.PROCESS_INFORMATION._fields_)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (with_fields([WHOLE[0], WHOLE[1], ("dwProcessId", c_uint64), WHOLE[3]]), "dwProcessId"),
        (with_fields([WHOLE[0], WHOLE[1], ("dwProcessId", c_int32), WHOLE[3]]), "dwProcessId"),
        (with_fields([WHOLE[0], WHOLE[1], ("dwProcessId", c_uint16), WHOLE[3]]), "dwProcessId"),
        (with_fields([("hProcess", c_uint32), *WHOLE[1:]]), "hProcess"),
        (with_fields([WHOLE[1], WHOLE[0], *WHOLE[2:]]), "fields"),
        (with_fields(WHOLE[:-1]), "fields"),
        (with_fields(WHOLE, base=ctypes.Union), "union"),
        (with_fields(WHOLE, name="PROCESS_INFORMATIONS"), "not in the metadata"),
        (with_fields([("cbSize", c_uint32), ("dwPromptFlags", c_uint32), ("hwndApp", c_void_p), ("szPrompt", c_uint64)],
                     name="CRYPTPROTECT_PROMPTSTRUCT"), "szPrompt"),
        (with_fields([("Label", layouts_process.FILETIME)], name="TOKEN_MANDATORY_LABEL"), "Label"),
        (with_fields([("Internal", c_uint64), ("InternalHigh", c_uint64),
                      ("Anonymous", with_fields([("Pointer", c_void_p)], "_Anonymous_e__Union", ctypes.Union)),
                      ("hEvent", c_void_p)], name="OVERLAPPED"), "fields"),
    ],
)  # fmt: skip
def test_a_broken_structure_is_caught(broken: Any, word: str, metadata: Metadata) -> None:
    differences = compare_record(broken, metadata)
    assert differences
    assert any(word in text for text in differences)


def test_a_packed_structure_is_caught(metadata: Metadata) -> None:
    fields = [("cbData", c_uint32), ("pbData", ctypes.POINTER(ctypes.c_uint8))]
    assert not compare_record(with_fields(fields, "CRYPT_INTEGER_BLOB"), metadata)
    differences = compare_record(with_fields(fields, "CRYPT_INTEGER_BLOB", packed=1), metadata)
    assert any("12 bytes here, 16 there" in text for text in differences)
    assert any("at 4 here, 8 at 8 there" in text for text in differences)


def test_a_field_too_few_within_a_nameless_union_is_caught(metadata: Metadata) -> None:
    fields = [(name, kind) for name, kind in FWPM_FILTER0._fields_]
    fields[11] = ("Anonymous", with_fields([("rawContext", c_uint64)], "_Anonymous_e__Union", ctypes.Union))
    differences = compare_record(with_fields(fields, "FWPM_FILTER0"), metadata)
    assert any("providerContextKey" in text for text in differences)


@pytest.mark.parametrize(
    ("name", "value"),
    [("WRITE_RESTRICTED", 4), ("LUA_TOKEN", 8), ("TokenRestrictedSids", 10), ("NO_SUCH_NAME", 1),
     ("FWPM_LAYER_ALE_AUTH_CONNECT_V4", "4a72393b-319f-44bc-84c3-ba54dcb3b6b4")],
)  # fmt: skip
def test_a_wrong_constant_is_caught(name: str, value: int | str, metadata: Metadata) -> None:
    assert compare_constant(name, value, metadata)


def test_declarations_for_other_processors_are_left_out() -> None:
    text = "A = 1\nif ARCH in 'X64,ARM64':\n    B = 2\n    C = 3\nelif ARCH in 'X86':\n    B = 4\nD = 5\n"
    assert for_this_processor(text) == "A = 1\nB = 2\nC = 3\nD = 5\n"
