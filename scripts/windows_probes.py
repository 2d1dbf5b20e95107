"""Attacks on Windows, tried without a sandbox and inside one; what came of them is looked at from outside.

    python -m scripts.windows_probes [--tier TIER]

Knows: a program for each attack, and where its effect would be seen.  Must not know: how a tier holds anything.  The
numbers are those of docs/attacks-windows.md.  All that is attacked was made for it: files, a registry key, a process, a
listener; it goes again.

Prints JSON.  Exit code 1 when an attack that the tier's report calls enforced had an effect, when one had none without
a sandbox (then it shows nothing), or when what must work does not; 2 when this is no Windows.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from socket import create_server
from typing import Any

SECONDS = 90
KEY = r"Software\SidewallProbe"
NEVER = "what must work"

LATE = 4
"""Seconds after which a process that outlived its command says so."""
CHILD = ("import subprocess; late = workspace + '/late'; subprocess.Popen([sys.executable, '-I', '-c', "
         f"f'import time; time.sleep({LATE}); open({{late!r}}, \"w\").close()'], "
         "creationflags=0x208, stdin=-3, stdout=-3, stderr=-3)")
JUNCTION = ("import _winapi; _winapi.CreateJunction(outside, workspace + '/way'); "
            "open(workspace + '/way/new', 'w').write(nonce)")
REGISTRY = (f"import winreg; key = winreg.OpenKey(winreg.HKEY_CURRENT_USER, {KEY!r}, access=winreg.KEY_SET_VALUE); "
            "winreg.SetValueEx(key, 'run', 0, 1, nonce)")
SETTINGS = ("os.makedirs(workspace + '/.vscode', exist_ok=True); "
            "open(workspace + '/.vscode/settings.json', 'w').write(nonce)")
PROGRAMS = {
    # Row, guarantee, program: each gets outside, workspace, nonce, port, process, in this order.
    "W-FSN-01 write": ("write-outside", "open(outside + '/canary', 'w').write(nonce)"),
    "W-FSN-01 create": ("write-outside", "open(outside + '/new', 'w').write(nonce)"),
    "W-WWR-07 delete": ("write-outside", "os.remove(outside + '/canary')"),
    "W-LNK-01 junction": ("write-outside", JUNCTION),
    "W-FSN-01 times": ("metadata-outside", "os.utime(outside + '/canary', (1, 1))"),
    "W-REG-01 value": ("write-outside", REGISTRY),
    "W-PRC-10 end": ("outside-processes", "os.kill(process, 9)"),
    "W-NET-01 connect": ("network-host-loopback",
                         "import socket; socket.create_connection(('127.0.0.1', port), 5).sendall(nonce.encode())"),
    "W-WWR-08 settings": ("protected-names", SETTINGS),
    "W-PRC-08 outlive": ("survivors", CHILD),
    "workspace": (NEVER, "open(workspace + '/made', 'w').write(nonce)"),
}


class Scene:
    """Everything that one attempt is aimed at.  Close it."""

    def __init__(self) -> None:
        import winreg

        self.directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.outside, self.workspace = [Path(self.directory.name, name) for name in ("outside", "workspace")]
        self.outside.mkdir()
        self.workspace.mkdir()
        self.nonce = secrets.token_hex(8)
        (self.outside / "canary").write_text("canary")
        self.times = (self.outside / "canary").stat().st_mtime_ns
        self.key = winreg.CreateKey(winreg.HKEY_CURRENT_USER, KEY)
        self.victim = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(300)"])
        self.received: list[bytes] = []
        self.server = create_server(("127.0.0.1", 0))
        self.server.settimeout(SECONDS)
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        try:
            connection, _ = self.server.accept()
            with connection:
                connection.settimeout(10)
                self.received.append(connection.recv(64))
        except OSError:
            return

    def program(self, body: str) -> str:
        """The attack as a program of its own."""
        given = {"outside": str(self.outside), "workspace": str(self.workspace), "nonce": self.nonce,
                 "port": self.server.getsockname()[1], "process": self.victim.pid}
        lines = [f"{name} = {value!r}" for name, value in given.items()]
        return "\n".join(["import os, sys", *lines, "print('ATTACK-START', nonce, flush=True)", body])

    def close(self) -> None:
        import winreg

        self.victim.kill()
        self.victim.wait(30)
        self.server.close()
        self.key.Close()
        winreg.DeleteKey(winreg.HKEY_CURRENT_USER, KEY)
        self.directory.cleanup()


def effect(scene: Scene, name: str) -> bool:
    """Whether the attack did what it wanted, seen from outside."""
    import winreg

    canary = scene.outside / "canary"
    looks: dict[str, Callable[[], bool]] = {
        "W-FSN-01 write": lambda: canary.read_text() == scene.nonce,
        "W-FSN-01 create": (scene.outside / "new").exists,
        "W-WWR-07 delete": lambda: not canary.exists(),
        "W-LNK-01 junction": (scene.outside / "new").exists,
        "W-FSN-01 times": lambda: canary.stat().st_mtime_ns != scene.times,
        "W-REG-01 value": lambda: winreg.QueryInfoKey(scene.key)[1] > 0,
        "W-PRC-10 end": lambda: scene.victim.poll() is not None,
        "W-NET-01 connect": lambda: scene.received == [scene.nonce.encode()],
        "W-WWR-08 settings": (scene.workspace / ".vscode/settings.json").exists,
        "W-PRC-08 outlive": lambda: outlived(scene),
        "workspace": (scene.workspace / "made").exists,
    }
    if name == "W-NET-01 connect":
        scene.listener.join(2)
    if name == "W-REG-01 value" and winreg.QueryInfoKey(scene.key)[1]:
        winreg.DeleteValue(scene.key, "run")
        return True
    return looks[name]()


def outlived(scene: Scene) -> bool:
    """Whether the process that an attack left said something later.  Its number may be another's by now."""
    time.sleep(2 * LATE)
    return (scene.workspace / "late").exists()


