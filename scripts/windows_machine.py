"""What of a Windows machine set-up could change, as JSON; and the difference of two such inventories.

    python -m scripts.windows_machine inventory [--tree DIRECTORY]... > before.json
    python -m scripts.windows_machine diff before.json after.json

Knows: where Windows keeps accounts, rights, filters, access lists, settings and tasks.  Must not know: what set-up
makes of them: a judge that asked the judged would see what that sees.  So there is nothing here but the facades and the
standard library.

Only what stands still by itself is listed: of the filters the persistent ones, of tasks the names.  What cannot be read
is named as that, and is a difference when it can be read on the other side.

Exit code of ``diff``: 0 for the same machine, 1 for another, 2 for files that are no inventories.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sidewall.nt.mask import READ_CONTROL
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import api as windows
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import constants_filtering
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import ApiError

LISTS = (constants.OWNER_SECURITY_INFORMATION | constants.GROUP_SECURITY_INFORMATION
         | constants.DACL_SECURITY_INFORMATION)
PERSISTENT = 0x3
"""FWPM_FILTER_FLAG_PERSISTENT and _BOOTTIME."""
RIGHTS = tuple([f"Se{deny}{kind}LogonRight" for deny in ("", "Deny")
                for kind in ("Interactive", "RemoteInteractive", "Network", "Batch", "Service")])
KEYS = (
    ("HKLM", r"SOFTWARE\Sidewall"), ("HKCU", r"Software\Sidewall"), ("HKCU", "Environment"),
    ("HKLM", r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\SpecialAccounts"),
    ("HKLM", r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"),
    ("HKCU", r"Software\Microsoft\Windows\CurrentVersion\Run"),
)
"""Keys that are listed whole."""
PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"
PLACES = ("SystemDrive", "SystemRoot", "ProgramFiles", "ProgramData", "PUBLIC", "USERPROFILE", "APPDATA",
          "LOCALAPPDATA", "TEMP")
"""Variables that name directories whose access lists count."""
MOST = 20_000
"""Entries of a tree that are looked at."""


def unreadable(error: Exception) -> dict[str, str]:
    """What stands for something that cannot be read."""
    told = error.name or error.code if isinstance(error, ApiError) else getattr(error, "winerror", "") or error
    return {"unreadable": str(told)}


def attempt(read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or why it gives nothing."""
    try:
        return read()
    except (ApiError, OSError) as error:
        return unreadable(error)


def accounts(api: windows.Api) -> dict[str, Any]:
    """Local accounts: comment, flags, SID."""
    def number(name: str) -> str:
        return str(Sid.from_bytes(api.netapi32.NetUserGetInfo(name).sid))

    return {name: {"comment": comment, "flags": hex(flags & ~constants.UF_LOCKOUT),
                   "sid": attempt(partial(number, name))}
            for name, comment, flags in api.netapi32.NetUserEnum()}


def groups(api: windows.Api) -> dict[str, Any]:
    """Local groups: comment and members."""
    def members(name: str) -> list[str]:
        return sorted(str(Sid.from_bytes(sid)) for sid in api.netapi32.NetLocalGroupGetMembers(name))

    return {name: {"comment": comment, "members": attempt(partial(members, name))}
            for name, comment in api.netapi32.NetLocalGroupEnum()}


def rights(api: windows.Api) -> dict[str, Any]:
    """Who may, and may not, log on in which way."""
    look = constants.POLICY_VIEW_LOCAL_INFORMATION | constants.POLICY_LOOKUP_NAMES
    with api.advapi32.LsaOpenPolicy(look) as policy:
        def holders(right: str) -> list[str]:
            return sorted(str(Sid.from_bytes(sid))
                          for sid in api.advapi32.LsaEnumerateAccountsWithUserRight(policy, right))

        return {right: attempt(partial(holders, right)) for right in RIGHTS}


def filters(api: windows.Api) -> dict[str, Any]:
    """Filters of the filtering platform that stay when the one who made them goes."""
    found: dict[str, Any] = {}
    with api.fwpuclnt.FwpmEngineOpen0("Inventory") as engine:
        for layer, key in constants_filtering.LAYERS.items():
            for one in api.fwpuclnt.FwpmFilterEnum0(engine, key):
                if one.flags & PERSISTENT:
                    found[one.key] = {"name": one.name, "layer": layer, "provider": one.provider,
                                      "sublayer": one.sublayer, "action": one.action,
                                      "conditions": len(one.conditions)}
    return found


def lists(api: windows.Api, trees: list[str]) -> dict[str, Any]:
    """Owner, group and access list of directories, and of all that lies in ``trees``."""
    places = [os.environ[name] + ("\\" if name == "SystemDrive" else "") for name in PLACES if name in os.environ]
    places += [sys.base_prefix, sys.prefix]
    for tree in trees:
        places += [found for _, found in zip(range(MOST), below(tree), strict=False)]

    def sddl(path: str) -> str:
        # Links are asked themselves: where they lead to is a place of its own.
        flags = files.FILE_FLAG_BACKUP_SEMANTICS | files.FILE_FLAG_OPEN_REPARSE_POINT
        with api.kernel32.CreateFileW(path, READ_CONTROL, files.OPEN_EXISTING, flags=flags) as opened:
            stored = api.advapi32.GetKernelObjectSecurity(opened, LISTS)
        return api.advapi32.SddlOf(stored, LISTS)

    return {path: attempt(partial(sddl, path)) for path in dict.fromkeys(places)}


