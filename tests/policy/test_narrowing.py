"""An untrusted layer never allows what the policy below it denies; what it may say and what it may not.

Knows: layers and their refusals.  Must not know: files, or how trust is kept.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from sidewall.errors import ConfigError, PolicyError
from sidewall.policy import profiles
from sidewall.policy.decide import decide
from sidewall.policy.environ import filter_environ
from sidewall.policy.merge import Overlay, apply, merge
from sidewall.policy.model import (
    DENY,
    PROJECT,
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

from . import dice as own
from .dice import Dice

VARIABLES = {"PATH": "/bin", "HOME": "/h", "MY_KEY": "k", "FOO": "f", "LC_TOKEN": "t", "LC_ALL": "C", "OTHER": "o",
             "PROXY": "http://me:secret@proxy/"}
HERE = Source(layer=PROJECT, file="/w/sidewall.toml", key="files")


def wider(before: Policy, after: Policy, request: Request) -> bool:
    return decide(after, request).allowed and not decide(before, request).allowed


@given(dice=own.dice)
@settings(max_examples=1000, deadline=None)
def test_narrowing_never_widens(dice: Dice) -> None:
    base, overlay = dice.policy(), dice.overlay()
    try:
        result = apply(base, overlay)
    except PolicyError:
        return
    asked = [dice.request() for _ in range(20)]
    assert [request for request in asked if wider(base, result, request)] == [], (base, overlay)
    before, after = (filter_environ(policy.environ, VARIABLES, base.flavour) for policy in (base, result))
    given_a_value = {name for name, _ in overlay.env_set}
    assert {pair for pair in after.items() if pair[0] not in given_a_value} <= before.items()
    assert set(base.require) <= set(result.require)
    assert set(base.protected) <= set(result.protected)
    assert set(result.network.unix_sockets) <= set(base.network.unix_sockets)
    for name in ("wall_seconds", "memory_bytes", "processes"):
        old, new = getattr(base.limits, name), getattr(result.limits, name)
        assert old == 0 or 0 < new <= old


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_a_second_untrusted_layer_is_bound_by_the_first(dice: Dice) -> None:
    base, first, second = dice.policy(), dice.overlay(), dice.overlay()
    try:
        one = apply(base, first)
        two = merge(base, (first, second))
    except PolicyError:
        return
    assert [request for request in (dice.request() for _ in range(10)) if wider(one, two, request)] == []


def test_the_dice_make_layers_that_pass_and_layers_that_do_not() -> None:
    passed = 0
    for number in range(300):
        throw = Dice(number)
        base = throw.policy()
        try:
            passed += apply(base, throw.overlay()) != base
        except PolicyError:
            continue
    assert 30 < passed < 200


BASE = profiles.build(":workspace", workspace="/w", home="/home/u")


def project(**clauses: Any) -> Overlay:
    return Overlay(source=HERE, trusted=False, **clauses)


def rule(path: str, access: str, *, glob: bool = False) -> FileRule:
    return FileRule(path=path, access=access, glob=glob, source=HERE.replace(key=f"files.{access}"))


def host(pattern: str, *, allow: bool = True) -> HostRule:
    return HostRule(pattern=pattern, allow=allow, source=HERE)


@pytest.mark.parametrize(("key", "clauses"), [
    ("files.write", {"files": (rule("/home/u/other", WRITE),)}),
    ("files.write", {"files": (rule("/w/.git/hooks", WRITE),)}),
    ("files.write", {"files": (rule("/w/.vscode", WRITE),)}),
    ("files.read", {"files": (rule("/home/u/.ssh", READ),)}),
    ("files.read", {"files": (rule("/home/u/.ssh/config", READ),)}),
    ("files.write", {"files": (rule("/w", WRITE),), "extends": ":read-only"}),
    ("network.mode", {"mode": "on"}),
    ("network.mode", {"mode": "proxy"}),
    ("network.loopback_ports", {"loopback_ports": (5432,)}),
    ("network.unix_sockets", {"unix_sockets": ("/run/docker.sock",)}),
    ("env.inherit", {"inherit": "all"}),
    ("env.allow", {"env_allow": ("AWS_*",)}),
    ("limits.processes", {"limits": (("processes", 0),)}),
    ("limits.processes", {"limits": (("processes", 100000),)}),
    ("protect.release", {"release": (".vscode",)}),
    ("require", {"require": ()}),
    ("require", {"require": ("write-outside",)}),
    ("extends", {"extends": ":full-read"}),
    ("extends", {"extends": ":unconfined"}),
])
def test_widening_is_refused_and_named(key: str, clauses: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(BASE, project(**clauses))
    assert caught.value.key == key
    assert caught.value.file == "/w/sidewall.toml"
    assert caught.value.hint


@pytest.mark.parametrize(("key", "clauses"), [
    ("network.allow", {"hosts": (host("evil.org"),)}),
    ("network.allow", {"hosts": (host("sub.example.org"),)}),
    ("network.allow", {"hosts": (host("example.org:22"),)}),
    ("network.allow", {"hosts": (host("*.example.org"),)}),
    ("network.mode", {"mode": "on"}),
])
def test_an_untrusted_file_adds_no_host(key: str, clauses: dict[str, Any]) -> None:
    base = BASE.replace(network=Network(mode="proxy", hosts=(host("example.org"), host("*.net.example"))))
    with pytest.raises(ConfigError) as caught:
        apply(base, project(**clauses))
    assert caught.value.key == key
    assert apply(base, project(hosts=(host("EXAMPLE.org."), host("a.net.example")))).network.mode == "proxy"


def test_a_host_that_a_more_specific_rule_denies_stays_denied() -> None:
    rules = (host("*.example.org"), host("*.evil.example.org", allow=False))
    base = BASE.replace(network=Network(mode="proxy", hosts=rules))
    with pytest.raises(ConfigError):
        apply(base, project(hosts=(host("a.evil.example.org"),)))
    with pytest.raises(ConfigError):
        apply(base, project(hosts=(host("*.example.org"),)))


def test_narrowing_narrows() -> None:
    result = apply(BASE, project(
        extends=":offline", files=(rule("/w/docs", READ), rule("/w/**/*.pem", DENY, glob=True), rule("/w/out", WRITE)),
        env_deny=("HOME",), limits=(("processes", 64), ("wall_seconds", 600)), protect=("deploy",), git="read-only",
        require=("write-outside", "network-egress", "privileges", "survivors"),
    ))
    assert not decide(result, Request(action=WRITE, target="/w/docs/x")).allowed
    assert not decide(result, Request(action=READ, target="/w/a/b/key.pem")).allowed
    assert not decide(result, Request(action=WRITE, target="/w/x/deploy/run.sh")).allowed
    assert not decide(result, Request(action=WRITE, target="/w/.git/index")).allowed
    assert decide(result, Request(action=WRITE, target="/w/src/x")).allowed
    assert "HOME" not in filter_environ(result.environ, VARIABLES)
    assert (result.limits.processes, result.limits.wall_seconds) == (64, 600)
    assert "survivors" in result.require


def test_a_root_that_an_untrusted_file_names_again_is_no_root_of_its_own() -> None:
    """Apart from the root around it, it would lose what is protected there, and the host's /tmp would be meant."""
    places = ("/tmp/x", "/w/out", "/w/.git/modules/a/refs/heads")
    result = apply(BASE, project(files=tuple(rule(place, WRITE) for place in places)))
    assert result.files == BASE.files


def test_an_untrusted_value_does_not_replace_one_of_the_user() -> None:
    user = Overlay(source=Source(layer=USER, file="/c"), env_set=(("PAGER", "cat"),))
    with pytest.raises(ConfigError) as caught:
        merge(BASE, (user, project(env_set=(("PAGER", "/w/evil"),))))
    assert caught.value.key == "env.set"
    assert dict(apply(BASE, project(env_set=(("MODE", "test"),))).environ.set) == {"MODE": "test"}
