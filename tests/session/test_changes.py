"""What a command changed in the workspace, and what the trusted side did there.

Knows: files.  Must not know: how a cell is made.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidewall import Change, Policy, Sandbox, SidewallError
from sidewall.platforms.contract import Attempt, Held
from sidewall.session.changes import difference, scan


def kinds(changes: tuple[Change, ...], workspace: Path) -> list[tuple[str, str]]:
    return [(change.kind, os.path.relpath(change.path, workspace.resolve())) for change in changes]


def test_created_modified_deleted(sandbox: Sandbox, workspace: Path) -> None:
    for name in ("same", "edited", "gone", "replaced", "moved", "touched"):
        (workspace / name).write_text("before")
    (workspace / "old-dir").mkdir()
    sandbox.run(["true"])
    times = (workspace / "touched").stat()
    script = ("echo after > edited; rm gone; echo before > new; mv new replaced; mv moved elsewhere; mkdir -p a/b; "
              f"echo x > a/b/c; rmdir old-dir; ln -s same link; printf BEFORE > touched; "
              f"touch -d @{times.st_mtime_ns // 10**9} touched; cat same > /dev/null")
    done = sandbox.run(["sh", "-c", script], track_changes=True, check=True)
    assert kinds(done.changes, workspace) == [
        ("created", "a"), ("created", "a/b"), ("created", "a/b/c"), ("modified", "edited"), ("created", "elsewhere"),
        ("deleted", "gone"), ("created", "link"), ("deleted", "moved"), ("deleted", "old-dir"),
        ("modified", "replaced"), ("modified", "touched")]


def test_nothing_unless_asked(sandbox: Sandbox) -> None:
    assert sandbox.run(["touch", "new"]).changes == ()


def test_a_read_only_command_changes_nothing(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "file").write_text("x")
    assert sandbox.run(["sh", "-c", "cat file; ls -R > /dev/null"], stdout=-1, track_changes=True).changes == ()


def test_links_are_not_followed_and_odd_entries_not_missed(workspace: Path, place: Path) -> None:
    (place / "outside").mkdir()
    (workspace / "link").symlink_to(place / "outside")
    (workspace / "loop").symlink_to("loop")
    os.mkfifo(workspace / "pipe")
    (workspace / ".git").mkdir()
    (workspace / os.fsdecode(b"\xff")).touch()
    before = scan(str(workspace))
    (place / "outside/new").touch()
    (workspace / ".git/index").touch()
    assert difference(before, scan(str(workspace))) == ()
    assert {os.path.basename(path) for path in before} == {"link", "loop", "pipe", ".git", os.fsdecode(b"\xff")}
    (workspace / "pipe").unlink()
    (workspace / "pipe").mkdir()
    assert kinds(difference(before, scan(str(workspace))), workspace) == [("modified", "pipe")]


def test_a_directory_that_may_not_be_listed_is_left_out(workspace: Path) -> None:
    assert scan(str(workspace / "none")) == {}


@pytest.mark.parametrize("kind", ["machine", "landlock"], indirect=True)
def test_a_protected_name_is_denied_or_put_back_and_either_is_told(sandbox: Sandbox, workspace: Path) -> None:
    done = sandbox.run(["sh", "-c", "echo evil > .envrc"], capture_output=True)
    path = str(workspace.resolve() / ".envrc")
    assert path in [change.path for change in done.changes] + [denial.target for denial in done.denials]
    assert not (workspace / ".envrc").is_file()
    sandbox.close()
    assert not (workspace / ".envrc").exists()


@pytest.mark.parametrize("kind", ["bare"], indirect=True)  # the acts are made up, on a cell that has none
def test_what_the_trusted_side_did_is_always_told(make: Callable[..., Sandbox], how: dict[str, Any]) -> None:
    def opener(policy: Policy, tier: str) -> Any:
        cell = how["opener"](policy, tier)
        acts = [(Held(action="put back", path="/x/.git/config", reason="protected"),)]
        cell.settle = lambda: acts.pop() if acts else ()
        cell.attempts = lambda: (Attempt(kind="write", target="/etc/new"),)
        return cell

    sandbox = make(opener=opener)
    done = sandbox.run(["false"])
    assert done.changes == (Change(kind="put back", path="/x/.git/config", reason="protected"),)
    assert [(denial.action, denial.target) for denial in done.denials] == [("write", "/etc/new")]
    assert sandbox.run(["true"]).denials == () == sandbox.run(["true"]).changes
    process = sandbox.start(["false"])
    process.wait(30)
    assert [denial.target for denial in process.denials] == ["/etc/new"]


def test_the_change_that_reaches_a_server_of_the_hosts(tmp_path: Path) -> None:
    """What the denial suggests is done, and then the server is reached: a unix socket hidden by the sandbox's own
    temporary directory, and a port."""
    try:
        with Sandbox(workspace=tmp_path, tier="namespace") as box:
            box.run(["true"])
    except SidewallError as error:
        pytest.skip(f"this machine makes no such cell: {error}")
    base = Path(tempfile.mkdtemp(dir="/tmp", prefix="sw"))
    work = tmp_path / "work"
    work.mkdir()
    served = [socket.socket(socket.AF_UNIX), socket.socket()]
    try:
        served[0].bind(f"{base}/s")
        served[1].bind(("127.0.0.1", 0))
        for one in served:
            one.listen()
        port = served[1].getsockname()[1]
        for script, suggestion in (
            (f"s.socket(s.AF_UNIX).connect('{base}/s')", f'network.unix_sockets = ["{base}/s"]'),
            (f"s.create_connection(('127.0.0.1', {port}))", f"network.loopback_ports = [{port}]"),
        ):
            for suggested, rules in ((True, "schema = 1\n"), (False, f"schema = 1\n{suggestion}\n")):
                (tmp_path / "rules.toml").write_text(rules)
                with Sandbox(tmp_path / "rules.toml", workspace=work, tier="namespace") as box:
                    done = box.run([sys.executable, "-c", f"import socket as s; {script}"], timeout=30)
                assert bool(done.returncode) == suggested, done
                assert [denial.suggestion for denial in done.denials] == [suggestion] * suggested
    finally:
        for one in served:
            one.close()
        shutil.rmtree(base)