def below(tree: str) -> Iterator[str]:
    """The directory and all in it, links not followed."""
    yield os.path.abspath(tree)
    for directory, inner, outer in os.walk(tree):
        for name in sorted((*inner, *outer)):
            yield os.path.join(os.path.abspath(directory), name)


def registry() -> dict[str, Any]:
    """Keys and values, as texts."""
    found: dict[str, Any] = {}
    for hive, key in KEYS:
        found |= {f"{hive}\\{name}": value for name, value in key_below(hive, key)}
    for name, value in key_below("HKLM", PROFILES, depth=1):
        if name == PROFILES or name.endswith("@ProfileImagePath"):
            found[f"HKLM\\{name}"] = value
    return found


def key_below(hive: str, key: str, depth: int = 8) -> Iterator[tuple[str, Any]]:
    """A key with the names below it, its values, and what is below; nothing where there is none."""
    import winreg

    root = {"HKLM": winreg.HKEY_LOCAL_MACHINE, "HKCU": winreg.HKEY_CURRENT_USER}[hive]
    try:
        with winreg.OpenKey(root, key, access=winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as opened:
            inner, values, _ = winreg.QueryInfoKey(opened)
            names = [winreg.EnumKey(opened, index) for index in range(inner)]
            held = [winreg.EnumValue(opened, index) for index in range(values)]
    except FileNotFoundError:
        return
    except OSError as error:
        yield key, unreadable(error)
        return
    yield key, sorted(names)
    for name, value, _ in held:
        yield f"{key}@{name}", value if isinstance(value, (int, str)) else repr(value)
    for name in names if depth else ():
        yield from key_below(hive, f"{key}\\{name}", depth - 1)


def tasks() -> dict[str, Any]:
    """Names of scheduled tasks, by Windows' own program."""
    program = os.path.join(os.environ["SYSTEMROOT"], "System32", "schtasks.exe")
    done = subprocess.run([program, "/query", "/fo", "csv", "/nh"], capture_output=True, timeout=120)
    if done.returncode:
        return {"unreadable": f"exit code {done.returncode}"}
    lines = done.stdout.decode("mbcs", "replace").splitlines()
    return {row[0]: "there" for row in csv.reader(lines) if row}


def traces() -> dict[str, Any]:
    """Profiles, and what is called after Sidewall in the directories where programs keep their state."""
    def ours(place: str) -> list[str]:
        return sorted(one for one in os.listdir(place) if "sidewall" in one.lower())

    found: dict[str, Any] = {}
    users = os.path.join(os.environ["SYSTEMDRIVE"] + "\\", "Users")
    found[users] = attempt(lambda: sorted(os.listdir(users)))
    for name in ("ProgramData", "LOCALAPPDATA", "APPDATA", "TEMP", "USERPROFILE"):
        place = os.environ.get(name, "")
        names = attempt(partial(ours, place))
        found[place] = names
        for one in names if isinstance(names, list) else ():
            found |= {path: "there" for _, path in zip(range(MOST), below(os.path.join(place, one)), strict=False)}
    return found


def inventory(api: windows.Api, trees: list[str]) -> dict[str, Any]:
    """All sections by name."""
    sections: dict[str, Callable[[], Any]] = {
        "accounts": lambda: accounts(api), "groups": lambda: groups(api), "rights": lambda: rights(api),
        "filters": lambda: filters(api), "lists": lambda: lists(api, trees), "registry": registry, "tasks": tasks,
        "traces": traces,
    }
    return {name: attempt(read) for name, read in sections.items()}


def differences(before: dict[str, Any], after: dict[str, Any], where: str = "") -> Iterator[str]:
    """One line for each thing that came, went or changed."""
    for name in sorted(before.keys() | after.keys()):
        place = f"{where}: {name}" if where else name
        if name not in before:
            yield f"{place}: came: {json.dumps(after[name])}"
        elif name not in after:
            yield f"{place}: went: {json.dumps(before[name])}"
        elif isinstance(before[name], dict) and isinstance(after[name], dict):
            yield from differences(before[name], after[name], place)
        elif before[name] != after[name]:
            yield f"{place}: was {json.dumps(before[name])}, is {json.dumps(after[name])}"


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="windows_machine", description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("inventory", help="print what there is")
    listing.add_argument("--tree", action="append", default=[], help="a directory whose access lists count, all of it")
    comparing = actions.add_parser("diff", help="compare two inventories")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args(words)
    if given.action == "diff":
        return compare(given.before, given.after)
    if sys.platform != "win32":
        print("windows_machine: this is no Windows", file=sys.stderr)
        return 2
    print(json.dumps(inventory(windows.native(), given.tree), indent=1, sort_keys=True))
    return 0


def compare(before: Path, after: Path) -> int:
    """Prints how two inventories differ."""
    try:
        # A shell that redirects may have put a mark at the beginning.
        first, second = [json.loads(path.read_text(encoding="utf-8-sig")) for path in (before, after)]
        lines = list(differences(first, second))
        if not (first and second):
            raise ValueError("an inventory is empty")
    except (OSError, ValueError, AttributeError) as error:
        print(f"windows_machine: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    unread = [name for name, section in second.items() if list(section) == ["unreadable"]]
    print(f"{len(lines)} differences" + (f"; could not be read: {', '.join(unread)}" if unread else ""))
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
