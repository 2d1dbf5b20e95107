"""Command lines against readers of our own: the C run-time's rules, and what cmd.exe does before them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidewall.platforms.windows import quoting

SHELL = "C:\\Windows\\System32\\cmd.exe"
LETTERS = st.one_of(st.sampled_from('"\\ \t%&|<>^!()=;,\'`aA1.'), st.characters(codec="utf-8", exclude_characters="\0"))
TEXT = st.text(LETTERS, max_size=12)
INSIDE = TEXT.filter(lambda text: "\n" not in text and "\r" not in text)


def split(line: str) -> list[str]:
    """A line as the C run-time splits it: the program's name by quotation marks alone, then the arguments."""
    words: list[str] = []
    at = 0
    if line.startswith('"'):
        end = line.index('"', 1)
        words.append(line[1:end])
        at = end + 1
    else:
        while at < len(line) and line[at] not in " \t":
            at += 1
        words.append(line[:at])
    while True:
        while at < len(line) and line[at] in " \t":
            at += 1
        if at >= len(line):
            return words
        word, quoted = "", False
        while at < len(line):
            if line[at] in " \t" and not quoted:
                break
            backslashes = 0
            while at < len(line) and line[at] == "\\":
                backslashes += 1
                at += 1
            if at < len(line) and line[at] == '"':
                word += "\\" * (backslashes // 2)
                if backslashes % 2:
                    word += '"'
                elif quoted and line[at + 1:at + 2] == '"':
                    word += '"'
                    at += 1
                else:
                    quoted = not quoted
                at += 1
            else:
                word += "\\" * backslashes
                if at < len(line) and not (line[at] in " \t" and not quoted):
                    word += line[at]
                    at += 1
        words.append(word)


def expanded(line: str) -> str:
    """What cmd.exe makes of percent signs on a line that is not in a batch file; fails when a variable is meant."""
    out, at = "", 0
    while at < len(line):
        if line[at] != "%":
            out += line[at]
            at += 1
            continue
        end = line.find("%", at + 1)
        name = line[at + 1:end] if end >= 0 else ""
        if name == "cd:~,":
            at = end + 1
        else:
            assert not name, f"cmd.exe would look for the variable {name!r}"
            out += "%"
            at += 1
    return out


def inner(line: str) -> str:
    """What cmd.exe runs: its own options and the line's outermost quotation marks taken away."""
    head = f'{SHELL} {quoting.BATCH_OPTIONS} "'
    assert line.startswith(head) and line.endswith('"')
    return line[len(head):-1]


@given(st.lists(TEXT, min_size=1).filter(lambda words: '"' not in words[0] and not words[0].endswith("\\")))
@example(["p", "", "a b", 'say "x"', "ends\\", 'C:\\dir with\\', '\\\\"'])
def test_a_program_splits_its_line_into_the_words(words: list[str]) -> None:
    line = quoting.join(words)
    if words[0]:
        assert split(line) == words
    else:
        assert split(line)[1:] == words[1:]


def test_a_word_that_means_nothing_stays_as_it_is() -> None:
    assert quoting.join(["git", "log", "--format=%H", "a\\b"]) == "git log --format=%H a\\b"


@given(st.lists(INSIDE, max_size=4))
@example(["%PATH%", "100%", "a&b", 'a"&calc&"b', "^", "!x!", "\\", '\\"', "a\\\\", "%cd:~,%"])
@example(['"', "&", '"'])
def test_no_argument_of_a_batch_file_is_read_as_a_command(arguments: list[str]) -> None:
    script = "C:\\Program Files\\nodejs\\npm.cmd"
    text = expanded(inner(quoting.batch(SHELL, script, arguments)))
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        assert quoted or character not in "&|<>^()\r\n", f"{character!r} is outside quotation marks in {text!r}"
    assert not quoted
    assert split(text) == [script, *arguments]


@pytest.mark.parametrize("argument", ["a\nb", "a\rb", "a\0b", "\r\ncalc"])
def test_what_would_end_the_line_is_refused(argument: str) -> None:
    with pytest.raises(quoting.Unquotable):
        quoting.batch(SHELL, "C:\\x.bat", ["ok", argument])


@pytest.mark.parametrize("script", ['C:\\a"b.bat', "C:\\%TEMP%\\x.bat", "C:\\x.bat\\", "C:\\x\n.bat"])
def test_a_script_that_cmd_would_read_otherwise_is_refused(script: str) -> None:
    with pytest.raises(quoting.Unquotable):
        quoting.batch(SHELL, script, [])


def test_one_argument_after_c_is_a_line_of_cmd() -> None:
    assert quoting.shell(["cmd", "/c", "exit 7"]) == 'cmd /s /c "exit 7"'
    assert quoting.shell(["cmd.exe", "/D", "/C", 'echo "a & b"']) == 'cmd.exe /D /s /C "echo "a & b""'
    assert quoting.shell(["C:\\Win dows\\cmd.exe", "/k", "x"]) == '"C:\\Win dows\\cmd.exe" /s /k "x"'


def test_several_arguments_after_c_are_words() -> None:
    assert quoting.shell(["cmd", "/c", "echo", "a & b"]) == 'cmd /c echo "a & b"'
    assert quoting.shell(["cmd", "script", "/c", "x y"]) == 'cmd script /c "x y"'
    assert quoting.shell(["cmd"]) == "cmd"
