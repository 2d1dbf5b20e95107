"""The directories in which a user's state lies, under a Windows Python: made by a user as by an administrator.

Knows: what Python makes of a mode.  Must not know: what is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.audit import jsonl
from sidewall.platforms.windows.journal import DiskFiles
from sidewall.session import trust


def test_no_list_is_made_that_leaves_the_user_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an elevated process makes belongs to administrators; its user comes in by the profile's inherited list."""
    made: list[tuple[str, int]] = []
    mkdir = os.mkdir

    def told(path: str, mode: int = 0o777) -> None:
        made.append((path, mode))
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", told)
    state = tmp_path / "sidewall" / "state"
    release = DiskFiles(str(state / "access-lists")).lock()
    assert release is not None
    release()
    jsonl.append([{"event": "exit", "code": 0}], str(state / "audit" / "more"))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "sidewall.toml").write_text("")
    trust.add(str(tmp_path / "project"), file="sidewall.toml", state=str(state / "trusted"))
    names = {os.path.basename(path) for path, _ in made}
    assert names >= {"sidewall", "state", "access-lists", "audit", "more", "trusted"}
    assert {mode for _, mode in made} == {0o777}, "Python gives 0o700 a list of its own, without the user"
