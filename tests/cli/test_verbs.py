"""The verbs that print: check, explain, doctor, profile, trust, log, for programs and for people.

Knows: the command line.  Must not know: how answers are found.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import sidewall as package
from sidewall.policy.model import GUARANTEES

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

WIDE = 'schema = 1\n[files]\nwrite = ["../beside"]\n'


def data_of(sidewall: Cli, *words: str, code: int = 0) -> Any:
    done = sidewall(*words, "--json")
    assert done.returncode == code, done.stderr
    assert done.stderr == b"" or code
    return json.loads(done.stdout)


@pytest.mark.parametrize(("words", "answers"), [
    (("src/x.py",), [("read", True), ("write", True)]),
    ((".git/hooks/pre-commit",), [("read", True), ("write", False)]),
    (("/usr/bin",), [("read", True), ("write", False)]),
    (("~/.ssh/id_rsa",), [("read", False), ("write", False)]),
    (("/usr/bin", "--read"), [("read", True)]),
    (("src", "--write"), [("write", True)]),
    (("example.org", "--write"), [("write", True)]),
    (("src", "--write", "--profile", ":read-only"), [("write", False)]),
    (("src",), [("read", True), ("write", True)]),
    (("example.org:443",), [("connect", False)]),
    (("[2001:db8::1]:80",), [("connect", False)]),
    (("example.org", "--network", "on"), [("connect", True)]),
    (("https://user@example.org:8443/path",), [("connect", False)]),
])
def test_check_answers_by_its_exit_code_and_names_the_rule(sidewall: Cli, words: tuple[str, ...],
                                                           answers: list[tuple[str, bool]]) -> None:
    allowed = all(answer for _, answer in answers)
    found = data_of(sidewall, "check", *words, code=0 if allowed else 1)["answers"]
    assert [(each["action"], each["allowed"]) for each in found] == answers
    assert all(each["reason"] and each["rule"] for each in found)
    told = sidewall("check", *words)
    assert told.stdout.splitlines()[0].startswith(b"allowed: " if answers[0][1] else b"denied: ")


def test_check_takes_a_url_for_its_host(sidewall: Cli) -> None:
    (found,) = data_of(sidewall, "check", "https://user@example.org:8443/path", code=1)["answers"]
    assert found["target"] == "example.org:8443"


def test_check_follows_links_to_where_they_lead(sidewall: Cli) -> None:
    (sidewall.home / ".ssh").mkdir()
    (sidewall.workspace / "innocent").symlink_to(sidewall.home / ".ssh")
    found = data_of(sidewall, "check", "innocent", "--read", code=1)["answers"][0]
    assert found["through_link"] and found["target"] == str(sidewall.home / ".ssh")


def test_check_agrees_with_what_happens(sidewall: Cli) -> None:
    (sidewall.home / ".netrc").write_text("secret")
    for target, script in ((str(sidewall.home / ".netrc"), "cat ~/.netrc"), ("made", "echo x > made"),
                           (".envrc", "echo x > .envrc"), ("/usr/made", "echo x > /usr/made")):
        word = "--read" if script.startswith("cat") else "--write"
        allowed = sidewall("check", target, word).returncode == 0
        assert (sidewall("run", "-c", script).returncode == 0) == allowed, target


def test_check_names_the_file_that_decides(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text('schema = 1\n[files]\ndeny = ["private"]\n')
    (found,) = data_of(sidewall, "check", "private/x", "--read", code=1)["answers"]
    assert "sidewall.toml" in found["source"] and "files.deny" in found["source"]


def test_explain_is_what_run_does(sidewall: Cli, tmp_path: Any) -> None:
    plan = data_of(sidewall, "explain")
    status = tmp_path / "status.json"
    sidewall("run", "--status-file", str(status), "--", "true")
    ran = json.loads(status.read_text())
    assert (plan["digest"], plan["tier"]) == (ran["plan"], ran["tier"])
    assert {line["name"]: line["level"] for line in plan["guarantees"]} == ran["guarantees"]
    assert [line["name"] for line in plan["guarantees"]] == list(GUARANTEES)


def test_explain_shows_the_plan_and_then_why_it_is_refused(sidewall: Cli) -> None:
    done = sidewall("explain", "--tier", "landlock", "--require", "protected-names")
    if b"tier cannot be had" in done.stderr:
        pytest.skip("no landlock tier here")
    assert done.returncode == 125
    assert b"protected-names        * partial" in done.stdout
    assert b"sidewall: error: required but not enforced" in done.stderr


def test_explain_with_options_says_so(sidewall: Cli) -> None:
    (sidewall.home / "other").mkdir()
    done = sidewall("explain", "--write", str(sidewall.home / "other"))
    assert f"writable: {sidewall.home}/other".encode() in done.stdout or b"/other" in done.stdout
    assert done.returncode == 0


def test_a_person_sees_colours_unless_they_are_not_wanted(sidewall: Cli) -> None:
    for words in (("explain",), ("doctor",), ("check", "src"), ("profile", "list"), ("profile", "show"), ("log",)):
        assert b"\x1b[" not in sidewall(*words).stdout
        forced = sidewall(*words, env={"FORCE_COLOR": "1", "COLUMNS": "200"})
        assert forced.returncode == 0, forced.stderr
        plain = sidewall(*words, env={"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "200"})
        assert b"\x1b[3" not in plain.stdout
        if words != ("log",):
            assert b"\x1b[" in forced.stdout


@pytest.mark.parametrize("words", [("explain",), ("check", "x")])
def test_a_hostile_name_steers_no_terminal(sidewall: Cli, words: tuple[str, ...]) -> None:
    hostile = sidewall.workspace / "a\x1b[2J\nb"
    hostile.mkdir()
    for env in ({}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}):
        done = sidewall(*words, cwd=hostile, env=dict(env))
        assert b"\x1b[2J" not in done.stdout + done.stderr
        assert b"\\x1b[2J\\x0ab" in done.stdout.replace(b"\n", b"").replace(b" ", b"")


def test_doctor_says_what_holds_here(sidewall: Cli) -> None:
    found = data_of(sidewall, "doctor")
    assert found["fit"] is True and found["tier"] in ("namespace", "landlock")
    assert {finding["group"] for finding in found["findings"]} >= {"installation", "machine", "guarantees", "audit"}
    assert [line["name"] for line in found["guarantees"]] == list(GUARANTEES)
    text = sidewall("doctor").stdout.decode()
    assert f"tier {found['tier']}" in text and "write-outside" in text


def test_doctor_finds_a_wrong_configuration_and_still_looks_at_the_machine(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text("schema = 1\nnonsense = 3\n")
    found = data_of(sidewall, "doctor", code=1)
    (bad,) = (finding for finding in found["findings"] if finding["state"] == "bad")
    assert bad["name"] == "policy" and "nonsense" in bad["text"] and bad["remedy"]
    assert found["tier"] in ("namespace", "landlock")


def test_doctor_warns_of_a_python_that_the_command_could_change(sidewall: Cli) -> None:
    (sidewall.home / ".config" / "sidewall").mkdir(parents=True)
    root = os.path.dirname(os.path.dirname(os.path.realpath(package.__file__)))
    (sidewall.home / ".config" / "sidewall" / "config.toml").write_text(f'schema = 1\n[files]\nwrite = ["{root}"]\n')
    names = [finding["name"] for finding in data_of(sidewall, "doctor")["findings"] if finding["state"] == "warn"]
    assert "sidewall is writable" in names


def test_doctor_finds_a_broken_log(sidewall: Cli) -> None:
    sidewall("run", "--", "true")
    (path,) = sidewall.audit.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"program":"true"', b'"program":"evil"'))
    found = data_of(sidewall, "doctor")
    assert any(f"{path}:3" in finding["text"] for finding in found["findings"] if finding["group"] == "audit")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding_is_no_error(sidewall: Cli, encoding: str) -> None:
    strange = sidewall.workspace / "h\u00e9\u4e16"
    strange.mkdir()
    for words in (("doctor",), ("explain",), ("profile", "show"), ("check", ".")):
        for env in ({}, {"FORCE_COLOR": "1"}):
            done = sidewall(*words, cwd=strange, env={"PYTHONIOENCODING": encoding, **env})
            assert done.returncode == 0 and done.stderr == b"", words
    assert b"h\\xe9\\u4e16" in sidewall("check", ".", cwd=strange, env={"PYTHONIOENCODING": "ascii"}).stdout


def test_profiles(sidewall: Cli) -> None:
    names = [each["name"] for each in data_of(sidewall, "profile", "list")["profiles"]]
    assert {":workspace", ":read-only", ":strict", ":unconfined"} <= set(names)
    policy = data_of(sidewall, "profile", "show", ":read-only")["policy"]
    assert policy["name"] == ":read-only" and not any(rule["access"] == "write" for rule in policy["files"])
    shown = sidewall("profile", "show").stdout.decode()
    assert f"  {sidewall.workspace}  (built-in" in shown and "  .envrc\n" in shown and str(sidewall.home) in shown
    assert sidewall("profile", "show", ":nope").returncode == 2
    assert sidewall("profile", "list", "x").returncode == 2


def test_the_schema_is_json(sidewall: Cli) -> None:
    schema = json.loads(sidewall("profile", "schema").stdout)
    assert "json-schema.org" in schema["$schema"]


def test_validate_names_file_and_key(sidewall: Cli) -> None:
    path = sidewall.workspace / "sidewall.toml"
    assert sidewall("profile", "validate").returncode == 2
    path.write_text("schema = 1\n")
    assert sidewall("profile", "validate").stdout == f"valid: {path}\n".encode()
    (sidewall.workspace / "other.toml").write_text("schema = 1\n[limits]\nprocesses = 'many'\n")
    done = sidewall("profile", "validate", "other.toml")
    assert done.returncode == 2 and b"other.toml: limits.processes" in done.stderr and b"hint" in done.stderr


def test_trust_lets_a_project_widen_until_its_file_changes(sidewall: Cli) -> None:
    (sidewall.workspace.parent / "beside").mkdir()
    path = sidewall.workspace / "sidewall.toml"
    path.write_text(WIDE)
    write = ("run", "-c", "echo x > ../beside/made")
    assert sidewall(*write).returncode == 2
    assert sidewall("trust").returncode == 0
    assert str(path) in sidewall("trust", "--list").stdout.decode()
    assert [each["file"] for each in data_of(sidewall, "trust", "--list")["trusted"]] == [str(path)]
    assert sidewall(*write).returncode == 0
    path.write_text(WIDE + "# changed\n")
    assert sidewall(*write).returncode == 2
    sidewall("trust", str(sidewall.workspace))
    assert data_of(sidewall, "trust", "--remove")["was_trusted"] is True
    assert sidewall(*write).returncode == 2 and data_of(sidewall, "trust", "--list")["trusted"] == []


def test_a_command_cannot_trust_its_own_project(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text("schema = 1\n")
    sidewall("run", "--", *sidewall.argv, "trust")
    assert data_of(sidewall, "trust", "--list")["trusted"] == []


def test_the_log_is_read_filtered_and_verified(sidewall: Cli) -> None:
    sidewall("run", "--", "true")
    sidewall("run", "-c", "cat /etc/shadow")
    lines = [json.loads(line) for line in sidewall("log", "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(8))
    last = lines[-1]["session"]
    assert {json.loads(line)["session"] for line in sidewall("log", "--json", "--session", last[:9]).stdout.splitlines()
            } == {last}
    assert len(sidewall("log", "--tail", "3").stdout.splitlines()) == 3
    denied = [json.loads(line) for line in sidewall("log", "--denied", "--json").stdout.splitlines()]
    assert [line["session"] for line in denied] == [last] and denied[0]["denials"][0]["target"] == "/etc/shadow"
    assert b"denied: read /etc/shadow" in sidewall("log", "--denied").stdout
    assert sidewall("log", "--tail", "0").returncode == 2
    assert b"the chain holds: 8 events in 1 file, numbers 0 to 7" in sidewall("log", "--verify").stdout


def test_a_broken_log_is_exit_1_and_names_the_line(sidewall: Cli) -> None:
    sidewall("run", "--", "true")
    (path,) = sidewall.audit.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"arguments":0', b'"arguments":1'))
    done = sidewall("log", "--verify")
    assert done.returncode == 1 and f"broken: {path}:3".encode() in done.stdout
    assert data_of(sidewall, "log", "--verify", code=1)["holds"] is False


def test_a_command_reads_and_writes_no_log(sidewall: Cli) -> None:
    sidewall("run", "--", "true")
    (path,) = sidewall.audit.glob("*.jsonl")
    done = sidewall("run", "--", "sh", "-c", f"cat {path}; echo forged >> {path}")
    assert b"session_open" not in done.stdout
    assert sidewall("log", "--verify").returncode == 0


def test_an_empty_log_is_said(sidewall: Cli) -> None:
    assert sidewall("log").stdout == b""
    assert b"is empty" in sidewall("log", "--verify").stdout


def test_a_reader_that_has_enough_is_no_error(sidewall: Cli) -> None:
    process = sidewall.start("profile", "schema")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    process.wait(60)
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
