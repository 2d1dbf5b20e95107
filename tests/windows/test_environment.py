"""A command's variables on Windows: names without case, floor, forced ones, the block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.plan.windows_steps import Environment
from sidewall.platforms.windows import environment
from sidewall.platforms.windows.startup import environment_of

STEP = Environment(floor=(("SystemRoot", "C:\\Windows"), ("PATHEXT", ".EXE")), forced=(("NoDefault", "1"),))


def test_the_floor_is_for_what_is_missing_and_the_forced_for_all() -> None:
    made = environment.compose({b"pathext": b".COM", b"NODEFAULT": b"0", b"Own": b"x"}, STEP, "C:\\t")
    assert made.folded == {"PATHEXT": ".COM", "NODEFAULT": "1", "OWN": "x", "SYSTEMROOT": "C:\\Windows",
                           "TEMP": "C:\\t", "TMP": "C:\\t"}
    assert environment_of(made.block) == {"NoDefault": "1", "Own": "x", "pathext": ".COM", "SystemRoot": "C:\\Windows",
                                          "TEMP": "C:\\t", "TMP": "C:\\t"}


def test_the_last_of_names_that_differ_in_case_counts() -> None:
    made = environment.compose({b"Path": b"one", b"PATH": b"two"}, None, "")
    assert environment_of(made.block) == {"PATH": "two"}


def test_a_given_temporary_directory_stays() -> None:
    assert environment.compose({b"temp": b"D:\\own"}, STEP, "C:\\t").folded["TEMP"] == "D:\\own"


def test_what_a_cell_says_of_itself() -> None:
    assert environment.own(STEP, "C:\\한글") == {b"SIDEWALL": b"1", b"TEMP": "C:\\한글".encode(),
                                               b"TMP": "C:\\한글".encode()}
    assert environment.own(None, "") == {b"SIDEWALL": b"1"}


@pytest.mark.parametrize("given", [{b"": b"x"}, {b"a=b": b"x"}, {b"a\0": b"x"}, {b"a": b"x\0y"}])
def test_what_windows_cannot_hold(given: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match=r"null byte|variable name"):
        environment.compose(given, None, "")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.dictionaries(NAMES, VALUES))
def test_the_block_is_sorted_without_case_and_complete(variables: dict[str, str]) -> None:
    made = environment.compose({name.encode(): value.encode() for name, value in variables.items()}, None, "")
    read = environment_of(made.block)
    assert {name.upper(): value for name, value in read.items()} == made.folded
    assert [name.upper() for name in read] == sorted(made.folded)
    assert made.block.endswith(b"\0\0\0\0" if not variables else b"\0\0")
