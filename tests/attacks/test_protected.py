"""L-109 to L-123, A-08 to A-10: making the user's next git command, outside, run what the sandbox wrote.

Knows: every file of a repository that git obeys.  Must not know: how they are held back.  Follows `docs/attacks.md`,
group L7.  The judge runs the host's own git afterwards; a marker file that only an unsandboxed process can make
proves the escape.  Where a tier cannot hold the names, it puts them back after the command, to the same effect.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .guards import NAMESPACE, Guard, environment, guards
from .probes import command
from .world import World, git

HELD = guards("protected-names", only=(NAMESPACE,))
RESTORED = guards("protected-names-restored")


def copy_repository(source, target, config):
    """In the sandbox: a repository like the given one, with the attacker's configuration."""
    import shutil

    attempt("copy", shutil.copytree, source, target, symlinks=True, dirs_exist_ok=True)
    for name, text in (("config", "[core]\n\tbare = false\n"), ("HEAD", "ref: refs/heads/x\n")):
        if not os.path.exists(f"{target}/{name}"):
            attempt("make", put, f"{target}/{name}", text)
    attempt("configure", lambda: open(target + "/config", "a").write(config))


def write_hooks(folder, text):
    """In the sandbox: hooks for everything the user may do next."""
    for name in ("pre-commit", "post-commit", "post-checkout", "post-index-change", "reference-transaction"):
        attempt("hook " + name, put, f"{folder}/{name}", text)
        attempt("mode", os.chmod, f"{folder}/{name}", 0o755)


def probe_commondir(config, hook):
    copy_repository(".git", "src/common", config)
    for text in ("../src/common\n", os.getcwd() + "/src/common"):
        attempt("commondir", lambda: open(".git/commondir", "w").write(text))
        attempt("by rename", lambda: (open("cd", "w").write(text), os.rename("cd", ".git/commondir")))


def probe_git_config(config, hook):
    import subprocess

    name = "touch " + config.split("touch ")[1].split(";")[0]
    for argv in (
        ("core.fsmonitor", name),
        ("extensions.worktreeConfig", "true"),
        ("--worktree", "core.fsmonitor", name),
        ("include.path", "../src/included"),
        ("--add", "alias.st", "!" + name),
    ):
        print(subprocess.run(["git", "config", *argv], capture_output=True, timeout=20))
    attempt("included", put, os.getcwd() + "/src/included", config)
    attempt("worktree", lambda: open(".git/config.worktree", "a").write(config))


def probe_append(config, hook):
    attempt("config", lambda: open(".git/config", "a").write(config))
    attempt("alias of the path", lambda: open("/proc/self/cwd/.git/config", "a").write(config))
    attempt("truncate", os.truncate, ".git/config", 0)
    put(os.getcwd() + "/fresh", config)
    attempt("rename over", os.rename, "fresh", ".git/config")
    write_hooks(".git/hooks", hook)


def probe_rename_away(config, hook):
    copy_repository(".git", "fresh", config)
    write_hooks("fresh/hooks", hook)
    attempt("away", os.rename, ".git", "old")
    attempt("in place", os.rename, "fresh", ".git")
    attempt("exchange", syscall, "renameat2", -100, b"fresh", -100, b".git", 2)
    attempt("hooks away", os.rename, ".git/hooks", ".git/hooks-old")
    write_hooks(".git/hooks", hook)


def probe_gitfile(config, hook):
    import shutil

    copy_repository(".git", "src/repository", config)
    attempt("away", os.rename, ".git", "old")
    shutil.rmtree(".git", ignore_errors=True)
    attempt("link", os.symlink, "src/repository", ".git")
    attempt("file", lambda: open(".git", "x").write("gitdir: src/repository\n"))


