"""Two inventories of a machine: whatever came, went or changed is told, and nothing else.

Knows: the inventory's form.  Must not know: a Windows (``inside/test_machine.py`` looks at one).
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.windows.commands import ROOT, machine

BEFORE: dict[str, Any] = {
    "accounts": {"ada": {"comment": "", "flags": "0x201", "sid": "S-1-5-21-1-2-3-1001"}},
    "groups": {"Users": {"comment": "", "members": ["S-1-5-11", "S-1-5-4"]}},
    "rights": {"SeDenyNetworkLogonRight": []}, "filters": {},
    "lists": {"C:\\": "O:SYG:SYD:(A;;FA;;;SY)"}, "registry": {"HKCU\\Environment@TEMP": "C:\\Temp"},
    "tasks": {"\\Backup": "there"}, "traces": {"C:\\Users": ["ada"]},
}


def diff(tmp_path: Path, after: object, *, mark: str = "") -> subprocess.CompletedProcess[str]:
    first, second = tmp_path / "before.json", tmp_path / "after.json"
    first.write_text(json.dumps(BEFORE), encoding="utf-8")
    second.write_text(mark + (after if isinstance(after, str) else json.dumps(after)), encoding="utf-8")
    return subprocess.run([sys.executable, "-m", "scripts.windows_machine", "diff", str(first), str(second)], cwd=ROOT,
                          capture_output=True, text=True, timeout=60)


def test_the_same_machine_is_the_same(tmp_path: Path) -> None:
    done = diff(tmp_path, BEFORE, mark="\ufeff")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 differences\n", "")


CHANGES: list[tuple[str, list[str], Any, str]] = [
    ("an account", ["accounts", "swl-x-off"], {"sid": "S-1-5-21-1-2-3-1002"}, "accounts: swl-x-off: came"),
    ("a member", ["groups", "Users", "members"], ["S-1-5-11"], "groups: Users: members: was"),
    ("a right", ["rights", "SeDenyNetworkLogonRight"], ["S-1-5-21-1-2-3-1002"], "rights: SeDenyNetworkLogonRight: was"),
    ("a filter", ["filters", "key"], {"name": "block"}, "filters: key: came"),
    ("an entry", ["lists", "C:\\"], "O:SYG:SYD:(A;;FA;;;SY)(A;;FR;;;WD)", "lists: C:\\: was"),
    ("a value", ["registry", "HKCU\\Environment@TEMP"], "D:\\", "registry: HKCU\\Environment@TEMP: was"),
    ("a task", ["tasks", "\\Sidewall"], "there", "tasks: \\Sidewall: came"),
    ("a profile", ["traces", "C:\\Users"], ["ada", "swl"], "traces: C:\\Users: was"),
    ("what cannot be read", ["filters", "unreadable"], "ERROR_ACCESS_DENIED", "filters: unreadable: came"),
]


@pytest.mark.parametrize(("path", "value", "line"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
def test_each_kind_of_change_is_told_and_fails(tmp_path: Path, path: list[str], value: Any, line: str) -> None:
    after = copy.deepcopy(BEFORE)
    place = after
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    done = diff(tmp_path, after)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(line)
    assert done.stdout.splitlines()[1].startswith("1 differences")
    # What came for one side went for the other.
    back = list(machine.differences(after, BEFORE))
    assert len(back) == 1 and ("came" not in line or ": went: " in back[0])


def test_a_section_that_is_missing_is_a_difference(tmp_path: Path) -> None:
    after = {name: section for name, section in BEFORE.items() if name != "rights"}
    done = diff(tmp_path, after)
    assert done.returncode == 1 and done.stdout.startswith("rights: went: ")


@pytest.mark.parametrize("broken", ["", "{", "{}", "[]", "7"])
def test_what_is_no_inventory_does_not_pass_for_one(tmp_path: Path, broken: str) -> None:
    done = diff(tmp_path, broken)
    assert done.returncode == 2
    assert done.stderr.startswith("windows_machine: ") and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is something to list there")
def test_elsewhere_there_is_nothing_to_list() -> None:
    assert machine.main(["inventory"]) == 2
