"""The index: only what git itself would write comes out, and nothing in it leads git out of the working tree.

Knows: gitformat-index(5).  Must not know: how it is carried.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.platforms.linux import gitindex

if TYPE_CHECKING:
    from tests.linux.git.conftest import World

OID = hashlib.sha1(b"blob 0\0").digest()


def entry(name: bytes, mode: int = 0o100644, oid: bytes = OID, flags: int = 0) -> bytes:
    data = struct.pack(">10I", 0, 0, 0, 0, 0, 0, mode, 0, 0, 0) + oid + struct.pack(
        ">H", flags | min(len(name), 0xFFF)) + name
    return data + bytes(8 - len(data) % 8)


def index(*entries: bytes, extensions: bytes = b"", version: int = 2) -> bytes:
    data = b"DIRC" + struct.pack(">II", version, len(entries)) + b"".join(entries) + extensions
    return data + hashlib.sha1(data).digest()


def extension(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data


GOOD = index(entry(b"a"), entry(b"b/c", 0o100755), entry(b"l", 0o120000))

BAD = {
    "no header": b"DIRX" + GOOD[4:],
    "cut off": GOOD[:-30],
    "wrong checksum": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "a changed byte": GOOD[:40] + b"x" + GOOD[41:],
    "version 5": index(entry(b"a"), version=5),
    "more entries than there are": b"DIRC" + struct.pack(">II", 2, 1 << 30) + GOOD[12:],
    "out of order": index(entry(b"b"), entry(b"a")),
    "twice the same": index(entry(b"a"), entry(b"a")),
    "a device": index(entry(b"a", 0o020644)),
    "an unknown extension": index(entry(b"a"), extensions=extension(b"evil", b"x")),
    "an extension that is cut off": index(entry(b"a"), extensions=b"TREE\0\0\xff\xff"),
    **{f"path {name!r}": index(entry(name)) for name in (
        b"../x", b"/etc/passwd", b"a/../../x", b".", b"..", b"a/.", b"a//b", b".git/hooks/post-checkout",
        b".GIT/config", b"a/.git/config", b".git", b"a/.Git", b"git~1/config", b".git./config",
        b".git /config", b"", b"a/",
        b".git\\hooks\\x", b"d/git~12", b".git::$INDEX_ALLOCATION/x")},
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_index_stays_inside(world: World, data: bytes) -> None:
    before = (world.git / "index").read_bytes()
    (world.base / "evil-index").write_bytes(data)
    told = world.run(f"cp {world.base}/evil-index .git/index")
    assert [(one.action, one.path) for one in told] == [("held", ".git/index")]
    assert (world.git / "index").read_bytes() == before
    world.everyday()
    assert not (world.git / "hooks/post-checkout").exists()


@pytest.mark.parametrize("name", [b".gitignore", b".github/x", b"a.git/b", b"...", b"a/..b", b"git~x", b"x" * 5000,
                                  b"new\nline", b"\xff\xfe", b".gitmodules", b"\\x"])
def test_names_that_only_look_bad_are_good(name: bytes) -> None:
    assert gitindex.read(index(entry(name)), "sha1").data == index(entry(name))


def test_cached_trees_of_the_cell_are_not_believed(world: World) -> None:
    """Git takes the tree for its next commit from the index when it finds one there."""
    world.inside("mkdir t; echo evil > t/evil; git add t; git write-tree; echo good > g; git add g; git commit -qm 1; "
                 "git reset -q --soft HEAD~1")
    evil = world.inside("git write-tree").strip()
    # A forged cache: the root is the commit's whole tree, though the index is made to lack one file.
    script = world.base / "forge.py"
    script.write_text(
        "import hashlib, subprocess, sys\n"
        f"tree = bytes.fromhex({evil!r})\n"
        "subprocess.run(['git', 'update-index', '--force-remove', 't/evil'], check=True)\n"
        "data = open('.git/index', 'rb').read()[:-20]\n"
        "at = data.find(b'TREE'); data = data[:at] if at > 0 else data\n"
        "count = int.from_bytes(data[8:12], 'big')\n"
        "body = b'\\0%d 0\\n' % count + tree\n"
        "data += b'TREE' + len(body).to_bytes(4, 'big') + body\n"
        "open('.git/index', 'wb').write(data + hashlib.sha1(data).digest())\n")
    world.inside(f"python3 {script}")
    assert world.inside("git write-tree").strip() == evil
    world.settle()
    assert b"TREE" not in (world.git / "index").read_bytes()
    assert "t/evil" not in world.shell("git ls-tree -r --name-only $(git write-tree)")


def test_a_refresh_by_the_host_is_no_conflict(world: World) -> None:
    world.shell("sleep 0.05; touch -d '2001-01-01' f d/g; git status")
    told = world.run("echo a > a; git add a")
    assert {one.action for one in told} == {"carried"}
    world.shell("sleep 0.05; touch -d '2002-01-01' f a; git status")
    told = world.run("echo b > b; git add b")
    assert {one.action for one in told} == {"carried"}
    assert world.shell("git ls-files") == "a\nb\nd/g\nf\n"
    world.shell("echo mine > mine; sleep 0.05; git add mine")
    told = world.run("echo c > c; git add c")
    assert [one.path for one in told if one.action == "conflict"] == [".git/index"]
    assert world.shell("git ls-files") == "a\nb\nd/g\nf\nmine\n"
    world.whole()


NAME = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name)


@settings(max_examples=300, deadline=None)
@given(names=st.sets(NAME, max_size=6), stages=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_what_is_taken_is_what_was_there(names: set[bytes], stages: list[int]) -> None:
    rows = [(name, stage) for name, stage in zip(sorted(names), stages, strict=False)]
    data = index(*(entry(name, flags=stage << 12) for name, stage in rows),
                 extensions=extension(b"TREE", b"anything") + extension(b"REUC", b"kept"))
    bad = any(part in (b"", b".", b"..") or part.lower().rstrip(b" .") in (b".git", b"git~1")
              for name in names for part in name.replace(b"\\", b"/").split(b"/"))
    try:
        read = gitindex.read(data, "sha1")
    except gitindex.Rejected:
        assert any(b"/" in name or b"\\" in name or b"." in name or b"~" in name for name in names)
        return
    assert not bad or any(b"\\" in name for name in names)
    assert read.data == index(*(entry(name, flags=stage << 12) for name, stage in rows),
                              extensions=extension(b"REUC", b"kept"))
    assert gitindex.read(read.data, "sha1").shape == read.shape


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), checked=st.booleans())
def test_anything_else_is_refused_and_no_error(data: bytes, checked: bool) -> None:
    whole = b"DIRC" + data
    read = None
    try:
        read = gitindex.read(whole + hashlib.sha1(whole).digest() if checked else whole, "sha1")
    except gitindex.Rejected:
        return
    assert read.data[:4] == b"DIRC"
