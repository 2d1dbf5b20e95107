"""``sidewall run`` as a process: exit codes, streams, options, the status file, the audit log.

Knows: the command line.  Must not know: how a cell works.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(("script", "code"), [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("exit 125", 125),
])
def test_the_exit_code_is_the_commands_own(sidewall: Cli, script: str, code: int) -> None:
    assert sidewall("run", "--", "sh", "-c", script).returncode == code


def test_streams_pass_unchanged(sidewall: Cli) -> None:
    data = bytes(range(256)) * 5000
    done = sidewall("run", "--", "sh", "-c", "tee /dev/stderr", stdin=data)
    assert (done.stdout, done.stderr) == (data, data)


def test_merged_streams_keep_their_order(sidewall: Cli, tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
    with (tmp_path / "both").open("wb") as both:
        started = sidewall.start("run", "--", "sh", "-c", script, stdout=both, stderr=both)
        assert started.wait(60) == 0
    expected = "".join(f"o{number}\ne{number}\n" for number in range(1, 10))
    assert (tmp_path / "both").read_text() == expected


def test_a_large_error_output_arrives_whole(sidewall: Cli) -> None:
    done = sidewall("run", "--", "sh", "-c", "head -c 30000000 /dev/zero >&2; exit 4")
    assert done.returncode == 4
    assert done.stderr.count(b"\0") == 30_000_000


def test_a_reader_that_leaves_ends_the_writer(sidewall: Cli) -> None:
    line = " ".join([*sidewall.argv, "run", "--", "yes", "2>&1", "|", "head", "-c", "4"])
    done = subprocess.run(["sh", "-c", line], cwd=sidewall.workspace, env=sidewall.environment(), capture_output=True,
                          timeout=60)
    assert done.stdout == b"y\ny\n"


def test_nothing_outlives_the_run_though_it_holds_the_streams(sidewall: Cli) -> None:
    began = time.monotonic()
    done = sidewall("run", "--", "sh", "-c", "sleep 300 & echo first; echo second >&2")
    assert (done.returncode, done.stdout) == (0, b"first\n")
    assert time.monotonic() - began < 50
    assert done.stderr == b"second\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(sidewall: Cli, closed: str) -> None:
    line = " ".join([*sidewall.argv, "run", "--", "sh", "-c", "'cat; echo x > made; exit 5'", closed])
    done = subprocess.run(["sh", "-c", line], cwd=sidewall.workspace, env=sidewall.environment(), timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 5
    assert (sidewall.workspace / "made").read_text() == "x\n"


def test_a_missing_program_is_127_in_one_line(sidewall: Cli) -> None:
    done = sidewall("run", "--", "no-such-program", "x")
    assert done.returncode == 127
    assert done.stderr == b"sidewall: error: no-such-program: command not found\n"


def test_a_file_that_is_no_program_is_126(sidewall: Cli) -> None:
    (sidewall.workspace / "data").write_text("x")
    done = sidewall("run", "--", "./data")
    assert done.returncode == 126 and b"./data: cannot be executed: Permission denied" in done.stderr


def test_a_program_without_its_interpreter_says_what_to_ask(sidewall: Cli) -> None:
    (sidewall.workspace / "script").write_text("#!/no/such/interpreter\n")
    (sidewall.workspace / "script").chmod(0o755)
    done = sidewall("run", "--", "./script")
    assert done.returncode == 127 and b"sidewall check ./script" in done.stderr


@pytest.mark.parametrize(("words", "text"), [
    (("run",), "no command given"),
    (("run", "--"), "no command given"),
    (("run", "--", ""), "name is empty"),
    (("run", "--nope", "x"), "unknown option --nope"),
    (("run", "--timeout", "soon", "--", "true"), "not a number of seconds"),
    (("run", "--timeout", "nan", "--", "true"), "not a number of seconds"),
    (("run", "--timeout", "-1", "--", "true"), "not a number of seconds"),
    (("run", "--require", "wishes", "--", "true"), "no guarantee 'wishes'"),
    (("run", "--profile", ":nope", "--", "true"), ":nope"),
    (("shell", "ls"), "shell takes no command"),
    (("fly",), "invalid choice"),
    (("run", "--status-file", "no/dir/x", "--", "true"), "cannot open its directory"),
    (("run", "--status-file", ".", "--", "true"), "is a directory"),
])
def test_usage_errors_are_2_with_a_line_and_no_traceback(sidewall: Cli, words: tuple[str, ...], text: str) -> None:
    done = sidewall(*words)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and done.stdout == b""
    assert lines[0].startswith("sidewall: error: ") and text in lines[0]
    assert all(line.startswith("sidewall: ") for line in lines)


def test_arguments_are_literal_bytes(sidewall: Cli) -> None:
    words = [b"\xff\xfe", b"a b", b"$HOME", b"--", b"-c", b"", b"\n"]
    done = subprocess.run([*map(os.fsencode, sidewall.argv), b"run", b"--", b"printf", b"[%s]", *words],
                          cwd=sidewall.workspace, env=sidewall.environment(), capture_output=True, timeout=60)
    assert done.stdout == b"".join(b"[" + word + b"]" for word in words)


def test_a_line_for_the_shell(sidewall: Cli) -> None:
    done = sidewall("run", "-c", 'echo "$0:$1:$#"', "one", "two words")
    assert done.stdout == b"sh:one:2\n"


def test_a_time_out_is_124_and_keeps_what_came(sidewall: Cli) -> None:
    script = "echo early; trap '' TERM; sleep 300 & wait; sleep 300"
    done = sidewall("run", "--timeout", "0.7", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (124, b"early\n")
    assert b"timed out after 0.7 s" in done.stderr


def test_options_come_from_the_environment_too(sidewall: Cli) -> None:
    done = sidewall("run", "--", "sleep", "300", env={"SIDEWALL_TIMEOUT": "0.5"})
    assert done.returncode == 124
    assert sidewall("run", "--", "true", env={"SIDEWALL_TIER": "sky"}).returncode == 2


def test_variables_pass_when_they_are_named(sidewall: Cli) -> None:
    given = {"API_KEY": "hunter2", "OTHER_TOKEN": "x"}
    script = 'echo "${API_KEY-none} ${OTHER_TOKEN-none} ${MADE-none}"'
    assert sidewall("run", "-c", script, env=given).stdout == b"none none none\n"
    done = sidewall("run", "--env", "API_KEY", "--env", "MADE=a=b", "-c", script, env=given)
    assert done.stdout == b"hunter2 none a=b\n"


def test_a_workspace_that_is_gone_is_one_clear_line(sidewall: Cli) -> None:
    gone = sidewall.workspace / "gone"
    line = f"mkdir {gone}; cd {gone}; rmdir {gone}; exec {' '.join(sidewall.argv)} run -- true"
    done = subprocess.run(["sh", "-c", line], env=sidewall.environment(), capture_output=True, timeout=60)
    assert done.returncode == 125 and b"is gone" in done.stderr and b"Traceback" not in done.stderr


def test_what_does_not_hold_is_said_when_nothing_is_required(sidewall: Cli) -> None:
    done = sidewall("run", "--tier", "landlock", "--require", "none", "--", "true")
    if b"tier cannot be had" in done.stderr:
        pytest.skip(f"no landlock tier here: {done.stderr.decode()}")
    assert b"sidewall: warning: protected-names is partial" in done.stderr
    assert b"warning" not in sidewall("run", "--", "true").stderr


def test_help_and_version(sidewall: Cli) -> None:
    done = sidewall("run", "--help")
    assert done.returncode == 0 and b"--status-file" in done.stdout and b"Exit codes" in done.stdout
    done = sidewall("run", "printf", "%s", "--help")
    assert done.stdout == b"--help"
    assert sidewall("--version").stdout.startswith(b"sidewall ")
    assert b"doctor" in sidewall().stdout


def status_of(path: Path) -> dict[str, object]:
    lines = path.read_text().splitlines()
    assert len(lines) == 1
    found: dict[str, object] = json.loads(lines[0])
    return found


def test_the_status_file_tells_what_a_code_cannot(sidewall: Cli, tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    sidewall("run", "--status-file", str(path), "--", "sh", "-c", "kill -9 $$")
    status = status_of(path)
    assert (status["schema"], status["exit_code"], status["signal"]) == (1, 137, 9)
    assert status["timed_out"] is False and status["error"] is None
    assert isinstance(status["guarantees"], dict) and status["guarantees"]["write-outside"] == "enforced"
    assert len(str(status["plan"])) == 64 and status["tier"] in ("namespace", "landlock") and status["session"]
    sidewall("run", "--status-file", str(path), "--timeout", "0.4", "--", "sleep", "300")
    assert status_of(path)["timed_out"] is True and status_of(path)["exit_code"] == 124
    sidewall("run", "--status-file", str(path), "--", "no-such-program")
    error = status_of(path)["error"]
    assert isinstance(error, dict) and error["kind"] == "FileNotFoundError" and status_of(path)["exit_code"] == 127
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["home", "status.json", "workspace"]


def test_the_status_file_tells_of_a_sandbox_that_failed(sidewall: Cli, tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    done = sidewall("run", "--status-file", str(path), "--profile", ":nope", "--", "true")
    status = status_of(path)
    assert done.returncode == 2 and status["exit_code"] == 2 and status["plan"] is None
    error = status["error"]
    assert isinstance(error, dict) and ":nope" in error["message"] and error["hint"]


def test_the_status_file_replaces_a_link_and_leaves_its_target(sidewall: Cli, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (sidewall.workspace / "status.json").symlink_to(victim)
    assert sidewall("run", "--status-file", "status.json", "--", "true").returncode == 0
    assert victim.read_text() == "mine"
    assert status_of(sidewall.workspace / "status.json")["exit_code"] == 0


def test_a_linked_directory_does_not_lead_the_status_file_out(sidewall: Cli, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (sidewall.workspace / "out").symlink_to(tmp_path / "elsewhere")
    done = sidewall("run", "--status-file", "out/status.json", "--", "true")
    assert done.returncode == 2 and b"a link in the workspace leads out of it" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_log_tells_each_run_and_no_secret(sidewall: Cli) -> None:
    sidewall("run", "--", "sh", "-c", "echo hunter2; exit 3", "hunter3", env={"MY_TOKEN": "hunter4"})
    kinds = [event["event"] for event in sidewall.events()]
    assert kinds == ["session_open", "command", "exit", "session_close"]
    opened, command, end, _ = sidewall.events()
    assert opened["workspace"] == str(sidewall.workspace) and len(str(opened["plan"])) == 64
    assert (command["program"], command["arguments"]) == ("sh", 3)
    assert end["returncode"] == 3 and len({event["session"] for event in sidewall.events()}) == 1
    assert "hunter" not in json.dumps(sidewall.events())


def test_the_log_can_be_told_to_keep_arguments_or_nothing(sidewall: Cli) -> None:
    sidewall("run", "--", "true", "x", env={"SIDEWALL_AUDIT": "off"})
    assert not sidewall.audit.exists()
    sidewall("run", "--", "true", "x", env={"SIDEWALL_AUDIT_ARGV": "1"})
    assert sidewall.events()[1]["argv"] == ["true", "x"]


def test_a_log_that_cannot_be_written_is_one_warning(sidewall: Cli) -> None:
    sidewall.audit.mkdir(parents=True)
    sidewall.audit.chmod(0o777)
    done = sidewall("run", "--", "echo", "x")
    assert (done.returncode, done.stdout) == (0, b"x\n")
    assert done.stderr.count(b"sidewall: warning: cannot write the audit log") == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_log_where_the_command_could_write_is_not_written(sidewall: Cli) -> None:
    done = sidewall("run", "--", "true", env={"XDG_STATE_HOME": str(sidewall.workspace / "state")})
    assert done.returncode == 125 and b"hint: set XDG_STATE_HOME" in done.stderr
    assert not (sidewall.workspace / "state" / "sidewall" / "audit").exists()


def test_a_flood_of_notes_is_a_few_lines(sidewall: Cli) -> None:
    script = "for n in $(seq 60); do mkdir -p d$n/.vscode; echo x > d$n/.vscode/settings.json; done"
    done = sidewall("run", "-c", script)
    notes = [line for line in done.stderr.splitlines() if b"note: " in line]
    assert done.returncode == 0 and len(notes) == 21 and b"and 40 more" in notes[-1], done.stderr
