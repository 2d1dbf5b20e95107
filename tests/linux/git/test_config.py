"""The configuration of a new submodule: what git reads from ours is what was allowed, whatever the cell wrote.

Knows: git-config(1), ``gitconfig``.  Must not know: where the text comes from.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidewall.platforms.linux import gitconfig

ROOTS = (b"/home/user/work",)
MODULE = b"/home/user/work/.git/modules/sub"


def clean(text: str) -> tuple[list[tuple[bytes, bytes | None, bytes, bytes]], tuple[str, ...]]:
    made, left = gitconfig.sanitize(text.encode(), directory=MODULE, roots=ROOTS)
    return gitconfig.parse(made), left


def as_git_reads(text: bytes, directory: Path) -> list[tuple[bytes, bytes]]:
    """(key as git writes it, value) of every assignment.  Raises CalledProcessError when git refuses the text."""
    path = directory / "config"
    path.write_bytes(text)
    done = subprocess.run(["git", "config", "--file", str(path), "--null", "--list", "--no-includes"], check=True,
                          capture_output=True, timeout=20, env={"PATH": "/usr/bin:/bin", "HOME": str(directory)})
    read = []
    for item in done.stdout.split(b"\0")[:-1]:
        key, found, value = item.partition(b"\n")
        read.append((key, value if found else b"true"))
    return read


def as_we_read(text: bytes) -> list[tuple[bytes, bytes]]:
    return [(b".".join(part for part in (section, sub, key) if part is not None), value)
            for section, sub, key, value in gitconfig.parse(text)]


def test_what_a_clone_writes_is_kept() -> None:
    text = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
\tworktree = ../../../sub
[remote "origin"]
\turl = https://example.org/sub.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
[branch "topic/one"]
\tremote = origin
\tmerge = refs/heads/topic/one
[submodule "deep/er"]
\tactive = true
\turl = git@example.org:deep.git
"""
    entries, left = clean(text)
    assert entries == gitconfig.parse(text.encode())
    assert left == ()


@pytest.mark.parametrize("value", [
    "/etc", "../../../..", "../../hooks", "../..", ".", "../../../sub/.git", "../../../sub/.GIT/x", "../../../git~1",
    "../../../../../etc", "/home/user/work/../x", "/home/user/workspace", "/home/user/work", ""])
def test_working_trees_elsewhere(value: str) -> None:
    with pytest.raises(gitconfig.Rejected):
        clean(f'[core]\nworktree = "{value}"')


@pytest.mark.parametrize("value", ["../../../sub", "../../../a/b/c", "/home/user/work/sub", "../../../sub/../other"])
def test_working_trees_in_the_workspace(value: str) -> None:
    entries, _ = clean(f"[core]\nworktree = {value}")
    assert entries == [(b"core", None, b"worktree", value.encode())]


@pytest.mark.parametrize("value", [
    "ext::sh -c touch% /x", "-oProxyCommand=x:y", "fd::7", "ssh://-oProxyCommand=x/y", "--upload-pack=x", "http::x",
    "/home/user/work/inner", "file:///home/user/work/inner", "file:///home/user/work", "ssh://host/a b",
    "helper::address", "../relative", "./x", "", "file://host/home/user/work/x", "ssh://user@-x/y",
    "git@-host:x", "host:-x", "host://x/y",
    "/home/user/../user/work/x", "file:///x/../home/user/work/x", "//home/user/work/x", "https://host/x\ty", "x" * 5000,
    "foo://bar/x", "EXT::x", "https://[::1/x", "https://host:port/x"])
def test_addresses_that_run_something_or_lead_inside(value: str) -> None:
    assert not gitconfig.url(value.encode(), ROOTS)


@pytest.mark.parametrize("value", [
    "https://example.org/a/b.git", "ssh://git@example.org:22/a/b", "git@example.org:a/b.git", "git://example.org/x",
    "http://[::1]:8080/x", "/far/away/repository", "file:///far/away", "https://user:token@example.org/~me/x?y=z",
    "host:path", "ssh://host/~/x"])
def test_addresses_of_every_day(value: str) -> None:
    assert gitconfig.url(value.encode(), ROOTS)


KEYS = [
    "core.fsmonitor", "core.sshCommand", "core.hooksPath", "core.pager", "core.editor", "core.attributesFile",
    "core.excludesFile", "core.gitProxy", "core.alternateRefsCommand", "core.askPass", "core.untrackedCache",
    "diff.external", "diff.x.textconv", "diff.x.command", "merge.x.driver", "filter.x.clean", "filter.x.process",
    "alias.status", "include.path", "includeIf.gitdir:/.path", "remote.origin.uploadpack", "remote.origin.receivepack",
    "remote.origin.vcs", "remote.origin.proxy", "remote.origin.pushurl", "credential.helper", "gpg.program",
    "gpg.ssh.program", "submodule.x.update", "submodule.x.fetchRecurseSubmodules", "url.x.insteadOf", "http.proxy",
    "sequence.editor", "uploadpack.packObjectsHook", "gc.recentObjectsHook", "trailer.x.command", "pager.status",
    "browser.x.cmd", "difftool.x.cmd", "mergetool.x.cmd", "man.x.cmd", "interactive.diffFilter", "safe.directory",
    "protocol.ext.allow", "branch.main.pushRemote", "remote.pushDefault", "core.bigFileThreshold"]


