"""Patterns: meaning, agreement with another implementation, time.

Knows: the dialect.  Must not know: the matcher's inside.
"""

from __future__ import annotations

import fnmatch

import pathspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import PolicyError
from sidewall.policy import globs
from sidewall.policy.paths import POSIX, WINDOWS

WORDS = st.text(alphabet="ab.-", min_size=1, max_size=4).filter(lambda word: word.strip("."))
PIECES = st.one_of(
    WORDS, st.just("**"),
    st.sampled_from(("*", "?", "a*", "*b", "a*b", "?b", "[ab]", "[!a]", "[a-b]x", "*.b", "[ab]*", "a?b*")),
)


@given(pattern=st.lists(PIECES, min_size=1, max_size=5), path=st.lists(WORDS, min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_agrees_with_pathspec_on_anchored_patterns(pattern: list[str], path: list[str]) -> None:
    # gitignore(5) wants something below in "dir/**"; here the directory itself is taken too, which is tested apart.
    while pattern and pattern[-1] == "**":
        pattern.pop()
    if not pattern:
        return
    text = "/" + "/".join(pattern)
    spec = pathspec.GitIgnoreSpec.from_lines([text])
    target = "/".join(path)
    # A trailing name that is matched takes everything below it, here and in gitignore.
    assert globs.covers(text, "/" + target) == spec.match_file(target)


@given(pattern=st.text(alphabet="ab*?", max_size=8), name=st.text(alphabet="ab", max_size=8))
@settings(max_examples=250, deadline=None)
def test_agrees_with_fnmatch_within_a_name(pattern: str, name: str) -> None:
    assert globs.matches_name(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(("pattern", "path"), [
    ("/w/**/.env", "/w/.env"), ("/w/**/.env", "/w/a/b/.env"), ("/w/**", "/w"), ("/w/**", "/w/a"), ("/**", "/"),
    ("/w/*", "/w/.hidden"), ("/w/a**b", "/w/axxb"), ("/w/[]]", "/w/]"), ("/w/[!]]", "/w/a"), ("/w/[a-]", "/w/-"),
    ("/w/[^a]", "/w/b"), ("/w/\\[id\\]", "/w/[id]"), ("/w/\\*", "/w/*"), ("/w/[\\]]", "/w/]"), ("/w/[\\\\]", "/w/\\"),
    ("/w/é?", "/w/éß"), ("/w/a b\n*", "/w/a b\nc"), ("/w/\udc80*", "/w/\udc80x"), ("/w//x/./*", "/w/x/y"),
    ("/w/{a,b}*", "/w/{a,b}"),
])
def test_matches(pattern: str, path: str) -> None:
    assert globs.matches(pattern, path)


@pytest.mark.parametrize(("pattern", "path"), [
    ("/w/*", "/w"), ("/w/*", "/w/a/b"), ("/w/?", "/w/ab"), ("/w/**/.env", "/w/x.env"), ("/w/a*b", "/w/a/b"),
    ("/w/[ab]", "/w/c"), ("/w/\\*", "/w/a"), ("/w/[!a]", "/w/a"), ("/w/[b-a]", "/w/a"), ("/v/**", "/w/a"),
    ("/w/[a]x", "/w/[a]x"), ("/w/*", "/W/a"), ("/w/{a,b}", "/w/a"),
])
def test_does_not_match(pattern: str, path: str) -> None:
    assert not globs.matches(pattern, path)


def test_a_denied_directory_takes_what_is_below() -> None:
    assert globs.covers("/w/**/node_*", "/w/a/node_modules/x/y")
    assert not globs.matches("/w/**/node_*", "/w/a/node_modules/x/y")


@pytest.mark.parametrize("path", ["c:\\W\\A\\KEY.PEM", "C:/w/key.pem", "C:\\w\\Straße\\ß.PEM"])
def test_on_windows_letters_match_in_any_case_and_both_separators_separate(path: str) -> None:
    assert globs.matches("C:/W/**/*.Pem", path, WINDOWS)
    assert globs.matches("c:\\w\\**\\*.pEM", path, WINDOWS)


def test_on_windows_a_sign_stands_for_one_letter_though_its_capital_is_two() -> None:
    assert globs.matches("C:\\stra?e", "C:\\straße", WINDOWS)


@pytest.mark.parametrize(("pattern", "flavour"), [
    ("a/*", POSIX), ("**/x", POSIX), ("/w/[a", POSIX), ("/w/../*", POSIX), ("/w/\0*", POSIX), ("*:\\a", WINDOWS),
    ("\\a\\*", WINDOWS), ("C:\\[a", WINDOWS), ("", POSIX),
])
def test_patterns_that_cannot_be_read(pattern: str, flavour: str) -> None:
    with pytest.raises(PolicyError) as caught:
        globs.Pattern(pattern, flavour)
    assert caught.value.hint


@given(st.text(alphabet="ab*?[]\\ ", max_size=8))
def test_what_is_escaped_matches_itself_alone(text: str) -> None:
    assert not globs.has_magic(globs.escape(text))
    assert globs.unescape(globs.escape(text)) == text
    if text.strip("/") and "/" not in text:
        assert globs.matches("/" + globs.escape(text), "/" + text)


def test_no_pattern_takes_exponential_time() -> None:
    assert not globs.matches("/" + "**/a/" * 12 + "b", "/" + "a/" * 60 + "c")
    assert not globs.matches_name("*a" * 25 + "b", "a" * 400)


def test_more_literal_is_more_specific_and_no_two_are_equal() -> None:
    patterns = ["/**", "/**/x", "/w/**", "/w/*/x", "/w/a*", "/w/ab*", "/w/b*", "/w/x/**"]
    ranks = [globs.Pattern(text).specificity() for text in patterns]
    assert len(set(ranks)) == len(ranks)
    assert sorted(patterns, key=lambda text: globs.Pattern(text).specificity()) == [
        "/**", "/**/x", "/w/**", "/w/*/x", "/w/a*", "/w/b*", "/w/ab*", "/w/x/**"]
