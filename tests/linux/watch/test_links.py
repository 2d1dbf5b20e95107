"""Links, pipes and devices that a command leaves inside git directories: git would write through them, so they go."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.platforms.linux import watch_links

Quarantined = Callable[[], dict[str, str]]

PLACES = ("COMMIT_EDITMSG", "FETCH_HEAD", "ORIG_HEAD", "index", "packed-refs", "logs/HEAD", "logs/refs/heads/main",
          "refs/heads/main", "refs/heads/deep/er/one", "refs/stash", "objects/ab", "objects/pack/pack-1.idx",
          "rebase-merge/author-script", "a/name/of/no/meaning")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    made = tmp_path / "outside"
    made.mkdir()
    (made / "canary").write_text("the user's own\n")
    return made


def photograph(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    return {str(path): (path.lstat().st_ctime_ns, path.lstat().st_ino, path.read_bytes() if path.is_file() else b"")
            for path in [directory, *sorted(directory.rglob("*"))]}


def plant(inner: Path, name: str, target: Path) -> Path:
    path = inner / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    return path


def work(directory: Path, git) -> None:
    """What a user does that writes in place, or where a link leads."""
    (directory / "file").write_text("by the user\n")
    for words in (["add", "file"], ["commit", "-qm", "by the user"], ["fetch", "-q", ".", "HEAD"], ["stash"],
                  ["pack-refs", "--all"], ["reset", "-q", "--hard", "HEAD~1"], ["gc", "-q"]):
        git(directory, *words, check=False)


@pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])
@pytest.mark.parametrize("name", PLACES)
def test_a_link_is_taken_wherever_it_is(repository: Path, outside: Path, git, watch, quarantined: Quarantined,
                                        name: str, each: bool) -> None:
    git(repository, "init", "-q", "kept")
    watcher = watch(each=each)
    git(repository, "init", "-q", "made")
    places = [plant(repository / inner / ".git", name, outside / "canary") for inner in (".", "kept", "made")]
    before = photograph(outside)
    held = watcher.compare(final=True)
    assert {(item.action, item.path) for item in held} == {("put back", str(path)) for path in places}
    assert not any(os.path.lexists(path) for path in places)
    assert {os.readlink(where) for where in quarantined().values()} == {str(outside / "canary")}
    assert watcher.compare(final=True) == ()
    for place in (repository, repository / "kept", repository / "made"):
        work(place, git)
    assert photograph(outside) == before


def test_single_objects_are_left_to_the_end(repository: Path, outside: Path, git, watch) -> None:
    """Nothing is written there in place; after each command would be too much work for that."""
    watcher = watch(each=True)
    path = plant(repository / ".git", "objects/ab/" + "c" * 38, outside / "canary")
    assert watcher.compare() == ()
    work(repository, git)
    assert (outside / "canary").read_text() == "the user's own\n"
    assert [item.path for item in watcher.compare(final=True)] == [str(path)]


@pytest.mark.parametrize("name", ["COMMIT_EDITMSG", "FETCH_HEAD", "logs/HEAD", "logs/refs/heads/main", "index"])
def test_git_does_write_through_them(repository: Path, outside: Path, git, name: str) -> None:
    before = photograph(outside)
    plant(repository / ".git", name, outside / ("new" if name == "index" else "canary"))
    work(repository, git)
    assert photograph(outside) != before


def test_after_each_command_without_mounts(repository: Path, outside: Path, git, watch) -> None:
    """Also when the directory was looked through before and found clean."""
    watcher = watch(each=True)
    for turn in range(3):
        for name in ("logs/HEAD", "COMMIT_EDITMSG", "objects/ab", "objects/info/commit-graph",
                     "objects/pack/multi-pack-index", "refs/heads/a/b"):
            path = plant(repository / ".git", name, outside / "canary")
            assert [item.path for item in watcher.compare()] == [str(path)], turn
        assert watcher.compare() == ()
        work(repository, git)
    assert (outside / "canary").read_text() == "the user's own\n"


def test_what_was_clean_is_not_listed_again(repository: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_links, "settled", lambda _status: True)
    watcher = watch(each=True)
    listed: list[int] = []
    real = os.scandir
    monkeypatch.setattr(watch_links.os, "scandir", lambda fd: (listed.append(fd), real(fd))[1])
    (repository / ".git/refs/heads/new").write_text("0" * 40)
    links = watcher._roots[0].repositories[0][1]._links
    assert links is not None
    fd = os.open(repository / ".git", os.O_RDONLY)
    try:
        assert [name for _fd, name, _path in links._strange(fd, None, "")] == []
    finally:
        os.close(fd)
    assert len(listed) == 1


def test_submodules_and_linked_worktrees(repository: Path, outside: Path, git, watch) -> None:
    library = outside.parent / "library"
    shutil.copytree(repository, library)
    git(repository, "submodule", "--quiet", "add", str(library), "vendor/lib")
    git(repository, "worktree", "add", "-q", "tree")
    git(repository, "commit", "-qm", "submodule")
    watcher = watch(each=True)
    places = [plant(repository / ".git", name, outside / "canary") for name in (
        "modules/vendor/lib/logs/HEAD", "modules/vendor/lib/COMMIT_EDITMSG", "worktrees/tree/COMMIT_EDITMSG",
        "worktrees/tree/logs/HEAD", "modules/vendor/none/logs/HEAD")]
    assert {item.path for item in watcher.compare()} == {str(path) for path in places}
    work(repository / "vendor/lib", git)
    work(repository / "tree", git)
    assert (outside / "canary").read_text() == "the user's own\n"
    assert watcher.compare(final=True) == ()


def test_links_of_the_user_stay(repository: Path, outside: Path, git, watch) -> None:
    """And come back when a command has put another in their place."""
    inner = repository / ".git"
    plant(inner, "refs/remotes", outside)
    plant(inner, "logs/HEAD", outside / "canary")
    (inner / "HEAD").unlink()
    (inner / "HEAD").symlink_to("refs/heads/main")
    os.mkfifo(inner / "pipe")
    watcher = watch(each=True)
    assert watcher.compare() == ()
    plant(inner, "logs/HEAD", outside / "other")
    (inner / "pipe").unlink()
    (inner / "pipe").symlink_to("/etc/passwd")
    assert {item.path for item in watcher.compare()} == {f"{inner}/logs/HEAD", f"{inner}/pipe"}
    assert os.readlink(inner / "logs/HEAD") == str(outside / "canary")
    assert not os.path.lexists(inner / "pipe")
    (inner / "logs/HEAD").unlink()
    (inner / "logs/HEAD").write_text("")
    assert watcher.compare(final=True) == ()
    assert (inner / "logs/HEAD").is_file()
    assert os.readlink(inner / "refs/remotes") == str(outside)


@pytest.mark.parametrize("text", ["../../outside/canary", "refs/../../../outside/canary", "/etc/passwd", "logs/HEAD"])
def test_a_head_that_leads_elsewhere_is_taken(repository: Path, git, watch, text: str) -> None:
    watcher = watch(each=True)
    git(repository, "init", "-q", "made")
    for inner in (repository / ".git", repository / "made/.git"):
        (inner / "HEAD").unlink()
        (inner / "HEAD").symlink_to(text)
    watcher.compare(final=True)
    assert not (repository / ".git/HEAD").is_symlink()
    assert not (repository / "made/.git/HEAD").is_symlink()


def test_pipes_and_marks_are_removed(repository: Path, watch) -> None:
    watcher = watch(each=True)
    inner = repository / ".git"
    os.mkfifo(inner / "FETCH_HEAD")
    (inner / "index").unlink()
    os.mkfifo(inner / "index")
    expected = {f"{inner}/FETCH_HEAD", f"{inner}/index"}
    try:
        os.mknod(inner / "packed-refs", stat.S_IFCHR)
        expected.add(f"{inner}/packed-refs")
    except PermissionError:
        pass
    held = watcher.compare()
    assert {item.path for item in held} == expected
    assert not any(os.path.lexists(path) for path in expected)


def test_a_hard_link_of_a_protected_file_is_cut(repository: Path, git, watch) -> None:
    """Git would write its message into the user's configuration."""
    config = repository / ".git/config"
    before = config.read_text()
    (repository / ".envrc").write_text("export A=1\n")
    watcher = watch(each=True)
    for name, target in (("COMMIT_EDITMSG", config), ("FETCH_HEAD", repository / ".envrc")):
        (repository / ".git" / name).unlink(missing_ok=True)
        os.link(target, repository / ".git" / name)
    watcher.compare()
    work(repository, git)
    assert config.read_text() == before
    assert (repository / ".envrc").read_text() == "export A=1\n"


