"""Every prototype, structure, constant and error number of the facades agrees with Microsoft's metadata.

Knows: where the declarations are.  Must not know: what they are for.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sidewall.nt import mask, token
from sidewall.platforms.windows import api, error_names, error_remedies, prototypes
from sidewall.platforms.windows.constants_filtering import FIELDS, LAYERS

from .compare import compare_constant, compare_function, compare_record, records
from .winmd import Metadata

CONSTANTS = ("constants_process", "constants_files", "constants_security", "constants_filtering")
TABLES = (error_names.WIN32_ERRORS, error_names.NET_ERRORS, error_names.STATUS_ERRORS, error_names.HRESULT_ERRORS,
          error_names.FILTERING_ERRORS)

ELSEWHERE = {
    "ObjectNameInformation": 1,  # "NtQueryObject" of the reference lists it; the metadata has but classes 0 and 2
    "TIMEQ_FOREVER": 0xFFFFFFFF,  # lmaccess.h: ((unsigned long) -1), which is no literal
}
"""Constants that the metadata does not have, with their values and why."""

NOT_WINDOWS = {
    "GENERIC_BITS",  # the four generic rights together: our word
    "FILE_READ_AND_EXECUTE", "FILE_MODIFY",  # what the property page calls so
    "NO_WRITE_UP", "NO_READ_UP", "NO_EXECUTE_UP",  # of MS-DTYP; winnt.h says SYSTEM_MANDATORY_LABEL_NO_WRITE_UP
}  # fmt: skip
"""Names of ``nt.mask`` that are not Windows' own."""


def module(name: str) -> ModuleType:
    return importlib.import_module(f"sidewall.platforms.windows.{name}")


def numbers(of: ModuleType) -> dict[str, int]:
    """The constants of a module: capital names, or those that ``winnt.h`` writes with small letters."""
    return {name: value for name, value in vars(of).items()
            if type(value) is int and name[0].isupper() and name != "TYPE_CHECKING"}  # fmt: skip


@pytest.mark.parametrize("library", api.NAMES)
def test_every_function(library: str, metadata: Metadata) -> None:
    facade = module(library)
    listed = prototypes.statements(facade.PROTOTYPES)
    assert len(listed) == facade.PROTOTYPES.count(";"), "a function is declared twice"
    differences = []
    for statement in listed.values():
        differences += compare_function(prototypes.read(statement), facade.NAME, metadata)
    assert not differences, "\n".join(differences)


def test_every_structure(metadata: Metadata) -> None:
    found = records()
    assert {"STARTUPINFOEXW", "FWPM_FILTER0", "TOKEN_GROUPS", "USER_INFO_4", "FILE_ID_INFO"} <= set(found)
    differences = [text for kind in found.values() for text in compare_record(kind, metadata)]
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_constant(name: str, metadata: Metadata) -> None:
    found = numbers(module(name))
    assert len(found) > 30
    differences = [text for own, value in found.items() if own not in ELSEWHERE
                   for text in compare_constant(own, value, metadata)]  # fmt: skip
    assert not differences, "\n".join(differences)


def test_what_the_metadata_lacks_is_still_what_we_say(metadata: Metadata) -> None:
    ours = {name: value for constants in CONSTANTS for name, value in numbers(module(constants)).items()}
    for name, value in ELSEWHERE.items():
        assert ours[name] == value
        assert not metadata.constants(name), f"{name} can be compared by now"


@pytest.mark.parametrize(("prefix", "table"), [("FWPM_LAYER_", LAYERS), ("FWPM_CONDITION_", FIELDS)])
def test_every_key_of_the_filtering_platform(prefix: str, table: dict[str, str], metadata: Metadata) -> None:
    differences = [text for word, key in table.items() for text in compare_constant(prefix + word, key, metadata)]
    assert table and not differences, "\n".join(differences)


def test_every_error(metadata: Metadata) -> None:
    differences = [text for table in TABLES for code, (name, _) in table.items()
                   for text in compare_constant(name, code, metadata)]  # fmt: skip
    assert not differences, "\n".join(differences)


def test_the_masks_of_the_model(metadata: Metadata) -> None:
    """The pure room has rights and attributes of groups of its own; they are Windows' too."""
    masks = {name: value for name, value in numbers(mask).items() if name not in NOT_WINDOWS}
    attributes = {name: value for name, value in numbers(token).items() if name.startswith("SE_GROUP_")}
    assert len(masks) > 30 and len(attributes) >= 9
    differences = [text for name, value in (masks | attributes).items()
                   for text in compare_constant(name, value, metadata)]  # fmt: skip
    assert not differences, "\n".join(differences)


def written(path: Path) -> Iterator[tuple[str, int]]:
    """Names and numbers that a file gives at its top, one by one or side by side; it is read and not imported."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and type(value.value) is int:
                        yield name.id, value.value


def test_numbers_with_windows_own_names_elsewhere(metadata: Metadata) -> None:
    """A file may have a number of its own beside its use; under Microsoft's name it has Microsoft's value.

    Facades call errors without their first word: ``BROKEN_PIPE``.
    """
    source = Path(api.__file__).parents[2]
    found = [(path.name, name, value) for place in ("platforms/windows", "nt")
             for path in source.joinpath(place).rglob("*.py") for name, value in written(path)]  # fmt: skip
    compared, wrong = 0, []
    for file, name, value in found:
        prefixes = ("", "ERROR_", "STATUS_") if file.startswith(api.NAMES) else ("",)
        theirs = {number for prefix in prefixes for number in metadata.constants(prefix + name)}
        if theirs and name not in NOT_WINDOWS:
            compared += 1
            if value & 0xFFFFFFFF not in {number & 0xFFFFFFFF for number in theirs if isinstance(number, int)}:
                wrong.append(f"{file}: {name}: {value} here, {sorted(map(str, theirs))} there")
    assert compared > 350
    assert not wrong, "\n".join(wrong)


def test_remedies_are_for_errors_and_calls_that_there_are() -> None:
    names = {name for table in TABLES for name, _ in table.values()} | {""}
    calls = {name for library in api.NAMES for name in prototypes.statements(module(library).PROTOTYPES)}
    for listed, known in error_remedies.BY_CALL:
        assert set(listed) <= calls
        assert set(known) <= names
    assert set(error_remedies.BY_NAME) <= names


def test_structures_hold_no_type_whose_width_differs_between_systems() -> None:
    """``c_long`` has 4 bytes on Windows and 8 elsewhere: what is compared here would not be what runs there."""
    varying = (ctypes.c_long, ctypes.c_ulong, ctypes.c_wchar, ctypes.c_wchar_p)
    fixed = {getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)}
    fixed.add(ctypes.c_size_t)
    for name, kind in records().items():
        for _, own in kind._fields_:
            assert own in fixed or own not in varying, name
