"""``setup``, ``status`` and ``uninstall`` on Linux: nothing to make, every trace listed, every trace removed.

Knows: the command line, where state lies.  Must not know: how a lease is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from sidewall.cli import setup as setup_verb
from sidewall.cli import traces as traces_verb
from sidewall.cli import uninstall as uninstall_verb
from sidewall.errors import UsageError
from sidewall.nt.sid import Sid
from sidewall.platforms.traces import Removed, Status, Trace
from sidewall.platforms.windows.setup import READY, WAITING, Declined, Outcome

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ANN = Sid("S-1-5-21-1-2-3-1001")


def asked(sidewall: Cli, *words: str, code: int = 0) -> Any:
    done = sidewall(*words, "--json")
    assert (done.returncode, done.stderr) == (code, b"")
    return json.loads(done.stdout)


def kinds(sidewall: Cli) -> list[str]:
    return [trace["kind"] for trace in asked(sidewall, "status")["traces"] if trace["kind"] != "control-group"]


def test_nothing_has_to_be_set_up(sidewall: Cli) -> None:
    assert asked(sidewall, "setup") == {"schema": 1, "state": "ready", "user": "", "accounts": [], "done": []}
    assert b"nothing has to be set up" in sidewall("setup").stdout
    assert not (sidewall.home / ".local").exists()


@pytest.mark.parametrize("verb", ["setup", "uninstall"])
def test_other_users_are_for_windows(sidewall: Cli, verb: str) -> None:
    done = sidewall(verb, "--for-user", "S-1-5-21-1-2-3-1001")
    assert done.returncode == 2 and b"for Windows" in done.stderr


def test_a_machine_without_traces(sidewall: Cli) -> None:
    assert kinds(sidewall) == []
    assert asked(sidewall, "uninstall") == {"schema": 1, "done": [], "left": []}
    assert not (sidewall.home / ".local").exists()


def used(sidewall: Cli) -> None:
    """A command was run, a project is trusted."""
    done = sidewall("run", "--", "true")
    if done.returncode == 125 and b"no tier can confine" in done.stderr:
        pytest.skip(f"no sandbox on this machine: {done.stderr!r}")
    assert done.returncode == 0, done.stderr
    (sidewall.workspace / "sidewall.toml").write_text("schema = 1\n")
    assert sidewall("trust").returncode == 0


def test_what_a_run_leaves_is_listed_and_goes(sidewall: Cli) -> None:
    used(sidewall)
    found = kinds(sidewall)
    assert {"log", "trust"} <= set(found)
    result = asked(sidewall, "uninstall")
    assert result["left"] == [] and result["done"]
    assert kinds(sidewall) == []
    assert not (sidewall.home / ".local/state/sidewall").exists()
    assert (sidewall.workspace / "sidewall.toml").exists()


def test_the_log_can_stay(sidewall: Cli) -> None:
    used(sidewall)
    assert asked(sidewall, "uninstall", "--keep-log")["left"] == []
    assert set(kinds(sidewall)) == {"log"}


def test_a_sandbox_that_is_open_is_not_disturbed(sidewall: Cli) -> None:
    used(sidewall)
    running = sidewall.start("run", "--", "sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    try:
        assert running.stdout is not None and running.stdin is not None
        assert running.stdout.readline() == b"ready\n"
        assert any("-" in os.path.basename(trace["name"]) for trace in asked(sidewall, "status")["traces"]
                   if trace["kind"] == "lease")
        assert any("open" in line for line in asked(sidewall, "uninstall", code=1)["left"])
        running.stdin.write(b"go\n")
        running.stdin.close()
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait(60)
        for stream in (running.stdin, running.stdout, running.stderr):
            if stream is not None:
                stream.close()
    assert asked(sidewall, "uninstall")["left"] == []


def test_what_killed_owners_left_in_the_list_of_watchers_goes(sidewall: Cli) -> None:
    used(sidewall)
    place = sidewall.home / ".local/state/sidewall/watchers"
    for name, text in (("1-aa", b"5\0/somewhere"), ("1-bb", b"")):
        (place / name).write_bytes(text)
    assert asked(sidewall, "uninstall")["left"] == []
    assert not place.exists()


def test_a_crashed_sandbox_is_tidied(sidewall: Cli) -> None:
    state = sidewall.home / ".local/state/sidewall"
    (state / "leases").mkdir(parents=True)
    held = sidewall.workspace / ".claude"
    held.mkdir()
    info, root = held.stat(), sidewall.workspace.stat()
    journal = state / "leases" / f"{root.st_dev:x}-{root.st_ino:x}"
    journal.write_text(f"{sidewall.workspace}\n.claude\t{info.st_ino}\n")
    assert kinds(sidewall) == ["lease"]
    assert any(".claude" in line for line in asked(sidewall, "uninstall")["done"])
    assert not held.exists() and not state.exists()


def test_what_is_somebodys_stays_and_is_named(sidewall: Cli) -> None:
    state = sidewall.home / ".local/state/sidewall"
    (state / "quarantine" / "one").mkdir(parents=True)
    (state / "quarantine" / "one" / "work").write_text("the only copy")
    (state / "notes.txt").write_text("mine")
    left = asked(sidewall, "uninstall", code=1)["left"]
    assert len(left) == 2 and all(any(word in line for line in left) for word in ("kept back", "notes.txt"))
    assert (state / "quarantine" / "one" / "work").read_text() == "the only copy"
    assert (state / "notes.txt").exists()


def test_a_link_is_not_followed(sidewall: Cli) -> None:
    target = sidewall.home / "elsewhere"
    (target / "audit").mkdir(parents=True)
    (sidewall.home / ".local/state").mkdir(parents=True)
    (sidewall.home / ".local/state/sidewall").symlink_to(target)
    assert asked(sidewall, "uninstall", code=1)["left"]
    assert (target / "audit").is_dir()


# What Windows' verbs print, whatever made it.


def test_the_outcomes_of_a_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    made = Outcome(state=READY, user=ANN, accounts=("g", "a", "b"), done=("made the group g",))
    setup_verb.tell(made, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "state": "ready", "user": str(ANN),
                                                   "accounts": ["g", "a", "b"], "done": ["made the group g"]}
    for outcome, words in ((made, "doctor"), (made.replace(done=()), "already set up"),
                           (made.replace(state=WAITING), "wait for that user")):
        setup_verb.tell(outcome, as_json=False)
        assert words in capsys.readouterr().out
    assert setup_verb.declined(Declined("no", hint="say yes")) == 1


def test_what_is_left_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert uninstall_verb.tell(Removed(), as_json=False) == 0
    assert uninstall_verb.tell(Removed(done=("a",), left=("b",)), as_json=False) == 1
    assert capsys.readouterr().out.splitlines() == ["there was nothing to remove", "a", "left: b"]


def test_lines_of_a_status() -> None:
    found = Status(traces=(Trace(kind="account", name="sidewall-x-on", owner=ANN), Trace(kind="log", name="C:\\x")),
                   lacking=("the account is locked out",), unseen=("account rights: denied",))
    assert traces_verb.lines(found) == [
        f"account  sidewall-x-on  (of {ANN})", "log      C:\\x",
        "not fit for use: the account is locked out (run `sidewall setup`)", "not looked at: account rights: denied"]


def test_a_sid_is_asked_for() -> None:
    assert setup_verb.user_of(str(ANN)) == ANN
    with pytest.raises(UsageError, match="ann"):
        setup_verb.user_of("ann")
