"""Captures that somebody spoiled: each gives a world or one clear error, soon, whatever bytes are in it.

Knows: ``plan.world_format``, the worlds beside this file.  Must not know: what a plan does with them.
``SIDEWALL_FUZZ_SECONDS`` makes the run longer (``python -m pytest tests/plan/windows/test_world_fuzz.py``).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from sidewall.errors import ConfigError
from sidewall.plan import world_format

HERE = Path(__file__).parent / "worlds"
SECONDS = float(os.environ.get("SIDEWALL_FUZZ_SECONDS", "0"))
TURNS = 1000
PIECES = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"\0", b"\xff", b"null", b"true", b"-1", b"1e999", b"NaN",
    b'"path"', b'"volume"', b'"C:\\\\"', b'"sddl"', b"O:SYG:SYD:", b"(A;;FA;;;SY)", b"99999999999", b"\\ud800",
    b"\\u0000", b"\\n", b"file", b"directory", b"[" * 3000, b"S-1-5-21-", b"(XA;;FA;;;WD;(a==1))", b'"links": 7')


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """The text with a few bytes replaced, taken out, doubled, or with pieces of the format in wrong places."""
    text = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(text) + 1)
        end = at + dice.choice((0, 0, 1, 2, 30))
        match dice.randrange(4):
            case 0:
                text[at:end] = dice.choice(PIECES)
            case 1:
                text[at:end] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 3)))
            case 2:
                del text[at:end]
            case _:
                text[at:at] = text[dice.randrange(len(text) + 1) :][: dice.randint(0, 200)]
    return bytes(text)


@pytest.mark.timeout(SECONDS + 120)
def test_spoiled_captures_give_worlds_or_one_error() -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    texts = [b"\n".join((HERE / f"{name}.jsonl").read_bytes().split(b"\n")[:20])
             for name in ("repository", "onedrive", "memory-stick", "earlier-account")]
    read, errors, turns = 0, set(), 0
    end = time.monotonic() + SECONDS
    while turns < TURNS or time.monotonic() < end:
        turns += 1
        try:
            world_format.parse(spoiled(dice.choice(texts), dice))
            read += 1
        except ConfigError as error:
            errors.add((error.key.startswith("line ") and bool(error.hint) and "\n" not in error.message
                        and len(error.message) < 2000, error.hint))
    print(f"{turns} captures, {read} of them worlds, {len(errors)} different remedies")
    assert all(clear for clear, _ in errors), (seed, errors)
    assert read > turns // 200 and len(errors) > 8, (seed, read, turns, errors)
