"""``sidewall`` whose waiting thread is ended from outside: what another program, or Wine on Ctrl-Break, can do to it.

The first word is a file: once it is there, the thread is ended.  The others are the command line's.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

from sidewall.cli.control import Supervisor
from sidewall.cli.main import entry


def end(waiting: threading.Thread, word: str) -> None:
    # Calls in which Python's lock is kept: the thread that is ended cannot have it, so nobody is left waiting for it.
    held = ctypes.PyDLL("kernel32")
    held.OpenThread.restype = ctypes.c_void_p
    held.TerminateThread.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    thread = held.OpenThread(1, False, waiting.native_id)
    while True:
        frame = sys._current_frames().get(waiting.ident or 0)
        if frame is not None and frame.f_code is Supervisor._waited.__code__ and os.path.exists(word):
            held.TerminateThread(thread, 7)
            return
        time.sleep(0.01)


if __name__ == "__main__":
    threading.Thread(target=end, args=(threading.main_thread(), sys.argv.pop(1)), daemon=True).start()
    entry()
