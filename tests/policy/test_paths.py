"""Lexical paths: normal forms, doubts, comparison; on both flavours.

Knows: what POSIX and Win32 make of a spelling.  Must not know: any file system.
"""

from __future__ import annotations

import ntpath
import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import PolicyError
from sidewall.policy import paths
from sidewall.policy.paths import POSIX, WINDOWS

POSIX_TEXT = st.text(alphabet="ab./é ~\\", max_size=20).map(lambda text: "/" + text)
WINDOWS_TEXT = st.text(alphabet="aAb./\\é ~1:", max_size=20).map(lambda text: "c:\\" + text)


@given(POSIX_TEXT)
@settings(max_examples=300, deadline=None)
def test_posix_normal_form_is_the_standard_librarys(text: str) -> None:
    expected = posixpath.normpath(text)
    assert paths.normalise(text) == ("/" + expected.lstrip("/"))
    assert paths.normalise(paths.normalise(text)) == paths.normalise(text)


@given(WINDOWS_TEXT)
@settings(max_examples=300, deadline=None)
def test_windows_normal_form_is_stable_and_below_its_root(text: str) -> None:
    try:
        plain = paths.normalise(text, WINDOWS)
    except PolicyError:
        return
    assert paths.normalise(plain, WINDOWS) == plain
    assert paths.parts(plain, WINDOWS)[0] == "C:\\"
    assert "/" not in plain and ":" not in plain[2:]
    assert not any(name.endswith((".", " ")) for name in paths.parts(plain, WINDOWS)[1:])
    assert paths.key(text, WINDOWS, wide=True) == paths.key(plain.lower(), WINDOWS, wide=True)


@pytest.mark.parametrize(("text", "plain"), [
    ("c:/Users//Ann/./x", "C:\\Users\\Ann\\x"),
    ("C:\\a\\..\\..\\b", "C:\\b"),
    ("C:\\ws\\.git.", "C:\\ws\\.git"),
    ("C:\\ws\\.git . ", "C:\\ws\\.git"),
    ("C:\\ws\\.git::$INDEX_ALLOCATION\\config", "C:\\ws\\.git\\config"),
    ("C:\\ws\\file.txt:stream:$DATA", "C:\\ws\\file.txt"),
    ("\\\\?\\C:\\ws\\x", "C:\\ws\\x"),
    ("\\\\?\\UNC\\srv\\share\\x", "\\\\srv\\share\\x"),
    ("//srv/share/a/../b", "\\\\srv\\share\\b"),
    ("\\\\srv\\share", "\\\\srv\\share\\"),
])
def test_windows_spellings_of_one_place(text: str, plain: str) -> None:
    assert paths.normalise(text, WINDOWS) == plain


@pytest.mark.parametrize("text", [
    "", "a\\b", "C:", "C:a", "\\a", "/a", "C:\\a\0b", "\\\\.\\C:\\a", "\\\\.\\PhysicalDrive0",
    "\\\\?\\GLOBALROOT\\Device\\x",
    "\\\\?\\Volume{01234567}\\a", "\\??\\C:\\a", "//?/C:/a", "\\\\srv", "\\\\srv\\", "C:\\NUL",
    "C:\\a\\con.txt", "C:\\aux \\b",
    "C:\\com1.log", "C:\\lpt¹", "C:\\conin$", "C:\\...", "C:\\a\\ \\b", "\\\\?\\C:\\ws.\\x",
    "\\\\?\\C:\\ws\\..\\x", "1:\\a",
    "C:\\:stream",
])
def test_windows_texts_that_name_no_place(text: str) -> None:
    with pytest.raises(PolicyError):
        paths.normalise(text, WINDOWS)
    assert paths.doubt(text, WINDOWS)


@pytest.mark.parametrize("text", ["", "a/b", "./a", "~", "/a\0b"])
def test_posix_texts_that_name_no_place(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        paths.validate(text, what="the workspace")
    assert "the workspace" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("text", "flavour"), [
    ("/a/../b", POSIX), ("/a/b/..", POSIX), ("C:\\a\\..\\b", WINDOWS), ("C:\\GIT~1\\config", WINDOWS),
    ("C:\\ws\\SSH~12", WINDOWS), ("C:\\PROGRA~1.X", WINDOWS), ("C:\\a?b", WINDOWS), ("C:\\a\x07", WINDOWS),
])
def test_a_rule_is_refused_what_may_mean_another_place(text: str, flavour: str) -> None:
    assert paths.doubt(text, flavour)
    with pytest.raises(PolicyError):
        paths.validate(text, flavour)


