"""May this be read, written, connected to?  The one answer that plans, checks, explanations and proofs agree with.

Knows: the order of rules.  Must not know: how an answer is enforced, what exists.  A path in a request must be the real
one, links resolved: a lexical answer is about the place that the text names.

For a path, of all rules on it and on the directories above it the most specific one (most names) decides; at equal
specificity deny goes before read before write.  A denying glob that matches the path or a directory above it decides
over all of them.  Where nothing is said, reading is allowed and writing is not.  Below a writable root the protected
names stay as they are, however writing was allowed.  Writing implies reading.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import paths, secrets
from sidewall.policy.globs import Pattern
from sidewall.policy.model import (
    BUILT_IN,
    COMMAND_LINE,
    DENY,
    LAYERS,
    READ,
    WRITE,
    Decision,
    FileRule,
    Policy,
    Request,
    Source,
)
from sidewall.policy.protect import Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Key: TypeAlias = tuple[str, ...]
    Index: TypeAlias = dict[Key, FileRule]

CONNECT = "connect"
PRIVATE_SOURCE = Source(layer=BUILT_IN, key="private temporary directory")
GIT_SOURCE = Source(layer=BUILT_IN, key="git directory of the workspace")

_CAN = {True: "can", False: "cannot"}
_DONE = {READ: "read", WRITE: "written"}
_STRICTNESS = (DENY, READ, WRITE)
_ALLOWING = {READ: (READ, WRITE), WRITE: (WRITE,)}


def decide(policy: Policy, request: Request) -> Decision:
    """The answer to a request; the same for the same rules in any order.

    A target without a certain meaning (relative, a device, ``a/../b``, a short name on Windows, a host with a NUL) is
    denied with kind ``invalid``.  Raises PolicyError for an action that is none, and for a policy with a pattern or
    path that cannot be read.
    """
    if request.action == CONNECT:
        from sidewall.policy.connect import decide_connect

        return decide_connect(policy, request.target)
    if request.action not in (READ, WRITE):
        raise PolicyError(f"{request.action!r} is not an action", hint="Ask about read, write or connect.")
    if not policy.confined:
        return Decision(allowed=True, reason="the profile confines nothing", kind="unconfined")
    return prepared(policy).file(request.action, request.target)


def smallest_change(policy: Policy, request: Request) -> str:
    """The smallest change that would allow a denied request: an option, a line of TOML, or the rule to take away.

    '' when it is allowed already, or when nothing should be offered: protected names, system directories, and what
    only a wider profile could give.
    """
    from sidewall.policy.remedy import smallest_change as change

    return change(policy, request)


_last: tuple[Policy, Prepared] | None = None


def prepared(policy: Policy) -> Prepared:
    """The policy's rules, ready to be asked many times.  Raises PolicyError as ``decide``."""
    global _last
    last = _last
    if last is not None and last[0] is policy:
        return last[1]
    made = Prepared(policy)
    _last = (policy, made)
    return made


