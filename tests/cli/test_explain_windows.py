"""``sidewall explain --platform windows``: on any machine, for people and for programs, with its exit codes.

Knows: the command line as a process, the worlds of the plan's tests.  Must not know: how a proof is made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .conftest import Cli

WORLDS = Path(__file__).parents[1] / "plan" / "windows" / "worlds"
HOME = "C:\\Users\\dev"
APP = HOME + "\\src\\app"


def about(name: str, *words: str) -> tuple[str, ...]:
    return ("explain", "--platform", "windows", "--world", str(WORLDS / f"{name}.jsonl"), *words)


def test_why_a_path_is_what_it_is(sidewall: Cli) -> None:
    done = sidewall(*about("windows11", "--tier", "token", HOME + "\\.ssh\\id_ed25519"))
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode().replace("\r\n", "\n")
    assert "readable: is, against the policy (read-secrets)" in text and "writable: no\n" in text
    assert "deletable: is, against the policy (write-outside)" in text
    assert "FILE_DELETE_CHILD" in text and f"by the permissions of {HOME}\\.ssh" in text


def test_the_same_as_data(sidewall: Cli) -> None:
    done = sidewall(*about("windows11", "--json", "src\\main.py"))
    data = json.loads(done.stdout)
    assert done.returncode == 0
    assert (data["path"], data["kind"], data["tier"]) == (APP + "\\src\\main.py", "file", "account")
    found = {each["name"]: (each["policy"], each["machine"]) for each in data["questions"]}
    assert found["readable"] == found["movable"] == (True, "yes") and found["owner changeable"] == (False, "no")
    assert all(each["trace"] and each["reason"] for each in data["questions"])


@pytest.mark.skipif(sys.platform == "win32", reason="there colours are of the console, and no text in a pipe")
def test_colours_are_for_people(sidewall: Cli) -> None:
    painted = sidewall(*about("windows11", "--tier", "token", HOME + "\\.ssh"), env={"FORCE_COLOR": "1"})
    assert b"\x1b[31m" in painted.stdout and b"readable" in painted.stdout
    plain = sidewall(*about("windows11", "--tier", "token", HOME + "\\.ssh"))
    assert b"\x1b" not in plain.stdout


def test_a_plan_that_holds_is_proved_and_ends_well(sidewall: Cli) -> None:
    done = sidewall(*about("windows11"))
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert "tier       account (windows)" in text and "write-outside          * enforced" in text
    assert "proved on 1" in text and "Modelled, not captured" in text and "write-outside: " not in text


def test_a_required_guarantee_that_does_not_hold_ends_with_125(sidewall: Cli) -> None:
    done = sidewall(*about("windows11", "--tier", "token"))
    assert done.returncode == 125 and b"write-outside: delete cannot be ruled out" in done.stdout
    assert b"required but not enforced here in the token tier: write-outside is partial" in done.stderr
    assert b"hint: " in done.stderr


def test_a_plan_that_the_world_contradicts_ends_with_125(sidewall: Cli) -> None:
    """The plan's own report says that the account holds; the proof finds a file that it does not."""
    done = sidewall(*about("earlier-account", "--tier", "account", "--json"))
    data = json.loads(done.stdout)
    assert done.returncode == 125 and data["proof"]["overstated"] == ["write-outside"]
    assert b"report.txt: change DACL cannot be ruled out" in done.stderr
    assert {each["operation"] for each in data["proof"]["disagreements"] if each["guarantee"] == "write-outside"} == {
        "change DACL"}
    willing = sidewall(*about("earlier-account", "--tier", "account", "--require", "none"))
    assert willing.returncode == 0 and b"write-outside is not enforced, though the plan says so" in willing.stdout


