"""No object that comes out of a cell lies about its content, whatever pack or file it comes in.

Knows: loose objects, packs and their indexes.  Must not know: how they are checked.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidewall.platforms.linux import gitinflate, gitpack
from sidewall.platforms.linux.gitcarry import Limits

if TYPE_CHECKING:
    from tests.linux.git.conftest import World

ROOM = 1 << 30


def put(world: World, oid: str, data: bytes) -> None:
    """Leaves a file of the object store inside, as a hostile program would."""
    source = world.base / "object"
    source.write_bytes(data)
    world.inside(f"mkdir -p .git/objects/{oid[:2]}; cp {source} .git/objects/{oid[:2]}/{oid[2:]}")


def loose(content: bytes, kind: bytes = b"blob") -> tuple[str, bytes]:
    whole = b"%s %d\0%s" % (kind, len(content), content)
    return hashlib.sha1(whole).hexdigest(), zlib.compress(whole)


def outside(world: World) -> list[str]:
    return sorted(str(path.relative_to(world.git)) for path in (world.git / "objects").rglob("*") if path.is_file())


OID, GOOD = loose(b"right\n")
WRONG = {
    "other content": loose(b"wrong\n")[1],
    "not compressed": b"blob 6\0right\n",
    "empty": b"",
    "cut off": GOOD[:-5],
    "something behind it": GOOD + b"x",
    "another stream behind it": GOOD + GOOD,
    "no kind": zlib.compress(b"thing 6\0right\n"),
    "a longer size": zlib.compress(b"blob 7\0right\n"),
    "a shorter size": zlib.compress(b"blob 5\0right\n"),
    "a bomb": zlib.compress(b"blob 6\0" + bytes(50_000_000), 9),
    "a bomb that says so": zlib.compress(b"blob 99999999999\0" + bytes(1_000_000), 9),
    "a size with a sign": zlib.compress(b"blob -6\0right\n"),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_a_loose_object_that_lies_stays_inside(world: World, data: bytes) -> None:
    before = outside(world)
    put(world, OID, data)
    told = world.settle()
    assert [(one.action, one.path) for one in told] == [("held", f".git/objects/{OID[:2]}/{OID[2:]}")]
    assert outside(world) == before
    # A reference made now might need it: nothing else is carried until it is gone.
    assert not [one for one in world.run("git branch new") if one.action == "carried"]
    put(world, OID, GOOD)
    assert [one.path for one in world.settle() if one.action == "carried"] == [".git/objects", ".git/refs/heads/new"]
    assert outside(world) == sorted([*before, f"objects/{OID[:2]}/{OID[2:]}"])
    world.whole()


def test_an_object_that_exists_is_never_replaced(world: World) -> None:
    oid = world.shell("git rev-parse HEAD:f").strip()
    path = world.git / "objects" / oid[:2] / oid[2:]
    before, inode = path.read_bytes(), path.stat().st_ino
    put(world, oid, loose(b"evil\n")[1])
    world.settle()
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    world.whole()


def packed(world: World) -> tuple[Path, Path]:
    """A pack with deltas of objects that are not outside, made by git in a repository elsewhere."""
    place = world.base / "elsewhere"
    world.shell(f"git init -q {place}; cd {place}; seq 2000 > a; git add a; git commit -qm 1; "
                "for i in $(seq 2 30); do seq $i 2000 > a; git commit -qam $i; done; git repack -adfq --depth=20")
    (pack,) = place.glob(".git/objects/pack/*.pack")
    return pack, pack.with_suffix(".idx")


def corrected(data: bytes) -> bytes:
    return data[:-20] + hashlib.sha1(data[:-20]).digest()


def swap_names(index: bytes) -> bytes:
    """An index in which two objects have changed places; all its checksums are right."""
    (count,) = struct.unpack_from(">I", index, 8 + 255 * 4)
    table = bytearray(index)
    for start, size in ((1032 + count * 20, 4), (1032 + count * 24, 4)):
        first, second = (table[start + i * size:start + (i + 1) * size] for i in (3, 4))
        table[start + 3 * size:start + 5 * size] = second + first
    return corrected(bytes(table))


def wrong_fanout(index: bytes) -> bytes:
    table = bytearray(index)
    struct.pack_into(">I", table, 8 + 4 * 100, 0)
    return corrected(bytes(table))


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1:]


FORGED: dict[str, Callable[[bytes, bytes], tuple[bytes, bytes]]] = {
    "names that changed places": lambda pack, index: (pack, swap_names(index)),
    "a wrong fan-out": lambda pack, index: (pack, wrong_fanout(index)),
    "a wrong checksum of the index": lambda pack, index: (pack, flip(index, len(index) - 1)),
    "a wrong checksum of the pack": lambda pack, index: (flip(pack, len(pack) - 1), index),
    "another count": lambda pack, index: (corrected(flip(pack, 11)), index),
    "a changed object": lambda pack, index: (corrected(flip(pack, len(pack) // 2)), index),
    "cut off": lambda pack, index: (pack[:len(pack) // 2], index),
    "an empty index": lambda pack, index: (pack, b""),
    "an index of a few bytes": lambda pack, index: (pack, index[:1000]),
    "offsets beyond the end": lambda pack, index: (pack, corrected(
        index[:-48] + struct.pack(">Q", 1 << 62) + index[-40:])),
    "something between objects": lambda pack, index: (corrected(pack[:-20] + b"junk" + pack[-20:]), index),
}


def matching(pack: bytes, index: bytes) -> bytes:
    """The index with the pack's checksum in it, so that only a look at the objects tells."""
    return corrected(index[:-40] + pack[-20:] + index[-20:]) if len(index) > 1000 else index


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_pack_stays_inside(world: World, forge: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> None:
    before = outside(world)
    original, original_index = packed(world)
    pack, index = forge(original.read_bytes(), original_index.read_bytes())
    name = "pack-" + "a" * 40
    tried = 0
    for trial in (index, matching(pack, index)):
        if (pack[:-20], trial) == (original.read_bytes()[:-20], original_index.read_bytes()):
            # Nothing is forged but the pack's own checksum, which is not copied.
            continue
        tried += 1
        (world.base / f"{name}.pack").write_bytes(pack)
        (world.base / f"{name}.idx").write_bytes(trial)
        world.inside(f"mkdir -p .git/objects/pack; cp {world.base}/{name}.* .git/objects/pack/")
        told = world.settle()
        assert not [one for one in told if one.action == "carried"]
        assert outside(world) == before
    assert tried
    shutil.copy(original, world.base / f"{name}.pack")
    shutil.copy(original_index, world.base / f"{name}.idx")
    world.inside(f"cp -f {world.base}/{name}.* .git/objects/pack/")
    assert [one.path for one in world.settle() if one.action == "carried"] == [".git/objects"]
    assert len(outside(world)) == len(before) + 2
    world.whole()


def test_a_pack_is_not_believed_for_one_object_either(world: World) -> None:
    """When a pack brings few new objects, only those are taken out of it."""
    world.shell("for i in $(seq 40); do echo $i > file$i; done; git add .; git commit -qm many; git gc -q")
    world.carry.close()
    world.close()
    world.open()
    world.inside("echo new > n; git add n; git commit -qm n; git gc -q --prune=now")
    world.settle()
    assert len(list(world.git.glob("objects/pack/*.pack"))) == 1
    world.agree()


def test_a_repack_of_known_objects_is_left_inside(world: World) -> None:
    before = outside(world)
    told = world.run("git gc -q --prune=now; git repack -adfq")
    assert outside(world) == before
    assert not [one for one in told if one.action == "held"]
    world.agree()


def test_what_is_too_large_stays_inside(worlds: Callable[..., World]) -> None:
    limits = Limits(object_bytes=10_000, pack_bytes=10_000, index_bytes=10_000, log_bytes=10_000)
    world = worlds(limits=limits)
    head = world.shell("git rev-parse HEAD")
    told = world.run("head -c 20000 /dev/urandom > big; git add big; git commit -qm big")
    assert [one for one in told if "larger than" in one.reason]
    assert world.shell("git rev-parse HEAD") == head
    world.whole()
    world.everyday()


def test_more_than_is_checked_in_one_go_comes_later(worlds: Callable[..., World]) -> None:
    world = worlds(limits=Limits(inflated_bytes=30_000))
    world.inside("for i in 1 2 3 4; do head -c 20000 /dev/urandom > big$i; done; git add .; git commit -qm big")
    for _ in range(5):
        world.settle()
    world.agree()


def test_too_many_entries(worlds: Callable[..., World]) -> None:
    world = worlds(limits=Limits(entries=200, objects=100))
    told = world.run("for i in $(seq 300); do echo $(git rev-parse HEAD) > .git/refs/tags/t$i; done")
    assert [one for one in told if one.action == "held"]
    told = world.run("rm .git/refs/tags/t*; for i in $(seq 150); do echo $i | git hash-object -w --stdin; done")
    assert [one for one in told if "more than" in one.reason]
    assert len(outside(world)) < 130
    world.whole()


def test_the_working_directory_of_a_deep_tree(world: World) -> None:
    world.inside("cd .git/refs; for i in $(seq 300); do mkdir d && cd d; done; echo x > y")
    told = world.settle()
    assert [one.reason for one in told] == ["too deep"]
    world.everyday()


def delta(base: bytes, target: bytes, choose: random.Random) -> bytes:
    """Some delta that makes ``target`` from ``base``: copies where it happens to be possible."""

    def number(value: int) -> bytes:
        out = b""
        while value >= 128:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    data, place = number(len(base)) + number(len(target)), 0
    while place < len(target):
        size = choose.randint(1, 127)
        found = base.find(target[place:place + size])
        piece = target[place:place + size]
        if found >= 0:
            operands, command = b"", 128
            for bit, byte in enumerate(struct.pack("<I", found)):
                if byte:
                    command |= 1 << bit
                    operands += bytes([byte])
            for bit, byte in enumerate(struct.pack("<I", len(piece))[:3]):
                if byte:
                    command |= 16 << bit
                    operands += bytes([byte])
            data += bytes([command]) + operands
        else:
            data += bytes([len(piece)]) + piece
        place += len(piece)
    return data


@settings(max_examples=100, deadline=None)
@given(base=st.binary(max_size=400), target=st.binary(max_size=400), copied=st.integers(0, 400), seed=st.integers())
def test_deltas(base: bytes, target: bytes, copied: int, seed: int) -> None:
    target = target + base[copied:] + target
    made = delta(base, target, random.Random(seed))
    assert gitinflate.apply_delta(base, made, gitinflate.Budget(ROOM)) == target


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(base=st.binary(max_size=60), data=st.binary(max_size=60))
def test_a_broken_delta_is_refused_and_nothing_else(base: bytes, data: bytes) -> None:
    try:
        made = gitinflate.apply_delta(base, data, gitinflate.Budget(ROOM))
    except gitinflate.Forged:
        return
    assert isinstance(made, bytes)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 100_000), value=st.integers(1, 255), both=st.booleans())
