"""Decisions by example: which rule decides, and how it is said.

Knows: the default policy and small changes of it.  Must not know: the index behind the answers.
"""

from __future__ import annotations

import pytest

from sidewall.errors import PolicyError
from sidewall.policy import profiles
from sidewall.policy.decide import decide, describe
from sidewall.policy.model import (
    COMMAND_LINE,
    DENY,
    READ,
    USER,
    WRITE,
    Decision,
    FileRule,
    Network,
    Policy,
    Request,
    Source,
)

HOME, WORK = "/home/u", "/home/u/p"
BASE = profiles.build(":workspace", workspace=WORK, home=HOME)
MINE = Source(layer=USER, file="/home/u/.config/sidewall/config.toml", key="files.deny")


def ask(policy: Policy, action: str, target: str) -> Decision:
    return decide(policy, Request(action=action, target=target))


def with_rules(*rules: tuple[str, str], glob: bool = False, policy: Policy = BASE) -> Policy:
    made = tuple(FileRule(path=path, access=access, source=MINE, glob=glob) for path, access in rules)
    return policy.replace(files=policy.files + made)


@pytest.mark.parametrize(("action", "target", "allowed", "kind"), [
    ("write", WORK, True, "rule"), ("write", WORK + "/a", True, "rule"), ("write", WORK + "x/a", False, "default"),
    ("read", "/usr/bin/x", True, "default"), ("write", "/usr/bin/x", False, "default"),
    ("read", HOME + "/.ssh", False, "secret"),
    ("write", HOME + "/.ssh/authorized_keys", False, "secret"), ("write", WORK + "/.git/config", False, "protected"),
    ("read", WORK + "/.git/config", True, "rule"), ("write", WORK + "/.git/index.lock", True, "rule"),
    ("write", WORK + "/vendor/lib/.git/hooks/post-checkout", False, "protected"),
    ("write", WORK + "/.git", False, "protected"),
    ("write", WORK + "/a/b/c/.claude/settings.json", False, "protected"),
    ("write", "/tmp/x/.git/config", True, "private"),
    ("write", WORK + "/a/../../.bashrc", False, "invalid"), ("write", "relative", False, "invalid"),
    ("read", "", False, "invalid"),
    ("read", "/a\0b", False, "invalid"), ("write", HOME + "/.config/sidewall/config.toml", False, "rule"),
    ("read", HOME + "/.local/state/sidewall/audit.jsonl", False, "rule"),
    ("write", "/proc/self/root" + WORK, False, "default"),
])
def test_the_default_policy(action: str, target: str, *, allowed: bool, kind: str) -> None:
    decision = ask(BASE, action, target)
    assert (decision.allowed, decision.kind) == (allowed, kind), decision.reason
    assert decision.reason


def test_the_more_specific_rule_wins_in_both_directions() -> None:
    policy = with_rules((WORK + "/docs", READ), (WORK + "/docs/out", WRITE), (WORK + "/docs/out/secret", DENY),
                        (WORK + "/docs/out/secret/open", READ))
    assert not ask(policy, "write", WORK + "/docs/x").allowed
    assert ask(policy, "write", WORK + "/docs/out/x").allowed
    assert not ask(policy, "read", WORK + "/docs/out/secret/x").allowed
    assert ask(policy, "read", WORK + "/docs/out/secret/open/x").allowed
    assert not ask(policy, "write", WORK + "/docs/out/secret/open/x").allowed


def test_on_one_path_deny_goes_before_read_before_write() -> None:
    assert not ask(with_rules((WORK, READ)), "write", WORK + "/x").allowed
    assert not ask(with_rules((WORK, READ), (WORK, DENY)), "read", WORK + "/x").allowed


def test_a_pattern_denies_over_every_path() -> None:
    policy = with_rules((WORK + "/**/.env", DENY), glob=True)
    policy = with_rules((WORK + "/a/.env", WRITE), policy=policy)
    decision = ask(policy, "read", WORK + "/a/.env")
    assert not decision.allowed and decision.kind == "glob"
    assert not ask(policy, "write", WORK + "/a/.env/below").allowed
    assert ask(policy, "write", WORK + "/a/.envx").allowed


def test_of_several_patterns_the_most_specific_is_named() -> None:
    policy = with_rules((WORK + "/**", DENY), (WORK + "/a/*.key", DENY), ("/**/*.key", DENY), glob=True)
    found = ask(policy, "read", WORK + "/a/x.key").rule
    assert isinstance(found, FileRule) and found.path == WORK + "/a/*.key"


def test_a_name_with_brackets_is_a_name() -> None:
    policy = profiles.build(":workspace", workspace="/w/[id]", home=HOME)
    assert ask(policy, "write", "/w/[id]/x").allowed
    assert not ask(policy, "write", "/w/i/x").allowed


