"""Indexes and interrupted operations that a command leaves: git obeys them, so what would do harm is taken away."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Trap = Callable[[], tuple[Path, bool]]

PATHS = (".git/hooks/post-checkout", "../outside", ".GIT/hooks/post-checkout", "sub/.git/config", "a//b", "/etc/x")


def index(entries: list[tuple[str, int, str]], *, right: bool = True) -> bytes:
    """An index of version 2; ``right``: with its checksum, which git does not look at."""
    made = b"DIRC" + struct.pack(">II", 2, len(entries))
    for path, mode, oid in sorted(entries, key=lambda entry: entry[0].encode()):
        one = struct.pack(">10I", *[0] * 6, mode, 0, 0, 0) + bytes.fromhex(oid)
        one += struct.pack(">H", len(path)) + path.encode()
        made += one + bytes(8 - len(one) % 8)
    return made + (hashlib.sha1(made).digest() if right else b"x" * 20)


def plant_index(directory: Path, git, program: Path, path: str = PATHS[0], **how: bool) -> None:
    oid = git(directory, "hash-object", "-w", str(program)).strip()
    inner = Path(directory, git(directory, "rev-parse", "--git-dir").strip())
    (inner / "index").write_bytes(index([(path, 0o100755, oid), ("file", 0o100644, oid)], **how))


def plant_list(directory: Path, git, program: Path) -> None:
    """A rebase that has stopped, and goes on with a program."""
    git(directory, "-c", "sequence.editor=sed -i 1ibreak", "rebase", "-i", "HEAD~1")
    inner = Path(directory, git(directory, "rev-parse", "--git-dir").strip())
    with open(inner / "rebase-merge/git-rebase-todo", "a") as stream:
        stream.write(f"exec {program}\n")


def plant_strategy(directory: Path, git, program: Path) -> None:
    plant_list(directory, git, program)
    inner = Path(directory, git(directory, "rev-parse", "--git-dir").strip())
    (inner / "rebase-merge/git-rebase-todo").write_text("")
    (inner / "rebase-merge/strategy").write_text("x;evil\n")


def plant_unlooked(directory: Path, git, program: Path) -> None:
    plant_index(directory, git, program, right=False)


ATTACKS = [plant_index, plant_unlooked, plant_list, plant_strategy]


def host_works(directory: Path, git) -> None:
    """What a user does who finds his working tree changed, or a rebase under way."""
    for words in (["status"], ["checkout", "--", "."], ["rebase", "--continue"], ["checkout", "-q", "-b", "fresh"],
                  ["reset", "-q", "--hard"], ["checkout", "-q", "-b", "more"]):
        git(directory, *words, check=False)


@pytest.fixture
def places(repository: Path, tmp_path: Path, git) -> list[Path]:
    """Repositories of every kind, and a new one."""
    shutil.copytree(repository, tmp_path / "library")
    git(repository, "submodule", "--quiet", "add", str(tmp_path / "library"), "lib")
    git(repository, "commit", "-qm", "lib")
    git(repository, "worktree", "add", "-q", "tree")
    return [repository, repository / "lib", repository / "tree"]


def new(repository: Path, git) -> list[Path]:
    git(repository.parent, "clone", "-q", str(repository.parent / "library"), str(repository / "made"))
    git(repository / "made", "worktree", "add", "-q", "../made-tree")
    git(repository / "made", "commit", "-q", "--allow-empty", "-m", "two")
    git(repository / "made-tree", "commit", "-q", "--allow-empty", "-m", "two")
    return [repository / "made", repository / "made-tree"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_git_runs_nothing_of_it(repository: Path, places: list[Path], git, watch, trap: Trap, attack) -> None:
    git(repository / "lib", "commit", "-q", "--allow-empty", "-m", "two")
    watcher = watch(each=True)
    fresh = new(repository, git)
    for place in (*places, *fresh):
        attack(place, git, trap()[0])
    held = watcher.compare()
    assert len(held) == len(places), held
    assert watcher.compare() == ()
    assert watcher.look()
    assert len(watcher.deal(calm=True)) == len(fresh)
    assert watcher.compare(final=True) == ()
    for place in (*places, *fresh):
        host_works(place, git)
    assert not trap()[1]


@pytest.mark.parametrize("attack", [plant_index, plant_unlooked, plant_list])
def test_the_attacks_are_real(repository: Path, git, trap: Trap, attack) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    attack(repository, git, trap()[0])
    host_works(repository, git)
    assert trap()[1]


@pytest.mark.parametrize("path", PATHS)
def test_paths(repository: Path, git, watch, trap: Trap, path: str) -> None:
    watcher = watch(each=True)
    plant_index(repository, git, trap()[0], path)
    assert [item.path for item in watcher.compare()] == [f"{repository}/.git/index"]
    git(repository, "reset", "-q")
    assert git(repository, "status", "--porcelain") == ""
    assert watcher.compare(final=True) == ()


def test_a_shared_index(repository: Path, git, watch, trap: Trap) -> None:
    watcher = watch(each=True)
    git(repository, "update-index", "--split-index")
    assert watcher.compare() == ()
    (shared,) = (repository / ".git").glob("sharedindex.*")
    oid = git(repository, "hash-object", "-w", str(trap()[0])).strip()
    evil = index([(PATHS[0], 0o100755, oid)])
    shared.chmod(0o644)
    shared.write_bytes(evil[:-20] + bytes.fromhex(shared.name.partition(".")[2]))
    (repository / ".git/index").touch()
    assert {item.path for item in watcher.compare()} == {f"{repository}/.git/index", str(shared)}


def test_plain_work_is_left_alone(repository: Path, git, watch) -> None:
    """Conflicts, stopped rebases, cherry-picks and the indexes of unusual features."""
    watcher = watch(each=True)
    (repository / "file").write_text("two\n")
    git(repository, "commit", "-qam", "two")
    git(repository, "checkout", "-q", "-b", "side", "HEAD~1")
    (repository / "file").write_text("three\n")
    git(repository, "commit", "-qam", "three")
    for words in (["rebase", "main"], ["cherry-pick", "main~1", "main"], ["merge", "main"],
                  ["revert", "HEAD~1", "HEAD"],
                  ["-c", "sequence.editor=sed -i 1ibreak", "rebase", "-i", "HEAD~1"]):
        git(repository, *words, check=False)
        git(repository, "status")
        assert watcher.compare() == (), words
        assert git(repository, words[0] if words[0] != "-c" else "rebase", "--abort", check=False) is not None
    for words in (["update-index", "--index-version", "4"], ["update-index", "--untracked-cache"],
                  ["update-index", "--split-index"], ["update-index", "--no-split-index"]):
        git(repository, *words)
        assert watcher.compare() == (), words
    assert watcher.compare(final=True) == ()


def test_what_was_there_stays(repository: Path, git, watch) -> None:
    """The user's own rebase with a program in it, and an index that no git wrote."""
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "-c", "sequence.editor=sed -i -e 1ibreak -e '1iexec true'", "rebase", "-i", "HEAD~1", check=False)
    with open(repository / ".git/rebase-merge/git-rebase-todo", "a") as stream:
        stream.write("exec true\n")
    (repository / ".git/index").write_bytes(b"mine")
    watcher = watch(each=True)
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()
    assert (repository / ".git/index").read_bytes() == b"mine"
    assert "exec true" in (repository / ".git/rebase-merge/git-rebase-todo").read_text()