def probe_hard_links(config, hook):
    for number, name in enumerate((".git/config", ".git/hooks/pre-commit.sample", ".git/HEAD", ".git/info/exclude")):
        alias = f"alias-{number}"
        attempt("link", os.link, name, alias)
        attempt("write", lambda: open(alias, "a").write(config if number == 0 else hook))
    attempt("into", os.link, "alias-1", ".git/hooks/pre-commit")
    os.chmod("Makefile", 0o755)
    attempt("payload", put, os.getcwd() + "/payload", hook)
    os.chmod("payload", 0o755)
    attempt("linked hook", os.link, "payload", ".git/hooks/pre-commit")
    attempt("symbolic hook", os.symlink, os.getcwd() + "/payload", ".git/hooks/post-commit")
    descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o755)
    os.write(descriptor, hook.encode())
    attempt("unnamed", os.link, f"/proc/self/fd/{descriptor}", ".git/hooks/post-checkout", follow_symlinks=True)


def probe_redirects(config, hook):
    for name in ("info/attributes", "info/grafts", "objects/info/alternates", "config.lock", "shallow", "gitdir"):
        attempt(name, put, f"{os.getcwd()}/.git/{name}", "* filter=x diff=x\n" if "attributes" in name else config)
    for name in ("modules/x", "worktrees/x", "rebase-merge", "sequencer"):
        attempt(name, put, f"{os.getcwd()}/.git/{name}/config", config)
    attempt("editor message", put, os.getcwd() + "/.git/COMMIT_EDITMSG", NONCE)
    attempt("rebase", put, os.getcwd() + "/.git/rebase-merge/git-rebase-todo", "exec " + hook.splitlines()[1] + "\n")
    attempt("attributes", put, os.getcwd() + "/.gitattributes", "* filter=x diff=x merge=x\n")
    attempt("config", lambda: open(".git/config", "a").write(config))


GIT_ROWS = {
    "L-109": probe_commondir, "L-110": probe_git_config, "L-111": probe_append, "L-112": probe_rename_away,
    "L-113": probe_gitfile, "L-114": probe_hard_links, "L-111 redirects": probe_redirects,
}  # fmt: skip
HELPERS = (copy_repository, write_hooks)


def obeyed(repository: Path) -> dict[str, object]:
    """What git obeys in a repository: names, modes and contents of configuration, hooks and redirections."""
    names = ("config", "config.worktree", "commondir", "info", "hooks", "objects/info/alternates")
    found: dict[str, object] = {}
    for name in names:
        top = repository / ".git" / name
        for path in [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]:
            if path.suffix != ".sample" and (path.is_symlink() or path.is_file()):
                found[str(path)] = path.readlink() if path.is_symlink() else (path.read_bytes(), path.stat().st_mode)
    return found


@RESTORED
@pytest.mark.parametrize("row", GIT_ROWS)
def test_git_directory(guard: Guard, world: World, row: str) -> None:
    settings = {"config": world.evil_config(), "hook": world.evil_hook()}
    before = obeyed(world.workspace)
    outcome = guard.attack(world, GIT_ROWS[row], *HELPERS, **settings)
    after = obeyed(world.workspace)
    changed = [] if guard.is_control else [name for name in {*before, *after} if before.get(name) != after.get(name)]
    guard.judge(outcome, world.use_git() + changed)
    if guard.name == NAMESPACE:  # elsewhere the repository is the command's to break, as every file of the workspace
        assert "first" in git(world.workspace, "log", home=world.home), "the user's history is gone"
        assert "fatal" not in git(world.workspace, "status", home=world.home), "the user's repository is broken"


def probe_after_go(config, hook):
    import time

    print("READY", flush=True)
    deadline = time.monotonic() + 10
    while not os.path.exists("go-" + NONCE) and time.monotonic() < deadline:
        time.sleep(0.01)
    attempt("config", lambda: open(".git/config", "a").write(config))
    attempt("over", lambda: (open("fresh", "w").write(config), os.rename("fresh", ".git/config")))
    write_hooks(".git/hooks", hook)


@RESTORED
def test_L116_after_the_user_changed_the_config(guard: Guard, world: World) -> None:
    settings = {"config": world.evil_config(), "hook": world.evil_hook()}
    running = guard.start(world, command(probe_after_go, world.nonce, write_hooks, **settings))
    running.until("READY")
    git(world.workspace, "config", "user.nickname", "kept", home=world.home)
    running.go()
    outcome = running.finish()
    guard.judge(outcome, world.use_git())
    if guard.name == NAMESPACE:  # who compares and puts back cannot tell the user's change from the command's
        assert "kept" in git(world.workspace, "config", "user.nickname", home=world.home), "the user's change is lost"


