"""The quick parser: what counts as an option, where the command begins, and that it agrees with ``argparse``.

Knows: ``cli.scan``, ``cli.options``, ``cli.parser``.  Must not know: what options do.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.cli import options, parser, verbs
from sidewall.cli.scan import environment, scan, together
from sidewall.errors import UsageError

TABLE = options.RUN.options


@pytest.mark.parametrize(("words", "found", "command"), [
    (["--", "ls", "-l"], {}, ["ls", "-l"]),
    (["ls", "--write", "x"], {}, ["ls", "--write", "x"]),
    (["--write", "a", "--write=b", "--", "--", "x"], {"write": ["a", "b"]}, ["--", "x"]),
    (["--tty", "--timeout", "5", "cmd"], {"tty": True, "timeout": "5"}, ["cmd"]),
    (["--status-file=a=b", "cmd"], {"status_file": "a=b"}, ["cmd"]),
    (["--profile", "--", "cmd"], {"profile": "--"}, ["cmd"]),
    (["-c", "echo $1", "--", "x"], {"command": "echo $1"}, ["x"]),
    (["-", "x"], {}, ["-", "x"]),
    (["--help", "--nonsense"], {"help": True}, ["--nonsense"]),
    (["--tier", "landlock", "--tier", "auto"], {"tier": "auto"}, []),
    ([], {}, []),
])
def test_words(words: list[str], found: dict[str, object], command: list[str]) -> None:
    assert scan(TABLE, words) == (found, command)


@pytest.mark.parametrize(("words", "message", "hint"), [
    (["--writ", "x"], "unknown option --writ", "--write"),
    (["-x"], "unknown option -x", "--"),
    (["--write"], "--write needs a value", ""),
    (["--write="], "--write needs a value", ""),
    (["--tty=yes"], "--tty takes no value", ""),
    (["--tier", "sky"], "'sky' is not one of auto, namespace, landlock", ""),
    (["--network=proxied"], "'proxied' is not one of", ""),
])
def test_wrong_words(words: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        scan(TABLE, words)
    assert message in str(caught.value) and hint in caught.value.hint


@given(st.lists(st.text(min_size=1).filter(lambda word: not word.startswith("-")), max_size=3),
       st.lists(st.text(), max_size=6))
def test_the_command_is_never_touched(paths: list[str], command: list[str]) -> None:
    words = [word for path in paths for word in ("--deny", path)]
    found, rest = scan(TABLE, [*words, "--", *command])
    assert rest == command and found.get("deny", []) == paths


@pytest.mark.parametrize("words", [
    ["--write", "a", "--read=b", "--tty"], ["--profile=:strict", "--timeout", "3"], ["-c", "x y"],
    ["--require", "none", "--env", "A", "--env=B=c"],
])
def test_both_parsers_read_one_table(words: list[str]) -> None:
    quick, _ = scan(TABLE, words)
    slow = vars(parser.build()[0].parse_args(["run", *words]))
    assert quick == {key: value for key, value in slow.items() if value and key != "verb"}


def test_the_environment_gives_what_is_not_given() -> None:
    environ = {"SIDEWALL_WRITE": "/a::/b", "SIDEWALL_TTY": "1", "SIDEWALL_TIMEOUT": "9", "SIDEWALL_PROFILE": "",
               "SIDEWALL_COMMAND": "rm"}
    assert environment(TABLE, environ, ":") == {"write": ["/a", "/b"], "tty": True, "timeout": "9"}
    assert environment(TABLE, {"SIDEWALL_TTY": "off"}, ":") == {}
    merged = together({"write": ["/a"], "timeout": "9"}, {"write": ["/c"], "timeout": "1"})
    assert merged == {"write": ["/a", "/c"], "timeout": "1"}


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UsageError, match="SIDEWALL_TIER"):
        environment(TABLE, {"SIDEWALL_TIER": "sky"}, ":")


def test_variables_are_named_after_their_options() -> None:
    for verb in verbs.VERBS:
        for option in verb.options:
            assert option.env in ("", "SIDEWALL_" + option.key.upper())
            assert not (option.many and not option.metavar)


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda verb: verb.name)
def test_help_names_every_option(verb: options.Verb) -> None:
    text = parser.help_text(verb.name)
    assert all("--" + option.name in text for option in verb.options)
