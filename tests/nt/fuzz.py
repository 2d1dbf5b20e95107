"""Throws damaged input at every parser of the Windows model: ``python -m tests.nt.fuzz [SECONDS [SEED]]``.

Knows: what each parser may do with any input: accept it, and then give it back; or refuse it with one clear error.
Must not know: any rule of a format.

Inputs are made by chance or mutated from those that did something new; new is an error, or a shape of an accepted
value, that was not seen before.  Anything but a value or an error of ours is a crash; five seconds are a hang.
"""

from __future__ import annotations

import _thread
import json
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.nt.dice_conditions import ConditionDice, claim_bytes, condition_bytes
from tests.nt.dice_descriptors import DescriptorDice

from sidewall.errors import SidewallError
from sidewall.nt import attribute, condition, sddl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError, SddlError
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token
from sidewall.plan import world_format

PATIENCE = 5.0
POOL = 400
WORLDS = Path(__file__).parents[1] / "plan" / "windows" / "worlds"
TOKEN = json.dumps({"user": "S-1-5-18", "groups": [["S-1-1-0", "enabled"], ["S-1-5-4", 7]], "restricted": ["S-1-5-12"],
                    "write_restricted": True, "privileges": ["SeBackupPrivilege"], "integrity": 8192})
TEXT_PIECES = (
    "O:", "G:", "D:", "S:", "(", ")", ";", "P", "AI", "NO_ACCESS_CONTROL", "(A;;FA;;;WD)", "(XA;;FA;;;WD;(",
    '(RA;;;;;WD;("a",TX,0,', "SID(", "{", "}", ",", '"', "#", "@User.", "%0041", "&&", "||", "!", "==", "Member_of",
    "Exists ", "0x", "-1", "S-1-5-", "99999999999", " ", "\t", "\0", "\ud800", "\u0661", "é", "(" * 300, "!(" * 300,
    "[", "null", "true", ":", "1e999",
)
BYTE_PIECES = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x01\0\0\0", b"artx", b"\x01\x01\0\0\0\0\0\x05\x12\0\0\0",
    b"\x02\0\x08\0\0\0\0\0",
    b"\xf8\x02\0\0\0a\0", b"\x50\x05\0\0\0", b"\x80", b"\xa0", b"\xa2" * 200, b"\0" * 16, b"\x10\0\0\0",
)


class Hang(Exception):
    """An input took longer than PATIENCE."""


def check_sddl(text: str) -> str:
    value = sddl.parse(text)
    assert sddl.parse(sddl.format(value)) == value
    return f"{len(value.dacl.aces) if value.dacl else value.dacl}"


def check_descriptor(data: bytes) -> str:
    value = SecurityDescriptor.from_bytes(data)
    assert SecurityDescriptor.from_bytes(value.to_bytes()) == value
    try:
        text = sddl.format(value)
    except SddlError as error:
        return skeleton(error)
    sddl.parse(text)
    return "has a text"


def check_condition(data: bytes) -> str:
    text = condition.format(b"artx" + data)
    (entry,) = sddl.parse(f"D:(XA;;;;;WD;{text})").dacl.aces  # type: ignore[union-attr]
    assert condition.format(entry.data) == text
    return re.sub(r"\w+", "w", text)[:12]


def check_attribute(data: bytes) -> str:
    text = attribute.format(data)
    (entry,) = sddl.parse(f"S:(RA;;;;;WD;{text})").sacl.aces  # type: ignore[union-attr]
    assert attribute.format(entry.data) == text
    return re.sub(r"\w+", "w", text)[:12]


def check_sid(text: str) -> str:
    sid = Sid(text)
    assert Sid.from_bytes(sid.to_bytes()) == sid == Sid(str(sid))
    return str(len(sid.subauthorities))


def check_token(text: str) -> str:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return "no JSON"
    Token.from_json(given)
    return "token"


def check_world(data: bytes) -> str:
    world = world_format.parse(data)
    assert world_format.parse("\n".join(world_format.write(world)).encode()) == world
    return str(len(world.entries))


def condition_text(luck: random.Random) -> str:
    dice = ConditionDice(luck)
    return f"D:(XA;;FA;;;WD;{dice.text(dice.tree())})"


def attribute_text(luck: random.Random) -> str:
    dice = ConditionDice(luck)
    return f"S:(RA;;;;;WD;{dice.claim_text(dice.claim())})"


Input = Any  # str or bytes; both are sequences that are cut and joined alike
TARGETS: dict[str, tuple[Callable[[Any], str], Callable[[random.Random], Input]]] = {
    "sddl": (check_sddl, lambda luck: sddl.format(DescriptorDice(luck).descriptor(sayable=True))),
    "condition text": (check_sddl, condition_text),
    "attribute text": (check_sddl, attribute_text),
    "descriptor": (check_descriptor, lambda luck: DescriptorDice(luck).descriptor(luck.random() < 0.5).to_bytes()),
    "condition bytes": (check_condition, lambda luck: condition_bytes(ConditionDice(luck).tree())[4:]),
    "attribute bytes": (check_attribute, lambda luck: claim_bytes(ConditionDice(luck).claim())),
    "sid": (check_sid, lambda luck: str(DescriptorDice(luck).sid())),
    "token": (check_token, lambda luck: TOKEN),
    "capture": (check_world, lambda luck: b"\n".join(luck.choice(captures()).split(b"\n")[: luck.randint(2, 12)])),
}
_captures: list[bytes] = []


def captures() -> list[bytes]:
    """The worlds that are shipped as test data."""
    if not _captures:
        _captures.extend(path.read_bytes() for path in sorted(WORLDS.glob("*.jsonl")))
    return _captures


