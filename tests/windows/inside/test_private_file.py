"""A file that one process at a time has, between two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.runners import REAL, user

from sidewall.errors import MachineError
from sidewall.platforms.windows import private_file

HOLDER = ("import sys; from sidewall.platforms.windows import api, private_file; from sidewall.nt.sid import Sid;"
          "made = private_file.hold(api.native(), sys.argv[1], 'turn', Sid(sys.argv[2]), 5.0);"
          "print('held', flush=True); sys.stdin.read()")


def test_it_is_free_again_when_who_held_it_is_killed(tmp_path: Path) -> None:
    directory = os.path.realpath(tmp_path / "state")
    process = subprocess.Popen([sys.executable, "-c", HOLDER, directory, user()], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        assert process.stdout is not None and process.stdout.readline().strip() == b"held"
        with pytest.raises(MachineError, match="held by another process"):
            private_file.hold(REAL, directory, "turn", user(), 0.0)
        process.kill()
        process.wait(60)
        private_file.hold(REAL, directory, "turn", user(), 60.0).close()
    finally:
        process.kill()
        process.communicate()
