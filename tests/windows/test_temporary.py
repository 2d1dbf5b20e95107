"""Removing a private directory, as far as that is the same everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidewall.platforms.windows import temporary


def test_a_tree_goes_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    (outside / "file").write_text("kept")
    made = tmp_path / "made"
    (made / "a" / "b" / "c").mkdir(parents=True)
    (made / "a" / "f").write_text("x")
    (made / "a" / "f").chmod(0o444)
    os.symlink(outside, made / "a" / "link")
    os.symlink(outside / "file", made / "file link")
    os.symlink("nowhere", made / "dangling")
    assert temporary.remove(str(made)) == ""
    assert not made.exists()
    assert (outside / "kept").is_dir() and (outside / "file").read_text() == "kept"


def test_what_is_not_there_is_removed(tmp_path: Path) -> None:
    assert temporary.remove(str(tmp_path / "none")) == ""


def test_what_cannot_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "PATIENCE", 0.1)
    file = tmp_path / "a file"
    file.write_text("not a directory")
    assert str(file) in temporary.remove(str(file))
    assert file.exists()
