"""Random inheritance against Samba's own C function; every difference belongs to a class that the documents judge.

Asks for the descriptor of a file and of a directory below random parents.  Samba is asked in another process, by the
Python that its package belongs to, and is not needed for anything else.

Classes, with who is right (docs/nt-model.md):

* ``mapping``: Samba copies masks as they are.  MS-DTYP 2.5.3.4.6 and the tables run on Windows map generic rights of an
  effective entry, drop bits that the type does not have, and keep a template where that changed something: ours.
* ``duplicates``: Samba drops an entry that is there already.  Neither text nor table does; access is the same.
* ``nothing``: nothing comes down: Samba gives a NULL or an empty DACL, Windows the token's default DACL, and no DACL
  only where that is absent too (kmtests): ours.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from sidewall.nt import ace as aces
from sidewall.nt import inherit, sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED, SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, map_generic
from sidewall.nt.sid import Sid

SAMBAS_PYTHON = "/usr/bin/python3"
ORACLE = Path(__file__).with_name("inherit_samba_oracle.py")
CASES = int(os.environ.get("SIDEWALL_DIFFERENTIAL_CASES", "4000"))
FILE = MAPPINGS["file"]
OWNER = Sid("S-1-5-21-1-2-3-1001")
GROUP = Sid("S-1-5-32-545")
SIDS = tuple(map(Sid, (
    "S-1-1-0", "S-1-3-0", "S-1-3-1", "S-1-3-4", "S-1-5-18", "S-1-5-32-544", "S-1-5-21-71-72-73-1", OWNER, GROUP,
)))
PLAIN = (0x1, 0x2, 0x40, 0x1200A9, 0x1301BF, 0x1F01FF, 0xD0156)
MASKS = (*PLAIN, 0x10000000, 0x80000000, 0xE0010000, 0x200, 0x3F01FF)


def parent(dice: random.Random) -> SecurityDescriptor:
    masks = dice.choice((PLAIN, PLAIN, MASKS))
    entries = tuple(
        Ace(type=dice.choice((0, 0, 1)), flags=dice.randrange(32), mask=dice.choice(masks), sid=dice.choice(SIDS))
        for _ in range(dice.randrange(7)))
    if entries and dice.randrange(4) == 0:
        entries += (dice.choice(entries),)
    control = dice.choice((0, SE_DACL_AUTO_INHERITED, SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED))
    return SecurityDescriptor(owner=dice.choice(SIDS), group=dice.choice(SIDS), dacl=Acl(aces=entries), control=control)


def ask(cases: list[tuple[SecurityDescriptor, bool]]) -> list[SecurityDescriptor]:
    """Samba's answers; skips the test where Samba is not installed."""
    if not os.access(SAMBAS_PYTHON, os.X_OK):
        pytest.skip(f"no {SAMBAS_PYTHON}: Samba is asked by Debian's own Python (install python3-samba)")
    lines = "".join(json.dumps({
        "sd": sd.to_bytes().hex(), "owner": OWNER.to_bytes().hex(), "group": GROUP.to_bytes().hex(),
        "container": container}) + "\n" for sd, container in cases)
    done = subprocess.run([SAMBAS_PYTHON, str(ORACLE)], input=lines, capture_output=True, text=True, timeout=300,
                          check=False)
    if done.returncode == 3:
        pytest.skip(f"Samba's security library is not installed (install python3-samba): {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return [SecurityDescriptor.from_bytes(bytes.fromhex(answer["sd"])) for answer in answers]


def mapped(entries: tuple[Ace, ...]) -> tuple[Ace, ...]:
    """Samba's entries, effective ones mapped as on Windows, with a template behind each of these that goes on."""
    result: list[Ace] = []
    for entry in entries:
        mask = map_generic(entry.mask, FILE) & FILE.all
        if entry.flags & aces.INHERIT_ONLY or mask == entry.mask:
            result.append(entry)
        elif entry.flags & aces.CONTAINER_INHERIT:
            result.append(entry.replace(flags=entry.flags & aces.INHERITED, mask=mask))
            result.append(entry.replace(flags=entry.flags | aces.INHERIT_ONLY))
        else:
            result.append(entry.replace(mask=mask))
    return tuple(result)


def once(entries: tuple[Ace, ...]) -> tuple[Ace, ...]:
    return tuple(dict.fromkeys(entries))


def judge(ours: SecurityDescriptor, theirs: SecurityDescriptor) -> str:
    """The class of a difference, ``agree``, or ``unexplained``."""
    bits = SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED
    if ours.dacl is None:
        return "nothing" if theirs.dacl is None or not theirs.dacl.aces else "unexplained"
    heads = [(sd.owner, sd.group, sd.control & bits) for sd in (ours, theirs)]
    if theirs.dacl is None or heads[0] != heads[1]:
        return "unexplained"
    mine, other = ours.dacl.aces, theirs.dacl.aces
    if mine == other:
        return "agree"
    if mine == mapped(other):
        return "mapping"
    if once(mine) == other:
        return "duplicates"
    return "mapping and duplicates" if once(mine) == once(mapped(other)) else "unexplained"


def test_every_difference_from_samba_is_of_a_known_class() -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    cases = [(parent(dice), bool(dice.randrange(2))) for _ in range(CASES)]
    classes: Counter[str] = Counter()
    for (sd, container), theirs in zip(cases, ask(cases), strict=True):
        ours = inherit.child(sd, container=container, owner=OWNER, group=GROUP, mapping=FILE)
        verdict = judge(ours, theirs)
        classes[verdict] += 1
        assert verdict != "unexplained", (
            f"seed {seed}\nparent {sddl.format(sd)}\n{'directory' if container else 'file'}\n"
            f"ours {sddl.format(ours)}\nSamba {sddl.format(theirs)}")
    told = ", ".join(f"{name} {count}" for name, count in sorted(classes.items()))
    print(f"\ninheritance, seed {seed}: {CASES} cases, {told}")
    assert classes["agree"] > CASES // 5
    assert classes["mapping"]
    assert classes["duplicates"]
