"""The user's turn: what one process of a user at a time does, whichever program it is.

Knows: the file that whoever has it holds open.  Must not know: what is done.

It is for logging the accounts on, and for adding to a list that several write: the window station's.  The file goes
with the user's other ones on uninstall.
"""

from __future__ import annotations

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import credentials, private_file, tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

NAME, SECONDS = f"{credentials.REFUSED}.turn", 240.0
"""A first logon, which makes the profile, takes many seconds, and then a program starts, which may take as long as
``runner_pipe`` and ``runner_owner`` wait for one."""


def take(api: Api, home: str, user: Sid) -> Handle:
    """The turn of the user whose profile that is, until the handle is closed.

    Raises Win32Error, and MachineError when another process has it for so long.
    """
    return private_file.hold(api, home + credentials.DIRECTORY, NAME, user, SECONDS)


def of_caller(api: Api) -> Callable[[], Handle]:
    """``take`` for whose process this is."""
    def taken() -> Handle:
        with tokens.own(api) as token:
            user, home = Sid.from_bytes(api.advapi32.TokenUser(token)), api.userenv.GetUserProfileDirectoryW(token)
        return take(api, home, user)

    return taken


__all__ = ["NAME", "SECONDS", "of_caller", "take"]
