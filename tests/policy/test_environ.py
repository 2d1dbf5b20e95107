"""Which variables reach a command.

Knows: names and values.  Must not know: this process's own environment.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.errors import PolicyError
from sidewall.policy.environ import CORE, CORE_WINDOWS, filter_environ, looks_secret
from sidewall.policy.model import Environ
from sidewall.policy.paths import WINDOWS

HOST = {
    "PATH": "/bin", "HOME": "/home/u", "LANG": "C.UTF-8", "LC_ALL": "C", "TERM": "xterm", "CI": "1", "TZ": "UTC",
    "GIT_AUTHOR_NAME": "Ann", "GIT_SSH_COMMAND": "evil", "GIT_CONFIG_COUNT": "1", "SSH_AUTH_SOCK": "/run/agent",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus", "XDG_RUNTIME_DIR": "/run/user/1", "DISPLAY": ":0",
    "WAYLAND_DISPLAY": "wayland-0", "LD_PRELOAD": "/x.so", "LD_LIBRARY_PATH": "/x", "PYTHONPATH": "/x",
    "NODE_OPTIONS": "-r x", "BASH_ENV": "/x", "ENV": "/x", "AWS_SECRET_ACCESS_KEY": "k", "GITHUB_TOKEN": "t",
    "DB_PASSWORD": "p", "MY_VAR": "v", "HTTP_PROXY": "http://user:pw@proxy:3128", "NO_PROXY": "localhost",
    "LC_TOKEN": "t",
}
SECRET = (
    "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "api_key", "NPM_CONFIG__AUTH", "SSHPASS",
    "PGPASSWORD", "MYSQL_PWD", "GH_PAT", "SENTRY_DSN", "SSH_AUTH_SOCK", "HTTP_AUTHORIZATION", "DATABASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS", "SLACK_WEBHOOK", "AUTHORIZATION", "Authorization", "DOCKER_AUTH_CONFIG",
    "SIGNING_KEY_PASSPHRASE", "SESSION_COOKIE", "AZURE_STORAGE_CONNECTION_STRING", "XAUTHORITY",
)
HARMLESS = (
    "PATH", "GIT_AUTHOR_NAME", "GIT_AUTHOR_DATE", "AUTHOR", "AUTHORS", "MY_VAR", "TOKENIZERS_PARALLELISM", "COLORTERM",
)


@pytest.mark.parametrize("name", SECRET)
def test_what_looks_like_a_secret_never_passes_unless_it_is_named(name: str) -> None:
    variables = {name: "value"}
    assert looks_secret(name)
    for inherit in ("none", "core", "all"):
        assert filter_environ(Environ(inherit=inherit), variables) == {}
    assert filter_environ(Environ(allow=(name,)), variables) == variables
    assert filter_environ(Environ(allow=(name[:3] + "*",)), variables) == variables
    assert filter_environ(Environ(set=((name, "mine"),)), variables) == {name: "mine"}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not(name: str) -> None:
    assert not looks_secret(name)
    assert filter_environ(Environ(inherit="all"), {name: "x"}) == {name: "x"}


def test_core_leads_to_no_service_and_loads_no_code() -> None:
    assert set(filter_environ(Environ(), HOST)) == {
        "PATH", "HOME", "LANG", "LC_ALL", "TERM", "CI", "TZ", "GIT_AUTHOR_NAME"}


def test_all_is_all_but_secrets() -> None:
    left = set(HOST) - set(filter_environ(Environ(inherit="all"), HOST))
    assert left == {"AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "SSH_AUTH_SOCK", "HTTP_PROXY", "LC_TOKEN"}


def test_none_is_none() -> None:
    assert filter_environ(Environ(inherit="none"), HOST) == {}


def test_the_core_lists_hold_no_name_that_looks_secret_or_runs_something() -> None:
    for name in CORE | CORE_WINDOWS:
        assert not looks_secret(name), name
        assert not name.startswith(("LD_", "DYLD_", "DBUS_", "SSH_", "GIT_CONFIG", "BASH_"))
    assert CORE & {"XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS",
                   "GIT_SSH", "GIT_EXTERNAL_DIFF", "LESSOPEN", "MAKEFLAGS", "ENV", "IFS"} == set()


def test_a_value_with_a_password_in_it_does_not_pass_by_itself() -> None:
    variables = {"PIP": "https://u:p@host/simple", "TERM": "http://a:b@c", "PLAIN": "https://host:80/a@b",
                 "TWO": "x://y z://u:p@h"}
    assert set(filter_environ(Environ(inherit="all"), variables)) == {"PLAIN"}
    assert filter_environ(Environ(), variables) == {}
    assert "PIP" in filter_environ(Environ(allow=("PIP",)), variables)


def test_deny_is_stronger_than_allow_and_set() -> None:
    environ = Environ(inherit="all", allow=("MY_*",), deny=("MY_VAR",), set=(("MY_VAR", "x"), ("MY_OTHER", "y")))
    kept = filter_environ(environ, HOST)
    assert "MY_VAR" not in kept
    assert kept["MY_OTHER"] == "y"


def test_bytes_stay_bytes_and_undecodable_ones_stay_what_they_are() -> None:
    environ = Environ(allow=("FOO*",), set=(("TERM", "dumb"),))
    variables = {b"PATH": b"/b\xff", b"FOO\xfe": b"1", b"TERM": b"xterm", b"BAR": b""}
    assert filter_environ(environ, variables) == {b"PATH": b"/b\xff", b"FOO\xfe": b"1", b"TERM": b"dumb"}


def test_on_windows_names_have_no_case() -> None:
    variables = {"Path": "C:\\", "SystemRoot": "C:\\Windows", "My_Token": "t", "ProgramFiles(x86)": "C:\\P",
                 "term": "a"}
    assert set(filter_environ(Environ(), variables, WINDOWS)) == {"Path", "SystemRoot", "ProgramFiles(x86)", "term"}
    assert "My_Token" in filter_environ(Environ(allow=("MY_TOKEN",)), variables, WINDOWS)
    assert filter_environ(Environ(deny=("PATH",)), variables, WINDOWS).keys() & {"Path", "PATH"} == set()
    kept = filter_environ(Environ(set=(("PATH", "D:\\"),)), variables, WINDOWS)
    assert [name for name in kept if name.upper() == "PATH"] == ["PATH"]


def test_words_that_are_none() -> None:
    with pytest.raises(PolicyError):
        filter_environ(Environ(inherit="most"), HOST)
    with pytest.raises(PolicyError):
        filter_environ(Environ(allow=("A[",)), HOST)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6))
def test_nothing_is_invented(variables: dict[str, str]) -> None:
    for inherit in ("none", "core", "all"):
        assert filter_environ(Environ(inherit=inherit), variables).items() <= variables.items()