def test_the_policy_s_options_are_about_that_machine(sidewall: Cli) -> None:
    def verdicts(*words: str) -> dict[str, bool]:
        done = sidewall(*about("windows11", "--tier", "account", "--json", *words))
        assert done.returncode == 0, done.stderr
        return {each["name"]: each["policy"] for each in json.loads(done.stdout)["questions"]}

    other = HOME + "\\src\\other\\main.c"
    assert verdicts(other)["writable"] is False
    assert verdicts("--write", HOME + "\\src\\other", other)["writable"] is True
    assert verdicts("--workspace", HOME + "\\src\\other", other)["writable"] is True
    assert verdicts("--deny", "src\\*.py", "src\\main.py")["readable"] is False
    assert verdicts("--deny", "src", "src\\main.py")["readable"] is False
    assert verdicts("--read", "src", "src\\main.py")["writable"] is False
    assert verdicts("--profile", ":read-only", "src\\main.py")["writable"] is False


def test_settings_of_this_machine_have_no_part_in_it(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text("this is no toml [")
    elsewhere = {"SIDEWALL_WRITE": "/nowhere", "SIDEWALL_TIER": "landlock"}
    done = sidewall(*about("windows11", HOME + "\\.ssh"), env=elsewhere)
    assert done.returncode == 0 and b"tier account" in done.stdout


def test_names_of_the_world_do_not_steer_the_terminal(sidewall: Cli, tmp_path: Path) -> None:
    lines = (WORLDS / "onedrive.jsonl").read_text().splitlines()
    entry = json.loads(lines[-1])
    name = HOME + "\\OneDrive\\Pictures\\\x1b[2Jx.jpg"
    capture = tmp_path / "hostile.jsonl"
    capture.write_text("\n".join([*lines, json.dumps({**entry, "path": name})]))
    done = sidewall("explain", "--world", str(capture), "--tier", "token", "--require", "none")
    assert done.returncode == 0 and b"\x1b" not in done.stdout


@pytest.mark.parametrize(("words", "message"), [
    (("explain", "--platform", "windows"), b"needs the files of a Windows machine"),
    (("explain", "--platform", "linux", "--world", "x"), b"is about a Windows machine"),
    (("explain", "C:\\x"), b"is about another machine, and none was given"),
    (("explain", "--workspace", "C:\\x"), b"is about another machine, and none was given"),
    (("explain", "--platform", "mac"), b"--platform"),
    (about("windows11", "--tier", "namespace"), b"unknown tier 'namespace'"),
    (about("windows11", "--profile", ":unconfined"), b"confines nothing"),
    (about("windows11", "--profile", ":nothing"), b"there is no profile"),
    (about("windows11", "--require", "luck"), b"there is no guarantee"),
    (about("windows11", "--write", "C:\\"), b"is a whole file system"),
    (about("windows11", "--write", "C:\\Users\\dev\\absent"), b"does not exist"),
    (about("windows11", "--workspace", "work"), b"is not an absolute path"),
    (about("windows11", "C:\\con"), b"is the name of a device"),
])
def test_what_is_asked_wrongly(sidewall: Cli, words: tuple[str, ...], message: bytes) -> None:
    done = sidewall(*words)
    assert done.returncode == 2 and message in done.stderr and b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_a_capture_that_is_none_is_named_with_its_line(sidewall: Cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes((WORLDS / "onedrive.jsonl").read_bytes() + b'{"path": "C:\\\\q"}\n')
    done = sidewall("explain", "--platform", "windows", "--world", str(broken))
    assert done.returncode == 2 and b"broken.jsonl: line 14: " in done.stderr and b"hint: " in done.stderr
    gone = sidewall("explain", "--platform", "windows", "--world", str(tmp_path / "gone"))
    assert gone.returncode == 125 and b"No such file" in gone.stderr


def test_a_machine_that_was_never_set_up_has_the_token_tiers_only(sidewall: Cli, tmp_path: Path) -> None:
    lines = (WORLDS / "windows11.jsonl").read_text().splitlines()
    head = {name: value for name, value in json.loads(lines[0]).items() if name not in ("offline", "online", "group")}
    bare = tmp_path / "bare.jsonl"
    bare.write_text("\n".join([json.dumps(head), *lines[1:]]))
    done = sidewall("explain", "--world", str(bare), "--tier", "account")
    assert done.returncode == 125 and b"not set up" in done.stderr
    auto = sidewall("explain", "--world", str(bare), "--require", "none", HOME + "\\.ssh")
    assert auto.returncode == 0 and b"tier token," in auto.stdout
