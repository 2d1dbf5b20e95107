"""The end of a cell of the account tier: its account empties private directories before its runner ends.

On Wine the account is this user, and lists are kept as a file system of Linux can; whom a list leaves out is tried in
memory and on a server (``tests/windows/test_returning.py``, ``tests/windows/samba``).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners
from tests.windows.inside.cells import PYTHON, run, start
from tests.windows.inside.test_cells import gone

from sidewall.platforms.windows import returning, temporary
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.handles import ledger

FILLED = ("import os, tempfile; os.chdir(os.environ['TEMP']); tempfile.mkdtemp(); os.makedirs('a/\\ud55c/c');"
          "open('a/\\ud55c/read only', 'w').close(); os.chmod('a/\\ud55c/read only', 0o444)")


def test_the_account_empties_private_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher, before = runners.Launcher(), dict(ledger.open)
    made = runners.opened(os.path.realpath(tmp_path), launcher)
    private = os.fsdecode(made.environment[b"TEMP"])
    crashed = os.path.join(os.path.dirname(private), f"{temporary.PREFIX}4294967292-1-{os.urandom(6).hex()}")
    os.makedirs(os.path.join(crashed, "left"))
    assert run(made, PYTHON, "-c", FILLED)[0].returncode == 0
    going = start(made, PYTHON, "-c", "import time; open(__import__('os').environ['TEMP'] + '/open', 'w');"
                                      "time.sleep(600)")
    seen: list[bool] = []
    ending = AccountCell._give_back

    def give_back(self: AccountCell) -> None:
        seen.extend([os.path.exists(private), os.path.exists(crashed)])
        ending(self)

    monkeypatch.setattr(AccountCell, "_give_back", give_back)
    made.close()
    assert seen == [False, False] and made.last_held == () and gone(going.pid)
    going.close()
    assert ledger.open == before


def test_places_are_opened_by_handles_and_all_of_these_are_given_back(tmp_path: Path) -> None:
    private, place = tmp_path / "private", tmp_path / "일 터"
    for each in (private, place):
        (each / "a" / "b").mkdir(parents=True)
        (each / "a" / "f").write_text("x")
    before, user = dict(ledger.open), runners.user()
    told = returning.all_of(runners.REAL, [str(private), str(tmp_path / "none")], [str(place), str(tmp_path / "none")],
                            user, user)
    assert told == (0, "") and not private.exists() and (place / "a" / "f").read_text() == "x"
    late = returning._Letting(returning.Places(runners.REAL), user, user, time.monotonic() - 1)
    late.at(str(place))
    assert (late.count, late.first) == (1, f"{place}: {returning.TIME}")
    assert ledger.open == before
