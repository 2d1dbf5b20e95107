"""The control group of a cell: all commands are in it, its settings hold, and it goes with the cell, whoever is killed.

Knows: cgroup v2 as files.  Must not know: who makes the group.  No controller is needed: every group has settings of
its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.errors import SystemCallError
from sidewall.plan import steps
from sidewall.plan.steps import Plan
from sidewall.platforms.linux import cgroups

from .place import Opened, Place, children

SETTINGS = (("cgroup.max.descendants", "3"),)


@pytest.fixture
def parent() -> Iterator[Path]:
    """A group of this test's in the unified hierarchy."""
    for mount in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (mount / "cgroup.procs").exists() and (mount / "cgroup.subtree_control").exists():
            made = mount / f"sidewall-test-{os.getpid()}"
            try:
                made.mkdir()
            except OSError:
                continue
            yield made
            made.rmdir()
            return
    pytest.skip("no unified hierarchy in which groups can be made")


def grouped(place: Place, tier: str, parent: Path, settings: tuple[tuple[str, str], ...] = SETTINGS) -> Plan:
    plan = place.plan(tier)
    return plan.replace(steps=tuple(step.replace(cgroup=os.fspath(parent), settings=settings)
                                    if isinstance(step, steps.ResourceLimits) else step for step in plan.steps))


def groups(parent: Path) -> list[Path]:
    return [entry for entry in parent.iterdir() if entry.is_dir()]


def gone(parent: Path) -> bool:
    deadline = time.monotonic() + 20
    while groups(parent) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not groups(parent)


def test_every_command_is_in_it_and_the_keeper_is_not(place: Place, tier: str, parent: Path) -> None:
    cell = Opened(place.backend.apply(grouped(place, tier, parent)))
    try:
        (group,) = groups(parent)
        assert (group / "cgroup.max.descendants").read_text() == "3\n"
        child = cell.start("sleep 30 & wait")
        deadline = time.monotonic() + 10
        while len(inside := (group / "cgroup.procs").read_text().split()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        child.close()
        assert str(cell.init) in inside and len(inside) == 3
        assert str(cell.keeper) not in inside
        # A command can neither leave it nor change it.
        tried = cell.run(f"echo 0 > {parent}/cgroup.procs; echo max > {group}/cgroup.max.descendants; mkdir {group}/x")
        assert tried.returncode != 0
        assert (group / "cgroup.max.descendants").read_text() == "3\n" and not groups(group)
    finally:
        cell.close()
    assert not groups(parent)


def test_what_cannot_be_set_stops_the_cell(place: Place, tier: str, parent: Path) -> None:
    with pytest.raises(SystemCallError, match="control group"):
        place.backend.apply(grouped(place, tier, parent, (("cgroup.max.descendants", "many"),)))
    assert not groups(parent)
    with pytest.raises(SystemCallError, match="control group"):
        place.backend.apply(grouped(place, tier, parent / "absent"))


def test_a_setting_of_swap_where_there_is_none(place: Place, tier: str, parent: Path) -> None:
    place.backend.apply(grouped(place, tier, parent, (("memory.swap.max", "0"),))).close()
    assert not groups(parent)


OWNER = """
import sys
sys.path[:0] = sys.argv[4:]
from pathlib import Path
from tests.linux.cell.place import Place
from tests.linux.cell.test_group import grouped
from sidewall.platforms.linux import backend
place = Place(Path(sys.argv[1]))
plan = grouped(place, sys.argv[2], Path(sys.argv[3]))
make = backend._send
def first(*arguments):
    print("made", flush=True)
    sys.stdin.read()
    make(*arguments)
backend._send = first
place.backend.apply(plan)
"""


@pytest.mark.parametrize("also_the_keeper", [False, True], ids=["owner", "owner and keeper"])
def test_an_owner_that_is_killed_while_the_cell_is_made(
    place: Place, namespace: str, parent: Path, also_the_keeper: bool
) -> None:
    source = [entry for entry in sys.path if entry] + [os.fspath(Path(__file__).parents[3])]
    owner = subprocess.Popen([sys.executable, "-P", "-c", OWNER, os.fspath(place.base), namespace, os.fspath(parent),
                              *source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert owner.stdin and owner.stdout
    try:
        assert owner.stdout.readline() == b"made\n"
        (keeper,) = children(owner.pid)
        assert len(groups(parent)) == 1
        if also_the_keeper:
            os.kill(keeper, signal.SIGSTOP)
        owner.kill()
        owner.wait(20)
        if also_the_keeper:
            os.kill(keeper, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and groups(parent):
                if not os.path.exists(f"/proc/{keeper}") and cgroups.recover((os.fspath(parent),)):
                    break
                time.sleep(0.01)
    finally:
        owner.kill()
        owner.stdin.close()
        owner.stdout.close()
    assert gone(parent)


def test_recovery_leaves_the_living(place: Place, namespace: str, parent: Path) -> None:
    cell = place.backend.apply(grouped(place, namespace, parent))
    try:
        assert cgroups.recover((os.fspath(parent), os.fspath(parent / "absent"))) == ()
        assert len(groups(parent)) == 1
    finally:
        cell.close()
