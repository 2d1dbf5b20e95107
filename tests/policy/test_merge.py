"""Trusted layers: what each clause does, which are refused, and with which words.

Knows: layers.  Must not know: files and formats.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall.errors import ConfigError, UsageError
from sidewall.policy import profiles
from sidewall.policy.decide import decide
from sidewall.policy.merge import Overlay, apply, merge
from sidewall.policy.model import (
    COMMAND_LINE,
    DENY,
    READ,
    USER,
    WRITE,
    FileRule,
    HostRule,
    Network,
    Policy,
    Request,
    Source,
)
from sidewall.policy.paths import WINDOWS

HOME, WORK = "/home/u", "/home/u/p"
BASE = profiles.build(":workspace", workspace=WORK, home=HOME)
FILE = Source(layer=USER, file="/c.toml")


def layer(*rules: tuple[str, str], **clauses: Any) -> Overlay:
    files = tuple(FileRule(path=path, access=access, source=FILE.replace(key=f"files.{access}")) for path,
    access in rules)
    return Overlay(source=FILE, files=files, **clauses)


def allowed(policy: Policy, action: str, target: str) -> bool:
    return decide(policy, Request(action=action, target=target)).allowed


def test_a_rule_replaces_the_one_on_the_same_path() -> None:
    policy = apply(BASE, layer((HOME + "/.npmrc", READ)))
    assert allowed(policy, "read", HOME + "/.npmrc")
    assert not allowed(policy, "read", HOME + "/.netrc")
    again = apply(policy, layer((HOME + "/.npmrc", DENY)))
    assert not allowed(again, "read", HOME + "/.npmrc")
    assert not allowed(apply(BASE, layer((WORK, READ))), "write", WORK + "/x")


def test_lists_grow_and_single_values_are_replaced() -> None:
    first = layer(mode="proxy", hosts=(HostRule(pattern="a.org", allow=True),), protect=("deploy",), env_allow=("A",),
                  env_set=(("X", "1"), ("Y", "1")), limits=(("processes", 10),), inherit="all", loopback_ports=(1,))
    second = layer(hosts=(HostRule(pattern="b.org", allow=True),), release=(".vscode",), env_set=(("X", "2"),),
                   git="read-only",
                   limits=(("wall_seconds", 60),), inherit="none", unix_sockets=("/s",), loopback_ports=(1, 2),
                   require=("limits",))
    policy = merge(BASE, (first, second))
    assert [rule.pattern for rule in policy.network.hosts] == ["a.org", "b.org"]
    assert policy.network.mode == "proxy" and policy.network.loopback_ports == (1, 2)
    assert "deploy" in policy.protected and ".vscode" not in policy.protected
    assert dict(policy.environ.set) == {"X": "2", "Y": "1"}
    assert policy.environ.inherit == "none" and policy.environ.allow == ("A",)
    assert (policy.limits.processes, policy.limits.wall_seconds) == (10, 60)
    assert policy.git == "read-only" and policy.require == ("limits",)
    assert merge(policy, (first, second)).network.hosts == policy.network.hosts


def test_a_higher_layer_lets_through_what_a_lower_one_denied() -> None:
    policy = merge(BASE, (layer(env_deny=("HOME", "TERM")), layer(env_allow=("HOME",), env_set=(("TERM", "dumb"),))))
    assert policy.environ.deny == ()


def test_what_was_released_may_become_a_root() -> None:
    policy = apply(BASE, layer((WORK + "/.vscode", WRITE), release=(".vscode",)))
    assert allowed(policy, "write", WORK + "/.vscode/tasks.json")


@pytest.mark.parametrize(("key", "overlay"), [
    ("files.write", layer(("/", WRITE))), ("files.write", layer((HOME, WRITE))),
    ("files.write", layer(("/etc/x", WRITE))),
    ("files.write", layer((WORK + "/.vscode", WRITE))), ("files.write", layer((WORK + "/sub/.git/hooks", WRITE))),
    ("files.write", layer((HOME + "/.config/sidewall", WRITE))),
    ("files.write", layer((HOME + "/.local/state/sidewall/x", WRITE))),
    ("protect.release", layer(release=("sidewall.toml",))), ("extends", layer(extends=":unconfined")),
    ("extends", layer(extends=":none")), ("network.mode", layer(mode="open")), ("protect.git", layer(git="all")),
    ("require", layer(require=("everything",))),
    ("network.allow", layer(hosts=(HostRule(pattern="a.org", allow=True),))),
    ("network.allow", layer(mode="proxy", hosts=(HostRule(pattern="*.com", allow=True),))),
    ("network.deny", layer(mode="on", hosts=(HostRule(pattern="a.org", allow=False),))),
    ("network.loopback_ports", layer(loopback_ports=(0,))), ("limits.processes", layer(limits=(("processes", -1),))),
])
def test_what_is_refused_names_file_and_key(key: str, overlay: Overlay) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(BASE, overlay)
    assert (caught.value.file, caught.value.key) == ("/c.toml", key)
    assert caught.value.hint
    with pytest.raises(UsageError):
        apply(BASE, overlay.replace(source=Source(layer=COMMAND_LINE)))


def test_a_pattern_may_only_deny() -> None:
    rule = FileRule(path=WORK + "/*", access=WRITE, glob=True, source=FILE.replace(key="files.write"))
    with pytest.raises(ConfigError):
        apply(BASE, Overlay(source=FILE, files=(rule,)))


def test_a_root_around_the_workspace_is_refused_where_a_protected_name_lies_between() -> None:
    base = profiles.build(":workspace", workspace=HOME + "/p/.claude/worktrees/x", home=HOME)
    with pytest.raises(ConfigError) as caught:
        apply(base, layer((HOME + "/p", WRITE)))
    assert ".claude" in caught.value.message


def test_the_network_does_not_open_over_a_denial() -> None:
    base = BASE.replace(network=Network(mode="proxy", hosts=(HostRule(pattern="a.org", allow=False),)))
    with pytest.raises(ConfigError) as caught:
        apply(base, layer(mode="on"))
    assert caught.value.key == "network.mode"


@pytest.mark.parametrize("place", ["", r"\accounts.json", r"\runtime", r"\runtime\1", r"\state\access-lists"])
def test_no_layer_opens_sidewall_s_own_places_on_windows(place: str) -> None:
    home = r"C:\Users\u"
    policy = profiles.build(":workspace", workspace=home + r"\w", home=home, flavour=WINDOWS)
    path = home + r"\AppData\Local\sidewall" + place
    source = Source(layer=COMMAND_LINE, key="--write")
    with pytest.raises(UsageError, match="part of Sidewall's own"):
        apply(policy, Overlay(source=source, trusted=True, files=(FileRule(path=path, access=WRITE, source=source),)))
    given = Overlay(source=source, trusted=True, files=(FileRule(path=path, access=READ, source=source),))
    assert not decide(apply(policy, given), Request(action="write", target=path)).allowed


def test_own_settings_stay_unwritable_below_a_root_around_them() -> None:
    policy = apply(BASE, layer((HOME + "/.config", WRITE)))
    assert allowed(policy, "write", HOME + "/.config/other/x")
    assert not allowed(policy, "write", HOME + "/.config/sidewall/config.toml")


def test_a_profile_in_a_layer_bounds_what_came_before() -> None:
    lower = layer((HOME + "/out", WRITE), mode="on")
    policy = merge(BASE, (lower, layer((HOME + "/only", WRITE), extends=":read-only")))
    assert not allowed(policy, "write", HOME + "/out/x") and not allowed(policy, "write", WORK + "/x")
    assert allowed(policy, "write", HOME + "/only/x")
    assert policy.network.mode == "off"