def test_endless_and_odd_things(repository: Path, watch) -> None:
    watcher = watch(each=True)
    inner = repository / ".git"
    (inner / "index").unlink()
    with open(inner / "index", "wb") as stream:
        stream.truncate(1 << 40)
    (inner / "rebase-merge").write_text("no directory")
    (inner / "sequencer").mkdir()
    (inner / "sequencer/todo").mkdir()
    (inner / "rebase-apply").mkdir()
    os.mkfifo(inner / "rebase-apply/next")
    assert {item.path for item in watcher.compare()} == {
        f"{inner}/index", f"{inner}/rebase-merge", f"{inner}/sequencer", f"{inner}/rebase-apply/next"}


def test_an_index_of_long_object_names(workspace: Path, git, watch, trap: Trap) -> None:
    if subprocess.run(["git", "init", "-q", "--object-format=sha256", str(workspace)], check=False).returncode:
        pytest.skip("this git has one format only")
    (workspace / "file").write_text("one\n")
    watcher = watch(each=True)
    git(workspace, "add", "file")
    git(workspace, "commit", "-qm", "one")
    assert watcher.compare() == ()
    plant_index(workspace, git, trap()[0])
    assert [item.path for item in watcher.compare()] == [f"{workspace}/.git/index"]


@pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])
@pytest.mark.parametrize("name", ["HEAD", "ORIG_HEAD", "refs/heads/other", "refs/heads/a/new"])
def test_references_that_lead_elsewhere(workspace: Path, tmp_path: Path, git, watch, name: str, each: bool) -> None:
    git(workspace, "init", "-q", "own")
    git(workspace / "own", "commit", "-q", "--allow-empty", "-m", "one")
    git(workspace / "own", "branch", "other")
    watcher = watch(each=each)
    git(workspace, "init", "-q", "made")
    git(workspace / "made", "commit", "-q", "--allow-empty", "-m", "one")
    depth = "/".join([".."] * (len(workspace.parts) + 3))
    for directory in (workspace / "own", workspace / "made"):
        place = directory / ".git" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"ref: refs/heads/{depth}{tmp_path}/outside\n")
    paths = [item.path for item in watcher.compare(final=True) if item.action == "put back"]
    assert paths == [f"{workspace}/{directory}/.git/{name}" for directory in ("own", "made")]
    for directory in (workspace / "own", workspace / "made"):
        for words in (["commit", "-q", "--allow-empty", "-m", "x"], ["branch", "-f", "other"],
                      ["branch", "-f", "a/new"], ["reset", "-q", "HEAD~1"]):
            git(directory, *words)
    assert not (tmp_path / "outside").exists()


