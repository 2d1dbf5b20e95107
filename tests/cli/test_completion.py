"""Completion scripts: they parse in their shells, and bash really completes with them.

Knows: shells.  Must not know: what verbs do.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidewall.cli import completion, verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.mark.parametrize("shell", verbs.SHELLS)
def test_every_verb_and_option_is_in_the_script(shell: str) -> None:
    script = completion.script(shell)
    for verb in verbs.VERBS:
        assert verb.name in script
        for option in verb.options:
            spelling = f"-l {option.name}" if shell == "fish" else f"--{option.name}"
            assert spelling in script


@pytest.mark.parametrize("shell", sorted(CHECKS))
def test_the_script_parses(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / f"script.{shell}"
    path.write_text(completion.script(shell))
    done = subprocess.run([*CHECKS[shell], str(path)], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


def test_powershell_braces_and_quotes_balance() -> None:
    text = completion.script("powershell")
    assert all(text.count(left) == text.count(right) for left, right in ("{}", "()", "[]"))
    assert all(line.count("'") % 2 == 0 for line in text.splitlines() if not line.startswith("#"))


class Bash:
    """An interactive bash on a pseudo terminal, with the script sourced."""

    def __init__(self, directory: Path) -> None:
        (directory / "script.bash").write_text(completion.script("bash"))
        self.master, slave = os.openpty()
        environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(directory), "INPUTRC": "/dev/null"}
        argv = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, cwd=directory, env=environment,
                                        start_new_session=True)
        os.close(slave)
        self.ask("PS1=; stty -echo; bind 'set bell-style none'; source ./script.bash\n", "")

    def read(self, seconds: float) -> str:
        data = b""
        while select.select([self.master], [], [], seconds)[0]:
            data += os.read(self.master, 65536)
        return data.decode()

    def ask(self, keys: str, end: str) -> str:
        """What is shown after these keys and ``end``."""
        os.write(self.master, (keys + end).encode())
        text, deadline = "", time.monotonic() + 20
        while time.monotonic() < deadline:
            text += self.read(0.3)
            if not end or "<done>" in text.replace("'<done>'", ""):
                break
        return text

    def complete(self, line: str) -> list[str]:
        """The words of the line after TAB, by a function ``sidewall`` that prints its arguments."""
        shown = self.ask(f"{line}\t", " '<done>'\n")
        return [part[1:-1] for part in shown.splitlines() if part.startswith("[") and part.endswith("]")][:-1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        os.close(self.master)


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    directory = tmp_path_factory.mktemp("bash")
    for name in ("alpha.txt", "with space.txt"):
        (directory / name).touch()
    started = Bash(directory)
    started.ask("sidewall() { printf '[%s]\\n' \"$@\"; }; sidewall-test-program() { :; }\n", "")
    yield started
    started.close()


@pytest.mark.parametrize(("line", "last"), [
    ("sidewall ru", "run"),
    ("sidewall --ver", "--version"),
    ("sidewall run --pro", "--profile"),
    ("sidewall run --profile :stri", ":strict"),
    ("sidewall run --profile=:stri", "--profile=:strict"),
    ("sidewall run --tier land", "landlock"),
    ("sidewall run --require limits,write", "limits,write-outside"),
    ("sidewall run --write alp", "alpha.txt"),
    ("sidewall run --write=alp", "--write=alpha.txt"),
    ("sidewall run --write x --de", "--deny"),
    ("sidewall run -- sidewall-test-prog", "sidewall-test-program"),
    ("sidewall run sidewall-test-prog", "sidewall-test-program"),
    ("sidewall run -- cat alp", "alpha.txt"),
    ("sidewall run cat --write alp", "alpha.txt"),
    ("sidewall check with\\ ", "with space.txt"),
    ("sidewall completion po", "powershell"),
    ("sidewall profile val", "validate"),
    ("sidewall profile show :ful", ":full-read"),
    ("sidewall log --sess", "--session"),
    ("sidewall trust --rem", "--remove"),
])
def test_bash_completes(bash: Bash, line: str, last: str) -> None:
    assert bash.complete(line)[-1] == last


def test_the_verb_prints_the_script() -> None:
    argv = [sys.executable, "-P", "-m", "sidewall", "completion"]
    done = subprocess.run([*argv, "zsh"], capture_output=True, timeout=60, text=True)
    assert done.stdout == completion.script("zsh") and done.stdout.startswith("#compdef sidewall")
    assert subprocess.run([*argv, "tcsh"], capture_output=True, timeout=60).returncode == 2
