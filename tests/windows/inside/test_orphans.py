"""A runner whose owner is killed before it has it in its job, with real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.runners import REAL
from tests.windows.inside.test_cells import gone

from sidewall.platforms.windows import orphans

OWNER = ("import sys; from sidewall.platforms.windows.startup import StartInfo;"
         "from sidewall.platforms.windows import api, constants_process as c;"
         "made = api.native().kernel32.CreateProcessW(StartInfo(command_line='runner', application=sys.argv[1],"
         "flags=c.CREATE_SUSPENDED | c.CREATE_NO_WINDOW)); print(made.process_id, flush=True); sys.stdin.read()")



def nobody(process: object) -> bool:
    return False


def test_it_is_found_and_ended_when_its_owner_is_gone_and_not_before(tmp_path: Path) -> None:
    place = os.path.realpath(tmp_path) + orphans.PLACE
    program = Path(place) / "3.11-abc" / "pythonw.exe"
    program.parent.mkdir(parents=True)
    shutil.copy(sys.executable, program)
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        assert owner.stdout is not None
        runner = int(owner.stdout.readline())
        assert orphans.find(REAL, place, nobody) == orphans.end(REAL, place, nobody) == ()
        owner.kill()
        owner.wait(60)
        assert orphans.find(REAL, place, nobody) == (runner,)
        assert orphans.find(REAL, place + "x", nobody) == ()
        assert orphans.end(REAL, place, lambda process: True) == ()
        assert orphans.end(REAL, place, nobody) == (runner,)
        assert gone(runner) and orphans.find(REAL, place, nobody) == ()
    finally:
        owner.kill()
        owner.communicate()