def test_references_that_lead_nowhere_else_stay(workspace: Path, git, watch) -> None:
    git(workspace, "init", "-q")
    git(workspace, "commit", "-q", "--allow-empty", "-m", "one")
    watcher = watch(each=True)
    git(workspace, "checkout", "-q", "-b", "fix/(odd)-name..no".replace("..", "-"))
    git(workspace, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    git(workspace, "checkout", "-q", "--detach")
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()


def test_a_search_by_halves(repository: Path, git, watch, trap: Trap) -> None:
    """Older versions of git give a file of it to the shell."""
    for number in range(4):
        (repository / "file").write_text(str(number))
        git(repository, "commit", "-qam", str(number))
    watcher = watch(each=True)
    git(repository, "bisect", "start", "HEAD", "HEAD~3", "--", "file")
    assert watcher.compare() == ()
    (repository / ".git/BISECT_NAMES").write_text(f"; {trap()[0]}\n")
    assert [item.path for item in watcher.compare()] == [f"{repository}/.git/BISECT_NAMES"]
    git(repository, "bisect", "visualize", "--oneline", check=False)
    assert not trap()[1]
    git(repository, "bisect", "reset")
    assert watcher.compare(final=True) == ()


ONE, OTHER = "a" * 40, "b" * 40


def plant_resolution(directory: Path, git, name: str = ONE) -> Path:
    """Makes git copy a file outside of the repository into ``rr-cache`` with the next commit; where to."""
    inner = Path(directory, git(directory, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    own = Path(directory, git(directory, "rev-parse", "--path-format=absolute", "--git-dir").strip())
    (inner / "rr-cache" / name).mkdir(parents=True)
    (inner / "rr-cache" / name / "preimage").write_text("x\n")
    secret = directory.parent / "secret"
    secret.write_text("a secret of the user's\n")
    (own / "MERGE_RR").write_text(f"{name}\t../secret\0")
    return inner / "rr-cache" / name / "postimage"


def commit(directory: Path, git) -> None:
    git(directory, "commit", "-q", "--allow-empty", "-m", "later")


def test_a_secret_copied_by_way_of_recorded_resolutions_is_real(repository: Path, git) -> None:
    copied = plant_resolution(repository, git)
    commit(repository, git)
    assert copied.read_text() == "a secret of the user's\n"


@pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])
def test_recorded_resolutions_are_not_replayed(repository: Path, places: list[Path], git, watch, each: bool) -> None:
    watcher = watch(each=each)
    fresh = new(repository, git)
    targets = (*places, *fresh) if each else fresh
    copied = [plant_resolution(place, git, f"{number}" * 40) for number, place in enumerate(targets)]
    if each:
        assert len(watcher.compare()) == 2 * len(places)
    assert watcher.look()
    assert len(watcher.deal(calm=True)) == 2 * len(fresh)
    assert watcher.compare(final=True) == ()
    for place in targets:
        commit(place, git)
    assert not [path for path in copied if path.parent.exists()]


def test_the_users_own_resolutions_stay(repository: Path, git, watch) -> None:
    plant_resolution(repository, git)
    store = repository / ".git/rr-cache"
    shutil.copytree(store / ONE, store / OTHER)
    watcher = watch(each=True)
    assert watcher.compare() == ()
    (store / ONE / "thisimage").write_text("for a moment")
    (store / ONE / "thisimage").unlink()
    assert watcher.compare() == ()
    (store / ONE / "preimage").write_text("y\n")
    (store / OTHER / "postimage").write_text("planted")
    with open(repository / ".git/MERGE_RR", "a") as stream:
        stream.write(f"{OTHER}\tmore\0")
    assert {item.path for item in watcher.compare()} == {
        f"{store}/{ONE}", f"{store}/{OTHER}", f"{repository}/.git/MERGE_RR"}
    assert watcher.compare(final=True) == ()
    assert not list(store.iterdir())


def test_very_many_resolutions_and_odd_ones(repository: Path, tmp_path: Path, watch) -> None:
    watcher = watch(each=True)
    store = repository / ".git/rr-cache"
    for number in range(100):
        (store / f"{number:040}").mkdir(parents=True)
    assert [item.path for item in watcher.compare()] == [str(store)]
    store.symlink_to(tmp_path)
    (repository / ".git/MERGE_RR").mkdir()
    assert {item.path for item in watcher.compare()} == {str(store), f"{repository}/.git/MERGE_RR"}
    store.mkdir()
    (store / "postimage").write_text("a file where a directory should be")
    assert [item.path for item in watcher.compare(final=True)] == [f"{store}/postimage"]
