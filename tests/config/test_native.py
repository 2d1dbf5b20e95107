"""``sidewall.toml``: what each key does, and what is said about a wrong one.

Knows: the format.  Must not know: files; the text is given.
"""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.config import native
from sidewall.config.native import Place
from sidewall.errors import ConfigError, PolicyError
from sidewall.policy.decide import decide
from sidewall.policy.model import GUARANTEES, PROJECT, USER, Policy, Request
from sidewall.policy.paths import WINDOWS

FILE = "/home/u/p/sidewall.toml"
HERE = Place(base="/home/u/p", workspace="/home/u/p", home="/home/u")
THERE = Place(base="C:\\Users\\u\\p", workspace="C:\\Users\\u\\p", home="C:\\Users\\u", flavour=WINDOWS)


def policy(text: str, place: Place = HERE, *, layer: str = PROJECT) -> Policy:
    return native.policy("schema = 1\n" + text, place, file=FILE, layer=layer)


def allowed(made: Policy, action: str, target: str) -> bool:
    return decide(made, Request(action=action, target=target)).allowed


def complaint(text: str | bytes, *, layer: str = PROJECT) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        native.policy(text, HERE, file=FILE, layer=layer)
    assert caught.value.file == FILE
    assert str(caught.value).startswith(FILE + ": ")
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_whole_file() -> None:
    made = policy("""
        extends = ":workspace"
        require = ["write-outside", "survivors"]
        [files]
        write = ["../common", "~/.cache/pip", "/srv/data", ":workspace/out", ":tmp", "./here"]
        read = ["docs"]
        deny = ["~/private", "**/.env", "/srv/data/secret*"]
        [network]
        mode = "proxy"
        allow = ["example.org", "*.example.net:8443"]
        deny = ["evil.example.net"]
        loopback_ports = [5432]
        unix_sockets = ["run/app.sock", "@x"]
        [env]
        inherit = "all"
        allow = ["MY_TOKEN"]
        deny = ["DEBUG*"]
        set = { MODE = "test" }
        [limits]
        wall = "1h30m"
        memory = "2GiB"
        processes = 64
        output = 1000
        file_size = "1.5GB"
        open_files = 100
        [protect]
        names = ["deploy"]
        release = [".husky"]
        git = "read-only"
    """)
    for place in ("/home/u/common", "/home/u/.cache/pip", "/srv/data", "/home/u/p/out", "/home/u/p/here"):
        assert allowed(made, "write", place + "/x"), place
    assert not allowed(made, "write", "/home/u/p/docs/x")
    for place in ("/home/u/private/x", "/home/u/p/a/.env", "/srv/data/secret1"):
        assert not allowed(made, "read", place), place
    assert allowed(made, "read", "/srv/data/x")
    assert allowed(made, "connect", "example.org") and allowed(made, "connect", "a.example.net:8443")
    assert not allowed(made, "connect", "evil.example.net:8443") and not allowed(made, "connect", "other.org")
    assert made.network.loopback_ports == (5432,) and made.network.unix_sockets == ("/home/u/p/run/app.sock", "@x")
    assert (made.environ.inherit, made.environ.allow, made.environ.deny) == ("all", ("MY_TOKEN",), ("DEBUG*",))
    assert made.environ.set == (("MODE", "test"),)
    limits = made.limits
    assert (limits.wall_seconds, limits.memory_bytes, limits.file_bytes) == (5400, 2 << 30, 1_500_000_000)
    assert (limits.processes, limits.output_bytes, limits.open_files) == (64, 1000, 100)
    assert "deploy" in made.protected and ".husky" not in made.protected and made.git == "read-only"
    assert made.require == ("write-outside", "survivors")
    hash(made)


def test_the_source_of_each_rule_is_its_file_and_key() -> None:
    made = policy('[files]\ndeny = ["x", "**/y"]\n')
    sources = [rule.source for rule in made.files if rule.source.file]
    assert len(sources) == 2
    assert {(source.layer, source.file, source.key) for source in sources} == {(PROJECT, FILE, "files.deny")}


def test_the_smallest_file_is_the_default_policy() -> None:
    assert policy("").name == ":workspace"
    assert policy('require = "all"').require == GUARANTEES
    assert policy('require = "none"').require == ()
    assert policy('extends = ":read-only"').name == ":read-only"