def attempt(name: str, command: list[str]) -> str:
    """One attack with a scene of its own: ``effect``, ``none``, or why nothing ran."""
    scene = Scene()
    try:
        words = [*command, sys.executable, "-I", "-c", scene.program(PROGRAMS[name][1])]
        done = subprocess.run(words, cwd=scene.workspace, capture_output=True, text=True, errors="replace",
                              timeout=SECONDS, stdin=subprocess.DEVNULL, env={**os.environ, "SIDEWALL_AUDIT": "off"})
        if f"ATTACK-START {scene.nonce}" not in done.stdout:
            return f"did not start: exit code {done.returncode}: {done.stderr.strip()[-300:]}"
        return "effect" if effect(scene, name) else "none"
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS} s"
    finally:
        scene.close()


def levels(tier: str) -> dict[str, str]:
    """What the tier's report promises here."""
    with tempfile.TemporaryDirectory() as directory:
        words = [sys.executable, "-m", "sidewall", "explain", "--tier", tier, "--require", "none", "--json"]
        done = subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=SECONDS)
    try:
        told = json.loads(done.stdout)
        return {one["name"]: one["level"] for one in told["guarantees"]}
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"windows_probes: explain said nothing: {done.stderr.strip()[-400:]}") from None


def judged(tier: str, names: Iterable[str] = tuple(PROGRAMS)) -> tuple[dict[str, Any], list[str]]:
    """The attacks with what came of it, and what is wrong."""
    promised, told, wrong = levels(tier), {}, []
    inside = [sys.executable, "-m", "sidewall", "run", "--tier", tier, "--require", "none", "--"]
    for name in names:
        guarantee = PROGRAMS[name][0]
        free, held = attempt(name, []), attempt(name, inside)
        level = promised.get(guarantee, "")
        told[name] = {"guarantee": guarantee, "level": level, "without": free, "inside": held}
        if free != "effect":
            wrong.append(f"{name}: without a sandbox: {free}")
        if guarantee == NEVER:
            wrong += [] if held == "effect" else [f"{name}: {held}"]
        elif held not in ("none", "effect") or (held == "effect" and level == "enforced"):
            wrong.append(f"{name}: {held}, and {guarantee} is {level}")
    return told, wrong


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="windows_probes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tier", default="token", help="token (default), token-strict or account")
    given = parser.parse_args(words)
    if sys.platform != "win32":
        print("windows_probes: this is no Windows", file=sys.stderr)
        return 2
    told, wrong = judged(given.tier)
    print(json.dumps({"tier": given.tier, "attacks": told, "wrong": wrong}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
