"""The workflow for Windows calls what is there: its YAML reads, its matrix is whole, its scripts and verbs exist.

Knows: the part of YAML that the file is written in, and the command line's table.  Must not know: what a step does.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from sidewall.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github/workflows/windows.yml"
POSIX = re.compile(r"^(?:import|from) (fcntl|pwd|grp|resource|pty|termios|tty)\b", re.MULTILINE)


class Reader:
    """Block mappings, block and flow lists, plain and quoted texts, literal blocks; anything else is an error."""

    def __init__(self, text: str) -> None:
        self.lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        self.at = 0

    def indent(self) -> int:
        line = self.lines[self.at] if self.at < len(self.lines) else ""
        return len(line) - len(line.lstrip(" ")) if line else -1

    def value(self, deeper_than: int) -> Any:
        depth = self.indent()
        if depth <= deeper_than:
            return None
        return self.items(depth) if self.lines[self.at].lstrip().startswith("- ") else self.mapping(depth)

    def items(self, depth: int) -> list[Any]:
        found = []
        while self.indent() == depth and self.lines[self.at].lstrip().startswith("- "):
            self.lines[self.at] = self.lines[self.at].replace("- ", "  ", 1)
            found.append(self.mapping(depth + 2))
        return found

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.indent() == depth and not self.lines[self.at].lstrip().startswith("- "):
            line = self.lines[self.at]
            read = re.fullmatch(r"([\w-]+):(?: (.+))?", line.strip())
            assert read and "\t" not in line, line
            key, text = read[1], read[2]
            assert key not in found, f"{key} is there twice"
            self.at += 1
            found[key] = self.literal(depth) if text == "|" else scalar(text) if text else self.value(depth)
        return found

    def literal(self, depth: int) -> str:
        taken = []
        while self.indent() > depth:
            taken.append(self.lines[self.at].strip())
            self.at += 1
        assert taken
        return "\n".join(taken)


def scalar(text: str) -> Any:
    if text.startswith("["):
        assert text.endswith("]"), text
        return [scalar(part.strip()) for part in text[1:-1].split(",")]
    if text.startswith('"'):
        assert text.endswith('"') and text.count('"') == 2, text
        return text[1:-1]
    # What YAML would read otherwise in a plain text.
    assert not re.search(r": |:$| #|^[&*!>%@`{'-]", text), f"this needs quotation marks: {text}"
    return text


def read() -> dict[str, Any]:
    reader = Reader(FILE.read_text(encoding="utf-8"))
    found = reader.mapping(0)
    assert reader.at == len(reader.lines), f"not read: {reader.lines[reader.at]}"
    return found


WORKFLOW = read()
JOB, ORDINARY = WORKFLOW["jobs"]["windows"], WORKFLOW["jobs"]["ordinary"]
COMMANDS = [line.strip() for step in JOB["steps"] for line in step.get("run", "").splitlines()
            if line.strip().startswith("python ")]


# What a standard user runs stands in single quotes, after the exit code that it must have.
HIS = re.findall(r"@\(\d+, '(.+)'\)", "\n".join(step.get("run", "") for step in ORDINARY["steps"]))
FOR_HIM = [line.strip() for step in ORDINARY["steps"] for line in step.get("run", "").splitlines()
           if line.strip().startswith("python -m sidewall ")]


def test_the_matrix_is_whole() -> None:
    assert JOB["strategy"]["matrix"] == {
        "system": ["windows-latest", "windows-2022"], "python": ["3.11", "3.12", "3.13", "3.14"]}
    assert JOB["runs-on"] == "${{ matrix.system }}"
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_pythons_are_those_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"Python :: (3\.\d+)\"", text) == JOB["strategy"]["matrix"]["python"]


def test_every_step_is_a_command_or_an_action_and_none_is_passed_over_in_silence() -> None:
    for step in (*JOB["steps"], *ORDINARY["steps"]):
        assert ("run" in step) != ("uses" in step)
        assert not step.get("continue-on-error")
        # A step that failed fails the job; the others are run nevertheless, for what they tell.
        assert step.get("if", "${{ !cancelled() }}") == "${{ !cancelled() }}"


def test_every_module_that_is_called_exists() -> None:
    called = [shlex.split(line)[2] for line in COMMANDS if shlex.split(line)[1] == "-m"]
    assert len(called) == len(COMMANDS) >= 12
    ours = {name for name in called if name.startswith("scripts.")}
    assert ours == {"scripts.windows_questions", "scripts.windows_machine"}
    assert all((ROOT / f"{name.replace('.', '/')}.py").exists() for name in ours)
    assert set(called) - ours == {"pip", "pytest", "sidewall"}


def test_a_standard_user_runs_what_an_administrator_set_up_and_it_is_removed() -> None:
    assert [line.split()[3] for line in FOR_HIM] == ["setup", "uninstall"]
    assert all("--for-user" in line for line in FOR_HIM)
    assert [line.split()[2] for line in HIS] == ["run", "run", "verify", "status"]
    assert all("--tier account" in line for line in HIS[:3])


@pytest.mark.parametrize("line", [line for line in COMMANDS if " -m sidewall " in line] + FOR_HIM
                         + [f"python {line}" for line in HIS])
def test_every_verb_and_option_exists(line: str) -> None:
    name, *words = shlex.split(line)[3:]
    (verb,) = [verb for verb in VERBS if verb.name == name]
    own = words[: words.index("--")] if "--" in words else words
    assert {word for word in own if word.startswith("--")} <= {"--" + option.name for option in verb.options}


def test_the_machine_is_compared_around_everything_that_changes_it() -> None:
    order = [" ".join(shlex.split(line)[2:5]) for line in COMMANDS]
    first = order.index("scripts.windows_machine inventory --tree")
    last = len(order) - 1 - order[::-1].index("scripts.windows_machine inventory --tree")
    changing = [at for at, words in enumerate(order) if words.startswith(("sidewall setup", "sidewall uninstall"))]
    assert len(changing) == 3 and all(first < at < last for at in changing)
    assert order[-1].startswith("scripts.windows_machine diff")


def test_the_attacks_are_made_in_both_tiers_and_on_the_machine_that_is_compared() -> None:
    order = [shlex.split(line)[2:] for line in COMMANDS]
    at = {words[words.index("--tier") + 1]: number for number, words in enumerate(order) if words[1:2] == ["verify"]}
    assert set(at) == {"token", "account"}
    assert order.index(["sidewall", "setup", "--json"]) < min(at.values())
    assert max(at.values()) < order.index(["sidewall", "uninstall", "--json"])


def test_the_tests_are_there_and_need_no_posix() -> None:
    (line,) = [line for line in COMMANDS if " -m pytest " in line]
    places = [word for word in shlex.split(line) if word.startswith("tests/")]
    assert {"tests/windows", "tests/nt", "tests/plan"} <= set(places)
    for place in places:
        files = [ROOT / place] if place.endswith(".py") else list((ROOT / place).rglob("*.py"))
        assert files and all(file.is_file() for file in files)
        assert not [file.name for file in files if POSIX.search(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("broken", ["a: b: c", "a:\n\tb: c", 'a: "b', "a: 1\na: 2", "a: [b", "- a"])
def test_a_file_that_does_not_read_is_noticed(broken: str) -> None:
    with pytest.raises(AssertionError):
        reader = Reader(broken)
        reader.mapping(0)
        assert reader.at == len(reader.lines)
