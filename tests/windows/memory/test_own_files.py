"""A user's own state on Windows: seen, removed in order, and what is somebody's work stays. Real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.windows.memory.people import consenting, set_up
from tests.windows.memory.windows import Windows
from tests.windows.posix_files import PosixFiles

from sidewall.errors import MachineError
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import temporary, uninstall
from sidewall.platforms.windows.journal_records import Begun, Made, Owner, State
from sidewall.platforms.windows.own_files import OwnFiles

OWNER = Owner(pid=1, created=1)


class Recorded:
    """Access lists of which it is recorded that they were changed."""

    def __init__(self, *paths: str, held: tuple[str, ...] = (), broken: bool = False) -> None:
        self.made = tuple([Made(lease="a", owner=OWNER, policy="p", path=path, directory=True, sddl="D:")
                           for path in paths])
        self.held, self.broken, self.undone = held, broken, 0

    def recorded(self) -> State:
        return State(leases=(Begun(lease="a", owner=OWNER, policy="p"),), made=self.made)

    def undo_all(self) -> tuple[Held, ...]:
        self.undone += 1
        if self.broken:
            raise MachineError("the journal is locked", hint="wait")
        return tuple([Held(action="left", path=path, reason="in use") for path in self.held])


def files(base: Path, recorded: Recorded, **options: Any) -> OwnFiles:
    temp = base / "temp"
    return OwnFiles(recorded, str(base / "state"), str(temp), lambda: ((), ()),
                    lambda path: temporary.remove(PosixFiles(), path), **options)  # type: ignore[arg-type]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("state/access-lists", "state/audit", "temp"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "state/access-lists/access-lists.lock").write_bytes(b"")
    (tmp_path / "state/audit/2026-01.jsonl").write_bytes(b"{}\n")
    (tmp_path / "state/trust.json").write_bytes(b"{}")
    return tmp_path


def test_all_is_seen_and_goes(base: Path) -> None:
    recorded = Recorded("C:\\work\\.claude")
    own = files(base, recorded)
    assert {trace.kind for trace in own.traces()} == {"access-list", "log", "trust"}
    assert "C:\\work\\.claude" in {trace.name for trace in own.traces()}
    done, left = own.uninstall()
    assert left == () and recorded.undone == 1
    assert any("C:\\work\\.claude" in line for line in done)
    assert not (base / "state").exists() and own.traces() == ()
    assert own.uninstall() == ((), ())


@pytest.mark.parametrize("told", ["", "cannot be asked", "is not there"])
def test_what_accounts_own_is_given_back_before_the_lists_go(base: Path, told: str) -> None:
    """These keep an account from opening up what it owns; and a fault of the one does not keep the other from it.  What
    could not be given back is among what is left."""
    recorded = Recorded("C:\\a")
    undone: list[int] = []

    def recover() -> tuple[tuple[str, ...], tuple[str, ...]]:
        undone.append(recorded.undone)
        if told == "cannot be asked":
            raise MachineError("a process cannot be asked", hint="try again")
        return ("removed a directory",), (f"E:\\work: the volume {told}",) if told else ()

    own = OwnFiles(recorded, str(base / "state"), str(base / "temp"), recover,
                   lambda path: temporary.remove(PosixFiles(), path))  # type: ignore[arg-type]
    done, left = own.uninstall()
    assert undone == [0] and recorded.undone == 1
    assert [line for line in left if told in line] == list(left) and bool(left) is bool(told)
    assert ("removed a directory" in done) is (told != "cannot be asked")


@pytest.mark.parametrize("recorded", [Recorded("C:\\a", held=("C:\\a",)), Recorded("C:\\a", broken=True)])
def test_the_journal_stays_while_something_is_to_be_undone(base: Path, recorded: Recorded) -> None:
    done, left = files(base, recorded).uninstall()
    assert left and not any("undid" in line for line in done)
    assert (base / "state/access-lists/access-lists.lock").exists()


def test_the_log_stays_when_it_is_wanted(base: Path) -> None:
    assert files(base, Recorded(), keep_log=True).uninstall()[1] == ()
    assert [path.name for path in (base / "state").iterdir()] == ["audit"]


def test_what_is_somebodys_stays(base: Path) -> None:
    (base / "state/quarantine").mkdir()
    (base / "state/quarantine/work").write_text("the only copy")
    (base / "state/letter.txt").write_text("mine")
    (base / "temp/sidewall-cell-1-1-x").mkdir()
    left = files(base, Recorded()).uninstall()[1]
    assert len(left) == 3
    assert (base / "state/quarantine/work").exists() and (base / "state/letter.txt").exists()


def test_uninstall_undoes_access_lists_before_the_accounts_go(base: Path) -> None:
    windows = Windows()
    set_up(windows)
    there: list[int] = []

    class Watching(Recorded):
        def undo_all(self) -> tuple[Held, ...]:
            there.append(len(windows.accounts))
            return super().undo_all()

    result = uninstall.run(windows.machine(), consenting(windows), files(base, Watching("C:\\work")))
    assert result.left == () and there == [2] and not windows.accounts
    assert any("C:\\work" in line for line in result.done)


def test_what_was_found_out_about_the_machine_goes_too(base: Path) -> None:
    (base / "state/findings").mkdir()
    (base / "state/findings/open-places").write_bytes(b"x")
    own = files(base, Recorded())
    assert ("file", str(base / "state/findings")) in {(trace.kind, trace.name) for trace in own.traces()}
    _, left = own.uninstall()
    assert left == () and not (base / "state").exists()