@pytest.mark.parametrize(("deny", "hidden", "seen"), [
    ("app/[id]", ["/home/u/p/app/[id]/x", "/home/u/p/app/i"], ["/home/u/p/app/x"]),
    ("app/\\\\[id\\\\]", ["/home/u/p/app/[id]/x"], ["/home/u/p/app/i"]),
    ("[ab]/*.key", ["/home/u/p/a/x.key", "/home/u/p/[ab]/x.key"], ["/home/u/p/c/x.key"]),
    ("a*", ["/home/u/p/ab", "/home/u/p/a*"], ["/home/u/p/b/a"]),
    ("~/*.kdbx", ["/home/u/x.kdbx"], ["/home/u/p/x.kdbx"]),
    (":workspace/**/x", ["/home/u/p/x", "/home/u/p/a/b/x"], ["/home/u/x"]),
    ("/data/**", ["/data", "/data/x"], ["/datax"]),
])
def test_denied_patterns(deny: str, hidden: list[str], seen: list[str]) -> None:
    made = policy(f'[files]\ndeny = ["{deny}"]')
    for path in hidden:
        assert not allowed(made, "read", path), path
    for path in seen:
        assert allowed(made, "read", path), path


def test_a_pattern_below_a_directory_whose_own_name_has_brackets() -> None:
    place = Place(base="/w/[x]", workspace="/w/[x]", home="/home/u")
    made = native.policy('schema = 1\n[files]\ndeny = ["*.key"]\n', place, file=FILE)
    assert not allowed(made, "read", "/w/[x]/a.key") and allowed(made, "read", "/w/x/a.key")
    assert allowed(made, "write", "/w/[x]/a")


def test_on_windows() -> None:
    made = native.policy(
        'schema = 1\n[files]\nwrite = ["..\\\\out", "~/AppData/Local/pip"]\ndeny = ["**/*.pem", "D:\\\\keys"]\n'
        '[network]\nunix_sockets = ["\\\\\\\\.\\\\pipe\\\\docker"]', THERE, file="C:\\p\\sidewall.toml")
    assert allowed(made, "write", "c:/users/u/OUT/x") and allowed(made, "write", "C:\\Users\\u\\AppData\\Local\\pip\\x")
    assert not allowed(made, "read", "C:\\Users\\u\\p\\a\\KEY.PEM") and not allowed(made, "read", "d:\\KEYS\\x")
    assert allowed(made, "connect", "\\\\.\\pipe\\Docker")


KEYS = [
    ("", "schema", "Begin the file"), ("[files]\n", "schema", "Begin the file"), ("schema = 2", "schema", "schema = 1"),
    ('schema = "1"', "schema", "schema = 1"), ("schema = true", "schema", "schema = 1"),
    ("scheme = 1", "scheme", "Did you mean 'schema'?"),
    ("schema = 1\n[file]\nwrite = []", "file", "Did you mean 'files'?"),
    ('schema = 1\nwrite = ["x"]', "write", "files.write"),
    ("schema = 1\n[files]\nwrites = []", "files.writes", "'write'"),
    ("schema = 1\n[limits]\nmem = 1", "limits.mem", "memory"), ("schema = 1\nzzz = 1", "zzz", "schema, extends"),
    ('schema = 1\n[files]\nwrite = "x"', "files.write", 'write = ["build"]'),
    ('schema = 1\n[files]\nwrite = ["a", 3]', "files.write[1]", "write ="),
    ("schema = 1\nfiles = 3", "files", "[files]"),
    ('schema = 1\n[files]\nwrite = [""]', "files.write[0]", "write ="),
    ('schema = 1\n[files]\nwrite = ["~"]', "files.write", "project"),
    ('schema = 1\n[files]\nwrite = ["/"]', "files.write", "project"),
    ('schema = 1\n[files]\nwrite = ["out/*"]', "files.write", "directory"),
    ('schema = 1\n[files]\nread = ["a/../b"]', "files.read", "full path"),
    ('schema = 1\n[files]\nread = ["~bob/x"]', "files.read", "whole path"),
    ('schema = 1\n[files]\nread = [":home"]', "files.read", ":workspace"),
    ('schema = 1\n[files]\ndeny = [":tmp"]', "files.deny", "files.write"),
    ('schema = 1\n[files]\ndeny = ["a["]', "files.deny", "["),
    ('schema = 1\n[files]\ndeny = ["a\\u0000b*"]', "files.deny", "name"),
    ('schema = 1\n[files]\nwrite = [".vscode"]', "files.write", "release"),
    ('schema = 1\nextends = "workspace"', "extends", ":workspace"),
    ('schema = 1\nextends = ":unconfined"', "extends", "--profile"),
    ('schema = 1\nrequire = "some"', "require", "none"),
    ('schema = 1\nrequire = ["writes"]', "require[0]", "require ="),
    ('schema = 1\n[network]\nmode = "onn"', "network.mode", "proxy"),
    ('schema = 1\n[network]\nallow = ["example.org"]', "network.allow", "proxy"),
    ('schema = 1\n[network]\nmode = "off"\nallow = ["example.org"]', "network.allow", "proxy"),
    ('schema = 1\n[network]\nmode = "proxy"\nallow = ["*.com"]', "network.allow", "Name the hosts"),
    ('schema = 1\n[network]\nmode = "proxy"\nallow = ["https://x.org"]', "network.allow", "host alone"),
    ('schema = 1\n[network]\nmode = "proxy"\nallow = ["b\\u00fccher.example"]', "network.allow", "xn--"),
    ('schema = 1\n[network]\nmode = "on"\ndeny = ["x.org"]', "network.deny", "proxy"),
    ("schema = 1\n[network]\nloopback_ports = [0]", "network.loopback_ports[0]", "5432"),
    ("schema = 1\n[network]\nloopback_ports = [true]", "network.loopback_ports[0]", "5432"),
    ('schema = 1\n[env]\ninherit = "some"', "env.inherit", "core"),
    ("schema = 1\n[env.set]\nA = 1", "env.set", "value"),
    ('schema = 1\n[env]\nallow = ["A=B"]', "env.allow", "MY_TOKEN"),
    ('schema = 1\n[env]\ndeny = ["A["]', "env.deny", "["),
    ('schema = 1\n[limits]\nwall = "10x"', "limits.wall", "10m"),
    ("schema = 1\n[limits]\nwall = -1", "limits.wall", "10m"),
    ('schema = 1\n[limits]\nmemory = "much"', "limits.memory", "2GiB"),
    ("schema = 1\n[limits]\nwall = inf", "limits.wall", "10m"),
    ("schema = 1\n[limits]\nprocesses = -1", "limits.processes", "512"),
    ("schema = 1\n[limits]\nmemory = 1.5", "limits.memory", "2GiB"),
    ('schema = 1\n[protect]\nnames = ["a/b"]', "protect.names", "read rule"),
    ('schema = 1\n[protect]\ngit = "all"', "protect.git", "commit"),
    ('schema = 1\n[protect]\nrelease = ["sidewall.toml"]', "protect.release", "later runs"),
    ("schema = 1\na = 1979-05-27", "a", "files"),
    ('schema = 1\n[files]\nwrite = ["~/.config/sidewall"]', "files.write", "later runs"),
]