def skeleton(error: SidewallError) -> str:
    """An error's message without what it quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+|\([^)]*\)", "_", error.message)[:60]


def mutated(given: Input, other: Input, luck: random.Random) -> Input:
    """A few pieces cut, doubled, swapped, changed, put in."""
    pieces: Any = TEXT_PIECES if isinstance(given, str) else BYTE_PIECES
    for _ in range(luck.choice((1, 1, 1, 2, 3, 8))):
        at = luck.randrange(len(given) + 1)
        end = min(len(given), at + luck.choice((0, 1, 1, 2, 4, 30)))
        match luck.randrange(6):
            case 0:
                given = given[:at] + given[end:]
            case 1:
                given = given[:at] + luck.choice(pieces) + given[at:]
            case 2:
                given = given[:at] + luck.choice(pieces) + given[end:]
            case 3:
                start = luck.randrange(len(other) + 1)
                given = given[:at] + other[start : start + luck.choice((1, 4, 20, 200))] + given[end:]
            case 4:
                given = given[:at] + given[at:end] * luck.choice((2, 3, 50)) + given[end:]
            case _:
                one = chr(luck.choice((luck.randrange(128), luck.randrange(0x11000))))
                given = given[:at] + (one if isinstance(given, str) else luck.randbytes(1)) + given[at + 1 :]
    return given[:20_000]


class Clock:
    """Has the main thread's handler of ``SIGNAL`` called when a parser takes longer than it may.  Windows has no timer
    that sends a signal: a thread looks there."""

    SIGNAL = getattr(signal, "SIGALRM", signal.SIGINT)

    def __init__(self) -> None:
        self.due = 0.0
        if not hasattr(signal, "setitimer"):
            threading.Thread(target=self._watch, daemon=True).start()

    def set(self, seconds: float) -> None:
        """From now on, 0 for never."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)
        else:
            self.due = time.monotonic() + seconds if seconds else 0.0

    def _watch(self) -> None:
        while True:
            time.sleep(PATIENCE / 10)
            if 0 < self.due < time.monotonic():
                self.due = 0.0
                _thread.interrupt_main(self.SIGNAL)


class Fuzzer:
    """Runs until told; `failures` are (target, what went wrong, input)."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.clock = Clock()
        self.failures: list[tuple[str, str, Input]] = []
        self.tried = dict.fromkeys(TARGETS, 0)
        self.accepted = dict.fromkeys(TARGETS, 0)
        self.seen: dict[str, set[str]] = {name: set() for name in TARGETS}
        self.pool: dict[str, list[Input]] = {name: [make(self.luck)] for name, (_, make) in TARGETS.items()}

    def step(self, name: str) -> None:
        """One input for one parser."""
        check, make = TARGETS[name]
        pool = self.pool[name]
        fresh = make(self.luck) if self.luck.random() < 0.2 else self.luck.choice(pool)
        given = fresh if self.luck.random() < 0.05 else mutated(fresh, self.luck.choice(pool), self.luck)
        self.tried[name] += 1
        self.clock.set(PATIENCE)
        try:
            kind = check(given)
            self.accepted[name] += 1
        except SidewallError as error:
            kind = "refused: " + skeleton(error)
            self.judge(name, error, given)
        except Exception as error:
            kind = f"crash: {type(error).__name__}"
            self.failures.append((name, f"{type(error).__name__}: {error}"[:300], given))
        finally:
            self.clock.set(0)
        if kind not in self.seen[name]:
            self.seen[name].add(kind)
            pool.append(given)
            if len(pool) > POOL:
                pool.pop(self.luck.randrange(POOL))

    def judge(self, name: str, error: SidewallError, given: Input) -> None:
        """A refusal must be one clear line with a place and a remedy, of the right family."""
        text = str(error)
        clear = error.hint and len(text) < 2000 and "\n" not in text
        ours = isinstance(error, NtError) != (name == "capture")
        place = getattr(error, "position", getattr(error, "offset", 0))
        if not clear or not ours or not -1 <= place <= len(given) + 20:
            self.failures.append((name, f"not clear: {type(error).__name__}: {text[:300]!r}", given))

    def report(self) -> str:
        """A line for each parser."""
        return "\n".join(
            f"{name:16} {self.tried[name]:>9} inputs, {self.accepted[name]:>8} accepted,"
            f" {len(self.seen[name]):>4} different outcomes"
            for name in TARGETS
        )


def run(fuzzer: Fuzzer, enough: Callable[[int], bool]) -> None:
    """Steps through all parsers in turn until ``enough`` says so, given the number of rounds."""

    def ring(_signal: int, _frame: object) -> None:
        raise Hang(f"longer than {PATIENCE:.0f} seconds")

    before = signal.signal(Clock.SIGNAL, ring)
    try:
        rounds = 0
        while not enough(rounds) and len(fuzzer.failures) < 20:
            for name in TARGETS:
                fuzzer.step(name)
            rounds += 1
    finally:
        signal.signal(Clock.SIGNAL, before)


def main(words: list[str]) -> int:
    seconds = float(words[0]) if words else 600.0
    seed = int(words[1]) if len(words) > 1 else random.randrange(1 << 32)
    print(f"fuzz: {seconds:.0f} seconds, seed {seed}", flush=True)
    fuzzer = Fuzzer(seed)
    begin = time.monotonic()
    run(fuzzer, lambda rounds: time.monotonic() - begin >= seconds)
    print(fuzzer.report())
    for name, what, given in fuzzer.failures:
        print(f"{name}: {what}\n    {given!r}")
    print(f"fuzz: {sum(fuzzer.tried.values())} inputs, {len(fuzzer.failures)} crashes or hangs or unclear errors")
    return 1 if fuzzer.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