@pytest.mark.parametrize("key", KEYS)
def test_no_key_that_runs_or_redirects(key: str) -> None:
    section, _, name = key.partition(".")
    sub, _, last = name.rpartition(".")
    head = f'[{section} "{sub}"]' if sub else f"[{section}]"
    for value in ("x", "true", "1", "https://example.org/x", "refs/heads/main"):
        entries, left = clean(f"{head}\n{last} = {value}")
        assert entries == []
        assert left


@pytest.mark.parametrize("text", [
    "[core]\nrepositoryformatversion = 2", "[extensions]\nworktreeConfig = true", "[extensions]\nrefStorage = reftable",
    "[extensions]\nobjectFormat = md5", "[extensions]\npartialClone = origin", "[core\nbare = false", "bare = false",
    "[core]\n= x", "[core]\nbare \"false\"", '[core]\nx = "open', "[core]\nx = a\\qb", "[core]\nx = \0",
    "[core]\n9x = 1", '[remote "a\nb"]\nurl = x', "\x7fELF"])
def test_what_is_not_read_at_all(text: str) -> None:
    with pytest.raises(gitconfig.Rejected):
        clean(text)


def test_branch_and_remote_names_are_checked() -> None:
    entries, left = clean('[branch "-x"]\nremote = origin\n[branch "a..b"]\nmerge = refs/heads/x\n[branch "ok"]\n'
                          'remote = -x\nremote = .\nmerge = HEAD\n[remote "../x"]\nurl = https://example.org/x\n'
                          '[remote "o"]\nfetch = +refs/heads/*:refs/heads/*\nfetch = refs/heads/a:refs/remotes/o/a\n'
                          'fetch = +*:*\nfetch = --upload-pack=x\n[remote]\nurl = https://example.org/x')
    assert entries == [(b"branch", b"ok", b"remote", b"."),
                       (b"remote", b"o", b"fetch", b"refs/heads/a:refs/remotes/o/a")]
    assert len(left) == 9


def test_options_of_an_interrupted_pick() -> None:
    assert gitconfig.sequencer_options(b"[options]\n\tsignoff = true\n\tmainline = 1\n")
    for text in (b"[options]\n\tstrategy = ../evil\n", b"[options]\n\tgpg-sign = x\n", b"[core]\n\tfsmonitor = x\n",
                 b"[options]\n\tstrategy-option = x\n", b"[options", b"[options]\nmainline = -1"):
        assert not gitconfig.sequencer_options(text)


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
PIECES = st.sampled_from(["[core]", '[remote "o"]', '[branch "a/b"]', "\n", " ", "\t", "url", "bare", "=", '"', "\\",
                          "#", ";", "\\\n", "\\n", "\\t", '\\"', "value", "x y", "[", "]", "é", ".", "-", "true"])


@needs_git
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PIECES, max_size=14))
def test_what_we_read_git_reads_the_same(tmp_path: Path, parts: list[str]) -> None:
    text = ("[core]\n" + "".join(parts)).encode()
    try:
        ours = as_we_read(text)
    except gitconfig.Rejected:
        return
    # Older versions of git make a blank of a tab between two words; no value with one is kept.
    assert [(key.lower(), value.replace(b"\t", b" ")) for key, value in as_git_reads(text, tmp_path)] == [
        (key.lower(), value.replace(b"\t", b" ")) for key, value in ours]


VALUE = st.binary(max_size=20).filter(lambda value: b"\0" not in value and b"\r" not in value)
NAME = st.text("abcdefgXYZ0123-", min_size=1, max_size=8).filter(lambda name: name[0].isalpha())
SUB = st.one_of(st.none(), VALUE.filter(lambda value: b"\n" not in value))


@needs_git
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.tuples(NAME, SUB, NAME, VALUE), max_size=5))
def test_what_we_write_git_reads_as_it_was_meant(
        tmp_path: Path, entries: list[tuple[str, bytes | None, str, bytes]]) -> None:
    meant = [(section.lower().encode(), sub, key.lower().encode(), value) for section, sub, key, value in entries]
    text = gitconfig.emit(meant)
    assert gitconfig.parse(text) == meant
    assert as_git_reads(text, tmp_path) == as_we_read(text)
