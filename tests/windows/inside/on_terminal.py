"""A program for tests: owns a console, opens a cell, runs one command at a terminal, writes down what was shown.

    python on_terminal.py WORKSPACE RESULT TIER

A process without a console of its own (a service, or a test runner whose streams are pipes) can have no pseudo console
on Wine; so this one makes one first.
"""

from __future__ import annotations

import json
import os
import sys
import time

if sys.platform != "win32":
    raise SystemExit("a Windows Python is needed")

from tests.windows.inside import runners
from tests.windows.inside.cells import ended, opened

from sidewall.platforms.windows import api
from sidewall.platforms.windows.handles import ledger

KERNEL = api.native().kernel32
COMMAND = ("import os,sys;"
           "print('AT', sys.stdin.isatty(), sys.stdout.isatty(), os.get_terminal_size().columns, flush=True);"
           "print('GOT', repr(input()), flush=True); sys.exit(5)")


CONSOLE = """
import os, sys
from sidewall.platforms.windows import api, kernel32_console, runner
kernel32_console.NativeConsoles.FreeConsole = lambda self: None  # on Wine nothing is shown without a console
os._exit(runner.main(sys.argv[1:], api.native()))
"""


def own_console() -> None:
    """A console, whatever this process was started with."""
    for which in (0xFFFFFFF6, 0xFFFFFFF5, 0xFFFFFFF4):
        KERNEL.SetStdHandle(which, None)
    KERNEL.FreeConsole()
    KERNEL.AllocConsole()


def main(workspace: str, result: str, tier: str) -> None:
    """Writes what happened as JSON."""
    own_console()
    handles = dict(ledger.open)
    cell = opened(workspace) if tier == "token" else runners.opened(workspace, runners.Launcher("-c", CONSOLE))
    child = cell.spawn([sys.executable, "-c", COMMAND], cwd=None, env={b"PATH": b""}, stdin=-1, stdout=-1, stderr=-1,
                       terminal=(40, 100))
    child.resize(41, 101)
    shown, typed, deadline = bytearray(), False, time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            block = os.read(child.master_fd, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
        if not typed and b"AT" in shown and b"\n" in shown[shown.index(b"AT"):]:
            typed = True
            os.write(child.keys_fd, "hello 한\r".encode())
    code = ended(child).returncode
    child.close()
    cell.close()
    told = {"shown": shown.decode("utf-8", "replace"), "code": code, "open": len(ledger.open) - len(handles)}
    with open(result, "w", encoding="utf-8") as file:
        json.dump(told, file)


main(*sys.argv[1:])
