"""The door: ``sidewall`` from the shell and ``python -m sidewall``.

Knows: which verb goes where, and the border at which errors become lines and exit codes.  Must not know: what a verb
does.  ``run`` and ``shell`` go the quick way; whatever else a verb needs is imported when it is asked for.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence
    from typing import NoReturn

    from sidewall.platforms.contract import Backend
else:
    import _signal


def entry() -> NoReturn:
    """Runs the verb in ``sys.argv`` and ends the process with its exit code."""
    code = guarded(sys.argv[1:])
    flush()
    os._exit(code - (1 << 32) if code >= 1 << 31 else code)  # an NTSTATUS as the C int that _exit takes


def flush() -> None:
    """Sends on its way what was printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed by the reader, or never open
            pass


def safe_path() -> None:
    """Takes the current directory off the import path, and what lies below it (``PYTHONPATH=$PWD/src``): it is the
    workspace, and a command may have written there.  Where Sidewall and its Python lie themselves has to stay."""
    try:
        here = os.getcwd()
    except OSError:
        here = ""
    below = here.rstrip(os.sep) + os.sep
    own = (sys.prefix, sys.base_prefix, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.path[:] = [path for path in sys.path if os.path.isabs(path) and path.rstrip("/\\") != here
                   and (path.startswith(own) or not path.startswith(below))]


def guarded(words: Sequence[str]) -> int:
    """``main`` with every error turned into lines on standard error and an exit code."""
    try:
        safe_path()
        return main(words)
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2
    except BaseException as error:
        return _failed(error)


def _failed(error: BaseException) -> int:
    from sidewall.cli import failure
    from sidewall.errors import SidewallError

    flush()
    if failure.debugging():
        failure.traceback(error)
    if isinstance(error, BrokenPipeError):  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    return failure.report(error if isinstance(error, SidewallError) else failure.internal(error))


def main(words: Sequence[str]) -> int:
    """Runs one verb; the exit code.  Raises SidewallError."""
    name = words[0] if words else ""
    if name in ("run", "shell"):
        hold_standard_streams()
        wake = wakeup()
        backend = prepared()
        from sidewall.cli import run

        return run.main(backend, name, words[1:], wake)
    from sidewall.cli import parser

    return parser.dispatch(words)


def prepared() -> Backend:
    """This machine's backend, its spare cell process on its way: that one starts while we import the rest.

    We have just begun, without threads and with nothing of the user's but the environment: so it may be a fork.
    """
    import gc

    # One command and then the end: collecting cycles would only look through everything that is imported.
    gc.disable()
    if sys.platform != "win32":
        from sidewall import bytecode

        bytecode.install()
    from sidewall.platforms import detect

    detect.prepare(fork=True)
    return detect.backend()


if sys.platform != "win32":

    def wakeup() -> int:
        """A descriptor from which every signal can be read that Python handles from now on.

        An interrupt is raised too, but not everything passes that on: a callback of the import system drops it.  What
        is still to be read when the command runs is for the command.
        """
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=lambda: _signal.set_wakeup_fd(-1))
        return reading
else:

    def wakeup() -> int:
        """None: Windows has no signals, and ``control`` hears of the console's events by itself."""
        return -1


def hold_standard_streams() -> None:
    """Opens what was closed at 0, 1 and 2: a socket of ours must never take such a number.

    A closed input reads as empty; writing to a closed output stays an error.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
