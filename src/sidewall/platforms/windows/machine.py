"""The Windows that set-up, status and uninstall work on: the functions, the registry, the clock, and whose it is.

Knows: how the caller is recognised (its own token).  Must not know: any change.
Nothing here is taken from the environment: a variable is what a workspace or a shell says, a token is what is so.
"""

from __future__ import annotations

import time

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import registry as registries
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.registry import Registry


class Caller(Record):
    """Whose process this is: the user's SID and profile directory; ``elevated``: an administrator's full token;
    ``confined``: the token is restricted or a container's, so a sandboxed command's."""

    user: Sid
    home: str
    elevated: bool
    confined: bool


class Machine:
    """A Windows.  ``clock`` gives seconds since 1970, ``sleep`` waits for some."""

    def __init__(self, api: Api, registry: Registry, clock: Callable[[], float] = time.time,
                 sleep: Callable[[float], object] = time.sleep) -> None:
        self.api = api
        self.registry = registry
        self.clock = clock
        self.sleep = sleep

    def caller(self) -> Caller:
        """The owner of this process.  Raises Win32Error."""
        advapi = self.api.advapi32
        with advapi.OpenProcessToken(self.api.kernel32.GetCurrentProcess(), constants.TOKEN_QUERY) as token:
            return self.whose(token)

    def whose(self, token: Handle) -> Caller:
        """The owner of a token that can be asked.  Raises Win32Error."""
        advapi = self.api.advapi32
        return Caller(
            user=Sid.from_bytes(advapi.TokenUser(token)), home=self.api.userenv.GetUserProfileDirectoryW(token),
            elevated=bool(advapi.TokenNumber(token, constants.TokenElevation)),
            confined=advapi.IsTokenRestricted(token) or bool(advapi.TokenNumber(token, constants.TokenIsAppContainer)),
        )


def native() -> Machine:
    """This one."""
    from sidewall.platforms.windows.api import native as native_api

    return Machine(native_api(), registries.NativeRegistry())


__all__ = ["Caller", "Machine", "native"]
