"""Compares our declarations with the metadata and says in words what differs.

Knows: both sides.  Must not know: pytest.  Each function gives a list of differences, empty when all agree.
"""

from __future__ import annotations

import ctypes
from typing import Any

from sidewall.platforms.windows import dll, layouts
from sidewall.platforms.windows.prototypes import Prototype

from .winmd import SIGNED, SIZES, Metadata, Type

# What a word of a prototype is called there.  Words that are not here have the same name on both sides.
CALLED = {
    "DWORD": "UInt32", "FLAGS": "UInt32", "COUNT": "UInt32", "WAIT": "UInt32", "ATTRIBUTES": "UInt32",
    "WIN32_ERROR": "UInt32", "NET_API_STATUS": "UInt32", "FWP_STATUS": "UInt32", "INT": "Int32", "LONG": "Int32",
    "ANSWER": "BOOL", "FILE_HANDLE": "HANDLE", "NULLABLE_HANDLE": "HANDLE", "SECRET": "PWSTR", "PVOID": "void*",
    "BYTE": "Byte", "SIZE_T": "UIntPtr", "ULONG_PTR": "UIntPtr", "ULONGLONG": "UInt64", "LONGLONG": "Int64",
    "GUID": "Guid", "VOID": "Void", "NTSTATUS_VALUE": "NTSTATUS",
}  # fmt: skip
HANDLES_BY_VALUE = {"FWPM_FILTER_ENUM_HANDLE": "a structure of one pointer"}
SIGNED_CODES, UNSIGNED_CODES, POINTER_CODES = "bhilqn", "BHILQN", "PzZ"


def same_number(kind: Any, base: str) -> bool:
    """Whether a ctypes type has the width and the sign of a number, or is a pointer where one is due."""
    code = getattr(kind, "_type_", None)
    if base in ("VoidPtr", "String"):
        return ctypes.sizeof(kind) == 8 and (code in tuple(POINTER_CODES) or issubclass(kind, ctypes._Pointer))
    if base == "IntPtr" and code == "P":  # a handle that the metadata has as a number
        return True
    if base in ("Single", "Double"):
        return code == {"Single": "f", "Double": "d"}[base]
    if base == "Char":
        base = "UInt16"
    wanted = SIGNED_CODES if base in SIGNED else UNSIGNED_CODES
    return isinstance(code, str) and code in wanted and ctypes.sizeof(kind) == SIZES[base]


def compare_word(word: str, stars: int, theirs: Type, metadata: Metadata) -> str:
    """What differs between a word of ours and a type of theirs, '' for nothing."""
    ours = CALLED.get(word, word) + "*" * stars
    if ours != str(theirs):
        return f"{ours} here, {theirs} there"
    kind = dll.type_of(word) if word not in dll.OPAQUE else None
    if kind is None or (isinstance(kind, type) and issubclass(kind, ctypes.Structure)):
        return ""  # structures are compared by themselves
    base = Type(theirs.name, 0, theirs.base)
    if stars:  # what the pointers lead to
        plain = theirs.name if theirs.name in SIZES else "VoidPtr" if theirs.name == "void*" else ""
        base = Type(theirs.name, 0, plain or named_base(theirs.name))
    if word in HANDLES_BY_VALUE:
        found = metadata.record(word)
        return "" if found and found.size == 8 and len(found.fields) == 1 else f"{word} is no single pointer there"
    if base.base and not same_number(kind, base.base):
        return f"{word} is {kind.__name__} for ctypes, {base.base} there"
    return ""


def named_base(name: str) -> str:
    """What a typedef comes down to that is only named here behind pointers."""
    known = {"HANDLE": "VoidPtr", "PSID": "VoidPtr", "PSECURITY_DESCRIPTOR": "VoidPtr", "PWSTR": "String",
             "BOOL": "Int32", "LSA_HANDLE": "IntPtr", "HPCON": "IntPtr"}
    return known.get(name, "")


def compare_function(prototype: Prototype, library: str, metadata: Metadata) -> list[str]:
    """Differences of one function."""
    theirs = metadata.function(prototype.name)
    if theirs is None:
        return [f"{prototype.name}: not in the metadata"]
    found = []
    if theirs.dll != library:
        found.append(f"{prototype.name}: of {library} here, of {theirs.dll} there")
    names = [parameter.name for parameter in prototype.parameters]
    if names != [name for name, _ in theirs.parameters]:
        return [*found, f"{prototype.name}: parameters {names} here, {[name for name, _ in theirs.parameters]} there"]
    for parameter, (name, kind) in zip(prototype.parameters, theirs.parameters, strict=True):
        if difference := compare_word(parameter.word, parameter.stars, kind, metadata):
            found.append(f"{prototype.name}: {name}: {difference}")
    result = CALLED.get(prototype.result, prototype.result)
    if result != str(theirs.result):
        found.append(f"{prototype.name}: gives {result} here, {theirs.result} there")
    elif result != "Void" and not same_number(dll.result_type(prototype.result), theirs.result.base):
        found.append(f"{prototype.name}: gives {dll.result_type(prototype.result).__name__} for ctypes")
    return found


