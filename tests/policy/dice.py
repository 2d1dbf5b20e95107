"""Policies, layers and requests by chance: few names, so that rules meet, and both flavours of paths.

Knows: the shapes of the policy's values.  Must not know: how a question is decided.

Hypothesis draws one number; everything else follows from it.  That is a hundred times faster than drawing each name,
and the number is all that is needed to see a failure again: ``Dice(number)``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

from sidewall.policy import paths, protect
from sidewall.policy.merge import Overlay
from sidewall.policy.model import (
    DENY,
    GUARANTEES,
    LAYERS,
    PROJECT,
    READ,
    WRITE,
    Environ,
    FileRule,
    HostRule,
    Limits,
    Network,
    Policy,
    Request,
    Source,
)

NAMES = ("a", "b", "A", "c.txt", ".git", "hooks", "objects", ".vscode", "é", "É", "s", "ſ", "[x]")
HOSTS = ("org", "a.org", "b.a.org", "c.b.a.org", "10.1.2.3", "10.9.9.9", "127.0.0.1", "2001:db8::1")
HOST_PATTERNS = (*HOSTS, "*.a.org", "*.b.a.org", "a.org:22", "*.a.org:22", "10.0.0.0/8", "10.1.0.0/16",
                 "2001:db8::/32")
PIECES = ("a", "b", "*", "**", "?", "*.txt", "[ab]", "[!a]", ".git")
VARIABLES = ("PATH", "HOME", "MY_KEY", "FOO", "*_KEY", "F*", "LC_TOKEN", "*")

Item = TypeVar("Item")


class Dice:
    """Everything that follows from one number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = random.Random(number)
        self.flavour = self.one(paths.FLAVOURS)

    def __repr__(self) -> str:
        return f"Dice({self.number})"

    def one(self, items: Sequence[Item]) -> Item:
        return self.random.choice(items)

    def some(self, items: Sequence[Item], most: int) -> tuple[Item, ...]:
        return tuple(dict.fromkeys(self.one(items) for _ in range(self.random.randint(0, most))))

    def chance(self, of: int) -> bool:
        return self.random.randrange(of) == 0

    @property
    def root(self) -> str:
        return "/" if self.flavour == paths.POSIX else "C:\\"

    def joined(self, names: Sequence[str]) -> str:
        return self.root + ("/" if self.flavour == paths.POSIX else "\\").join(names)

    def place(self, least: int = 0) -> str:
        return self.joined([self.one(NAMES) for _ in range(self.random.randint(least, 4))])

    def source(self) -> Source:
        return Source(layer=self.one(LAYERS), file=self.one(("", "/f", "/g")), key="k")

    def file_rule(self) -> FileRule:
        if self.chance(6):
            names = [self.one(PIECES) for _ in range(self.random.randint(1, 3))]
            return FileRule(path=self.joined([*names, self.one(("*", "**", "*.txt", "?"))]), access=DENY,
                            source=self.source(), glob=True)
        return FileRule(path=self.place(), access=self.one((READ, WRITE, WRITE, DENY)), source=self.source())

    def host_rule(self) -> HostRule:
        return HostRule(pattern=self.one(HOST_PATTERNS), allow=self.one((True, True, False)), source=self.source())

    def network(self) -> Network:
        return Network(
            mode=self.one(("off", "proxy", "proxy", "on")),
            hosts=tuple(self.host_rule() for _ in range(self.random.randint(0, 5))),
            loopback_ports=self.some((22, 5432), 2), unix_sockets=self.some(("/a/b", "/s"), 2),
        )

    def policy(self) -> Policy:
        posix = self.flavour == paths.POSIX
        return Policy(
            name="test", workspace=self.root + "a", home=self.root + "b", flavour=self.flavour,
            files=tuple(self.file_rule() for _ in range(self.random.randint(0, 8))),
            protected=self.one(((), protect.names(self.flavour), (".vscode", "c.txt"))),
            git=self.one(("commit", "read-only")), network=self.network(),
            environ=Environ(inherit=self.one(("none", "core", "all")), allow=self.some(VARIABLES, 2),
                            deny=self.some(VARIABLES, 2)),
            limits=Limits(wall_seconds=self.one((0, 5, 50)), memory_bytes=self.one((0, 100)),
                          processes=self.one((0, 10, 4096))),
            require=self.some(GUARANTEES, 3), private=("/a/b",) if posix and self.chance(2) else (),
            gitdirs=(self.place(1),) if self.chance(4) else (),
        )

    def overlay(self) -> Overlay:
        """What an untrusted project might say: a few clauses, so that some layers pass."""
        source = Source(layer=PROJECT, file="/f")
        clauses: dict[str, object] = {}
        choices: dict[str, Sequence[object]] = {
            "extends": (":workspace", ":read-only", ":offline", ":strict", ":full-read"),
            "mode": ("off", "proxy", "on"), "loopback_ports": ((22,), (5432,)), "unix_sockets": (("/s",),),
            "inherit": ("none", "core", "all"), "env_allow": (("FOO",), ("*",)), "env_deny": (("FOO",), ("*_KEY",)),
            "env_set": ((("FOO", "x"),),), "protect": (("b",),), "release": ((".vscode",),),
            "limits": ((("processes", 5),), (("wall_seconds", 20),), (("memory_bytes", 0),)),
            "git": ("commit", "read-only"), "require": (GUARANTEES, (), self.some(GUARANTEES, 3)),
        }
        for name in self.some(tuple(choices), 3):
            clauses[name] = self.one(choices[name])
        if not self.chance(3):
            clauses["files"] = tuple(self.file_rule() for _ in range(self.random.randint(1, 3)))
        if self.chance(3):
            clauses["hosts"] = (self.host_rule(),)
        return Overlay(source=source, trusted=False, **clauses)  # type: ignore[arg-type]  # values by name

    def file_request(self) -> Request:
        return Request(action=self.one((READ, WRITE)), target=self.place())

    def request(self) -> Request:
        if self.chance(3):
            host = self.one(HOSTS)
            shown = f"[{host}]" if ":" in host else host
            target = self.one((shown, f"{shown}:22", f"{shown}:80", "/s", "/a/b/c"))
            return Request(action="connect", target=target)
        return self.file_request()

    def shuffled(self, items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(self.random.sample(items, len(items)))


dice = st.integers(0, 2**48).map(Dice)
