"""Names that come to be, as the real system tells them; and who owns a file, as far as Wine knows owners."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sidewall.platforms.windows import api, ownership
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.handles import ledger
from sidewall.platforms.windows.kernel32_pipes import Pending
from sidewall.platforms.windows.ownership import NewNames, Owners, give_back
from sidewall.platforms.windows.store_win32 import Win32Store

API = api.native()
SECONDS = 10


def told(names: NewNames, *wanted: str) -> tuple[str, ...]:
    """What was told.  Wine hears of a change a moment later than a kernel that makes it."""
    deadline = time.monotonic() + SECONDS
    while not set(wanted) <= names._names and time.monotonic() < deadline:
        time.sleep(0.05)
    found = names.told()
    assert found is not None
    return found


def test_no_name_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    names = NewNames(API, str(tmp_path))
    (tmp_path / "there").write_text("y")
    assert names.told() == ()
    assert names.told() == (), "asked again"


def test_names_are_told_whatever_times_a_command_gives_them(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    names = NewNames(API, str(tmp_path))
    script = ("import os; os.makedirs('a/b'); open('a/b/\\u00e9\\ud55c.txt', 'w').close(); "
              "os.utime('a/b/\\u00e9\\ud55c.txt', (1, 1)); os.rename('old', 'new'); open('gone', 'w').close(); "
              "os.remove('gone')")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    found = told(names, "a", "new")
    assert {"a", "new"} <= set(found)
    assert "old" not in found


def test_a_thread_that_takes_its_time_gives_everything_back_itself(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "PATIENCE", 0.05)
    before, dropped = dict(ledger.open), list(ledger.leaked)
    go, taking = threading.Event(), threading.Event()

    class Slow(NewNames):
        def _take(self, pending: Pending) -> None:
            taking.set()
            assert go.wait(SECONDS)
            super()._take(pending)

    names = Slow(API, str(tmp_path))
    (tmp_path / "new").touch()
    assert taking.wait(SECONDS)
    assert names.told() is None and names.told() is None, "not all of them are known"
    assert names._reading.locked() and len(ledger.open) == len(before) + 3
    go.set()
    deadline = time.monotonic() + SECONDS
    while ledger.open != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ledger.open == before and ledger.leaked == dropped


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ApiError):
        NewNames(API, str(tmp_path / "none"))


def test_more_than_is_kept_is_known_to_be_unknown(tmp_path: Path) -> None:
    names = NewNames(API, str(tmp_path))
    for number in range(400):
        (tmp_path / f"{number:0200}").touch()
    found = names.told()
    assert found is None or len(found) == 400


def test_a_file_gets_the_owner_that_it_is_given(tmp_path: Path) -> None:
    store = Win32Store(API)
    path = str(tmp_path / "made")
    Path(path).write_text("x")
    with store.open(path, change=False) as found:
        owner = found.descriptor().owner
        assert owner is not None
        found.write_owner(owner)
        assert found.descriptor().owner == owner
    assert give_back(store, str(tmp_path), owner, owner, None) == ()


def test_nothing_stays_open(tmp_path: Path) -> None:
    from sidewall.nt.sid import Sid
    from sidewall.plan.windows_steps import Ownership

    sid = Sid("S-1-5-21-1-2-3-1001")
    below = tmp_path / "below"
    below.mkdir()
    step = Ownership(roots=(str(tmp_path), str(below), str(tmp_path / "none")), owner=sid)
    owners = Owners(API, Win32Store(API), step, sid)
    (tmp_path / "x").touch()
    assert owners.give_back() == owners.give_back() == ()
    os.rmdir(below)
