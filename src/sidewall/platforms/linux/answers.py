"""What init and the keeper answer while a cell is made: descriptors, or an error that says what failed.

Knows: the messages of that time, what people can do about each failing step.  Must not know: what a step does.
"""

from __future__ import annotations

import marshal
import os

from sidewall.errors import MachineError, SystemCallError
from sidewall.platforms.linux import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from sidewall.platforms.linux.spare import Spare

_SECONDS = 60.0
_LAST_WORD_SECONDS = 5.0
_DOCTOR = "`sidewall doctor` looks at the machine"


def grouped(administration: _socket.socket, group: str) -> None:
    """Waits until the keeper has made the control group below ``group``.  Raises SystemCallError, MachineError."""
    administration.settimeout(_SECONDS)
    try:
        word, _, errno = administration.recv(64).partition(b" ")
    except OSError as error:
        raise silent(error) from None
    finally:
        administration.settimeout(None)
    if word == b"refused":
        raise SystemCallError(
            f"cannot limit the cell by control group {group}: {os.strerror(int(errno))}",
            step="limits", call="write", target=group, errno=int(errno),
            hint="drop limits.memory, or let systemd delegate the controllers")
    if word != b"grouped":
        raise _ended(errno if word == b"init" else b"")


def layers(spare: Spare) -> list[int]:
    """Waits until the cell stands; descriptors of its root and of the git layers' upper directories.

    Raises SystemCallError, MachineError.
    """
    spare.control.settimeout(_SECONDS)
    try:
        data, descriptors = wire.receive(spare.control)
    except ConnectionError:
        data, descriptors = b"", []
    except OSError as error:
        raise silent(error) from None
    finally:
        spare.control.settimeout(None)
    if data[:1] == b"R":
        return descriptors
    if data[:1] == b"E":
        raise failed(data)
    raise gone(spare)


def gone(spare: Spare) -> MachineError:
    """The error for a cell process that has ended without a word: how it ended, as the keeper saw it."""
    spare.administration.settimeout(_LAST_WORD_SECONDS)
    status = b""
    try:
        while word := spare.administration.recv(64):
            if word.startswith(b"init "):
                status = word[5:]
                break
            if word in (b"dead", b"clean"):
                break
    except OSError:
        pass  # the keeper is gone too, or was killed first
    finally:
        spare.administration.settimeout(None)
    return _ended(status)


def silent(error: OSError) -> MachineError:
    """The error for a cell process that does not answer."""
    return MachineError(f"the cell process did not answer: {error.strerror or error}", hint=f"try again; {_DOCTOR}")


def _ended(status: bytes) -> MachineError:
    if not status:
        return MachineError("the cell process and its keeper ended while the cell was made", hint=_DOCTOR)
    code = os.waitstatus_to_exitcode(int(status))
    if code >= 0:
        return MachineError(f"the cell process ended with status {code} while the cell was made, and could not say why",
                            hint=_DOCTOR)
    import signal

    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = "the machine may be out of memory: `dmesg` says so" if name == "SIGKILL" else _DOCTOR
    return MachineError(f"the cell process was ended by {name} while the cell was made", hint=hint)


def failed(data: bytes) -> SystemCallError:
    """The error that init told of (``stage.complain``)."""
    step, path, errno, call = marshal.loads(data[1:])
    what = f"cannot make the cell: step {step!r}"
    if path:
        what += f" {path}"
    if call:
        what += f": {call}"
    if errno:
        import errno as names

        what += f": {os.strerror(errno)} ({names.errorcode.get(errno, str(errno))})"
    return SystemCallError(what, step=step, call=call, target=path, errno=errno, hint=_hint(step))


def _hint(step: str) -> str:
    from sidewall.platforms.linux.stage import INTERPRETER

    if step in ("writable", "root"):
        return "do not move the workspace while a sandbox opens; a symbolic link in its path is not followed"
    if step == "git":
        return 'set git = "read-only" to do without the layer over .git'
    if step == INTERPRETER:
        return ("Sidewall's own Python runs inside the cell: drop the rule that denies this directory "
                "(`sidewall check` names it), or install Sidewall under another Python")
    return f"try --tier landlock; {_DOCTOR}"
