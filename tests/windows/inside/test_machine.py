"""The inventory of this machine: the same twice, and different by exactly what a test changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

import winreg

from tests.windows.commands import machine
from tests.windows.inside.cells import on_wine

from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import api
from sidewall.platforms.windows import constants_security as constants

WINDOWS = api.native()
KEY = r"Software\Sidewall"


def taken(*trees: Path) -> dict[str, Any]:
    found: dict[str, Any] = machine.inventory(WINDOWS, [str(tree) for tree in trees])
    return found


@pytest.fixture
def key() -> Iterator[None]:
    try:
        winreg.OpenKey(winreg.HKEY_CURRENT_USER, KEY).Close()
        pytest.skip("this machine has such a key")
    except FileNotFoundError:
        winreg.CreateKey(winreg.HKEY_CURRENT_USER, KEY).Close()
    yield
    winreg.DeleteKey(winreg.HKEY_CURRENT_USER, KEY)


def test_what_was_not_changed_is_the_same(tmp_path: Path) -> None:
    first, second = taken(tmp_path), taken(tmp_path)
    assert list(machine.differences(first, second)) == []
    assert set(first) == {"accounts", "groups", "rights", "filters", "lists", "registry", "tasks", "traces"}
    assert first["lists"][os.environ["USERPROFILE"]].startswith("O:")
    unread = {name for name, section in first.items() if list(section) == ["unreadable"]}
    if on_wine():
        assert unread <= {"accounts", "groups", "filters", "tasks"}  # Wine lists no accounts and has no filters
    else:
        assert unread == set()  # the lane of a real machine runs as an administrator
        assert {"Administrator", "Guest"} <= set(first["accounts"])


def test_a_key_that_came_is_told(key: None) -> None:
    after = taken()
    before = {**after, "registry": {name: value for name, value in after["registry"].items()
                                    if name != f"HKCU\\{KEY}"}}
    assert list(machine.differences(before, after)) == [f"registry: HKCU\\{KEY}: came: []".replace("\\\\", "\\")]


def test_files_of_a_tree_come_go_and_change_their_lists(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("")
    before = taken(tmp_path)
    (tmp_path / "new").write_text("")
    (told,) = [line for line in machine.differences(before, taken(tmp_path)) if str(tmp_path) in line]
    assert told.startswith(f"lists: {tmp_path / 'new'}: came: ")
    os.remove(tmp_path / "new")
    with WINDOWS.advapi32.OpenProcessToken(WINDOWS.kernel32.GetCurrentProcess(), constants.TOKEN_QUERY) as token:
        user = Sid.from_bytes(WINDOWS.advapi32.TokenUser(token))
    dacl = parse(f"D:P(A;;FR;;;{user})").dacl
    assert dacl is not None
    what = constants.DACL_SECURITY_INFORMATION | constants.PROTECTED_DACL_SECURITY_INFORMATION
    WINDOWS.advapi32.SetNamedSecurityInfoW(str(kept), what, dacl=dacl.to_bytes())
    changed = [line for line in machine.differences(before, taken(tmp_path)) if str(tmp_path) in line]
    # Wine reports success and keeps nothing of it.
    assert [line.partition(": was ")[0] for line in changed] == ([] if on_wine() else [f"lists: {kept}"])