class Prepared:
    """A policy's file rules by place."""

    def __init__(self, policy: Policy) -> None:
        self.flavour = flavour = policy.flavour
        self._allow: dict[str, Index] = {READ: {}, WRITE: {}}
        self._refuse: dict[str, Index] = {READ: {}, WRITE: {}}
        self._globs: list[tuple[Pattern, FileRule]] = []
        self._private = [FileRule(path=place, access=WRITE, source=PRIVATE_SOURCE) for place in policy.private]
        self._roots: set[Key] = set()
        self._names = Names(policy.protected, policy.git, flavour)
        self._gitdirs: dict[Key, FileRule] = {
            paths.key(place, flavour): FileRule(path=place, access=WRITE, source=GIT_SOURCE) for place in policy.gitdirs
        }
        for rule in (*policy.files, *self._private, *self._gitdirs.values()):
            if rule.glob:
                self._globs.append((Pattern(rule.path, flavour), rule))
                continue
            narrow = paths.key(rule.path, flavour)
            wide = narrow if flavour == paths.POSIX else paths.key(rule.path, flavour, wide=True)
            for action, index in self._allow.items():
                if rule.access in _ALLOWING[action]:
                    _enter(index, narrow, rule)
                else:
                    _enter(self._refuse[action], wide, rule)
            if rule.access == WRITE and rule.source not in (PRIVATE_SOURCE, GIT_SOURCE):
                self._roots.add(narrow)
        self._globs.sort(key=lambda item: (item[0].specificity(), _order(item[1])), reverse=True)

    def file(self, action: str, target: str) -> Decision:
        """The answer for a path: ``action`` is ``read`` or ``write``."""
        flavour = self.flavour
        why = paths.doubt(target, flavour)
        if why:
            return Decision(allowed=False, kind="invalid", reason=f"{target!r} has no certain meaning: {why}")
        narrow = paths.key(target, flavour)
        wide = narrow if flavour == paths.POSIX else paths.key(target, flavour, wide=True)
        rule = self._deciding(action, narrow, wide)
        allowed = rule.access in _ALLOWING[action] if rule is not None else self._default(action, narrow)
        if allowed:
            for pattern, glob in self._globs:
                if pattern.covers_key(wide):
                    return _by(glob, "glob", target, allowed=False, action=action)
        if allowed and action == WRITE and rule is not None:
            held = self._held(rule, narrow, target)
            if held is not None:
                return held
        if rule is None:
            why = "denies" if allowed else "allows"
            return Decision(allowed=allowed, reason=f"{target} {_CAN[allowed]} be {_DONE[action]}: no rule {why} it")
        kind = "private" if rule.source == PRIVATE_SOURCE else "rule"
        if rule.source == secrets.SOURCE:
            kind = "secret"
        return _by(rule, kind, target, allowed=allowed, action=action)

    def _deciding(self, action: str, narrow: Key, wide: Key) -> FileRule | None:
        """The most specific rule: pessimistic where case is uncertain, so allowing rules are looked up narrowly."""
        allow, refuse = self._allow[action], self._refuse[action]
        for length in range(len(narrow), 0, -1):
            rule = refuse.get(wide[:length]) or allow.get(narrow[:length])
            if rule is not None:
                return rule
        return None

    def _default(self, action: str, key: Key) -> bool:
        return action == READ and not key[0].startswith("\\\\")

    def _held(self, rule: FileRule, key: Key, target: str) -> Decision | None:
        """What protected names and git directories say to a write that ``rule`` allows; None when nothing."""
        if rule.source == PRIVATE_SOURCE:
            return None
        names = paths.parts(target, self.flavour)
        for place, gitrule in self._gitdirs.items():
            if key[: len(place)] == place and self._names.holding_git(names[len(place) :]):
                return Decision(allowed=False, kind="protected", rule=gitrule, source=gitrule.source,
                                reason=f"{target} cannot be written: this part of a git directory steers git")
        if rule.source == GIT_SOURCE:
            return None
        for length in range(1, len(key) + 1):
            if key[:length] in self._roots:
                name = self._names.holding(names[length:])
                if name:
                    return Decision(allowed=False, kind="protected", rule=rule, source=Source(key=f"protected {name}"),
                                    reason=f"{target} cannot be written: {name} steers what runs outside the sandbox")
                break
        return None


def describe(source: Source) -> str:
    """Where a rule stands, for people."""
    if source.file:
        return f"{source.file}: {source.key}" if source.key else source.file
    if source.layer == COMMAND_LINE:
        return source.key or "the command line"
    return f"{source.layer}: {source.key}" if source.key else source.layer


def _enter(index: Index, key: Key, rule: FileRule) -> None:
    other = index.get(key)
    if other is None or _order(rule) < _order(other):
        index[key] = rule


def _order(rule: FileRule) -> tuple[int, bool, int, str, str, str]:
    """A total order among rules on the same place: the strictest first, written ones before those of the cell's own
    directories and of git, then the highest layer."""
    source = rule.source
    own = source in (PRIVATE_SOURCE, GIT_SOURCE)
    return (_STRICTNESS.index(rule.access), own, -LAYERS.index(source.layer), source.file, source.key, rule.path)


def _by(rule: FileRule, kind: str, target: str, *, allowed: bool, action: str) -> Decision:
    word = {DENY: "denied", READ: "readable, not writable", WRITE: "writable"}[rule.access]
    word = {"private": "the sandbox's own", "secret": "where credentials lie"}.get(kind, word)
    reason = f"{target} {_CAN[allowed]} be {_DONE[action]}: {rule.path} is {word} ({describe(rule.source)})"
    return Decision(allowed=allowed, reason=reason, rule=rule, kind=kind, source=rule.source)
