"""What runs as a sandbox account, ended by an administrator: live sandboxes too, whose lists leave administrators out.

Knows: how a process tells whose it is, and the privilege that opens any.  Must not know: accounts, what goes next.

The privilege of debuggers opens a process whatever its list says, and does not open its token.  The owner of the
process object says the same: only who has that account's token, or an administrator, makes objects that belong to it.
"""

from __future__ import annotations

import contextlib

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import READ_CONTROL, SYNCHRONIZE
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.constants_process import PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_TERMINATE
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

DEBUG = "SeDebugPrivilege"
KILLED = 1
_GONE_WAIT_MILLISECONDS = 5000
_PASSES = 20
"""What runs may start more while it is looked through."""
_RIGHTS = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE | READ_CONTROL | SYNCHRONIZE


def end(api: Api, sid: Sid) -> bool:
    """Ends all that runs as the account; whether anything did.  Raises MachineError when there is ever more."""
    with debugging(api):
        for passes in range(_PASSES):
            if not _pass(api, sid):
                return passes > 0
    raise MachineError(f"processes of {sid} start others faster than they are ended",
                       hint="restart this machine, then run `sidewall uninstall` again")


@contextlib.contextmanager
def debugging(api: Api) -> Iterator[None]:
    """With the privilege of debuggers, where this process has it."""
    advapi = api.advapi32
    with advapi.OpenProcessToken(api.kernel32.GetCurrentProcess(),
                                 constants.TOKEN_QUERY | constants.TOKEN_ADJUST_PRIVILEGES) as token:
        luid = advapi.LookupPrivilegeValueW(DEBUG)
        before = [bits for one, bits in advapi.TokenPrivileges(token) if one == luid]
        if not before:  # a policy takes it from administrators: what their rights open is still ended
            yield
            return
        advapi.AdjustTokenPrivileges(token, [(luid, constants.SE_PRIVILEGE_ENABLED)])
        try:
            yield
        finally:
            advapi.AdjustTokenPrivileges(token, [(luid, before[0] & constants.SE_PRIVILEGE_ENABLED)])


def _pass(api: Api, sid: Sid) -> bool:
    kernel = api.kernel32
    ended = False
    for number in kernel.EnumProcesses():
        try:
            with kernel.OpenProcess(_RIGHTS, number) as process:
                if _is_of(api, process, sid):
                    kernel.TerminateProcess(process, KILLED)
                    kernel.WaitForSingleObject(process, _GONE_WAIT_MILLISECONDS)
                    ended = True
        except (ApiError, NtError):
            # Gone meanwhile, or one of the system's that nobody may open: not this account's.
            continue
    return ended


def _is_of(api: Api, process: Handle, sid: Sid) -> bool:
    try:
        with api.advapi32.OpenProcessToken(process, constants.TOKEN_QUERY) as token:
            return Sid.from_bytes(api.advapi32.TokenUser(token)) == sid
    except ApiError:
        found = api.advapi32.GetKernelObjectSecurity(process, constants.OWNER_SECURITY_INFORMATION)
        return SecurityDescriptor.from_bytes(found).owner == sid


__all__ = ["DEBUG", "debugging", "end"]
