"""A program for tests: starts ``sidewall`` at a console, and closes that console while the command runs.

    python at_close.py WORKSPACE RESULT COMMAND...

COMMAND says ``begun`` and goes on.  Written down is how ``sidewall`` ended, None when it did not.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

if sys.platform != "win32":
    raise SystemExit("a Windows Python is needed")

from tests.windows.inside.at_console import API, own_console

from sidewall.platforms.windows import environment, process
from sidewall.platforms.windows.conpty import Terminal
from sidewall.platforms.windows.quoting import join
from sidewall.session.readiness import readable

BEGIN_SECONDS, END_SECONDS = 60, 30


def main(workspace: str, result: str, *command: str) -> None:
    """Writes what happened as JSON."""
    own_console()
    terminal = Terminal(API, 40, 100)
    words = [sys.executable, "-P", "-m", "sidewall", "run", "--tier", "token", "--require", "none", "--", *command]
    own = {os.fsencode(name): os.fsencode(text) for name, text in os.environ.items()}
    started = process.start(API, None, process.Line(application=sys.executable, line=join(words)),
                            environment.compose(own, None, ""), workspace, stdio=None, jobs=(), desktop=None,
                            console=terminal.console)
    shown, deadline = bytearray(), time.monotonic() + BEGIN_SECONDS
    while b"begun" not in shown and time.monotonic() < deadline:
        if readable(terminal.screen_fd):
            block = os.read(terminal.screen_fd, 4096)
            if not block:
                break
            shown += block
        time.sleep(0.02)
    screen = terminal.screen_fd
    threading.Thread(target=_drain, args=(screen,), daemon=True).start()
    terminal.end()
    ended = API.kernel32.WaitForSingleObject(started.process, END_SECONDS * 1000) == 0
    told = {"begun": b"begun" in shown, "code": API.kernel32.GetExitCodeProcess(started.process) if ended else None}
    if not ended:
        API.kernel32.TerminateProcess(started.process, 99)
    with open(result, "w", encoding="utf-8") as file:
        json.dump(told, file)
    os._exit(0)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
