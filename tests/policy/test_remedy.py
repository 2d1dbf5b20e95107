"""The smallest change: typed back in, it allows what was denied; for some denials there is none.

Knows: options and keys.  Must not know: how a suggestion is found.
"""

from __future__ import annotations

import shlex
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.policy import profiles
from sidewall.policy.decide import decide, smallest_change
from sidewall.policy.merge import Overlay, apply
from sidewall.policy.model import (
    COMMAND_LINE,
    DENY,
    PROJECT,
    USER,
    FileRule,
    HostRule,
    Network,
    Policy,
    Request,
    Source,
)
from sidewall.policy.remedy import quoted, toml

HOME, WORK = "/home/u", "/home/u/p"
BASE = profiles.build(":workspace", workspace=WORK, home=HOME)


def change(action: str, target: str, policy: Policy = BASE) -> str:
    return smallest_change(policy, Request(action=action, target=target))


def typed(policy: Policy, text: str) -> Policy:
    """The policy after doing what the suggestion says."""
    source = Source(layer=COMMAND_LINE, key="--x")
    if text.startswith("--"):
        option, path = shlex.split(text)
        return apply(policy, Overlay(source=source, files=(FileRule(path=path, access=option[2:], source=source),)))
    table = tomllib.loads(text)["network"]
    hosts = tuple(HostRule(pattern=name, allow=True, source=source) for name in table.get("allow", ()))
    return apply(policy, Overlay(source=source, mode=table.get("mode", ""), hosts=hosts,
                                 unix_sockets=tuple(table.get("unix_sockets", ()))))


@pytest.mark.parametrize(("action", "target", "expected"), [
    ("write", "/home/u/other/x", "--write /home/u/other"),
    ("write", "/home/u/.cache/pip/x", "--write /home/u/.cache/pip"),
    ("write", "/home/u/.config/x.toml", "--write /home/u/.config/x.toml"),
    ("write", "/home/u/notes", "--write /home/u/notes"),
    ("write", "/opt/app/x", "--write /opt/app"), ("write", "/opt/x", "--write /opt/x"),
    ("read", "/home/u/.npmrc", "--read /home/u/.npmrc"),
    ("read", "/home/u/.ssh/my key", "--read '/home/u/.ssh/my key'"),
    ("connect", "example.org", 'network = { mode = "proxy", allow = ["example.org"] }'),
    ("connect", "EXAMPLE.org.:8443", 'network = { mode = "proxy", allow = ["example.org:8443"] }'),
    ("connect", "[2001:DB8::1]:22", 'network = { mode = "proxy", allow = ["[2001:db8::1]:22"] }'),
    ("connect", "/run/docker.sock", 'network.unix_sockets = ["/run/docker.sock"]'),
])
def test_what_is_offered_allows_what_was_denied(action: str, target: str, expected: str) -> None:
    assert change(action, target) == expected
    request = Request(action=action, target=target)
    assert not decide(BASE, request).allowed
    assert decide(typed(BASE, expected), request).allowed


@pytest.mark.parametrize(("action", "target"), [
    ("write", WORK + "/x"), ("read", "/etc/passwd"), ("connect", "localhost:1"), ("write", WORK + "/.git/hooks/x"),
    ("write", WORK + "/.vscode/tasks.json"), ("write", "/etc/passwd"), ("write", "/usr/bin/x"), ("write", "/"),
    ("write", "/home/u/a/../b"), ("read", "x"), ("connect", "a b"), ("connect", "@abstract"),
    ("write", "/home/u/.ssh/authorized_keys"),
    ("write", "/home/u/.config/sidewall/config.toml"), ("read", "/home/u/.local/state/sidewall/trust.json"),
])
def test_nothing_is_offered(action: str, target: str) -> None:
    assert change(action, target) == ""


def test_a_rule_that_a_person_wrote_is_to_be_removed() -> None:
    source = Source(layer=PROJECT, file="/home/u/p/sidewall.toml", key="files.deny")
    policy = BASE.replace(files=(*BASE.files, FileRule(path=WORK + "/**/.env", access=DENY, glob=True, source=source),
                                 FileRule(path=WORK + "/data", access=DENY, source=source)))
    place = "from files.deny in /home/u/p/sidewall.toml"
    assert change("read", WORK + "/a/.env", policy) == f'remove "/home/u/p/**/.env" {place}'
    assert change("read", WORK + "/data", policy) == f'remove "/home/u/p/data" {place}'
    assert change("read", WORK + "/data/x", policy) == "--read /home/u/p/data/x"


def test_hosts_under_a_proxy() -> None:
    source = Source(layer=USER, file="/c.toml", key="network.deny")
    network = Network(mode="proxy", hosts=(HostRule(pattern="evil.org", allow=False, source=source),))
    policy = BASE.replace(network=network)
    assert change("connect", "evil.org", policy) == 'remove "evil.org" from network.deny in /c.toml'
    assert change("connect", "good.org:22", policy) == 'network.allow = ["good.org:22"]'
    after = typed(policy, 'network.allow = ["good.org:22"]')
    assert decide(after, Request(action="connect", target="good.org:22")).allowed


@given(st.text(min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_words_survive_the_shell_and_toml(word: str) -> None:
    if "\0" not in word:
        assert shlex.split(quoted(word)) == [word]
    if not any("\ud800" <= char <= "\udfff" for char in word) and all(ord(char) < 0x10000 for char in word):
        assert tomllib.loads(f"a = {toml(word)}")["a"] == word


@given(st.lists(st.sampled_from(("a", "b.c", ".x", "é", "my dir", "[i]")), min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_every_offer_for_a_path_works(names: list[str]) -> None:
    for top in ("/home/u/", "/srv/", "/data/"):
        request = Request(action="write", target=top + "/".join(names))
        offered = smallest_change(BASE, request)
        if offered:
            assert decide(typed(BASE, offered), request).allowed
