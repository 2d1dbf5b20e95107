"""``sidewall verify`` as people and programs meet it: exit codes, JSON, tables, no escapes where none are wanted.

Knows: the command line.  Must not know: what is tried.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sidewall.cli import verify as verb
from sidewall.policy.model import GUARANTEES
from sidewall.session import opening
from sidewall.verify.leftovers import PREFIX
from sidewall.verify.probe import WORKS, catalogue

from .liar import liar
from .remains import remains

SECONDS = 60


class Cli:
    """The program, in a workspace and a home of its own."""

    def __init__(self, base: Path) -> None:
        self.workspace, self.home = base / "work", base / "home"
        for path in (self.workspace, self.home):
            path.mkdir()
        self.environment = {"HOME": os.fspath(self.home), "PATH": os.environ["PATH"], "TERM": "xterm",
                            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "sidewall", *words]

    def __call__(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), cwd=self.workspace, env={**self.environment, **environ},
                              capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)

    def on_terminal(self, *words: str, **environ: str) -> bytes:
        """What is shown on a terminal."""
        master, slave = pty.openpty()
        process = subprocess.Popen(self.command(*words), cwd=self.workspace, env={**self.environment, **environ},
                                   stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        try:
            while select.select([master], [], [], SECONDS)[0]:
                shown += os.read(master, 65536)
        except OSError:  # everybody has closed the other side
            pass
        finally:
            os.close(master)
            process.kill()
            process.wait(SECONDS)
        return shown


@pytest.fixture
def sidewall(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_json_of_one_guarantee(sidewall: Cli) -> None:
    done = sidewall("verify", "--guarantee", "metadata-outside", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True and told["policy"] == ":workspace"
    assert [line["name"] for line in told["guarantees"]] == ["metadata-outside"]
    assert {probe["outcome"] for probe in told["guarantees"][0]["probes"]} <= {"held", "effect", "nothing"}
    assert len(told["works"]) >= 8
    assert not list(sidewall.workspace.iterdir())
    assert [path.name for path in sidewall.home.iterdir() if "verify" in path.name] == []


def test_plain_lines_say_policy_tier_and_verdict(sidewall: Cli) -> None:
    done = sidewall("verify", "--guarantee", "desktop", "--guarantee", "privileges", "--profile", ":read-only")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "policy: :read-only"
    assert lines[1].startswith("tier: ")
    assert [line.split()[0] for line in lines[4:6]] == ["desktop", "privileges"]
    assert lines[-1] == "everything that was promised held"


def test_the_home_directory_is_a_place_to_ask_from(sidewall: Cli) -> None:
    sidewall.workspace = sidewall.home
    assert sidewall("run", "--", "true").returncode == 2
    assert sidewall("verify", "--guarantee", "desktop").returncode == 0


def test_a_projects_own_file_counts(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text('schema = 1\nextends = ":read-only"\n')
    done = sidewall("verify", "--guarantee", "desktop", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert {one["excuse"] for one in told["works"]} >= {"the policy makes the workspace read-only"}


@pytest.mark.parametrize(("number", "left"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGKILL, True)],
                         ids=lambda value: getattr(value, "name", str(value)))
def test_whatever_ends_it_nothing_stays(sidewall: Cli, number: int, left: bool) -> None:
    process = subprocess.Popen(sidewall.command("verify", "--guarantee", "write-outside"), cwd=sidewall.workspace,
                               env=sidewall.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    places = (sidewall.home, sidewall.workspace.parent)
    deadline = time.monotonic() + SECONDS
    while not list(sidewall.home.glob(f"{PREFIX}*/outside/3")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    assert remains(process.pid, *places)
    process.send_signal(number)
    assert process.wait(SECONDS) != 0
    assert bool(remains(process.pid, *places)) is left
    leases = sidewall.home / ".local/state/sidewall/leases"
    assert left or not leases.exists() or [path.name for path in leases.iterdir()] == ["mutex"]
    # The next one finds what a killed one left, and takes away no living one's.
    assert sidewall("verify", "--guarantee", "desktop").returncode == 0
    assert remains(process.pid, *places) == []


def test_a_list_tries_nothing(sidewall: Cli) -> None:
    done = sidewall("verify", "--list", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["probes"]
    assert [one["id"] for one in told] == [probe.id for probe in catalogue(sys.platform)]
    assert {one["guarantee"] for one in told} == {*GUARANTEES, WORKS}
    plain = sidewall("verify", "--list", "--guarantee", "desktop").stdout
    assert "L-056 bus" in plain and "L-012" not in plain
    assert not (sidewall.home / ".local").exists()


@pytest.mark.parametrize(("words", "code"), [
    (("--guarantee", "everything"), 2), (("--tier", "token"), 2), (("--require", "nothing"), 2), (("extra",), 2),
    (("--tier", "landlock", "--require", "metadata-outside"), 125),
])
def test_what_cannot_be_verified(sidewall: Cli, words: tuple[str, ...], code: int) -> None:
    done = sidewall("verify", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("sidewall: error: ") and "Traceback" not in done.stderr
    assert not [path for path in sidewall.home.iterdir() if "verify" in path.name]


@pytest.mark.parametrize("words", [("verify", "--guarantee", "privileges"), ("explain",), ("doctor",)],
                         ids=lambda words: str(words[0]))
def test_no_color_means_no_escapes_at_all(sidewall: Cli, words: tuple[str, ...]) -> None:
    shown = sidewall.on_terminal(*words, NO_COLOR="1")
    assert b"privileges" in shown and b"\x1b" not in shown


def test_a_terminal_is_painted(sidewall: Cli) -> None:
    assert b"\x1b[" in sidewall.on_terminal("explain")


def test_a_broken_promise_is_an_exit_code_and_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    # The very cells that the verb opens say much and do nothing.
    monkeypatch.setattr(opening, "machine_cell", liar)
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"list": False, "json": False, "guarantee": ["metadata-outside"], "tier": "auto",
                             "require": "none"}
    assert verb.main(argparse.Namespace(**given)) in (0, 1)
    told = capsys.readouterr().out
    if " open " in told:  # a machine on which nobody promises it
        pytest.skip("metadata-outside is open here")
    assert "does not hold" in told
    assert "L-025 times, set the times of a file outside: HAD ITS EFFECT, and the report promised" in told
    assert told.splitlines()[-1].endswith("probes ended otherwise than promised")
    monkeypatch.setenv("FORCE_COLOR", "1")
    given["json"] = True
    assert verb.main(argparse.Namespace(**given)) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
