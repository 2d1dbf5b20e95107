"""The user's own configuration for real: obeyed, and refused once everybody may write it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.runners import REAL
from tests.windows.inside.test_command_line import Cli, sidewall

from sidewall.nt.sddl import parse
from sidewall.platforms.windows.constants_files import OPEN_EXISTING
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION

__all__ = ["sidewall"]


def written(home: Path) -> Path:
    file = home / "Roaming" / "sidewall" / "config.toml"
    file.parent.mkdir()
    file.write_text('schema = 1\nnetwork = { mode = "on" }\n')
    return file


def test_it_is_obeyed_until_everybody_may_write_it(sidewall: Cli) -> None:
    file = written(sidewall.home)
    words = ("explain", "--tier", "token", "--require", "none", "--json")
    done = sidewall(*words)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["policy"]["network"]["mode"] == "on"
    with REAL.kernel32.CreateFileW(str(file), 0x60000, OPEN_EXISTING) as opened:
        REAL.advapi32.SetKernelObjectSecurity(opened, DACL_SECURITY_INFORMATION, parse("D:P(A;;FA;;;WD)").to_bytes())
    done = sidewall(*words)
    told = done.stderr.decode()
    assert done.returncode == 2 and "is not obeyed" in told and str(file) in told and "icacls" in told, told
