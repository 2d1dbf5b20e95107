"""Makes the development environment: a virtual environment, the locked packages, Sidewall itself.

    python3 scripts/setup.py [DIRECTORY]        (default: .venv)

Knows: how a Python on Debian may come (with or without ensurepip, pip, uv, virtualenv).  Must not know: what the
packages are for.  Standard library only, since nothing is installed yet.  A second run is over in an instant: a stamp
in the environment holds a digest of all that went into it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
INPUTS = (LOCK, ROOT / "pyproject.toml", Path(__file__).resolve())


def main() -> int:
    environment = Path(sys.argv[1] if len(sys.argv) > 1 else ".venv")
    environment = environment if environment.is_absolute() else ROOT / environment
    stamp = environment / ".sidewall-setup"
    digest = fingerprint()
    if works(environment) and stamp.is_file() and stamp.read_text() == digest:
        return 0
    print(f"setup: {environment} with Python {sys.version.split()[0]} ({sys.executable})", flush=True)
    installer = make(environment)
    if not installer:
        print(f"setup: {how_to_get_pip()}", file=sys.stderr)
        return 1
    if "pip" in installer and not newer_pip(installer):
        return 1
    installer = installer_for(environment)
    locked = "--no-deps", "--require-hashes", "-r", os.fspath(LOCK)
    itself = "--no-deps", "--no-build-isolation", "-e", os.fspath(ROOT)
    if not (done([*installer, *locked]) and done([*installer, *itself])):
        return 1
    stamp.write_text(digest)
    return 0


def newer_pip(installer: list[str]) -> bool:
    """The locked pip first: the one that a Python brings takes several times as long for all the others."""
    lines = LOCK.read_text().splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("pip=="))
    end = next(number for number in range(start, len(lines)) if not lines[number].rstrip().endswith("\\"))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as entry:
        entry.writelines(lines[start : end + 1])
        entry.flush()
        return done([*installer, "--no-deps", "--require-hashes", "-r", entry.name])


def done(step: list[str]) -> bool:
    """Whether a step succeeded; says which one did not."""
    if subprocess.run(step, cwd=ROOT).returncode == 0:
        return True
    print(f"setup: failed: {' '.join(step)}", file=sys.stderr)
    return False


def fingerprint() -> str:
    """A digest of everything that decides what the environment holds."""
    sums = hashlib.sha256(f"{ROOT}\n{sys.version}\n".encode())
    for path in INPUTS:
        sums.update(path.read_bytes())
    return sums.hexdigest()


def works(environment: Path) -> bool:
    """Whether the environment's interpreter starts (its base may have been removed or upgraded)."""
    python = environment / "bin" / "python"
    return python.exists() and quiet([os.fspath(python), "-c", "import sys; assert sys.version_info >= (3, 11)"])


def make(environment: Path) -> list[str]:
    """Makes the environment if it is not there; returns the command that installs into it, or nothing."""
    if works(environment) and (command := installer_for(environment)):
        return command
    shutil.rmtree(environment, ignore_errors=True)
    if create(environment) and (command := installer_for(environment)):
        return command
    shutil.rmtree(environment, ignore_errors=True)  # one that nothing can install into would only mislead
    return []


def installer_for(environment: Path) -> list[str]:
    """The first install command that answers, or nothing."""
    pairs = installers(os.fspath(environment / "bin" / "python"))
    return next((install for probe, install in pairs if quiet(probe)), [])


def create(environment: Path) -> bool:
    """An environment, with pip where this Python can bring it, else empty."""
    target = os.fspath(environment)
    if not quiet([sys.executable, "-m", "ensurepip", "--version"]) and not any_installer():
        install_debian_package()
    ways = (
        [sys.executable, "-m", "venv", target],
        [sys.executable, "-m", "virtualenv", "--quiet", target],
        [sys.executable, "-m", "venv", "--without-pip", target],
    )
    for way in ways:
        if quiet(way) and works(environment):
            return True
        shutil.rmtree(environment, ignore_errors=True)
    return False


def installers(python: str) -> list[tuple[list[str], list[str]]]:
    """(probe, install command) of everything that could install for the interpreter ``python``, plainest first."""
    pips = [[python, "-m", "pip"], [sys.executable, "-m", "pip", "--python", python]]
    pips += [[found, "--python", python] for name in ("pip3", "pip") if (found := shutil.which(name))]
    # Python compiles what is imported: most of it never is.
    pairs = [([*pip, "--version"], [*pip, "install", "--quiet", "--no-compile"]) for pip in pips]
    if uv := shutil.which("uv"):
        pairs.append(([uv, "--version"], [uv, "pip", "install", "--quiet", "--python", python]))
    return pairs


def any_installer() -> bool:
    """Whether this machine has some way to install packages without ensurepip."""
    if quiet([sys.executable, "-m", "virtualenv", "--version"]):
        return True
    return any(quiet(probe) for probe, _ in installers(sys.executable))


def install_debian_package() -> None:
    """As root on Debian the missing package is simply installed; anybody else reads one line that names it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"setup: this Python has no ensurepip; installing {debian_package()}", flush=True)
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", debian_package()]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if not quiet(install, environ):
        quiet(["apt-get", "update", "-q"], environ)
        quiet(install, environ)


def debian_package() -> str:
    """The package that gives this interpreter ``venv`` and pip."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def how_to_get_pip() -> str:
    """The one line for a machine on which nothing can install packages."""
    return f"{sys.executable} has neither ensurepip nor pip; on Debian: apt-get install {debian_package()}"


def quiet(command: list[str], environ: dict[str, str] | None = None) -> bool:
    """Runs a command silently; whether it was found and succeeded."""
    try:
        done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
