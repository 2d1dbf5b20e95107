"""Protected names and git directories: what stays as it is, and what must be writable so that git works.

Knows: the layout of repositories and of agents' settings.  Must not know: how a plan holds them.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import PolicyError
from sidewall.policy import gitdir, protect
from sidewall.policy.paths import POSIX, WINDOWS
from sidewall.policy.protect import Names

COMMIT = Names(protect.names(), "commit", POSIX)
READ_ONLY = Names(protect.names(), "read-only", POSIX)

WRITABLE = (
    "index", "index.lock", "HEAD", "HEAD.lock", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD",
    "COMMIT_EDITMSG",
    "packed-refs", "packed-refs.lock", "packed-refs.new", "shallow", "shallow.lock", "objects/ab/cdef",
    "objects/pack/p.pack",
    "objects/pack/tmp_pack_x", "objects/info/packs", "objects/info/commit-graph", "objects/info/commit-graphs/x.graph",
    "refs/heads/main", "refs/heads/a/config", "refs/heads/main.lock", "refs/stash", "refs/remotes/origin/hooks",
    "logs", "logs/HEAD",
    "logs/refs/heads/main", "rebase-merge", "rebase-merge/done", "rebase-apply/next", "sequencer/todo",
    "sharedindex.abc", "gc.pid", "gc.log", "AUTO_MERGE", "BISECT_LOG", "worktrees/w/HEAD", "worktrees/w/index.lock",
    "worktrees/w/logs/HEAD", "worktrees/w/refs/bisect/x", "worktrees/w/locked", "modules/sub/HEAD", "modules/sub/index",
    "modules/sub/objects/ab/cd", "modules/a/b/refs/heads/main", "modules/sub/modules/inner/HEAD",
    "worktrees/w/modules/sub/HEAD",
    "lfs/objects/ab", "reftable/tables.list", "next-index-42.lock", "SOME_HEAD",
)
HELD = (
    "", "config", "config.lock", "config.worktree", "hooks", "hooks/post-commit", "info", "info/attributes",
    "info/exclude",
    "info/grafts", "info/sparse-checkout", "commondir", "gitdir", "objects", "refs", "objects/info",
    "objects/info/alternates",
    "objects/info/alternates.lock", "objects/info/http-alternates", "objects/INFO/alternates", "description",
    "remotes/origin",
    "branches/x", "modules", "modules/sub", "modules/sub/config", "modules/sub/hooks/post-checkout",
    "modules/sub/config.worktree",
    "modules/sub/commondir", "modules/sub/info/attributes", "modules/sub/objects/info/alternates", "modules/a/b/config",
    "modules/a/refs/config", "modules/a/refs/hooks/pre-push", "modules/sub/modules/inner/config", "modules/HEAD",
    "worktrees", "worktrees/w", "worktrees/w/gitdir", "worktrees/w/commondir", "worktrees/w/config.worktree",
    "worktrees/w/config",
    "worktrees/w/hooks/x", "worktrees/w/modules/sub/config", "worktrees/w/worktrees/x/HEAD", "fsmonitor--daemon.ipc",
    "evil", "MERGE_RR", "MERGE_RR.lock", "rr-cache", "rr-cache/x/preimage", "worktrees/w/MERGE_RR",
    "modules/sub/rr-cache/x/postimage",
    "CONFIG", "Hooks/x", "index/x", "common", "gitweb/x", "svn/x",
)


@pytest.mark.parametrize("path", WRITABLE)
def test_what_commits_need(path: str) -> None:
    assert gitdir.writable(tuple(path.split("/")))
    assert COMMIT.holding(("sub", ".git", *path.split("/"))) == ""
    assert READ_ONLY.holding((".git", *path.split("/")))


@pytest.mark.parametrize("path", HELD)
def test_what_makes_git_run_or_follow_something(path: str) -> None:
    names = tuple(path.split("/")) if path else ()
    assert not gitdir.writable(names)
    assert COMMIT.holding((".git", *names))
    assert COMMIT.holding(("deep", "er", ".git", *names))
    assert READ_ONLY.holding((".git", *names))


STEERING = ("config", "config.worktree", "hooks", "commondir", "gitdir", "info", "alternates", "remotes", "branches")


@given(st.lists(st.sampled_from((*STEERING, "modules", "worktrees", "objects", "refs", "HEAD", "a", "b", "info")),
                min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_submodules_steering_file_is_writable_under_any_reading_of_its_name(names: list[str]) -> None:
    """A path that some git directory could take for its own configuration, wherever that directory begins."""
    if not gitdir.writable(tuple(names)):
        return
    beginnings = [at for at in range(1, len(names)) if names[0] == "modules" or (names[0] == "worktrees" and at == 2)]
    if names[0] == "modules":
        for at in beginnings[1:]:
            assert names[at] not in STEERING[:6], names
    assert names[0] not in STEERING


@pytest.mark.parametrize("path", [
    ".vscode", ".vscode/tasks.json", "a/b/c/.vscode/settings.json", ".claude/settings.json", ".mcp.json", ".envrc",
    "sidewall.toml", "packages/x/sidewall.toml", ".codex/config.toml", ".cursor/mcp.json", ".gemini/settings.json",
    ".idea/workspace.xml", ".agents/x", ".zed/tasks.json", ".husky/pre-commit", ".devcontainer/devcontainer.json",
])
def test_names_that_steer_later_runs(path: str) -> None:
    assert COMMIT.holding(tuple(path.split("/")))


@pytest.mark.parametrize("path", [
    "src/a.py", ".vscodex", "vscode", ".git-blame-ignore-revs", ".github/workflows/ci.yml", ".gitignore", "Makefile",
    "package.json", ".gitmodules", "AGENTS.md", "a.mcp.json", ".VSCODE", ".gitx/config",
])
def test_names_that_do_not(path: str) -> None:
    assert COMMIT.holding(tuple(path.split("/"))) == ""


@pytest.mark.parametrize("path", [
    ".VSCODE\\x", ".Git\\config", ".GIT\\Hooks\\x", "SideWall.TOML", ".vs\\x", ".mcp.JSON",
    ".git\\Objects\\Info\\Alternates", ".git\\HEAD\\x",
])
def test_on_windows_the_case_does_not_matter(path: str) -> None:
    assert Names(protect.names(WINDOWS), "commit", WINDOWS).holding(tuple(path.split("\\")))


def test_every_name_of_the_design_is_on_the_list() -> None:
    assert {".codex", ".claude", ".agents", ".cursor", ".gemini", ".vscode", ".idea", ".mcp.json", ".envrc",
            "sidewall.toml"} <= set(protect.names()) <= set(protect.names(WINDOWS))
    assert all(protect.validate(name) == name for name in protect.names(WINDOWS))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "*.json", "a[b]", ".git", ".GIT", "a\0", "a?",
                                  "x" * 256, "\u00e4" * 128])
def test_what_cannot_be_a_protected_name(name: str) -> None:
    with pytest.raises(PolicyError) as caught:
        protect.validate(name)
    assert caught.value.hint


def test_the_longest_name() -> None:
    assert protect.validate("x" * 255) == "x" * 255
    assert protect.validate("\u00e4" * 255, WINDOWS) == "\u00e4" * 255
    with pytest.raises(PolicyError):
        protect.validate("\U0001f600" * 128, WINDOWS)
