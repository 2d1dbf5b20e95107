"""A program for tests: has a console of its own, puts ``cli.console`` before it, changes its size.

    python at_size.py RESULT

Written down are the sizes that the command's side is told of.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

if sys.platform != "win32":
    raise SystemExit("a Windows Python is needed")

from tests.windows.inside.at_console import API, own_console

from sidewall.cli.console import Console

SECONDS = 20


class Screen:
    """In the place of a command at a terminal: what it is told."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self._keys, self.keys_fd = os.pipe()
        self.master_fd, self._screen = os.pipe()

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))


class Rectangle(ctypes.Structure):
    _fields_ = [(name, ctypes.c_short) for name in ("left", "top", "right", "bottom")]


def main(result: str) -> None:
    """Writes what happened as JSON."""
    own_console()
    for descriptor, name in ((0, "CONIN$"), (1, "CONOUT$"), (2, "CONOUT$")):
        os.dup2(os.open(name, os.O_RDWR), descriptor)
    kernel = ctypes.WinDLL("kernel32")
    kernel.SetConsoleWindowInfo.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(Rectangle)]
    import msvcrt

    console, screen = Console(API), Screen()
    before = console.size()
    console.attach(screen, kept=10)  # type: ignore[arg-type]
    rows, columns = before[0] - 3, before[1] - 7
    kernel.SetConsoleWindowInfo(msvcrt.get_osfhandle(1), 1, ctypes.byref(Rectangle(0, 0, columns - 1, rows - 1)))
    deadline = time.monotonic() + SECONDS
    while not screen.sizes and time.monotonic() < deadline:
        time.sleep(0.05)
    console.restore()
    with open(result, "w", encoding="utf-8") as file:
        json.dump({"before": before, "wanted": (rows, columns), "told": screen.sizes, "now": console.size()}, file)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
