"""The demonstration: real work that succeeds inside, attacks that do not, and what this machine guarantees.

Knows: the order of the scenes.  Must not know: how Sidewall works; it uses the command line and the public names.
Everything that is attacked is made for it and removed again.  Exit code 0 when all went as it should.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sidewall
from demo import show

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "demo" / "package.txt"
SIDEWALL = os.fspath(Path(sys.executable).parent / "sidewall")
DEADLINE = 300
SHOWN = (
    "L-018 link", "L-036 shell", "L-023 remount", "L-001 mode", "L-111 hook", "L-047 key", "L-051 environment",
    "L-072 own", "L-072 loopback", "LX-21 library", "L-081 path", "L-096 kill", "L-091 memory", "LX-07 terminal",
    "L-102 user", "L-089 daemon",
)
"""The attacks that are shown by name: some of each kind."""


class Stopped(Exception):
    """A scene could not be played; the message says why."""


def main() -> int:
    show.title("Sidewall", "runs what a coding agent wrote, inside a boundary that the operating system enforces")
    place = Path(tempfile.mkdtemp(prefix=".demo-", dir=ROOT))
    home = place / "home"
    home.mkdir()
    # From here on this process and its children have the made-up home: nothing of the real one is at stake.
    os.environ["HOME"] = os.fspath(home)
    os.environ["PATH"] = os.pathsep.join([os.fspath(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        os.environ.pop(name, None)
    try:
        workspace = unpack(fetch(place), place)
        tested, work_done = test_suite(workspace)
        held, tried = attack(workspace)
        tier = guarantees(workspace)
    except Stopped as stop:
        show.verdict(False, [str(stop)])
        return 1
    except sidewall.SidewallError as error:
        show.verdict(False, [str(error), *([error.hint] if error.hint else [])])
        return error.exit_code
    finally:
        shutil.rmtree(place, ignore_errors=True)
    left = place.exists()
    good = work_done and held == tried and not left
    said = [f"{tested} inside", f"{held} of {tried} attacks ended as promised", tier]
    show.verdict(good, [*said, f"{place} is left over" if left else "nothing is left behind"])
    return 0 if good else 1


def fetch(place: Path) -> Path:
    """The package's source archive, pinned by its digest.  Nothing of it runs here: pip only asks for its name."""
    name = PACKAGE.read_text().splitlines()[-1].split()[0]
    show.heading(1, f"a real package: {name}, with its own tests")
    options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", *options]
    pip += ["-r", os.fspath(PACKAGE), "-d", os.fspath(place)]
    show.command(f"pip download --no-deps --no-binary :all: {name}")
    done = subprocess.run(pip, capture_output=True, text=True, timeout=DEADLINE)
    archives = list(place.glob("*.tar.gz"))
    if done.returncode != 0 or not archives:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Stopped(f"cannot download {name}: {last}")
    return archives[0]


def unpack(archive: Path, place: Path) -> Path:
    """The archive as a git repository with one commit."""
    subprocess.run(["tar", "-xzf", os.fspath(archive), "-C", os.fspath(place)], check=True, timeout=60)
    workspace = place / archive.name.removesuffix(".tar.gz")
    identity = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "as released")):
        subprocess.run(["git", "-C", os.fspath(workspace), *words], check=True, timeout=60)
    files = sum(path.is_file() for path in workspace.rglob("*.py"))
    show.line(f"unpacked: {files} Python files, one commit", "dim")
    return workspace


def test_suite(workspace: Path) -> tuple[str, bool]:
    """The package's own tests, by ``sidewall run``; what pytest said, and whether they passed."""
    show.heading(2, "its test suite, inside")
    words = ["sidewall", "run", "--env", "PYTHONPATH=src", "--env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"]
    words += ["--", "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    show.command(shlex.join(words))
    start = time.monotonic()
    done = subprocess.run([SIDEWALL, *words[1:]], cwd=workspace, capture_output=True, text=True, timeout=DEADLINE)
    lines = done.stdout.strip().splitlines()
    said = re.sub(r"\x1b\[[0-9;]*m", "", lines[-1] if lines else "no output").strip("= ")
    show.line(f"{said}  (exit code {done.returncode}, {time.monotonic() - start:.1f} s in all)")
    if done.returncode != 0:
        show.line("\n".join([*lines[-20:], done.stderr.strip()]), "red")
    passed = re.search(r"\d+ passed", said)
    return f"{name_of(workspace)}: {passed[0] if passed else 'no test passed'}", done.returncode == 0 and bool(passed)


def name_of(workspace: Path) -> str:
    """``click-8.5.1`` as people say it."""
    return workspace.name.replace("-", " ")


def attack(workspace: Path) -> tuple[int, int]:
    """``sidewall verify``: how many attacks ended as promised, of how many that succeed without a sandbox."""
    show.heading(3, "attacks: every target is made up, every verdict is taken from outside")
    show.command("sidewall verify")
    done = subprocess.run([SIDEWALL, "verify", "--json"], cwd=workspace, capture_output=True, timeout=DEADLINE)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise Stopped(f"sidewall verify ended with {done.returncode}: "
                      f"{done.stderr.decode(errors='replace').strip()}") from None
    rows, good, tried = [], 0, 0
    for guarantee in report["guarantees"]:
        for probe in guarantee["probes"]:
            if probe["outcome"] == "nothing" or probe["excuse"]:
                continue
            tried += 1
            good += not probe["wrong"]
            if probe["id"] in SHOWN or probe["wrong"]:
                rows.append((probe["what"], "succeeded", ended(guarantee, probe), not probe["wrong"]))
    show.attacks(rows)
    told = f"and {tried - len(rows)} more, in {report['seconds']:.1f} s; `sidewall verify --list` names them all"
    show.line(told, "dim")
    return good, tried


def ended(guarantee: dict[str, Any], probe: dict[str, Any]) -> str:
    """What an attack ran into inside, or that it ran into nothing."""
    if probe["outcome"] == "held":
        return str(probe["said"])[:60] or "nothing happened outside"
    return "SUCCEEDED" if probe["wrong"] else f"succeeded: {guarantee['name']} is {probe['level']} here"


def guarantees(workspace: Path) -> str:
    """The guarantee table of ``sidewall explain``; how much of it is enforced, and in which tier."""
    show.heading(4, "what holds on this machine, and by what")
    show.command("sidewall explain")
    done = subprocess.run([SIDEWALL, "explain", "--json"], cwd=workspace, capture_output=True, timeout=DEADLINE)
    if done.returncode != 0:
        raise Stopped(f"sidewall explain ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    plan = json.loads(done.stdout)
    rows = plan["guarantees"]
    show.guarantees([(row["name"], row["level"], row["mechanism"], row["reason"]) for row in rows])
    enforced = sum(row["level"] == "enforced" for row in rows)
    return f"{enforced} of {len(rows)} guarantees enforced in full ({plan['tier']} tier)"


if __name__ == "__main__":
    sys.exit(main())
