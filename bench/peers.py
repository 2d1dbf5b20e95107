"""The peers: how each is found on this machine, and how it runs one command under a policy equal to ours.

Knows: their command lines and libraries.  Must not know: what is measured.

Equal policy: read everything but the secrets, write the workspace and a temporary directory, no network.  What a peer
cannot express it does without, which only makes it cheaper than it would be.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".peers"


@dataclass
class Program:
    """A peer with a command line: ``wrap`` makes the argument vector that runs a command in it."""

    name: str
    version: str
    wrap: Callable[[Sequence[str]], list[str]]
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, argv: Sequence[str], cwd: str) -> None:
        """Runs a command, silently.  Raises CalledProcessError."""
        silent(self.wrap(argv), cwd, {**os.environ, **self.environ})


@dataclass
class Library:
    """A peer that is called within this process."""

    name: str
    version: str
    run: Callable[[Sequence[str]], object]


def silent(argv: Sequence[str], cwd: str, environ: dict[str, str] | None = None) -> None:
    """``subprocess.run`` with nothing shown.  Raises CalledProcessError."""
    subprocess.run(
        argv, cwd=cwd, env=environ, check=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def programs(workspace: str, masks: Sequence[tuple[str, str]] = ()) -> list[Program]:
    """Every peer with a command line that is installed here.

    ``masks`` are (path, kind) of what our own plan hides or write-protects: kind ``dir`` and ``file`` are covered,
    ``keep`` is bound read-only; bubblewrap gets the same.
    """
    found = [bubblewrap(path, name, workspace, masks) for path, name in bubblewraps()]
    for maker in (codex, sandbox_runtime):
        if peer := maker(workspace):
            found.append(peer)
    return found


def bubblewraps() -> list[tuple[str, str]]:
    """The distribution's and the package index's."""
    candidates = [(shutil.which("bwrap"), "bwrap")]
    candidates += [(os.fspath(path), "bwrap (index)") for path in PEERS.glob("venv/lib/*/site-packages/*/_bin/bwrap")]
    return [(path, name) for path, name in candidates if path]


def bubblewrap(path: str, name: str, workspace: str, masks: Sequence[tuple[str, str]]) -> Program:
    """bubblewrap with our plan's shape: everything read-only, the workspace writable, all namespaces new."""
    cover = {"dir": ("--tmpfs",), "file": ("--ro-bind", "/dev/null"), "keep": ("--ro-bind",)}
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    options += ["--bind", workspace, workspace]
    for target, kind in masks:
        options += [*cover[kind], *([target] if kind == "keep" else []), target]
    options += ["--unshare-all", "--new-session", "--die-with-parent", "--chdir", workspace]
    return Program(name, version([path, "--version"]), lambda argv: [path, *options, "--", *argv])


def codex(workspace: str) -> Program | None:
    """The native binary inside the npm package, not the node script in front of it, which costs thirty more."""
    binaries = list(PEERS.glob("node_modules/@openai/codex-*/vendor/*/bin/codex"))
    if not binaries:
        return None
    # Its home must not lie below the temporary directory, which the sandbox would let the command write.
    home = PEERS / "codex-home"
    home.mkdir(exist_ok=True)
    start = [os.fspath(binaries[0]), "sandbox", "-c", 'sandbox_mode="workspace-write"', "--"]
    name = version([os.fspath(binaries[0]), "--version"])
    return Program("codex", name, lambda argv: [*start, *argv], {"CODEX_HOME": os.fspath(home)})


def sandbox_runtime(workspace: str) -> Program | None:
    """Anthropic's sandbox-runtime, by its command line."""
    package = PEERS / "node_modules" / "@anthropic-ai" / "sandbox-runtime"
    if not package.exists() or not all(shutil.which(name) for name in ("node", "rg", "socat", "bwrap")):
        return None
    settings = PEERS / f"srt-{os.getuid()}-{os.path.basename(workspace)}.json"
    files = {"denyRead": [], "allowWrite": [workspace, "/tmp"], "denyWrite": []}
    settings.write_text(json.dumps({"filesystem": files, "network": {"allowedDomains": [], "deniedDomains": []}}))
    start = [os.fspath(PEERS / "node_modules" / ".bin" / "srt"), "--settings", os.fspath(settings), "-c"]
    number = json.loads((package / "package.json").read_text())["version"]
    return Program("srt", number, lambda argv: [*start, shlex.join(argv)])


def libraries(workspace: str) -> list[Library]:
    """Every peer library that this interpreter can load."""
    for path in PEERS.glob(f"venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"):
        if os.fspath(path) not in sys.path:
            sys.path.append(os.fspath(path))
    makers = (nono, sandlock)
    return [library for maker in makers if (library := maker(workspace))]


def nono(workspace: str) -> Library | None:
    """nono-py: Landlock in a child that it forks."""
    try:
        import nono_py
    except ImportError:
        return None
    rights = nono_py.CapabilitySet()
    rights.allow_path("/", nono_py.AccessMode.READ)
    for path in (workspace, "/tmp", "/dev"):
        rights.allow_path(path, nono_py.AccessMode.READ_WRITE)
    rights.block_network()
    environ = list(os.environ.items())

    def run(argv: Sequence[str]) -> None:
        done = nono_py.sandboxed_exec(rights, list(argv), cwd=workspace, env=environ)
        if done.exit_code != 0:
            raise RuntimeError(f"exit {done.exit_code}")

    return Library("nono-py", distribution("nono-py"), run)


def sandlock(workspace: str) -> Library | None:
    """sandlock: Landlock, seccomp, and a supervisor that answers system calls."""
    try:
        from sandlock import Sandbox
    except ImportError:
        return None
    box: Any = Sandbox(fs_readable=["/"], fs_writable=[workspace, "/tmp", "/dev"], cwd=workspace)

    def run(argv: Sequence[str]) -> None:
        done = box.run(list(argv))
        if done.exit_code != 0:
            raise RuntimeError(f"exit {done.exit_code}")

    return Library("sandlock", distribution("sandlock"), run)


def version(argv: list[str]) -> str:
    """The last word of what ``--version`` prints."""
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.stdout.split()[-1] if done.stdout.split() else "?"


def distribution(name: str) -> str:
    """The installed version of a Python package."""
    from importlib.metadata import version as installed

    return installed(name)