def test_very_many_are_removed_and_told_of_once(repository: Path, outside: Path, watch) -> None:
    watcher = watch(each=True)
    many = repository / ".git/refs/many"
    many.mkdir()
    for number in range(5 * watch_links.MOST_KEPT):
        (many / str(number)).symlink_to(outside)
    assert len(watcher.compare()) <= 2 * watch_links.MOST_KEPT + 1
    assert os.listdir(many) == []


def test_too_much_is_said(repository: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = watch(each=True)
    monkeypatch.setattr(watch_links, "MOST_DIRECTORIES", 40)
    for number in range(40):
        (repository / f".git/refs/d{number}").mkdir()
    plant(repository / ".git", "logs/HEAD", Path("/etc/passwd"))
    held = {item.path: item.action for item in watcher.compare()}
    assert held == {f"{repository}/.git": "noticed", f"{repository}/.git/logs/HEAD": "put back"}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_directories_closed_to_listing(repository: Path, outside: Path, watch) -> None:
    watcher = watch(each=True)
    path = plant(repository / ".git", "refs/heads/deep/one", outside / "canary")
    path.parent.chmod(0o311)
    try:
        assert [item.path for item in watcher.compare()] == [str(path)]
    finally:
        path.parent.chmod(0o755)


def test_swaps_while_it_looks_win_nothing(repository: Path, outside: Path, watch) -> None:
    """A background process goes on: nothing outside is touched, and when it ends so do the links."""
    watcher = watch(each=True)
    inner = repository / ".git"
    for name in ("HEAD", "heads", "main"):
        (outside / name).symlink_to("canary")
    before = photograph(outside)
    done = threading.Event()

    def swap() -> None:
        number = 0
        while not done.is_set():
            number += 1
            for name in ("logs", "refs", "objects", "COMMIT_EDITMSG"):
                try:
                    os.symlink(outside, inner / "fresh")
                    os.rename(inner / name, inner / f"aside{number % 5}")
                    os.rename(inner / "fresh", inner / name)
                except OSError:
                    (inner / "fresh").unlink(missing_ok=True)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _turn in range(40):
            watcher.compare()
    finally:
        done.set()
        thread.join(30)
    watcher.compare(final=True)
    assert photograph(outside) == before
    assert not [path for path in inner.rglob("*") if path.is_symlink()]
