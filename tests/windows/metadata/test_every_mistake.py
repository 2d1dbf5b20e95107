"""Each declaration is broken in each place, one at a time, and each time the comparison says so.

Knows: the declarations.  Must not know: what they are for.  What survives here could be wrong in a facade unseen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidewall.platforms.windows import api, layouts, prototypes
from sidewall.platforms.windows.prototypes import Parameter, Prototype

from .compare import compare_constant, compare_function, compare_record, is_record, records
from .test_declarations import CONSTANTS, ELSEWHERE, TABLES, module, numbers
from .winmd import Metadata

WORDS = ("DWORD", "INT", "WORD", "ULONGLONG", "SIZE_T", "PVOID", "HANDLE", "PWSTR", "PSID", "BOOL", "BYTE")
SYNONYMS = {"FLAGS": "DWORD", "SECRET": "PWSTR"}  # the same type, said with more meaning
ALIKE = ({"SIZE_T", "ULONG_PTR"}, {"ULONGLONG"})
NUMBERS = (ctypes.c_uint8, ctypes.c_int8, ctypes.c_uint16, ctypes.c_int16, ctypes.c_uint32, ctypes.c_int32,
           ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_float, ctypes.c_double)


def with_parameters(of: Prototype, parameters: list[Parameter]) -> Prototype:
    return Prototype(of.name, of.result, tuple(parameters))


def broken(of: Prototype) -> Iterator[tuple[str, Prototype]]:
    """Every prototype with one mistake in it."""
    for index, old in enumerate(of.parameters):
        own = SYNONYMS.get(old.word, old.word)
        for word in WORDS:
            if word != own and not any({word, own} <= group for group in ALIKE):
                changed = [*of.parameters]
                changed[index] = Parameter(word, old.stars, old.name)
                yield f"{of.name}: {old.name} as {word}", with_parameters(of, changed)
        for stars in {old.stars + 1, max(old.stars - 1, 0)} - {old.stars}:
            changed = [*of.parameters]
            changed[index] = Parameter(old.word, stars, old.name)
            yield f"{of.name}: {old.name} with {stars} stars", with_parameters(of, changed)
        fewer = [*of.parameters[:index], *of.parameters[index + 1 :]]
        yield f"{of.name}: without {old.name}", with_parameters(of, fewer)
        if index:
            other = of.parameters[index - 1]
            swapped = [*of.parameters[: index - 1], old, other, *of.parameters[index + 1 :]]
            yield f"{of.name}: {other.name} after {old.name}", with_parameters(of, swapped)
    for result in ("BOOL", "HANDLE", "WIN32_ERROR", "NTSTATUS", "VOID", "HLOCAL"):
        yield f"{of.name} gives {result}", Prototype(of.name, result, of.parameters)


def same_result(one: str, other: str) -> bool:
    """Whether two words for a result are one type: how failure is told is not in the metadata."""
    groups = ({"BOOL", "ANSWER"}, {"HANDLE", "FILE_HANDLE", "NULLABLE_HANDLE"},
              {"WIN32_ERROR", "NET_API_STATUS", "FWP_STATUS", "DWORD", "COUNT", "WAIT", "ATTRIBUTES"})
    return one == other or any({one, other} <= group for group in groups)


@pytest.mark.parametrize("library", api.NAMES)
def test_every_mistake_in_a_prototype(library: str, metadata: Metadata) -> None:
    facade = module(library)
    missed, tried = [], 0
    for statement in prototypes.statements(facade.PROTOTYPES).values():
        whole = prototypes.read(statement)
        for what, wrong in broken(whole):
            if wrong.parameters is whole.parameters and same_result(wrong.result, whole.result):
                continue
            tried += 1
            if not compare_function(wrong, facade.NAME, metadata):
                missed.append(what)
    assert tried
    assert not missed, "\n".join(missed)


def width_and_kind(kind: Any) -> tuple[object, ...]:
    """What makes two types of numbers the same to a compiler."""
    code = getattr(kind, "_type_", None)
    group = "pointer" if code in ("P", "z", "Z") else "real" if code in ("f", "d") else str(code).isupper()
    return ctypes.sizeof(kind), group


def test_every_mistake_in_a_structure(metadata: Metadata) -> None:
    missed, tried = [], 0
    for name, whole in records().items():
        if name == "GUID":  # one opaque block there
            continue
        base = ctypes.Union if issubclass(whole, ctypes.Union) else ctypes.Structure
        for index, (field, own) in enumerate(whole._fields_):
            for number in NUMBERS:
                plain = issubclass(own, ctypes._SimpleCData)
                pointer = issubclass(own, ctypes._Pointer) and number is ctypes.c_void_p  # the same, said less exactly
                if pointer or (plain and width_and_kind(own) == width_and_kind(number)):
                    continue
                fields = [*whole._fields_]
                fields[index] = (field, number)
                tried += 1
                if not compare_record(type(name, (base,), {"_fields_": fields}), metadata):
                    missed.append(f"{name}.{field} as {number.__name__}")
            without = [*whole._fields_[:index], *whole._fields_[index + 1 :]]
            tried += 1
            if not compare_record(type(name, (base,), {"_fields_": without}), metadata):
                missed.append(f"{name} without {field}")
        packed = type(name, (base,), {"_fields_": whole._fields_, "_pack_": 1})
        moved = any(getattr(packed, field).offset != getattr(whole, field).offset for field, _ in whole._fields_)
        if moved or ctypes.sizeof(packed) != ctypes.sizeof(whole):
            assert compare_record(packed, metadata), f"{name} packed"
    assert tried > 1000
    assert not missed, "\n".join(missed)


def test_every_wrong_number(metadata: Metadata) -> None:
    known = {name: value for constants in CONSTANTS for name, value in numbers(module(constants)).items()}
    known |= {name: code for table in TABLES for code, (name, _) in table.items()}
    assert len(known) > 450
    for name, value in known.items():
        if name not in ELSEWHERE:
            assert compare_constant(name, value ^ 1, metadata), name
            assert compare_constant(name, value ^ 0x80000000, metadata), name


def test_nested_structures_are_compared_too() -> None:
    """A structure within another is compared by name there and by itself here: none is only named."""
    everything = records()
    for name, kind in everything.items():
        for field, own in kind._fields_:
            inner = own._type_ if isinstance(own, type) and issubclass(own, ctypes._Pointer | ctypes.Array) else own
            if is_record(inner) and not inner.__name__.startswith("_"):
                assert everything.get(inner.__name__) is inner, f"{name}.{field}"


def test_no_module_of_structures_is_forgotten() -> None:
    here = Path(layouts.__file__).parent
    assert {path.stem for path in here.glob("layouts_*.py")} == set(layouts.MODULES)
    assert {path.stem for path in here.glob("constants_*.py")} == set(CONSTANTS)
