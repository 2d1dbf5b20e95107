"""The import table of programs: well-formed ones of any kind, and files that are none, or damaged anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.windows.pe_files import program

from sidewall.platforms.windows.pe import WINDOWS_GUI, PEError, imports, subsystem

NAMES = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,12}\.dll", fullmatch=True), max_size=6)


@given(names=NAMES, wide=st.booleans(), sections=st.integers(1, 4))
def test_names_are_told_in_order(names: list[str], wide: bool, sections: int) -> None:
    assert imports(program(names, wide=wide, sections=sections)) == tuple(names)


@pytest.mark.parametrize("wide", [True, False])
def test_the_subsystem_is_told(wide: bool) -> None:
    """A console's program is 3."""
    assert [subsystem(program(["a.dll"], wide=wide, subsystem=one)) for one in (WINDOWS_GUI, 3)] == [2, 3]


@pytest.mark.parametrize("data", [b"", b"MZ", b"#!/bin/sh\n" * 40, b"MZ" + bytes(200), bytes(4096)])
def test_what_is_no_program_is_an_error(data: bytes) -> None:
    for ask in (imports, subsystem):
        with pytest.raises(PEError):
            ask(data)


@given(names=NAMES.filter(bool), cut=st.integers(0, 4096))
def test_a_file_that_ends_early_is_no_shorter_list(names: list[str], cut: int) -> None:
    whole = program(names)
    data = whole[:min(cut, len(whole) - 1)]
    with pytest.raises(PEError):
        imports(data)


@given(names=NAMES, at=st.integers(0, 0x400), value=st.integers(0, 255))
def test_one_changed_byte_never_breaks_the_reader(names: list[str], at: int, value: int) -> None:
    data = bytearray(program(names))
    data[min(at, len(data) - 1)] = value
    try:
        assert isinstance(imports(bytes(data)), tuple)
    except PEError:
        pass


def test_a_table_without_end() -> None:
    with pytest.raises(PEError):
        imports(program(["a.dll"]).replace(bytes(20), b"\x01" * 20))