@pytest.mark.parametrize(("text", "flavour"), [
    ("/../a", POSIX), ("//a/./b/", POSIX), ("/a~1", POSIX), ("C:\\a~b", WINDOWS), ("C:\\verylongname~1", WINDOWS),
    ("C:\\~1", WINDOWS), ("C:\\console.log", WINDOWS), ("C:\\..\\a", WINDOWS),
])
def test_plain_paths_have_no_doubt(text: str, flavour: str) -> None:
    assert paths.doubt(text, flavour) == ""


def test_every_letter_that_a_match_joins_a_denial_joins_too() -> None:
    # Above the second plane no letter has a case.
    letters = tuple(chr(number) for number in range(0x20000))
    narrow = paths.fold_all(letters, WINDOWS)
    wide = paths.fold_all(letters, WINDOWS, wide=True)
    assert paths.fold_all(narrow, WINDOWS, wide=True) == wide
    assert {len(letter) for letter in narrow + wide} == {1}
    assert all(chr(number).casefold() == chr(number) for number in range(0x20000, 0x110000, 97))


def test_letters_that_only_look_alike_are_kept_apart_where_a_match_allows() -> None:
    allowed = paths.key("C:\\ws", WINDOWS)
    assert paths.key("C:\\WS", WINDOWS) == allowed
    assert paths.key("C:\\wſ", WINDOWS) != allowed
    assert paths.key("C:\\wſ", WINDOWS, wide=True) == paths.key("C:\\ws", WINDOWS, wide=True)


@pytest.mark.parametrize(("path", "root", "flavour", "inside"), [
    ("/a/b", "/a", POSIX, True), ("/a", "/a", POSIX, True), ("/ab", "/a", POSIX, False), ("/a", "/a/b", POSIX, False),
    ("/x", "/", POSIX, True), ("/A/b", "/a", POSIX, False), ("c:/A/b", "C:\\a", WINDOWS, True),
    ("D:\\a", "C:\\", WINDOWS, False), ("\\\\s\\h\\x", "\\\\S\\H", WINDOWS, True), ("C:\\ab", "C:\\a", WINDOWS, False),
])
def test_within(path: str, root: str, flavour: str, *, inside: bool) -> None:
    assert paths.is_within(path, root, flavour) is inside


@pytest.mark.parametrize(("base", "text", "flavour", "joined"), [
    ("/w/p", "a/b", POSIX, "/w/p/a/b"), ("/w/p", "../o", POSIX, "/w/o"), ("/w", "../../../x", POSIX, "/x"),
    ("/w", "/abs", POSIX, "/abs"), ("/w", ".", POSIX, "/w"), ("C:\\w", "a/b", WINDOWS, "C:\\w\\a\\b"),
    ("C:\\w", "..\\o", WINDOWS, "C:\\o"), ("C:\\w", "D:\\o", WINDOWS, "D:\\o"),
])
def test_joined_to_a_directory(base: str, text: str, flavour: str, joined: str) -> None:
    assert paths.join(base, text, flavour) == joined


@pytest.mark.parametrize(("text", "flavour"), [
    ("a/../b", POSIX), ("", POSIX), ("a\0", POSIX), ("\\a", WINDOWS), ("D:a", WINDOWS), ("a\\..\\b", WINDOWS),
])
def test_not_joined(text: str, flavour: str) -> None:
    with pytest.raises(PolicyError):
        paths.join("/w" if flavour == POSIX else "C:\\w", text, flavour)


@given(st.lists(st.sampled_from(("a", "B", "c.d")), max_size=5))
def test_parts_depth_and_parent_agree(names: list[str]) -> None:
    for flavour, root, module in ((POSIX, "/", posixpath), (WINDOWS, "C:\\", ntpath)):
        path = root + module.sep.join(names)
        assert paths.parts(path, flavour) == (root, *names)
        assert paths.depth(path, flavour) == len(names)
        assert paths.parent(path, flavour) == root + module.sep.join(names[:-1])


def test_a_flavour_that_is_none() -> None:
    with pytest.raises(PolicyError):
        paths.normalise("/a", "plan9")
