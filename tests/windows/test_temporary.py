"""Removing a private directory: all of it, nothing behind a link, whatever a neighbour does meanwhile.

The calls are carried out on this system's files (``posix_files``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.windows.posix_files import PosixFiles

from sidewall.platforms.windows import temporary


def removed(path: Path, api: Any = None) -> str:
    return temporary.remove(api or PosixFiles(), str(path))  # type: ignore[arg-type]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What is the user's own."""
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    (outside / "file").write_text("kept")
    (outside / "kept" / "file").write_text("kept")
    return outside


def whole(outside: Path) -> bool:
    return (outside / "kept" / "file").read_text() == (outside / "file").read_text() == "kept"


def test_a_tree_goes_and_what_links_lead_to_stays(tmp_path: Path, outside: Path) -> None:
    made = tmp_path / "made"
    (made / "a" / "b" / "c").mkdir(parents=True)
    (made / "a" / "f").write_text("x")
    (made / "a" / "f").chmod(0o444)
    os.symlink(outside, made / "a" / "link")
    os.symlink(outside / "file", made / "file link")
    os.symlink("nowhere", made / "dangling")
    assert removed(made) == ""
    assert not made.exists()
    assert whole(outside)


@pytest.mark.parametrize("step", range(1, 14))
def test_a_directory_that_becomes_a_link_meanwhile(tmp_path: Path, outside: Path, step: int) -> None:
    """A neighbour with the same grant exchanges it between any two calls; the names in it are those of the user's."""
    made = tmp_path / "made"
    (made / "kept").mkdir(parents=True)
    (made / "kept" / "file").write_text("x")
    (made / "file").write_text("x")
    calls, exchanged = 0, ""

    def exchange(call: str, target: str) -> None:
        nonlocal calls, exchanged
        calls += 1
        if calls == step:
            for place in (made / "kept", made):
                if place.is_dir() and not place.is_symlink():
                    place.rename(tmp_path / f"moved {place.name}")
                    place.symlink_to(outside / "kept" if place.name == "kept" else outside)
                    exchanged = place.name
                    return

    removed(made, PosixFiles(exchange))
    assert exchanged or step > 8
    assert whole(outside)


def test_very_deep(tmp_path: Path) -> None:
    """A command makes a tree as deep as it likes, deeper than any path is long."""
    made = tmp_path / "made"
    made.mkdir()
    here = os.open(made, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("directory", dir_fd=here)
        below = os.open("directory", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 13_000:
        pytest.skip("this machine gives no process so many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (13_000, hard))
    try:
        assert removed(made) == ""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not made.exists()


def test_what_is_not_there_is_removed(tmp_path: Path) -> None:
    assert removed(tmp_path / "none") == ""
    assert removed(tmp_path / "none" / "deeper") == ""


def test_what_cannot_be_removed_is_said_and_only_what_may_pass_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "PATIENCE", 0.2)
    made = tmp_path / "made"
    made.mkdir()

    def filled(call: str, target: str) -> None:
        if call == "SetFileInformationByHandle" and not os.listdir(made):
            (made / "late").write_text("x")

    api = PosixFiles(filled)
    assert str(made) in removed(made, api)
    assert api.asked.count("CreateFileW") > 1
    if os.geteuid():  # nothing is closed to root
        made.chmod(0)
        try:
            closed = PosixFiles()
            assert str(made) in removed(made, closed) and closed.asked.count("CreateFileW") == 1
        finally:
            made.chmod(0o700)