def test_everything_can_be_closed_and_parts_opened() -> None:
    policy = with_rules(("/", DENY), ("/usr", READ))
    assert not ask(policy, "read", "/etc/passwd").allowed
    assert ask(policy, "read", "/usr/bin/python").allowed
    assert ask(policy, "write", WORK + "/x").allowed


def test_what_only_looks_alike_on_windows_is_denied_and_never_allowed() -> None:
    policy = Policy(name="t", workspace="C:\\w", home="C:\\h", flavour="windows", files=(
        FileRule(path="C:\\w", access=WRITE), FileRule(path="C:\\w\\s", access=DENY),
        FileRule(path="C:\\ſ", access=WRITE)))
    assert not ask(policy, "read", "C:\\w\\ſ\\x").allowed
    assert not ask(policy, "write", "C:\\s\\x").allowed
    assert ask(policy, "write", "C:\\ſ\\x").allowed


def test_the_sandboxs_own_directory_is_its_own_whatever_lies_around_it() -> None:
    policy = BASE.replace(files=(FileRule(path="/", access=WRITE),), private=("/var/tmp",), gitdirs=("/var",))
    for name in (".git/config", ".vscode/tasks.json", "config"):
        assert ask(policy, "write", f"/var/tmp/{name}").kind == "private"
    assert ask(policy, "write", "/srv/.git/config").kind == "protected"


def test_names_above_the_writable_root_protect_nothing() -> None:
    policy = profiles.build(":workspace", workspace=HOME + "/p/.claude/worktrees/x", home=HOME)
    assert ask(policy, "write", HOME + "/p/.claude/worktrees/x/a").allowed


def test_a_root_inside_another_opens_nothing_that_is_protected_there() -> None:
    policy = with_rules((WORK + "/.vscode", WRITE))
    assert ask(policy, "write", WORK + "/.vscode/tasks.json").kind == "protected"


def test_the_git_directory_of_a_linked_worktree() -> None:
    policy = BASE.replace(gitdirs=("/home/u/main/.git",))
    assert ask(policy, "write", "/home/u/main/.git/worktrees/p/index.lock").allowed
    assert ask(policy, "write", "/home/u/main/.git/objects/ab/cd").allowed
    for name in ("config", "hooks/post-commit", "worktrees/p/gitdir", "worktrees/p/commondir", "info/attributes"):
        assert ask(policy, "write", f"/home/u/main/.git/{name}").kind == "protected"
    assert not ask(policy, "write", "/home/u/main/src/x").allowed
    assert not ask(policy.replace(git="read-only"), "write", "/home/u/main/.git/index").allowed


def test_git_read_only() -> None:
    policy = BASE.replace(git="read-only")
    assert ask(policy, "write", WORK + "/.git/index").kind == "protected"
    assert ask(policy, "write", WORK + "/x").allowed


def test_the_reason_names_the_path_the_rule_and_its_place() -> None:
    decision = ask(with_rules((WORK + "/data", DENY)), "read", WORK + "/data/x")
    assert decision.reason == (
        "/home/u/p/data/x cannot be read: /home/u/p/data is denied (/home/u/.config/sidewall/config.toml: files.deny)")
    assert decision.source == MINE
    assert describe(Source(layer=COMMAND_LINE, key="--write")) == "--write"
    assert describe(Source(layer=COMMAND_LINE)) == "the command line"


@pytest.mark.parametrize(("mode", "target", "allowed", "kind"), [
    ("off", "example.org", False, "network"), ("off", "localhost:3000", True, "loopback"),
    ("off", "127.1:80", True, "loopback"),
    ("off", "10.0.0.1", False, "network"), ("on", "example.org:22", True, "network"),
    ("on", "10.0.0.1:1", True, "network"),
    ("off", "/run/docker.sock", False, "socket"), ("on", "/run/docker.sock", False, "socket"),
    ("off", "/run/listed", True, "socket"),
    ("off", WORK + "/dev.sock", True, "socket"), ("off", "/tmp/x.sock", True, "socket"),
    ("on", "@abstract", False, "socket"),
    ("off", "a\0.example.org", False, "invalid"), ("off", "ex ample.org", False, "invalid"),
    ("on", "bücher.example", False, "invalid"),
    ("off", "example.org:99999", False, "invalid"), ("off", "/run/../run/listed", True, "socket"),
])
def test_connections(mode: str, target: str, *, allowed: bool, kind: str) -> None:
    policy = BASE.replace(network=Network(mode=mode, unix_sockets=("/run/listed",)))
    if target == "/run/../run/listed":
        assert ask(policy, "connect", target).kind == "invalid"
        return
    decision = ask(policy, "connect", target)
    assert (decision.allowed, decision.kind) == (allowed, kind), decision.reason


def test_an_action_that_is_none() -> None:
    with pytest.raises(PolicyError):
        ask(BASE, "execute", "/bin/sh")
