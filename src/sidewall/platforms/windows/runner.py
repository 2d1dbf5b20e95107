"""The program that runs in the sandbox's account: it starts commands for the owner, and ends with it.

    python runner.py PIPE OWNER-PROCESS OWNER-SID [stays]

Knows: how it is started, how it ends.  Must not know: sessions, policies, configuration; it imports the standard
library and this platform's facilities.

Nothing on its command line is a secret: a pipe's name, and who must be at its other end.  Its handle is the only one on
the job of its commands, so they end with it; it ends when the pipe ends, or says what it must not; and the owner's own
job ends both.  One that stays is there for its token: it closes itself, says who it is, and then does nothing until the
job ends it.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # started by path, isolated: the package is where this file is
    _HERE = os.path.abspath(__file__)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))))

from sidewall.errors import SidewallError
from sidewall.nt.sid import Sid
from sidewall.platforms.frames import FrameError
from sidewall.platforms.windows import orphans, runner_hands, runner_pipe
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.runner_guard import Guard
from sidewall.platforms.windows.runner_service import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.platforms.windows.api import Api

NO_ERROR_BOXES = 0x8003
"""SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX: nobody sees a box."""
DAY = 86_400.0
DONE, USAGE, REFUSED, BROKEN = 0, 64, 65, 66
"""Exit codes: the owner ended the conversation; the command line is none; the other end is not whom it should be; the
owner said what it must not."""


def main(words: Sequence[str], api: Api) -> int:
    """The runner; its exit code."""
    stays = len(words) == 4 and words[3] == says.STAYS
    words = words[:3] if stays else words
    if len(words) != 3 or not words[0].startswith(runner_pipe.PREFIX) or not words[1].isdigit():
        return USAGE
    try:
        owner = Sid(words[2])
    except SidewallError:
        return USAGE
    try:
        api.kernel32.SetErrorMode(NO_ERROR_BOXES)
        _leave_console(api)
        guard = Guard(api, owner)
        pipe = runner_pipe.Pipe(api, runner_pipe.connect(api, words[0], int(words[1]), owner))
        hands = runner_hands.WindowsHands(api, guard)
        if stays:  # no command of the account runs before this is done
            guard.close_drives(owner)
            _end_others(api)
    except SidewallError as error:
        return _told(error, REFUSED)
    try:
        Service(pipe, hands, os.urandom(16).hex()).serve()
    except FrameError as error:
        return _told(error, BROKEN)
    except SidewallError:
        return DONE  # nobody is there any more
    finally:
        hands.close()
        guard.close()
    while stays:
        time.sleep(DAY)
    return DONE


def _leave_console(api: Api) -> None:
    """A console's host is a process of the account too, with its whole token, and open to every command."""
    try:
        api.kernel32.FreeConsole()
    except ApiError:
        return  # there is none


def _end_others(api: Api) -> None:
    """Ends what only the account itself may: runners whose owner was killed before it had them in its job."""
    place = orphans.own_place(api)
    if place:
        # The account may not open what is closed to it, which all that is somebody's is.
        orphans.end(api, place, lambda process: False)


def _told(error: SidewallError, code: int) -> int:
    try:
        print(f"sidewall runner: {error}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass  # there is nobody to tell
    return code


if __name__ == "__main__":
    from sidewall.platforms.windows.api import native

    _CODE = main(sys.argv[1:], native())
    # Threads that wait for commands are not waited for: the commands have ended with the job.
    os._exit(_CODE)


__all__ = ["main"]
