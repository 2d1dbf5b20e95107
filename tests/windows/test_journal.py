"""The journal: what is announced is on the disk; what is torn or damaged is told once and kept; one holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.windows import acl_scenes as scenes
from tests.windows.acl_machines import Machine, changed, texts

from sidewall.errors import MachineError
from sidewall.nt.ace import Ace
from sidewall.nt.edit import Edit
from sidewall.nt.edit_merge import Mark
from sidewall.nt.sid import Sid
from sidewall.platforms.windows.journal import DiskFiles, Journal, on_disk
from sidewall.platforms.windows.journal_records import (
    Begun,
    Edited,
    Made,
    Owner,
    Settled,
    State,
    of_line,
    of_lines,
    to_line,
    to_lines,
)
from sidewall.platforms.windows.store import Identity

ODD = (r"C:\Users\u\w", "C:\\한국어 이름\\%20 100%", "D:\\a\tb\nc\\\ud800", "C:\\" + "x" * 300)
PATHS = st.one_of(st.sampled_from(ODD),
                  st.text(min_size=1, max_size=40))
ACES = st.builds(Ace, type=st.sampled_from([0, 1]), flags=st.integers(0, 31), mask=st.integers(0, 0xFFFFFFFF),
                 sid=st.integers(0, 9999).map(lambda rid: Sid(f"S-1-5-21-1-2-3-{rid}")))
EDITS = st.builds(lambda marks: Edit(script=tuple(marks)),
                  st.lists(st.builds(Mark, op=st.sampled_from("=+-"), ace=ACES), max_size=5))
IDENTITIES = st.builds(Identity, volume=st.integers(0, 2**64 - 1).map("{:x}".format),
                       file=st.binary(min_size=16, max_size=16).map(bytes.hex))
WHOSE = {"lease": st.binary(min_size=8, max_size=8).map(bytes.hex), "policy": st.text("0123456789abcdef", min_size=64),
         "owner": st.builds(Owner, pid=st.integers(1, 2**32), created=st.integers(1, 2**63))}
ENTRIES: st.SearchStrategy[Begun] = st.one_of(
    st.builds(Begun, **WHOSE),
    st.builds(Edited, **WHOSE, path=PATHS, identity=IDENTITIES, directory=st.booleans(), tree=st.booleans(),
              before=st.text(max_size=60), edit=EDITS, holds=st.lists(ACES, max_size=3).map(tuple),
              tries=st.integers(0, 9)),
    st.builds(Settled, **WHOSE, path=PATHS, identity=IDENTITIES, before=st.text(max_size=60), edit=EDITS,
              control=st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), bare=st.booleans()),
    st.builds(Made, **WHOSE, path=PATHS, directory=st.booleans(), sddl=st.text(max_size=60),
              identity=st.none() | IDENTITIES))


@given(ENTRIES)
def test_every_line_reads_back_as_what_it_says(entry: Begun) -> None:
    line = to_line(entry)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert of_line(line[:-1]) == entry


@given(st.lists(ENTRIES, max_size=4))
def test_a_state_written_anew_is_the_same_state(entries: list[Begun]) -> None:
    state = State().with_entries(entries)
    assert of_lines(to_lines(state)) == state


@settings(max_examples=200)
@given(ENTRIES, st.data())
def test_no_damage_of_a_line_reads_as_something_else(entry: Begun, data: st.DataObject) -> None:
    line = to_line(entry)[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    damage = data.draw(st.sampled_from(["cut", "flip", "zero"]))
    other = bytes([line[at] ^ 4 if damage == "flip" else 0])
    torn = line[:at] if damage == "cut" else line[:at] + other + line[at + 1 :]
    if torn != line:
        state = of_lines(torn + b"\n")
        assert state.leases == () and state.edits == () and (state.damaged != () or not torn)


def lines(count: int) -> list[Begun]:
    owner = Owner(pid=4, created=5)
    return [Made(lease=f"{number:x}", owner=owner, policy="p", path=f"C:\\w\\{number}", directory=True, sddl="D:P")
            for number in range(count)]


def test_what_was_announced_is_there_and_what_is_undone_is_forgotten(tmp_path: Path) -> None:
    journal = on_disk(str(tmp_path / "state"))
    with journal.hold():
        journal.append(lines(2))
        journal.append(lines(3)[2:])
        assert [made.path for made in journal.read().made] == ["C:\\w\\0", "C:\\w\\1", "C:\\w\\2"]
        journal.replace(State().with_entries(lines(1)))
        assert journal.read() == State().with_entries(lines(1))
        journal.replace(State())
        assert journal.read().empty
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["access-lists.lock"]


def test_a_torn_line_harms_no_other_is_told_once_and_kept(tmp_path: Path) -> None:
    journal = on_disk(str(tmp_path))
    with journal.hold():
        journal.append(lines(1))
        whole = Path(journal.place).read_bytes()
        Path(journal.place).write_bytes(whole + to_line(lines(2)[1])[:30])
        journal.append(lines(3)[2:])
        state = journal.read()
        assert [made.path for made in state.made] == ["C:\\w\\0", "C:\\w\\2"]
        assert [number for number, _ in state.damaged] == [2]
        journal.replace(state)
        assert journal.read().damaged[0][1] == state.damaged[0][1]
        rest, error = journal.set_aside(journal.read())
        assert "1 line(s) of the journal" in error.message and "access-lists.damaged" in error.message and error.hint
        assert journal.read() == rest
        assert (tmp_path / "access-lists.damaged").read_bytes() == to_line(lines(2)[1])[:30] + b"\n"


def test_damage_stops_one_start_which_undoes_what_reads() -> None:
    machine = Machine.of(scenes.little_world())
    before = texts(machine.disk)
    process = machine.process()
    process.lists.apply(scenes.little_plan())
    process.kill()
    torn = machine.log.splitlines(keepends=True)
    machine.log = b"".join(torn) + torn[2][: len(torn[2]) // 2]
    second = machine.process()
    with pytest.raises(MachineError, match=r"torn or damaged .*kept in kept"):
        second.lists.apply(scenes.little_plan())
    assert changed(machine.disk, before) == {}
    assert machine.kept == torn[2][: len(torn[2]) // 2] + b"\n"
    second.lists.apply(scenes.little_plan()).release()
    assert second.lists.recover() == ()
    assert changed(machine.disk, before) == {}


def test_another_file_at_a_path_is_left_and_told() -> None:
    machine = Machine.of(scenes.little_world())
    process = machine.process()
    process.lists.apply(scenes.little_plan())
    process.kill()
    tree, path = machine.disk.tree, scenes.WORK + "\\.vscode"
    above = tree.get(scenes.WORK)
    assert above is not None
    machine.disk.tree = tree.without(above, ".vscode")
    other = machine.create(path, machine.token, directory=True)
    assert other.sd is not None
    told = machine.process().lists.recover()
    assert [line for line in told if line.startswith(f"left {path}: another object is there now")]
    assert machine.process().lists.recover() == ()


def test_a_journal_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "access-lists.journal").mkdir()
    journal = on_disk(str(tmp_path))
    with journal.hold(), pytest.raises(MachineError, match="EACCES" if os.name == "nt" else "EISDIR") as caught:
        journal.append(lines(1))
    assert str(tmp_path) in caught.value.message and caught.value.hint


def test_nothing_of_a_failed_write_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = on_disk(str(tmp_path))
    with journal.hold():
        journal.append(lines(1))
        whole = Path(journal.place).read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(MachineError, match="ENOSPC"):
            journal.append(lines(2)[1:])
        monkeypatch.undo()
        assert Path(journal.place).read_bytes() == whole


def test_announcing_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    journal, real = on_disk(str(tmp_path)), os.fsync

    def watched(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.extend(one.name.encode() for one in tmp_path.iterdir()
                      if (one.stat().st_dev, one.stat().st_ino) == (found.st_dev, found.st_ino))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with journal.hold():
        journal.append(lines(1))
        assert b"access-lists.journal" in synced
        synced.clear()
        journal.replace(State().with_entries(lines(2)))
        assert synced[0] == b"access-lists.journal.new"


def test_two_processes_do_not_hold_it_at_once_and_a_dead_one_does_not(tmp_path: Path) -> None:
    program = ("import sys; from sidewall.platforms.windows.journal import on_disk; "
               f"held = on_disk({str(tmp_path)!r}).hold(); print('held', flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        try:
            assert other.stdout.readline().strip() == b"held"
            files = DiskFiles(str(tmp_path))
            assert files.lock() is None
            with pytest.raises(MachineError, match="another process of sidewall"):
                Journal(files, patience=0).hold()
        finally:
            other.kill()
            other.wait(20)
    release = files.lock()
    assert release is not None
    release()