def is_record(kind: Any) -> bool:
    """Whether a ctypes type is a structure or a union."""
    return isinstance(kind, type) and issubclass(kind, ctypes.Structure | ctypes.Union)


def compare_record(kind: Any, metadata: Metadata, name: str = "") -> list[str]:
    """Differences of one structure, and of the nameless ones within it."""
    name = name or kind.__name__
    if name == "GUID":
        return [] if (ctypes.sizeof(kind), ctypes.alignment(kind)) == (16, 4) else ["GUID: not 16 bytes"]
    theirs = metadata.record(name) if not name.startswith("_") else metadata._records.get(name)
    if theirs is None:
        return [f"{name}: not in the metadata"]
    found = []
    ours = [(field[0], field[1]) for field in kind._fields_]
    if [field for field, _ in ours] != [field.name for field in theirs.fields]:
        return [f"{name}: fields {[field for field, _ in ours]} here, {[field.name for field in theirs.fields]} there"]
    if issubclass(kind, ctypes.Union) != theirs.union:
        found.append(f"{name}: a structure on one side, a union on the other")
    if ctypes.sizeof(kind) != theirs.size:
        found.append(f"{name}: {ctypes.sizeof(kind)} bytes here, {theirs.size} there")
    for (field, own), other in zip(ours, theirs.fields, strict=True):
        place = getattr(kind, field)
        if (place.offset, place.size) != (other.offset, other.size):
            own_place, other_place = f"{place.size} bytes at {place.offset}", f"{other.size} at {other.offset}"
            found.append(f"{name}.{field}: {own_place} here, {other_place} there")
        found += compare_field(f"{name}.{field}", own, other.type, metadata)
    return found


def compare_field(where: str, own: Any, theirs: Type, metadata: Metadata) -> list[str]:
    """Differences of one field's type."""
    if theirs.count is not None:
        if not issubclass(own, ctypes.Array) or own._length_ != (theirs.count or 1):
            return [f"{where}: {own.__name__} here, {theirs} there"]
        return compare_field(where, own._type_, Type(theirs.name, theirs.stars, theirs.base), metadata)
    if is_record(own):
        if theirs.name.startswith("_"):
            return compare_record(own, metadata, theirs.name)
        named = CALLED.get(own.__name__, own.__name__)
        return [] if named == str(theirs) else [f"{where}: {own.__name__} here, {theirs} there"]
    if isinstance(own, type) and issubclass(own, ctypes._Pointer):
        target = own._type_
        wanted = Type(theirs.name, theirs.stars - 1, theirs.name if theirs.name in SIZES and theirs.stars == 1 else "")
        if theirs.stars < 1 or (is_record(target) and CALLED.get(target.__name__, target.__name__) != str(wanted)):
            return [f"{where}: a pointer to {target.__name__} here, {theirs} there"]
        return [] if is_record(target) or same_number(target, wanted.base or "VoidPtr") else [f"{where}: {target}"]
    base = "VoidPtr" if theirs.stars else theirs.base
    return [] if base and same_number(own, base) else [f"{where}: {own.__name__} here, {theirs} there"]


def compare_constant(name: str, value: int | str, metadata: Metadata) -> list[str]:
    """Differences of one constant; numbers are compared as 32 bits, since the metadata has some of them signed."""
    theirs = metadata.constants(name)
    if not theirs:
        return [f"{name}: not in the metadata"]
    bits = {number & 0xFFFFFFFF if isinstance(number, int) else number for number in theirs}
    ours = value & 0xFFFFFFFF if isinstance(value, int) else value.lower()
    return [] if bits == {ours} else [f"{name}: {value} here, {sorted(map(str, theirs))} there"]


def records() -> dict[str, Any]:
    """All our structures by name."""
    import importlib

    found = {}
    for module in layouts.MODULES:
        for name, value in vars(importlib.import_module(f"sidewall.platforms.windows.{module}")).items():
            if is_record(value) and name.isupper() and value not in (ctypes.Structure, ctypes.Union):
                found[name] = value
    return found

