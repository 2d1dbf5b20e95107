"""Redirected standard streams are no way round the sandbox: their files keep mode, times and content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SIDEWALL = [sys.executable, "-P", "-m", "sidewall"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "home" / "project").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path / "home" / "project")
    return tmp_path / "outside"


def run(line: str, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SIDEWALL, "run", "--", "sh", "-c", line], timeout=60, **options)


def test_an_input_file_keeps_its_metadata_and_is_read_whole(place: Path):
    file = place / "input"
    file.write_bytes(os.urandom(300_000))
    file.chmod(0o644)
    before = file.stat()
    with file.open("rb") as stream:
        done = run("chmod 600 /dev/stdin; touch -d 2001-01-01 /dev/stdin; cat", stdin=stream, capture_output=True)
    assert done.stdout == file.read_bytes()
    after = file.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_an_output_file_gets_the_bytes_and_no_mode(place: Path):
    file = place / "log"
    with file.open("wb") as stream:
        os.fchmod(stream.fileno(), 0o644)
        done = run("head -c 300000 /dev/zero; chmod 4755 /dev/stdout", stdout=stream, stderr=subprocess.PIPE)
    assert done.stderr == b""
    assert file.stat().st_size == 300_000
    assert file.stat().st_mode & 0o7777 == 0o644


def test_both_outputs_in_one_file_keep_their_order(place: Path):
    file = place / "both"
    with file.open("wb") as stream:
        run("for n in 1 2 3 4 5; do echo out $n; echo err $n >&2; done", stdout=stream, stderr=subprocess.STDOUT)
    assert file.read_text().split("\n")[:-1] == [f"{name} {n}" for n in range(1, 6) for name in ("out", "err")]


def test_a_reader_that_leaves_and_an_input_that_is_not_read(place: Path):
    file = place / "input"
    file.write_bytes(b"x" * 5_000_000)
    with file.open("rb") as stream:
        done = run("exit 7", stdin=stream, capture_output=True)
    assert done.returncode == 7


@pytest.mark.parametrize("code", [0, 7])
def test_a_full_disk_is_no_success(place: Path, code: int):
    with open("/dev/full", "wb") as full:
        done = run(f"echo lost; exit {code}", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == (code or 1)
    assert b"sidewall: error: the output could not be written: No space left on device" in done.stderr