@pytest.mark.parametrize(("text", "key", "hint"), KEYS, ids=[text.replace("\n", " ") for text, _, _ in KEYS])
def test_what_is_wrong_is_named_with_a_remedy(text: str, key: str, hint: str) -> None:
    error = complaint(text)
    assert error.key == key, error
    assert hint in error.hint, error.hint


@pytest.mark.parametrize(("text", "line"), [
    ("schema = 1\n[files\n", 2), ("schema = 1\n\nwrite = [\n", 4), ("schema = 1\nschema = 1\n", 2), ("a b", 1),
    ("schema = 1\nx = 1__0", 2),
])
def test_what_is_no_toml_names_the_line(text: str, line: int) -> None:
    error = complaint(text)
    assert f"line {line}," in str(error) or "end of document" in str(error)


@pytest.mark.parametrize("data", [
    b"schema = 1\n\xff", b"\0", b"schema = 1\n" + b"#" * native.MOST_BYTES, b"a=" + b"[" * 5000,
])
def test_bytes_that_are_no_text_of_a_file(data: bytes) -> None:
    complaint(data)


def test_a_pattern_of_the_user_says_where_it_begins() -> None:
    assert ":workspace/**/.env" in complaint('schema = 1\n[files]\ndeny = ["**/.env"]', layer=USER).hint


def test_a_mark_before_the_text_is_ignored() -> None:
    assert native.parse(b"\xef\xbb\xbfschema = 1", HERE, file=FILE).trusted


def told(text: str) -> Policy | PolicyError:
    """The policy, or the one error."""
    try:
        return native.policy(text, HERE, file=FILE)
    except PolicyError as error:
        return error


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-3, 70000), st.floats(allow_nan=False), st.text(max_size=8),
              st.sampled_from((":workspace", ":tmp", "~", "/", "..", "*", "off", "on", "proxy", "all", "none", "core",
              "x.org", "10m"))),
    lambda inner: st.lists(inner, max_size=3), max_leaves=4)
KEY = st.sampled_from((
    "schema", "extends", "require", "files", "network", "env", "limits", "protect", "write", "read", "deny", "mode",
    "allow", "inherit",
    "set", "wall", "memory", "processes", "names", "release", "git", "unix_sockets", "loopback_ports", "zzz"))


@given(st.dictionaries(KEY, st.one_of(VALUES, st.dictionaries(KEY, VALUES, max_size=3)), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_document_is_a_policy_or_one_complaint(data: dict[str, Any]) -> None:
    data.setdefault("schema", 1)
    text = tomlkit.dumps(data)
    found = told(text)
    if isinstance(found, Policy):
        assert found.confined
        hash(found)
    else:
        assert isinstance(found, ConfigError)
        assert found.file == FILE and found.hint and found.key


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_policy_or_one_complaint(text: str) -> None:
    for whole in (text, "schema = 1\n" + text, f"schema = 1\n[files]\ndeny = [{text}]"):
        found = told(whole)
        assert isinstance(found, Policy) or (isinstance(found, ConfigError) and found.file == FILE)
