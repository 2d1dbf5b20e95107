"""What the token tiers promise on this machine: tried, told, and nothing run with less."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import BACKEND, SECONDS, on_wine, opened, policy, run, start

from sidewall.errors import CellGone, GuaranteeError
from sidewall.plan import compile as compile_plan
from sidewall.plan.guarantees import OPEN, by_name
from sidewall.plan.windows_steps import Desktop, Job, TokenRecipe
from sidewall.plan.windows_unenforced import NOT_HERE, RESTRICTING, Unenforced, lowered
from sidewall.platforms.windows import api, desktops, facts, jobs, temporary, tokens
from sidewall.platforms.windows.backend import step
from sidewall.platforms.windows.handles import ledger

WINDOWS = api.native()


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    return os.path.realpath(tmp_path)


def left() -> list[str]:
    """Private directories that are there."""
    parent = facts.temporary_parent(os.environ["USERPROFILE"])
    return sorted(name for name in os.listdir(parent) if name.startswith(temporary.PREFIX))


def test_what_this_kernel_does_not_enforce_is_a_fact(workspace: str) -> None:
    found = BACKEND.facts(policy(workspace), tier="token")
    facilities = {one.facility for one in found.unenforced}
    if on_wine():
        assert {RESTRICTING, "integrity", "job-limits", "desktop"} <= facilities
        assert not {"privileges", "deny-only"} & facilities
    else:
        assert not {RESTRICTING, "write-restricted", "privileges", "deny-only", "integrity", "job-kill"} & facilities


def test_a_promise_that_does_not_hold_is_open_and_is_named(workspace: str) -> None:
    cell = opened(workspace)
    try:
        report = by_name(cell.plan.guarantees)
        for name in lowered(cell.plan.guarantees):
            assert report[name].level == OPEN and report[name].reason.startswith(NOT_HERE)
        if on_wine():
            assert {"write-outside", "metadata-outside", "protected-names", "privileges", "limits"} <= set(
                lowered(cell.plan.guarantees))
        assert run(cell, "cmd", "/c", "exit 7")[0].returncode == 7
    finally:
        cell.close()


@pytest.mark.parametrize("tier", ["token", "token-strict"])
def test_a_required_promise_stops_it(workspace: str, tier: str) -> None:
    before = left()
    with pytest.raises(GuaranteeError) as caught:
        opened(workspace, tier=tier, require=("write-outside",))
    assert caught.value.exit_code == 125 and caught.value.guarantees == ("write-outside",)
    if on_wine():
        with pytest.raises(GuaranteeError, match="not enforced here"):
            opened(workspace, tier=tier, require=("privileges",))
    assert left() == before


def test_a_plan_that_promises_more_than_the_machine_does_is_refused(workspace: str) -> None:
    """The plan of a machine that does everything, carried out on one that does not."""
    about = policy(workspace)
    found = BACKEND.facts(about, tier="token")
    if not found.unenforced:
        pytest.skip("this machine does everything that a plan promises")
    plan = compile_plan(about, found.replace(unenforced=()), tier="token")
    before, handles = left(), dict(ledger.open)
    with pytest.raises(GuaranteeError, match="this machine does not do it") as caught:
        BACKEND.apply(plan)
    assert "write-outside" in caught.value.guarantees
    assert left() == before and ledger.open == handles


def test_the_token_is_read_back(workspace: str) -> None:
    about = policy(workspace)
    plan = compile_plan(about, BACKEND.facts(about, tier="token"), tier="token")
    recipe = step(plan, TokenRecipe)
    assert recipe is not None
    with tokens.own(WINDOWS) as base, tokens.make(WINDOWS, base, recipe) as made:
        state = tokens.read(WINDOWS, made)
    assert state.user == recipe.user
    assert state.privileges == recipe.privileges
    assert {sid for sid, bits in state.groups if bits & 0x10} >= set(recipe.disable) & {sid for sid, _ in state.groups}
    assert (state.restricting is None) == on_wine()


def test_a_command_has_that_token(workspace: str) -> None:
    code = ("from sidewall.platforms.windows import api, tokens; a = api.native();"
            "t = tokens.own(a); s = tokens.read(a, t); t.close(); print(s.privileges, s.restricting is not None)")
    cell = opened(workspace)
    try:
        end, out, err = run(cell, sys.executable, "-c", code, env={
            b"PATH": os.environ["PATH"].encode(), b"PYTHONPATH": os.pathsep.join(sys.path).encode()})
    finally:
        cell.close()
    assert end.returncode == 0, err
    assert out.split() == [b"('SeChangeNotifyPrivilege',)", str(not on_wine()).encode()]


def test_a_job_says_what_it_forgets() -> None:
    job, missing = jobs.make(WINDOWS, Job(flags=0x2008, processes=5))
    job.close()
    assert ("job-limits" in {one.facility for one in missing}) == on_wine()


def test_a_desktop_of_its_own(workspace: str) -> None:
    plan = compile_plan(policy(workspace), BACKEND.facts(policy(workspace), tier="token"), tier="token")
    wanted = step(plan, Desktop)
    assert wanted is not None
    before = WINDOWS.user32.UserObjectName(WINDOWS.user32.GetProcessWindowStation())
    made = desktops.make(WINDOWS, wanted)
    assert not isinstance(made, Unenforced), made
    assert made.name.count("\\") == 1 and "sidewall-" in made.name
    made.close()
    assert WINDOWS.user32.UserObjectName(WINDOWS.user32.GetProcessWindowStation()) == before


def test_what_a_crashed_owner_left_is_removed_and_nobody_else_s(workspace: str) -> None:
    parent = facts.temporary_parent(os.environ["USERPROFILE"])
    cell = opened(workspace)
    dead = [os.path.join(parent, f"{temporary.PREFIX}{pid}-{birth}-abc") for pid, birth in (
        (999_999_996, "1"), (os.getpid(), "1"))]  # a number that nobody has, and one that somebody else had
    strange = os.path.join(parent, temporary.PREFIX + "notes")
    for path in (*dead, strange):
        os.makedirs(os.path.join(path, "sub"))
    try:
        done = BACKEND.recover()
        assert {f"removed {path}" for path in dead} <= set(done)
        assert not any(map(os.path.exists, dead)) and os.path.exists(strange)
        assert os.path.isdir(os.fsdecode(cell.environment[b"TEMP"]))
    finally:
        cell.close()
        temporary.remove(WINDOWS, strange)


def test_the_next_cell_removes_what_a_crashed_owner_left(workspace: str) -> None:
    parent = facts.temporary_parent(os.environ["USERPROFILE"])
    dead = os.path.join(parent, f"{temporary.PREFIX}999999996-1-abc")
    os.makedirs(os.path.join(dead, "sub"))
    live = opened(workspace)
    try:
        opened(workspace).close()
        assert not os.path.exists(dead)
        assert os.path.isdir(os.fsdecode(live.environment[b"TEMP"]))
    finally:
        live.close()


def test_facts_of_paths(workspace: str) -> None:
    os.makedirs(os.path.join(workspace, "repo", ".git", "objects", "info"))
    os.makedirs(os.path.join(workspace, "deep", ".claude"))
    os.makedirs(os.path.join(workspace, "node_modules", "x", ".claude"))
    with open(os.path.join(workspace, "a.txt"), "w", encoding="utf-8"):
        pass
    os.link(os.path.join(workspace, "a.txt"), os.path.join(workspace, "b.txt"))
    found = BACKEND.facts(policy(workspace), tier="token")
    seen = {item.path.lower(): item for item in found.paths}
    assert seen[workspace.lower()].kind == "directory" and seen[workspace.lower()].editable
    assert seen[workspace.lower()].real.lower() == workspace.lower()
    assert workspace[:3].lower() in seen
    protected = {item.path.lower(): item.kind for item in found.protected}
    assert protected[os.path.join(workspace, "deep", ".claude").lower()] == "directory"
    assert protected[os.path.join(workspace, ".claude").lower()] == "missing"
    assert os.path.join(workspace, "node_modules", "x", ".claude").lower() not in protected
    assert [item.path for item in found.git] == [os.path.join(workspace, "repo", ".git")]
    listing = {item.path.lower(): dict(item.entries) for item in found.listings}
    assert listing[os.path.join(workspace, "repo", ".git").lower()] == {"objects": "directory"}
    assert found.build >= 17763 and found.scanned and found.volumes
    assert dict(found.environ)["SystemRoot"].lower() == os.environ["SYSTEMROOT"].lower()


def test_without_confinement_a_command_is_in_a_job_all_the_same(workspace: str) -> None:
    cell = opened(workspace, tier="auto", profile=":unconfined")
    try:
        assert cell.plan.tier == "unconfined"
        assert run(cell, "cmd", "/c", "exit 9")[0].returncode == 9
        child = start(cell, sys.executable, "-c", "import time; time.sleep(600)")
    finally:
        cell.close()
    with pytest.raises(CellGone):
        child.wait(SECONDS)
    child.close()


@pytest.mark.parametrize(("words", "code", "told"), [
    (("--require", "none"), 7, "write-outside is open: not enforced here" if on_wine() else "write-outside is partial"),
    ((), 125, "required but not enforced here in the token tier"),
])
def test_the_command_line(workspace: str, words: tuple[str, ...], code: int, told: str) -> None:
    command = [sys.executable, "-m", "sidewall", "run", "--tier", "token", *words, "--", "cmd", "/c", "exit 7"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == code, done.stderr
    assert told in done.stderr.decode("utf-8", "replace")
