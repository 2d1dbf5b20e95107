"""The Windows lane: what runs on Windows only is run by a Windows Python, under Wine, as a part of the ordinary suite.

Knows: how the lane is set up, watched and ended.  Must not know: what is tested inside.

Wine is made by ``scripts/wine.sh`` where it can be; else the lane is skipped, and says why.  Each run has a private
copy of Wine's prefix, a deadline, and a bound on its processes: a prefix whose first start went wrong has been seen to
start programs without end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

if sys.platform == "win32":
    pytest.skip("this is Windows: the tests of the lane are collected by themselves", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
WINE = ROOT / ".cache" / "wine"
INSIDE = ("tests/windows/inside",)
SET_UP_SECONDS, RUN_SECONDS = 600, 420
MOST_PROCESSES = 200


class Wine:
    """A prefix of its own."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.most = 0
        self.overrun = False
        self.report = prefix.parent / "report.xml"

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

    def run(self, *words: str) -> tuple[int, str]:
        """The Windows Python with these words: exit code and output; -1 when it was ended from here."""
        output = self.prefix.parent / "output.txt"
        with output.open("wb") as sink:
            process = subprocess.Popen([WINE / "bin" / "winpy", *words], cwd=ROOT, env=self.environment, stdout=sink,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            watcher = threading.Thread(target=self._watch, args=(process,))
            watcher.start()
            try:
                code = process.wait(RUN_SECONDS)
            except subprocess.TimeoutExpired:
                code = -1
                self.stop()
                process.wait(60)
            watcher.join(60)
        return -1 if self.overrun else code, output.read_text(errors="replace")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            count = len(self.processes())
            self.most = max(self.most, count)
            if count > MOST_PROCESSES:
                self.overrun = True
                self.stop()
                return
            time.sleep(0.5)

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
def wine(tmp_path: Path) -> Iterator[Wine]:
    """A private copy of the prefix; nothing of it runs any more afterwards."""
    why = obstacle()
    if why:
        pytest.skip(f"Windows lane: {why}")
    made = Wine(tmp_path / "prefix")
    subprocess.run([WINE / "bin" / "winclone", made.prefix], check=True, timeout=120)
    yield made
    made.stop()
    deadline = time.monotonic() + 30
    while (left := made.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


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
def test_what_runs_on_windows_only(wine: Wine) -> None:
    # Compiled files lie apart: ours and Windows' would overwrite each other's, with each other's paths in them.
    compiled = windows_path(WINE / "compiled")
    code, output = wine.run("-X", f"pycache_prefix={compiled}", "-m", "pytest", "-q", "--durations=10",
                            f"--junitxml={windows_path(wine.report)}", *INSIDE)
    assert not wine.overrun, f"more than {MOST_PROCESSES} processes: {wine.most}\n{output[-4000:]}"
    assert wine.report.exists(), f"no report, exit code {code}\n{output[-8000:]}"
    passed, failed, skipped = verdicts(wine.report)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped under Wine; "
          f"{wine.most} processes at the most")
    print("\n".join(f"skipped: {each}" for each in skipped))
    assert not failed, f"{len(failed)} failed under Wine:\n\n" + "\n\n".join(failed)
    assert code == 0 and passed > 0, output[-8000:]
