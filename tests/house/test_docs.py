"""The pages for people agree with the code: examples parse, links lead somewhere, tables are complete.

Knows: README and docs/ as text.  Must not know: how anything is done.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.cli.verbs import VERBS
from sidewall.policy.model import GUARANTEES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    # The page of figures is written by `make bench`, on a quiet machine.
    assert not [name for name in targets if not (page.parent / name).exists() and not name.endswith("performance.md")]


def test_the_two_commands_open_the_readme() -> None:
    first = blocks(README, "sh")[0]
    assert [line.split()[:2] for line in first.splitlines()] == [["make", "demo"], ["make", "test"]]
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_every_command_line_of_the_readme_exists() -> None:
    lines = [line for block in blocks(README, "sh") for line in block.splitlines() if line.startswith("sidewall ")]
    assert len(lines) >= 8
    for line in lines:
        verb_name, *words = shlex.split(line, comments=True)[1:]
        (verb,) = (verb for verb in VERBS if verb.name == verb_name)
        own = words[: words.index("--")] if "--" in words else words
        known = {"--" + option.name for option in verb.options}
        assert {word for word in own if word.startswith("--")} <= known, line


def test_the_policy_of_the_readme_is_one(tmp_path: Path) -> None:
    (text,) = blocks(README, "toml")
    file = tmp_path / "sidewall.toml"
    file.write_text(text)
    argv = [sys.executable, "-m", "sidewall", "profile", "validate", str(file)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_of_the_readme_is_one() -> None:
    import sidewall

    (text,) = blocks(README, "python")
    compile(text, "README.md", "exec")
    for name in re.findall(r"sidewall\.(\w+)", text):
        assert hasattr(sidewall, name)
    for name in re.findall(r"\bbox\.(\w+)", text):
        assert hasattr(sidewall.Sandbox, name)
    for name in re.findall(r"\bdone\.(\w+)", text):
        assert hasattr(sidewall.Completed, name) or name in sidewall.Completed(args=[], returncode=0).__dict__


def test_every_guarantee_has_its_row_and_its_tests() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", text, re.MULTILINE))
    assert set(GUARANTEES) <= set(rows)
    for name in GUARANTEES:
        tests = re.findall(r"`(tests/[\w/.]+)`", rows[name].rsplit("|", 1)[-1])
        assert tests, name
        assert not [path for path in tests if not (ROOT / path).exists()], name


def test_every_target_of_the_makefile_says_what_it_is() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    described = set(re.findall(r"^([a-z][a-z-]*):.*?## \w", text, re.MULTILINE))
    assert targets
    assert targets == described
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert targets == set(phony.split())