def probe_nested(config, hook):
    attempt("config", lambda: open("vendor/lib/.git/config", "a").write(config))
    write_hooks("vendor/lib/.git/hooks", hook)


def probe_nested_commondir(config, hook):
    copy_repository("vendor/lib/.git", "src/common", config)
    attempt("commondir", lambda: open("vendor/lib/.git/commondir", "w").write("../../../src/common\n"))


def probe_nested_parent(config, hook):
    if attempt("away", os.rename, "vendor", "was") is None:
        attempt("the nearer parent away", os.rename, "vendor/lib", "was-lib")
    for source in ("was/lib/.git", "was-lib/.git", ".git"):
        if os.path.isdir(source) and not os.path.exists("vendor/lib/.git"):
            copy_repository(source, "vendor/lib/.git", config)
    write_hooks("vendor/lib/.git/hooks", hook)


def probe_new_repository(config, hook):
    import subprocess

    folder = "packages/a/b/c/d/e"
    os.makedirs(folder)
    print(subprocess.run(["git", "init", "-q", folder], capture_output=True, timeout=20))
    copy_repository(".git", folder + "/.git", config)
    write_hooks(folder + "/.git/hooks", hook)


NESTED_ROWS = {
    "L-121": (probe_nested_parent, "vendor/lib"),
    "L-122": (probe_nested, "vendor/lib"),
    "L-122 commondir": (probe_nested_commondir, "vendor/lib"),
    "L-123": (probe_new_repository, "packages/a/b/c/d/e"),
}


@RESTORED
@pytest.mark.parametrize("row", NESTED_ROWS)
def test_nested_repository(guard: Guard, world: World, row: str) -> None:
    probe, folder = NESTED_ROWS[row]
    outcome = guard.attack(world, probe, *HELPERS, config=world.evil_config(), hook=world.evil_hook())
    place = world.workspace / folder
    guard.judge(outcome, world.use_git(place) if place.is_dir() else [])


def probe_hooks_path(hook):
    for name in ("pre-commit", "post-commit", "post-checkout"):
        put(f"{os.getcwd()}/payload-{name}", hook)
        os.chmod("payload-" + name, 0o755)
        attempt(name, put, f"{os.getcwd()}/.husky/{name}", hook)
        attempt(name, os.chmod, f".husky/{name}", 0o755)
        attempt("over", os.rename, "payload-" + name, ".husky/" + name)


@RESTORED
def test_A08_hooks_path_in_the_workspace(guard: Guard, world: World) -> None:
    hook = world.workspace / ".husky/pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    git(world.workspace, "config", "core.hooksPath", ".husky", home=world.home)
    outcome = guard.attack(world, probe_hooks_path, hook=world.evil_hook())
    guard.judge(outcome, world.use_git())


def probe_worktree(config, hook, main):
    text = open(".git").read()
    copy_repository(main + "/.git", "fake", config)
    for path in (main + "/.git/config", text.split()[1] + "/config.worktree", text.split()[1] + "/commondir"):
        attempt(path, lambda: open(path, "a").write(config))
    write_hooks(main + "/.git/hooks", hook)
    attempt("gitfile", lambda: open(".git", "w").write(f"gitdir: {os.getcwd()}/fake\n"))
    attempt("away", os.rename, ".git", "was")
    attempt("in place", lambda: open(".git", "x").write(f"gitdir: {os.getcwd()}/fake\n"))


@RESTORED
def test_A09_worktree(guard: Guard, world: World) -> None:
    tree = world.home / "projects/tree"
    git(world.workspace, "worktree", "add", "-q", str(tree), home=world.home)
    settings = {"config": world.evil_config(), "hook": world.evil_hook(), "main": str(world.workspace)}
    outcome = guard.attack(world, probe_worktree, *HELPERS, settings={"cwd": tree}, **settings)
    guard.judge(outcome, world.use_git(tree, world.workspace))
    if not guard.is_control:
        done = guard.run(world, ["sh", "-c", "git status --short && git log --oneline"], cwd=tree)
        assert done.returncode == 0 and "first" in done.text, str(done)
    if guard.name == NAMESPACE:
        script = "echo x > new.txt && git add new.txt && git commit -qm two"
        done = guard.run(world, ["sh", "-c", script], cwd=tree)
        assert done.returncode == 0, str(done)
        assert "two" in git(tree, "log", "-1", home=world.home)


