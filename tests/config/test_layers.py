"""Layers from real files: order, trust, refusals.

Knows: where configuration lies.  Must not know: what this machine has in such places; every test has its own home.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidewall.errors import ConfigError, PolicyError, UsageError
from sidewall.policy import profiles
from sidewall.policy.decide import decide
from sidewall.policy.model import GUARANTEES, Policy, Request
from sidewall.session import layers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="places of configuration on POSIX")


class Place:
    """A home, a workspace in it, and the files that layers come from."""

    def __init__(self, top: Path) -> None:
        self.home = top / "home"
        self.work = self.home / "src" / "p"
        self.work.mkdir(parents=True)
        self.machine = top / "machine.toml"
        self.user = self.home / ".config" / "sidewall" / "config.toml"
        self.project = self.work / "sidewall.toml"
        self.environ: dict[str, str] = {}

    def write(self, where: Path, text: str) -> None:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text("schema = 1\n" + text)

    def load(self, **options: Any) -> Policy:
        options.setdefault("workspace", str(self.work))
        return layers.load(environ=self.environ, home=str(self.home), system=str(self.machine), **options)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments, environ=self.environ, home=str(self.home))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve())


def allowed(policy: Policy, action: str, target: object) -> bool:
    return decide(policy, Request(action=action, target=str(target))).allowed


def test_nothing_configured_is_the_default(place: Place) -> None:
    policy = place.load()
    assert policy == profiles.build(":workspace", workspace=str(place.work), home=str(place.home))
    assert allowed(policy, "write", place.work / "x")


def test_every_layer_is_over_the_one_before(place: Place) -> None:
    place.write(place.machine, "[limits]\nprocesses = 10\nopen_files = 10\noutput = 10\n")
    place.write(place.user, "[limits]\nopen_files = 20\noutput = 20\n[network]\nmode = 'on'\n")
    place.write(place.project, "[limits]\noutput = 15\n")
    policy = place.load(network="off")
    assert (policy.limits.processes, policy.limits.open_files, policy.limits.output_bytes) == (10, 20, 15)
    assert policy.network.mode == "off"
    assert place.load().network.mode == "on"


def test_the_project_may_only_narrow_until_it_is_trusted_and_until_it_changes(place: Place) -> None:
    place.write(place.project, f"[network]\nmode = 'on'\n[files]\nwrite = ['{place.home}/out']\n")
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert caught.value.file == str(place.project) and caught.value.key == "files.write"
    assert "sidewall trust" in caught.value.hint
    assert not place.call(layers.trusted, str(place.work))

    assert place.call(layers.trust, str(place.work)) == str(place.project)
    assert place.call(layers.trusted, str(place.work))
    policy = place.load()
    assert policy.network.mode == "on" and allowed(policy, "write", place.home / "out/x")

    with place.project.open("a") as file:
        file.write("\n")
    assert not place.call(layers.trusted, str(place.work))
    with pytest.raises(ConfigError):
        place.load()


def test_trust_is_about_one_place_and_can_be_taken_back(place: Place) -> None:
    place.write(place.project, "[network]\nmode = 'on'\n")
    other = place.home / "other"
    other.mkdir()
    (other / "sidewall.toml").write_bytes(place.project.read_bytes())
    place.call(layers.trust, str(place.work))
    with pytest.raises(ConfigError):
        place.load(workspace=str(other))
    listed = layers.trust_list(environ=place.environ, home=str(place.home))
    assert listed == {str(place.project): hashlib.sha256(place.project.read_bytes()).hexdigest()}
    assert place.call(layers.untrust, str(place.work)) and not place.call(layers.untrust, str(place.work))
    with pytest.raises(ConfigError):
        place.load()
    with pytest.raises(UsageError):
        place.call(layers.trust, str(place.home))


def test_the_list_of_trust_is_private_and_a_damaged_one_stops(place: Place) -> None:
    place.write(place.project, "")
    place.call(layers.trust, str(place.work))
    state = Path(layers.state_directory(place.environ, str(place.home)))
    assert state == place.home / ".local/state/sidewall"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "trust.json").stat().st_mode) == 0o600
    assert sorted(os.listdir(state)) == ["trust.json", "trust.json.lock"]
    assert not allowed(place.load(), "read", state / "trust.json")
    for text in ("{", "[]", json.dumps({"schema": 2, "trusted": []}), json.dumps({"schema": 1, "trusted": [1]})):
        (state / "trust.json").write_text(text)
        with pytest.raises(ConfigError) as caught:
            place.load()
        assert caught.value.file == str(state / "trust.json")


def test_trust_by_many_at_once_loses_none(place: Place) -> None:
    directories = [place.home / f"d{number}" for number in range(8)]
    for directory in directories:
        directory.mkdir()
        (directory / "sidewall.toml").write_text("schema = 1\n")
    threads = [threading.Thread(target=place.call, args=(layers.trust, str(directory))) for directory in directories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(layers.trust_list(environ=place.environ, home=str(place.home))) == len(directories)


@pytest.mark.parametrize("layer", ["machine", "user", "project"])
@pytest.mark.parametrize("text", ["", "schema = 2\n", "schema = 1\n[fils]\n", "schema = 1\n[", "\0", "x" * (1 << 19)])
def test_a_wrong_file_stops_everything(place: Place, layer: str, text: str) -> None:
    where: Path = getattr(place, layer)
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(text)
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert caught.value.file == str(where) and caught.value.hint


def as_link(where: Path) -> None:
    target = where.with_name("target.toml")
    target.write_text("schema = 1\n")
    where.symlink_to(target)


def as_dangling_link(where: Path) -> None:
    where.symlink_to(where.with_name("nothing"))


def as_full_directory(where: Path) -> None:
    where.mkdir()
    (where / "x").touch()


def as_pipe(where: Path) -> None:
    os.mkfifo(where)


def as_socket(where: Path) -> None:
    here = os.getcwd()
    os.chdir(where.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(where.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("make", [as_link, as_dangling_link, as_full_directory, as_pipe, as_socket])
def test_a_project_file_that_is_no_plain_file_stops_everything(place: Place, make: Callable[[Path], None]) -> None:
    make(place.project)
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert caught.value.file == str(place.project) and caught.value.hint


def test_an_empty_directory_that_holds_the_name_says_nothing(place: Place) -> None:
    place.project.mkdir()
    assert place.load().name == ":workspace"


def test_a_users_file_may_be_a_link_of_his_own_but_not_dangling(place: Place) -> None:
    dotfiles = place.home / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "c.toml").write_text("schema = 1\n[network]\nmode = 'on'\n")
    place.user.parent.mkdir(parents=True)
    place.user.symlink_to(dotfiles / "c.toml")
    assert place.load().network.mode == "on"
    (dotfiles / "c.toml").unlink()
    with pytest.raises(ConfigError):
        place.load()


def test_a_file_that_others_may_write_is_not_obeyed(place: Place) -> None:
    place.write(place.user, "")
    place.user.chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert "chmod" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_stops_everything(place: Place) -> None:
    place.write(place.user, "")
    place.user.chmod(0)
    with pytest.raises(ConfigError):
        place.load()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_obeyed(place: Place) -> None:
    place.write(place.user, "")
    os.chown(place.user, 12345, 12345)
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert "another user" in str(caught.value)


def test_where_the_users_file_lies(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "xdg"
    place.write(other / "sidewall" / "config.toml", "[network]\nmode = 'on'\n")
    place.environ = {"XDG_CONFIG_HOME": str(other), "XDG_STATE_HOME": str(tmp_path / "state")}
    policy = place.load(write=[str(other)])
    assert policy.network.mode == "on"
    assert not allowed(policy, "write", other / "sidewall" / "config.toml")
    assert not allowed(policy, "read", tmp_path / "state" / "sidewall" / "trust.json")
    place.environ = {"XDG_CONFIG_HOME": "relative", "SIDEWALL_CONFIG": ""}
    assert place.load().network.mode == "off"
    place.environ = {"SIDEWALL_CONFIG": str(other / "sidewall" / "config.toml")}
    assert place.load().network.mode == "on"
    place.environ = {"SIDEWALL_CONFIG": str(tmp_path / "nothing.toml")}
    with pytest.raises(ConfigError):
        place.load()


def test_an_explicit_file_takes_the_place_of_the_users_and_the_projects(place: Place, tmp_path: Path) -> None:
    place.write(place.user, "[network]\nmode = 'on'\n")
    place.write(place.project, "[limits]\nprocesses = 3\n")
    place.write(place.machine, "[limits]\nopen_files = 9\n")
    place.write(tmp_path / "ci.toml", "extends = ':strict'\n[files]\nread = ['data']\n")
    policy = place.load(file=str(tmp_path / "ci.toml"))
    assert policy.network.mode == "off" and policy.limits.processes == 4096 and policy.limits.open_files == 9
    assert policy.require == GUARANTEES
    with pytest.raises(ConfigError):
        place.load(file=str(tmp_path / "none.toml"))


def test_a_profile_on_the_command_line_bounds_the_files(place: Place) -> None:
    place.write(place.user, "extends = ':full-read'\n[files]\nwrite = ['~/out']\n[network]\nmode = 'on'\n")
    free = place.load()
    assert free.network.mode == "on" and allowed(free, "read", place.home / ".ssh/id")
    bound = place.load(profile=":read-only")
    assert bound.network.mode == "off" and not allowed(bound, "write", place.home / "out/x")
    assert not allowed(bound, "read", place.home / ".ssh/id")
    assert allowed(place.load(profile=":read-only", write=[str(place.home / "out")]), "write", place.home / "out/x")
    assert place.load(profile=":offline").network.mode == "off"
    assert place.load(profile=":strict").require == GUARANTEES


def test_the_last_trusted_file_that_extends_chooses_the_base(place: Place) -> None:
    place.write(place.machine, "extends = ':read-only'\n")
    assert not allowed(place.load(), "write", place.work / "x")
    place.write(place.user, "extends = ':workspace'\n")
    assert allowed(place.load(), "write", place.work / "x")
    place.write(place.project, "extends = ':read-only'\n")
    assert not allowed(place.load(), "write", place.work / "x")


def test_unconfined_takes_no_rules(place: Place) -> None:
    place.write(place.user, "[files]\ndeny = ['/x']\n")
    assert not place.load(profile=":unconfined").confined
    for options in ({"deny": ["/x"]}, {"network": "off"}, {"require": "all"}):
        with pytest.raises(UsageError):
            place.load(profile=":unconfined", **options)


@pytest.mark.parametrize("options", [
    {"profile": "workspace"}, {"profile": ":none"}, {"write": [""]}, {"write": ["/"]}, {"write": ["a\0b"]},
    {"deny": ["[a"]},
    {"network": "open"}, {"require": "everything"}, {"require": ["writes"]}, {"write": ["/etc/x"]},
])
def test_wrong_options_have_a_remedy(place: Place, options: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        place.load(**options)
    assert caught.value.hint


def test_workspaces_that_cannot_be_one(place: Place) -> None:
    (place.home / "file").touch()
    for name in ("", "a\0b", str(place.home / "none"), str(place.home / "file")):
        with pytest.raises(UsageError):
            place.load(workspace=name)
    for name in ("/", str(place.home), "/tmp", str(place.home.parent)):
        with pytest.raises(PolicyError) as caught:
            place.load(workspace=name)
        assert caught.value.hint
        assert place.load(workspace=name, profile=":read-only")


def test_a_workspace_that_vanished(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = place.home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError):
        place.load(workspace=None)
