"""Worlds and their text: what is read is what was written, and every mistake is one error with a line and a remedy.

Knows: ``plan.world``, ``plan.world_format``, the worlds beside this file.  Must not know: what a plan does with them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import ConfigError
from sidewall.nt import sddl
from sidewall.nt.sid import Sid
from sidewall.plan import world_format
from sidewall.plan.world import REPARSE, Accounts, Entry, Index, Volume, World, holder, place, root

from .make_worlds import WORLDS

HERE = Path(__file__).parent / "worlds"
USER = "S-1-5-21-1-2-3-1001"
HEAD: dict[str, Any] = {"world": 1, "origin": "modelled", "about": "a test", "home": "C:\\Users\\a", "workspace": "",
                        "user": USER, "groups": ["S-1-1-0", "S-1-5-32-545"], "logon": "S-1-5-5-0-1"}
DRIVE: dict[str, Any] = {"volume": "C:\\"}
FILE: dict[str, Any] = {"path": "C:\\f", "kind": "file", "sddl": "O:SYG:SYD:"}
TOP: dict[str, Any] = {"path": "C:\\", "kind": "directory", "sddl": "O:SYG:SYD:PAI(A;OICI;FA;;;SY)"}


def lines(*objects: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, objects)).encode()


def small(*entries: dict[str, Any]) -> bytes:
    return lines(HEAD, DRIVE, TOP, *entries)


def refused(data: bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        world_format.parse(data, file="w.jsonl")
    error = caught.value
    assert error.message.startswith(f"w.jsonl: {error.key}: ") and error.key.startswith("line ") and error.hint
    assert "\n" not in error.message and len(error.message) < 2000
    return error


@pytest.mark.parametrize("name", WORLDS)
def test_the_worlds_beside_this_file_are_what_the_generator_writes(name: str) -> None:
    assert (HERE / f"{name}.jsonl").read_text(encoding="utf-8") == WORLDS[name]().dump()


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_says_that_it_is_modelled_and_survives_being_written(name: str) -> None:
    read = world_format.parse((HERE / f"{name}.jsonl").read_bytes(), file=name)
    assert read.origin == "modelled" and read.about.startswith("Modelled, not captured: ")
    assert world_format.parse("\n".join(world_format.write(read)).encode()) == read
    index = Index(read)
    assert index.entry(read.workspace) is not None and index.entry(read.home) is not None


def test_no_world_is_left_beside_them() -> None:
    assert {file.stem for file in HERE.iterdir()} == set(WORLDS)


def test_what_a_line_says_is_what_is_read() -> None:
    read = world_format.parse(lines(
        HEAD | {"machine": "S-1-5-21-1-2-3", "offline": "S-1-5-21-1-2-3-1010", "workspace": "C:\\w"}, DRIVE,
        {"volume": "E:\\", "filesystem": "exFAT", "acls": False}, TOP,
        {"path": "C:\\w", "kind": "directory", "sddl": "O:LAG:SYD:(A;;FA;;;WD)", "reparse": "cloud"},
        {"path": "C:\\w\\a", "kind": "file", "sddl": "O:SYG:SYD:", "links": 2, "identity": "7", "target": "",
         "problem": ""},
        {"path": "C:\\locked", "kind": "file", "problem": "ERROR_ACCESS_DENIED"},
        {"path": "E:\\", "kind": "directory"}))
    who = read.accounts
    assert who == Accounts(user=Sid(USER), groups=(Sid("S-1-1-0"), Sid("S-1-5-32-545")), logon=Sid("S-1-5-5-0-1"),
                           machine=Sid("S-1-5-21-1-2-3"), offline=Sid("S-1-5-21-1-2-3-1010"))
    index = Index(read)
    shared = index.entry("c:\\W")
    assert shared is not None and shared.reparse == "cloud" and shared.descriptor is not None
    assert shared.descriptor.owner == "S-1-5-21-1-2-3-500"  # LA is the machine's own administrator
    file = index.entry("C:\\w\\A")
    assert file is not None and (file.links, file.identity, file.container) == (2, "7", False)
    locked = index.entry("C:\\LOCKED")
    assert locked is not None and locked.descriptor is None and locked.problem == "ERROR_ACCESS_DENIED"
    assert index.volume("E:\\any") == Volume(root="E:\\", filesystem="exFAT", acls=False)
    assert index.volume("F:\\any") is None
    assert [each.path for each in index.above("C:\\w\\a\\b")] == ["C:\\w\\a", "C:\\w", "C:\\"]
    nearest = index.nearest("C:\\w\\not\\there")
    assert nearest is not None and nearest.path == "C:\\w"


def test_links_are_followed_until_they_end_or_go_round() -> None:
    def link(name: str, target: str, kind: str = "junction") -> dict[str, Any]:
        return FILE | {"path": f"C:\\{name}", "kind": "directory", "reparse": kind, "target": target}

    index = Index(world_format.parse(small(
        FILE | {"path": "C:\\d", "kind": "directory"}, link("a", "C:\\d"), link("b", "C:\\a\\x\\", "symlink"),
        link("round", "C:\\Round\\and"), link("up", "..\\d"), link("device", "\\??\\C:\\d"), link("lost", ""))))
    assert index.follow("C:\\d\\f") == "C:\\d\\f" and index.follow("C:\\") == "C:\\"
    assert index.follow("C:\\A\\f") == "C:\\d\\f" and index.follow("C:\\b\\f\\g") == "C:\\d\\x\\f\\g"
    assert [index.follow(f"C:\\{name}\\f") for name in ("round", "up", "device", "lost")] == [""] * 4
    assert index.follow("\\\\server\\share\\f") == "\\\\server\\share\\f"


def test_paths_of_both_kinds_have_holders_and_roots() -> None:
    assert [holder(path) for path in ("C:\\", "C:\\a", "C:\\a\\b")] == ["", "C:\\", "C:\\a"]
    share = "\\\\server\\share\\"
    assert [holder(path) for path in (share, share + "a", share + "a\\b")] == ["", share, share + "a"]
    assert root(share + "a\\b") == share and root("C:\\a\\b") == "C:\\"
    assert place("C:\\Straße\\X") == place("c:\\STRASSE\\x") or place("C:\\Straße") == place("C:\\straße")


MISTAKES: dict[str, tuple[bytes, str]] = {
    "nothing at all": (b"", "line 1"),
    "blank lines": (b"\n  \n\t\n", "line 1"),
    "not UTF-8": (b'{"world": 1, "about": "\xff"}', "line 1"),
    "not JSON": (lines(HEAD) + b"\n{", "line 2"),
    "a list": (lines(HEAD) + b"\n[1]", "line 2"),
    "a deep nest": (lines(HEAD) + b"\n" + b"[" * 200_000, "line 2"),
    "a huge number": (lines(HEAD) + b'\n{"path": ' + b"9" * 100_000 + b"}", "line 2"),
    "a key twice": (lines(HEAD) + b'\n{"volume": "C:\\\\", "volume": "D:\\\\"}', "line 2"),
    "no header": (lines(DRIVE), "line 1"),
    "schema 2": (lines(HEAD | {"world": 2}), "line 1"),
    "schema true": (lines(HEAD | {"world": True}), "line 1"),
    "an unknown key of the header": (lines(HEAD | {"hostname": "x"}), "line 1"),
    "an unknown origin": (lines(HEAD | {"origin": "guessed"}), "line 1"),
    "a relative home": (lines(HEAD | {"home": "Users\\a"}), "line 1"),
    "groups that are text": (lines(HEAD | {"groups": "S-1-1-0"}), "line 1"),
    "a wrong SID": (lines(HEAD | {"user": "S-1-5-21-x"}), "line 1"),
    "a SID that is a number": (lines(HEAD | {"logon": 7}), "line 1"),
    "a header alone": (lines(HEAD), "line 1"),
    "no entry": (lines(HEAD, DRIVE), "line 2"),
    "a volume that is a directory": (lines(HEAD, {"volume": "C:\\Windows"}), "line 2"),
    "a volume twice": (lines(HEAD, DRIVE, DRIVE), "line 3"),
    "a volume with a word for a flag": (lines(HEAD, {"volume": "C:\\", "acls": "yes"}), "line 2"),
    "an entry without a volume": (lines(HEAD, TOP), "line 2"),
    "an entry without a directory": (small({"path": "C:\\a\\b", "kind": "file", "sddl": ""}), "line 4"),
    "an entry below a file": (small(FILE, FILE | {"path": "C:\\f\\g"}), "line 5"),
    "an entry below a junction": (small(FILE | {"kind": "directory", "reparse": "junction"},
                                        FILE | {"path": "C:\\f\\g"}), "line 5"),
    "an entry twice": (small(FILE, FILE | {"path": "C:\\F"}), "line 5"),
    "an unknown kind": (small(FILE | {"kind": "pipe"}), "line 4"),
    "an unknown reparse point": (small(FILE | {"reparse": "magic"}), "line 4"),
    "no descriptor, no problem": (small({"path": "C:\\f", "kind": "file"}), "line 4"),
    "a descriptor on exFAT": (lines(HEAD, {"volume": "C:\\", "acls": False}, TOP), "line 3"),
    "a descriptor that is a list": (small(FILE | {"sddl": ["D:"]}), "line 4"),
    "a descriptor that is none": (small(FILE | {"sddl": "O:SYG:SYD:(A;;FA;;;QQ"}), "line 4"),
    "no links": (small(FILE | {"links": 0}), "line 4"),
    "too many links": (small(FILE | {"links": 1025}), "line 4"),
    "links that are a truth": (small(FILE | {"links": True}), "line 4"),
    "an unknown key of an entry": (small(FILE | {"size": 1}), "line 4"),
    "a slash": (small(FILE | {"path": "C:/f"}), "line 4"),
    "a dot": (small(FILE | {"path": "C:\\..\\f"}), "line 4"),
    "a separator at the end": (small(FILE | {"path": "C:\\f\\"}), "line 4"),
    "a NUL": (small(FILE | {"path": "C:\\f\0g"}), "line 4"),
    "a device": (small(FILE | {"path": "\\\\?\\C:\\f"}), "line 4"),
    "a path without end": (small(FILE | {"path": "C:\\" + "f" * 40_000}), "line 4"),
    "a path without bottom": (small(FILE | {"path": "C:" + "\\f" * 401}), "line 4"),
    "a line without end": (small(FILE | {"about": "x" * (1 << 20)}), "line 4"),
    "a root that is a file": (lines(HEAD, DRIVE, TOP | {"kind": "file"}), "line 3"),
    "one file of two names with one link": (small(FILE | {"identity": "1"}, FILE | {"path": "C:\\g", "identity": "1"}),
                                           "line 5"),
    "one file, two descriptors": (small(FILE | {"identity": "1", "links": 2},
                                        FILE | {"path": "C:\\g", "identity": "1", "links": 2, "sddl": "O:BAG:BAD:"}),
                                  "line 5"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named_with_its_line(name: str) -> None:
    data, line = MISTAKES[name]
    assert refused(data).key == line


def test_a_name_that_win32_cannot_spell_is_a_name() -> None:
    odd = ["C:\\aux.h", "C:\\ends.", "C:\\PROGRA~1", "C:\\\ud83d", "C:\\a:b"]
    read = world_format.parse(small(*({"path": path, "kind": "file", "sddl": ""} for path in odd)))
    assert [entry.path for entry in read.entries[1:]] == odd
    assert world_format.parse("\n".join(world_format.write(read)).encode("utf-8")) == read


NAMES = st.text(st.characters(blacklist_characters="\\/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", ".."))
DESCRIPTORS = st.sampled_from([None, *map(sddl.parse, (
    "O:SYG:SYD:", "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(D;;WD;;;S-1-5-21-1-2-3-4)", "D:NO_ACCESS_CONTROL",
    "O:BAG:BAD:AI(A;ID;0x1200a9;;;BU)S:(ML;OICI;NW;;;LW)"))])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    sids = st.integers(0, 2**32 - 1).map(lambda number: Sid(f"S-1-5-21-1-2-3-{number}"))
    entries = [Entry(path="C:\\", kind="directory", descriptor=draw(DESCRIPTORS), problem="a reason")]
    seen, directories = {place("C:\\")}, ["C:"]
    for _ in range(draw(st.integers(0, 8))):
        path = draw(st.sampled_from(directories)) + "\\" + draw(NAMES)
        if place(path) in seen:
            continue
        seen.add(place(path))
        kind = draw(st.sampled_from(("file", "directory")))
        entries.append(Entry(
            path=path, kind=kind, descriptor=draw(DESCRIPTORS), links=draw(st.integers(1, 1024)),
            reparse=draw(st.sampled_from(("", *REPARSE))), target=draw(st.text(max_size=5)), problem="a reason"))
        if kind == "directory" and entries[-1].reparse not in ("symlink", "junction"):
            directories.append(path)
    who = Accounts(user=draw(sids), groups=tuple(draw(st.lists(sids, max_size=3))), logon=draw(sids),
                   machine=draw(st.none() | sids), offline=draw(st.none() | sids), group=draw(st.none() | sids))
    return World(origin=draw(st.sampled_from(("modelled", "captured"))), about=draw(st.text(max_size=20)), accounts=who,
                 home="C:\\Users\\a", workspace=draw(st.sampled_from(("", "C:\\w"))), entries=tuple(entries),
                 volumes=(Volume(root="C:\\", remote=draw(st.booleans())),))


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_what_is_written_is_read_again(world: World) -> None:
    text = "\n".join(world_format.write(world)).encode("utf-8")
    again = world_format.parse(text)
    assert again == world
    assert "\n".join(world_format.write(again)).encode("utf-8") == text
