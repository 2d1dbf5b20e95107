"""The Windows lane: what runs on Windows only is run by a Windows Python, under Wine, as a part of the ordinary suite.

Knows: how the lane is set up, watched and ended.  Must not know: what is tested inside.

Wine is made by ``scripts/wine.sh`` where it can be; else the lane is skipped, and says why.  Each run has a private
copy of Wine's prefix, a deadline, and a bound on its processes: a prefix whose first start went wrong has been seen to
start programs without end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

if sys.platform == "win32":
    pytest.skip("this is Windows: the tests of the lane are collected by themselves", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
WINE = ROOT / ".cache" / "wine"
INSIDE = "tests/windows/inside"
LONGEST = tuple([f"{INSIDE}/test_{name}.py" for name in ("command_line", "console_events", "runner", "runner_trust")])
GROUPS = (LONGEST, (INSIDE, *[f"--ignore={each}" for each in LONGEST]))
"""What runs at the same time, each in a prefix of its own: some tests look at what others leave in the home.  They take
about as long as each other."""
SET_UP_SECONDS, RUN_SECONDS = 600, 420
MOST_PROCESSES = 200


class Wine:
    """A prefix of its own."""

    def __init__(self, prefix: Path, processor: int) -> None:
        self.prefix = prefix
        self.processor = processor
        self.output = prefix.parent / f"{prefix.name}.txt"
        self.report = prefix.parent / f"{prefix.name}.xml"

    @property
    def environment(self) -> dict[str, str]:
        path = f"{windows_path(ROOT / 'src')};{windows_path(ROOT)}"
        return {**os.environ, "WINPY_PREFIX": str(self.prefix), "WINPY_PATH": path, "WINPY_LINGER": "30",
                "HOME": str(self.prefix.parent)}

    def processes(self) -> list[int]:
        """The processes of this prefix, Wine's server among them."""
        wanted = f"WINEPREFIX={self.prefix}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
        return found

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """The Windows Python with these words; its output goes to ``output``.

        All of a prefix runs on one processor: most of what Wine does is to ask its server and wait for the answer,
        and to wake somebody on another processor takes longer than that.
        """
        usual = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.processor})
        try:
            with self.output.open("wb") as sink:
                return subprocess.Popen([WINE / "bin" / "winpy", *words], cwd=ROOT, env=self.environment, stdout=sink,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        finally:
            os.sched_setaffinity(0, usual)

    def stop(self) -> None:
        """Ends the server, and by that all that runs in the prefix."""
        subprocess.run([WINE / "bin" / "winstop"], env=self.environment, timeout=60, capture_output=True)


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def obstacle() -> str:
    """Why there is no Wine here; '' when there is one, set up by now."""
    script = str(ROOT / "scripts" / "wine.sh")
    asked = subprocess.run([script, "--can"], capture_output=True, text=True, timeout=60)
    if asked.returncode != 0:
        return asked.stderr.strip() or "scripts/wine.sh --can failed"
    made = subprocess.run([script], capture_output=True, text=True, timeout=SET_UP_SECONDS, stdin=subprocess.DEVNULL)
    if made.returncode != 0:
        return "scripts/wine.sh failed: " + (made.stderr.strip().splitlines() or ["without a word"])[-1]
    return ""


@pytest.fixture
def wines(tmp_path: Path) -> Iterator[list[Wine]]:
    """Private copies of the prefix, one a group; nothing of them runs any more afterwards."""
    why = obstacle()
    if why:
        pytest.skip(f"Windows lane: {why}")
    processors = sorted(os.sched_getaffinity(0))
    made = [Wine(tmp_path / f"prefix-{number}", processors[number % len(processors)]) for number in range(len(GROUPS))]
    for each in made:
        subprocess.run([WINE / "bin" / "winclone", each.prefix], check=True, timeout=120)
    yield made
    for each in made:
        each.stop()
    deadline = time.monotonic() + 30
    while (left := [each.processes() for each in made if each.processes()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for each in made:
        shutil.rmtree(each.prefix, ignore_errors=True)  # a gigabyte of them would be kept else
    assert not left


def watched(wines: Sequence[Wine], processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, str]:
    """Waits for all; the most processes at a time, and why they were ended from here ('': they were not)."""
    deadline, most, why = time.monotonic() + RUN_SECONDS, 0, ""
    while not why and not all(process.poll() is not None for process in processes):
        time.sleep(0.5)
        most = max(most, sum(len(wine.processes()) for wine in wines))
        if most > MOST_PROCESSES:
            why = f"{most} processes"
        elif time.monotonic() > deadline:
            why = f"more than {RUN_SECONDS} seconds"
    if why:
        for wine in wines:
            wine.stop()
    for process in processes:
        process.wait(60)
    return most, why


def verdicts(report: Path) -> tuple[int, list[str], list[str]]:
    """How many tests passed, which failed (with the reason), which were skipped (with the reason)."""
    passed, failed, skipped = 0, [], []
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        off = case.find("skipped")
        if bad:
            failed.append(f"{name}\n{bad[0].text or bad[0].get('message')}")
        elif off is not None:
            skipped.append(f"{name}: {off.get('message')}")
        else:
            passed += 1
    return passed, failed, skipped


@pytest.mark.slow
@pytest.mark.lane
@pytest.mark.timeout(SET_UP_SECONDS + RUN_SECONDS + 120)
def test_what_runs_on_windows_only(wines: list[Wine]) -> None:
    # Compiled files lie apart: ours and Windows' would overwrite each other's, with each other's paths in them.
    compiled = windows_path(WINE / "compiled")
    processes = [wine.start("-X", f"pycache_prefix={compiled}", "-m", "pytest", "-q",
                            f"--junitxml={windows_path(wine.report)}", *words)
                 for wine, words in zip(wines, GROUPS, strict=True)]
    most, why = watched(wines, processes)
    output = "\n".join(wine.output.read_text(errors="replace")[-8000:] for wine in wines)
    assert not why, f"ended after {why}\n{output}"
    passed, failed, skipped = 0, [], []
    for wine in wines:
        assert wine.report.exists(), f"no report\n{output}"
        found = verdicts(wine.report)
        passed, failed, skipped = passed + found[0], failed + found[1], skipped + found[2]
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped under Wine; {most} processes at the most")
    print("\n".join(f"skipped: {each}" for each in skipped))
    assert not failed, f"{len(failed)} failed under Wine:\n\n" + "\n\n".join(failed)
    assert [process.returncode for process in processes] == [0] * len(GROUPS) and passed > 0, output