def probe_submodule(config, hook):
    attempt("config", lambda: open(".git/modules/sub/config", "a").write(config))
    write_hooks(".git/modules/sub/hooks", hook)
    attempt("modules", lambda: open(".gitmodules", "a").write("\tupdate = !" + hook.splitlines()[1] + "\n"))


def probe_submodule_gitfile(config, hook):
    copy_repository(".git/modules/sub", "fake", config.replace("[core]", "[core]\n\tworktree = ../sub"))
    attempt("gitfile", lambda: open("sub/.git", "w").write("gitdir: ../fake\n"))
    attempt("away", os.rename, "sub/.git", "sub/was")
    attempt("in place", lambda: open("sub/.git", "x").write("gitdir: ../fake\n"))


def probe_submodule_commondir(config, hook):
    copy_repository(".git/modules/sub", "fake", config.replace("[core]", "[core]\n\tworktree = ../../../sub"))
    attempt("commondir", lambda: open(".git/modules/sub/commondir", "w").write("../../../fake\n"))


@RESTORED
@pytest.mark.parametrize("probe", [probe_submodule, probe_submodule_gitfile, probe_submodule_commondir])
def test_A10_submodule(guard: Guard, world: World, probe: Callable[..., None]) -> None:
    library = world.home / "projects/library"
    git(world.home, "clone", "-q", str(world.workspace / "vendor/lib"), str(library), home=world.home)
    allow = ("-c", "protocol.file.allow=always")
    git(world.workspace, *allow, "submodule", "add", "-q", str(library), "sub", home=world.home)
    git(world.workspace, "commit", "-qm", "sub", home=world.home)
    outcome = guard.attack(world, probe, *HELPERS, config=world.evil_config(), hook=world.evil_hook())
    git(world.workspace, *allow, "submodule", "update", "-q", home=world.home, check=False)
    guard.judge(outcome, world.use_git(world.workspace, world.workspace / "sub"))


@pytest.mark.parametrize("row", ["A-07"])
@guards("protected-names-restored")
def test_our_own_git(guard: Guard, world: World, row: str) -> None:
    """A repository that is hostile from the start: what the launcher does on the host must not obey it."""
    with (world.workspace / ".git/config").open("a") as file:
        file.write(world.evil_config())
    (world.workspace / ".gitattributes").write_text("* filter=x diff=x merge=x\n")
    for name in ("pre-commit", "post-index-change", "reference-transaction", "post-checkout"):
        (world.workspace / ".git/hooks" / name).write_text(world.evil_hook(name))
        (world.workspace / ".git/hooks" / name).chmod(0o755)
    script = f"echo ATTACK-START {world.nonce}; echo more >> README.md; git -c core.fsmonitor= add README.md; exit 0"
    if guard.is_control:
        subprocess.run(["git", "status"], cwd=world.workspace, env=environment(world), capture_output=True, timeout=30)
    outcome = guard.run(world, ["sh", "-c", script])
    guard.judge(outcome, world.fired())


@HELD
def test_A14_other_spellings(guard: Guard, world: World) -> None:
    """On a file system that folds case these are the protected names; on others they are nobody's."""
    outcome = guard.attack(world, probe_spelled, config=world.evil_config(), hook=world.evil_hook())
    folded = (world.workspace / ".GIT").exists() and Path(world.workspace / ".GIT").samefile(world.workspace / ".git")
    assert outcome.started, str(outcome)
    if guard.is_control and not folded:
        pytest.skip("the file system of this place does not fold case: the control cannot bite")
    guard.judge(outcome, world.use_git())


def probe_spelled(config, hook):
    for name in (".GIT/config", ".Git/hooks/pre-commit", ".git./config", "GIT~1/config", ".g\u200cit/config"):
        attempt(name, put, f"{os.getcwd()}/{name}", config if name.endswith("config") else hook)
