"""Files that nest deeply, or say something at great length, are refused at once and in a few words.

Knows: TOML's syntax.  Must not know: how depth is told.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.config import native, nesting
from sidewall.config.native import Place
from sidewall.config.nesting import DEEPEST, too_deep
from sidewall.errors import ConfigError

HERE = Place(base="/home/u/p", workspace="/home/u/p", home="/home/u")
MANY = 60_000

DEEP: dict[str, Callable[[int], str]] = {
    "header": lambda many: f"[{'.'.join('a' * many)}]",
    "array of tables": lambda many: f"[[{'.'.join('a' * many)}]]",
    "key": lambda many: f"{'.'.join('a' * many)} = 1",
    "key with blanks": lambda many: f"{' . '.join('a' * many)} = 1",
    "quoted key": lambda many: ".".join(["'a'", '"b"'] * (many // 2)) + " = 1",
    "key in a table": lambda many: f"a = {{ x = 1, {'.'.join('a' * many)} = 1 }}",
    "tables": lambda many: "a = " + "{a=" * many + "1" + "}" * many,
    "lists": lambda many: "a = " + "[" * many + "]" * many,
    "lists on lines": lambda many: "a = " + "[\n" * many + "]" * many,
}


def complaint(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        native.parse("schema = 1\n" + text, HERE, file="/home/u/p/sidewall.toml")
    return caught.value


@pytest.mark.parametrize("shape", DEEP)
def test_what_is_nested_deeply_is_refused_before_it_is_parsed(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.tomllib, "loads", lambda _: sys.exit("it was parsed"))
    found = complaint(DEEP[shape](MANY)[:native.MOST_BYTES - 20])
    assert found.file == "/home/u/p/sidewall.toml" and found.exit_code == 2 and found.hint
    assert found.key.replace('"', "").replace("'", "").startswith("a")
    assert "is nested too deeply" in str(found) and len(str(found)) < 120


def test_what_opens_and_has_no_key_is_refused_too() -> None:
    assert "is nested too deeply" in str(complaint("[" * MANY))


class Written:
    """A text, the parts of its longest key, the deepest of its brackets."""

    def __init__(self, text: str, parts: int, brackets: int) -> None:
        self.text, self.parts, self.brackets = text, parts, brackets


DEPTHS = st.sampled_from([1, 1, 2, 3, DEEPEST - 1, DEEPEST, DEEPEST + 1, DEEPEST + 9])
HOSTILE = st.sampled_from([
    "1", "1.5", "2020-01-01T00:00:00.5Z", "true", f"'{'a.' * 50}'", f'"{"[" * 50}"', f"'''\n{'a.' * 50}'\n'''",
    f'"""{"{" * 50}\\""" ""\n"""', f'"""{"[" * 50}""{"[" * 50}"""""', "''", '""', "'#'", f'"\\"{"." * 50}"',
    "''''a''''",
])
COMMENTS = st.sampled_from(["", f" # {'a.' * 50}", f" # {'[' * 50}", " # '", ' # """'])


@st.composite
def written(draw: st.DrawFn) -> Written:
    """Valid TOML whose depths are known."""
    lines, most_parts, most_brackets = [], 0, 0
    for number in range(draw(st.integers(1, 4))):
        parts = draw(DEPTHS)
        key = draw(st.sampled_from([".", " . ", "\t."])).join(
            [f"k{number}", *draw(st.lists(st.sampled_from(["a", "'b.c'", '"d[\\""', "1"]), min_size=parts - 1,
                                          max_size=parts - 1))])
        value, brackets = draw(HOSTILE), 0
        if draw(st.booleans()):
            brackets = draw(DEPTHS)
            opened = draw(st.lists(st.sampled_from(["[", "[ # [\n", "{ x = "]), min_size=brackets, max_size=brackets))
            value = "".join(opened) + value + "".join("}" if one[0] == "{" else "]" for one in reversed(opened))
        lines.append(f"{key} = {value}{draw(COMMENTS)}")
        most_parts, most_brackets = max(parts, most_parts), max(brackets, most_brackets)
    return Written("\n".join(lines) + "\n", most_parts, most_brackets)


@settings(max_examples=150, deadline=None)
@given(written())
def test_depth_is_that_of_keys_and_brackets_and_of_nothing_else(made: Written) -> None:
    tomllib.loads(made.text)
    assert (too_deep(made.text) is not None) == (max(made.parts, made.brackets) > DEEPEST), made.text


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="a.[]{}=\"'\\#\n \t", max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    assert too_deep(text) is None or isinstance(too_deep(text * 3), str)


@pytest.mark.parametrize("text", [
    'extends = "{}"', "[files]\ndeny = ['[{}']", "{} = 1", "[files]\n{} = 1", "[env.set]\n'{}=' = '1'",
    "[limits]\nwall = '{}'", "[protect]\nnames = ['a/{}']", "[network]\nallow = ['{} ']", "[files]\nwrite = [':{}']",
])
def test_what_a_file_says_at_length_is_cut_short(text: str) -> None:
    found = complaint(text.replace("{}", "x" * MANY))
    assert len(str(found)) < 1200 and len(found.hint) < 400
    assert str(found).startswith("/home/u/p/sidewall.toml: ") and "xxxxx" in str(found)


def test_the_bound_leaves_room_for_the_format() -> None:
    assert nesting.DEEPEST >= 8
    assert too_deep("env = { set = { A = 'x' } }\nrequire = [['a']]\n" + "x = '../../..'\n" * 100) is None
