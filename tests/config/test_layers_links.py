"""Links on the way: what is denied stays denied under both names, and no link gives away more than it shows.

Knows: links that users make and links that commands make.  Must not know: how a cell holds a path.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sidewall.errors import ConfigError, PolicyError, UsageError
from sidewall.policy.decide import decide
from sidewall.policy.model import Policy, Request
from sidewall.session import layers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and git on POSIX")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    where = tmp_path.resolve() / "home"
    (where / "p").mkdir(parents=True)
    return where


def load(home: Path, work: Path | None = None, **options: Any) -> Policy:
    return layers.load(str(work or home / "p"), environ={}, home=str(home), system="", **options)


def allowed(policy: Policy, action: str, target: Path) -> bool:
    return decide(policy, Request(action=action, target=str(target))).allowed


def test_a_secret_that_is_a_link_is_denied_where_it_lies(home: Path) -> None:
    dotfiles = home / "dotfiles"
    (dotfiles / "ssh").mkdir(parents=True)
    (dotfiles / "config" / "gh").mkdir(parents=True)
    (dotfiles / "netrc").touch()
    (home / ".ssh").symlink_to(dotfiles / "ssh")
    (home / ".config").symlink_to("dotfiles/config")
    (home / ".netrc").symlink_to(dotfiles / "netrc")
    policy = load(home)
    for path in (dotfiles / "ssh/id", dotfiles / "config/gh/hosts.yml", dotfiles / "netrc", home / ".ssh/id"):
        assert not allowed(policy, "read", path), path
    assert allowed(policy, "read", dotfiles / "vimrc")
    with pytest.raises(PolicyError):
        load(home, dotfiles / "ssh")
    assert allowed(load(home, profile=":full-read"), "read", dotfiles / "ssh/id")


def test_a_link_around_the_home_takes_nothing_away(home: Path) -> None:
    (home / ".mc").symlink_to("/")
    (home / ".fly").symlink_to(home)
    assert allowed(load(home), "read", Path("/usr/bin/env")) and allowed(load(home), "write", home / "p" / "x")


def test_workspace_and_home_are_real_paths(home: Path) -> None:
    link = home.parent / "link"
    link.symlink_to(home)
    policy = layers.load(str(link / "p"), environ={"HOME": str(link)}, system="")
    assert policy.workspace == str(home / "p") and policy.home == str(home)
    assert not allowed(policy, "read", home / ".ssh/id")


def test_a_link_that_a_command_made_gives_nothing_outside_the_workspace(home: Path) -> None:
    (home / "p" / "build").symlink_to(home / ".ssh")
    (home / "p" / "in").symlink_to(home / "p" / "real")
    for option in ("write", "read"):
        with pytest.raises(UsageError) as caught:
            load(home, **{option: [str(home / "p" / "build")]})
        assert str(home / ".ssh") in str(caught.value)
        (home / "p" / "sidewall.toml").write_text(f"schema = 1\n[files]\n{option} = ['build']\n")
        layers.trust(str(home / "p"), environ={}, home=str(home))
        with pytest.raises(ConfigError) as refused:
            load(home)
        assert refused.value.key == f"files.{option}"
        (home / "p" / "sidewall.toml").unlink()
    assert allowed(load(home, write=[str(home / "p" / "in")]), "write", home / "p" / "real" / "x")


def test_an_untrusted_link_opens_no_secret(home: Path) -> None:
    (home / "p" / "sub").mkdir()
    (home / "p" / "key").symlink_to(home / ".ssh" / "id")
    (home / "p" / "sidewall.toml").write_text("schema = 1\n[files]\nread = ['key']\n")
    with pytest.raises(ConfigError):
        load(home)


def test_what_is_denied_by_its_link_is_denied_where_it_lies(home: Path) -> None:
    (home / "data").mkdir()
    (home / "p" / "data").symlink_to(home / "data")
    policy = load(home, deny=[str(home / "p" / "data")])
    assert not allowed(policy, "read", home / "data" / "x") and not allowed(policy, "read", home / "p" / "data")


def test_a_root_that_is_a_link_to_a_system_directory_is_refused(home: Path) -> None:
    (home / "etc").symlink_to("/etc")
    (home / "all").symlink_to("/")
    for name in ("etc", "all"):
        with pytest.raises(PolicyError):
            load(home, write=[str(home / name)])
        with pytest.raises(PolicyError):
            load(home, home / name)


def test_dots_that_follow_a_link_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "p" / "l").symlink_to("/usr/lib")
    monkeypatch.chdir(home / "p")
    with pytest.raises(UsageError):
        load(home, write=["l/../x"])
    (home / "q").mkdir()
    assert allowed(load(home, write=["../q"]), "write", home / "q" / "x")


def test_denied_patterns_on_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = home / "p" / "[x]"
    (work / "[id]").mkdir(parents=True)
    monkeypatch.chdir(work)
    policy = load(home, work, deny=["*.key", "[id]", "a\\*b"])
    for name in ("a.key", "[id]/x", "i", "a*b"):
        assert not allowed(policy, "read", work / name), name
    for name in ("sub/a.key", "x", "axb"):
        assert allowed(policy, "read", work / name), name


def git(where: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "protocol.file.allow=always",
    *words],
                   cwd=where, check=True, capture_output=True, timeout=60,
                   env={"PATH": os.environ["PATH"], "HOME": str(where), "GIT_CONFIG_NOSYSTEM": "1"})


@pytest.fixture
def repository(home: Path) -> Path:
    git(home / "p", "init", "-q")
    (home / "p" / "a").write_text("a")
    git(home / "p", "add", "a")
    git(home / "p", "commit", "-qm", "a")
    return home / "p"


def test_the_git_directory_of_a_worktree_takes_commits_and_nothing_else(home: Path, repository: Path) -> None:
    git(repository, "worktree", "add", "-q", str(home / "wt"))
    policy = load(home, home / "wt")
    assert policy.gitdirs == (str(repository / ".git"),)
    assert allowed(policy, "write", repository / ".git/worktrees/wt/index.lock")
    assert allowed(policy, "write", repository / ".git/objects/ab/cd")
    assert not allowed(policy, "write", repository / ".git/hooks/pre-commit")
    assert not allowed(policy, "write", repository / ".git/config")
    assert not allowed(policy, "write", repository / "a")
    assert load(home, home / "wt", profile=":read-only").gitdirs == ()
    assert load(home, home / "wt", deny=[str(repository / ".git")]).gitdirs == ()


def test_the_git_directory_of_a_submodule(home: Path, repository: Path) -> None:
    (home / "super").mkdir()
    git(home / "super", "init", "-q")
    git(home / "super", "submodule", "add", "-q", str(repository), "sub")
    policy = load(home, home / "super" / "sub")
    place = home / "super/.git/modules/sub"
    assert policy.gitdirs == (str(place),)
    assert allowed(policy, "write", place / "index") and not allowed(policy, "write", place / "config")
    assert load(home, home / "super").gitdirs == ()


def test_a_git_file_that_came_with_the_sources_opens_no_repository(home: Path, repository: Path) -> None:
    git(repository, "worktree", "add", "-q", str(home / "wt"))
    evil = home / "evil"
    evil.mkdir()
    for text in (repository / ".git", repository / ".git/worktrees/wt", home / "super/.git/modules/sub", "",
    "../p/.git", "\n"):
        (evil / ".git").write_text(f"gitdir: {text}\n")
        assert load(home, evil).gitdirs == (), text
    (evil / ".git").unlink()
    (evil / ".git").symlink_to(home / "wt" / ".git")
    assert load(home, evil).gitdirs == ()
