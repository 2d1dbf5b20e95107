"""A program for tests: sits at a console, starts ``sidewall`` there, types, writes down what was shown.

    python at_console.py WORKSPACE RESULT

It makes a console of its own first, and a pseudo console below it that plays the user's: what ``sidewall`` opens for
its command is the third.
"""

from __future__ import annotations

import json
import os
import sys
import time

if sys.platform != "win32":
    raise SystemExit("a Windows Python is needed")

from sidewall.platforms.windows import api, environment, process
from sidewall.platforms.windows.conpty import Terminal
from sidewall.platforms.windows.quoting import join

API = api.native()
COMMAND = ("import os, sys; print('AT', sys.stdin.isatty(), sys.stdout.isatty(), flush=True);"
           "print('GOT', ascii(input()), flush=True); sys.exit(5)")
SECONDS = 60


def own_console() -> None:
    """A console, whatever this process was started with."""
    for which in (0xFFFFFFF6, 0xFFFFFFF5, 0xFFFFFFF4):
        API.kernel32.SetStdHandle(which, None)
    API.kernel32.FreeConsole()
    API.kernel32.AllocConsole()


def main(workspace: str, result: str) -> None:
    """Writes what happened as JSON."""
    own_console()
    terminal = Terminal(API, 40, 100)
    words = [sys.executable, "-P", "-m", "sidewall", "run", "--tier", "token", "--require", "none", "--",
             sys.executable, "-c", COMMAND]
    own = {os.fsencode(name): os.fsencode(text) for name, text in os.environ.items()}
    variables = environment.compose(own, None, "")
    started = process.start(API, None, process.Line(application=sys.executable, line=join(words)), variables, workspace,
                            stdio=None, jobs=(), desktop=None, console=terminal.console)
    shown, typed, deadline = bytearray(), False, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        waiting = API.kernel32.WaitForSingleObject(started.process, 0) != 0
        if _readable(terminal.screen_fd):
            block = os.read(terminal.screen_fd, 4096)
            if not block:
                break
            shown += block
        elif waiting:
            time.sleep(0.05)
        else:
            break
        if not typed and b"AT" in shown and b"\n" in shown[shown.rindex(b"AT"):]:
            typed = True
            os.write(terminal.keys_fd, "hello 한\r".encode())
    if API.kernel32.WaitForSingleObject(started.process, 0) != 0:
        API.kernel32.TerminateProcess(started.process, 99)
        API.kernel32.WaitForSingleObject(started.process, 10_000)
    told = {"shown": shown.decode("utf-8", "replace"), "code": API.kernel32.GetExitCodeProcess(started.process)}
    with open(result, "w", encoding="utf-8") as file:
        json.dump(told, file)
    os._exit(0)


def _readable(descriptor: int) -> bool:
    from sidewall.session.readiness import readable

    return readable(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
