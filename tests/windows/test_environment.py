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


ACCOUNT = Environment(floor=(), forced=(), own=("USERPROFILE", "AppData"), safe=("C:\\work\\", "D:\\a b"))


def test_the_account_s_own_values_replace_what_was_given() -> None:
    made = environment.compose({b"userprofile": b"C:\\Users\\me", b"APPDATA": b"C:\\mine"}, ACCOUNT, "",
                               {"UserProfile": "C:\\Users\\box"})
    assert made.folded["USERPROFILE"] == "C:\\Users\\box"
    assert "APPDATA" not in made.folded, "what the account has none of is nobody's"
    assert environment_of(made.block)["USERPROFILE"] == "C:\\Users\\box"


def test_git_is_told_of_safe_directories_after_what_it_was_told() -> None:
    given = {b"GIT_CONFIG_COUNT": b"1", b"GIT_CONFIG_KEY_0": b"user.name", b"GIT_CONFIG_VALUE_0": b"me"}
    made = environment.compose(given, ACCOUNT, "").folded
    assert made["GIT_CONFIG_COUNT"] == "5" and made["GIT_CONFIG_VALUE_0"] == "me"
    told = [(made[f"GIT_CONFIG_KEY_{number}"], made[f"GIT_CONFIG_VALUE_{number}"]) for number in range(1, 5)]
    assert told == [("safe.directory", form) for form in ("C:/work", "C:/work/*", "D:/a b", "D:/a b/*")]


@pytest.mark.parametrize("count", [b"x", b"", b"-1", "٣".encode()])
def test_a_count_that_git_refuses_stays_as_it_is(count: bytes) -> None:
    made = environment.compose({b"GIT_CONFIG_COUNT": count}, ACCOUNT, "").folded
    assert made["GIT_CONFIG_COUNT"] == count.decode() and "GIT_CONFIG_KEY_0" not in made


BYTES = st.binary(max_size=12).filter(lambda value: b"\0" not in value)


def texts(without: str, least: int) -> st.SearchStrategy[bytes]:
    characters = st.characters(exclude_characters=without)
    return st.text(characters, min_size=least, max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(st.dictionaries(texts("\0=", 1), texts("\0", 0), max_size=5))
def test_variables_reach_the_runner_as_they_are(given_: dict[bytes, bytes]) -> None:
    assert environment.unpacked(environment.packed(given_)) == given_


@pytest.mark.parametrize("given_", [{b"": b"x"}, {b"a=b": b"x"}, {b"a\0": b"x"}, {b"a": b"x\0y"}, {b"a": b"\xff"}])
def test_what_is_not_packed(given_: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError):
        environment.packed(given_)


@given(BYTES)
def test_any_bytes_are_variables_or_refused(data: bytes) -> None:
    try:
        found = environment.unpacked(data)
    except ValueError:
        return
    assert all(name and b"=" not in name for name in found)