def test_a_damaged_pack_is_never_taken(pack_bytes: tuple[bytes, bytes], tmp_path_factory: pytest.TempPathFactory,
                                       place: int, value: int, both: bool) -> None:
    pack, index = pack_bytes
    place %= len(pack) - 20
    damaged = corrected(pack[:place] + bytes([pack[place] ^ value]) + pack[place + 1:])
    if both:
        index = corrected(index[:-40] + damaged[-20:] + index[-20:])
    path = tmp_path_factory.getbasetemp() / "damaged.pack"
    path.write_bytes(damaged)
    fd = os.open(path, os.O_RDONLY)
    try:
        table = gitpack.PackIndex(index, "sha1")
        with pytest.raises(gitinflate.Forged):
            gitpack.Pack(fd, len(damaged), table, "sha1", gitinflate.Budget(ROOM)).verify()
    finally:
        os.close(fd)


@pytest.fixture(scope="module")
def pack_bytes(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A small pack of blobs and deltas, built here: (pack, index)."""
    choose = random.Random(7)
    contents = [b"".join(choose.choice([b"alpha\n", b"beta\n", b"gamma\n"]) for _ in range(200))]
    entries: list[tuple[bytes, bytes]] = []

    def head(kind: int, size: int) -> bytes:
        first = (kind << 4) | (size & 15)
        size >>= 4
        out = b""
        while size:
            out += bytes([first | 128])
            first, size = size & 127, size >> 7
        return out + bytes([first])

    names = [hashlib.sha1(b"blob %d\0%s" % (len(contents[0]), contents[0])).digest()]
    entries.append((names[0], head(3, len(contents[0])) + zlib.compress(contents[0])))
    for number in range(8):
        content = contents[-1][5:] + b"%d\n" % number
        made = delta(contents[-1], content, choose)
        name = hashlib.sha1(b"blob %d\0%s" % (len(content), content)).digest()
        entries.append((name, head(7, len(made)) + names[-1] + zlib.compress(made)))
        contents.append(content)
        names.append(name)
    pack, rows = b"PACK" + struct.pack(">II", 2, len(entries)), []
    for name, data in entries:
        rows.append((name, zlib.crc32(data), len(pack)))
        pack += data
    pack += hashlib.sha1(pack).digest()
    rows.sort()
    index = b"\xfftOc\0\0\0\2" + b"".join(
        struct.pack(">I", sum(name[0] <= byte for name, _, _ in rows)) for byte in range(256))
    index += b"".join(name for name, _, _ in rows)
    index += b"".join(struct.pack(">I", crc) for _, crc, _ in rows)
    index += b"".join(struct.pack(">I", offset) for _, _, offset in rows) + pack[-20:]
    index += hashlib.sha1(index).digest()
    path = tmp_path_factory.mktemp("pack") / "good.pack"
    path.write_bytes(pack)
    with path.open("rb") as file:
        gitpack.Pack(file.fileno(), len(pack), gitpack.PackIndex(index, "sha1"), "sha1",
                     gitinflate.Budget(ROOM)).verify()
    return pack, index
