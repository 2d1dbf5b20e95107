"""advapi32: logging on, and starting processes as somebody.

Knows: ``LogonUserW``, ``CreateProcessWithLogonW``, ``CreateProcessAsUserW``.  Must not know: whose password it is, or
where it comes from.  A password goes in as an argument and into no message.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.constants_process import LOGON_WITH_PROFILE
from sidewall.platforms.windows.constants_security import LOGON32_LOGON_INTERACTIVE, LOGON32_PROVIDER_DEFAULT
from sidewall.platforms.windows.errors import CallError
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.secret import Secret
from sidewall.platforms.windows.startup import Start, Started, StartInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL LogonUserW(PWSTR lpszUsername, PWSTR lpszDomain, SECRET lpszPassword, DWORD dwLogonType, DWORD dwLogonProvider,
    HANDLE* phToken);
BOOL CreateProcessWithLogonW(PWSTR lpUsername, PWSTR lpDomain, SECRET lpPassword, FLAGS dwLogonFlags,
    PWSTR lpApplicationName, PWSTR lpCommandLine, FLAGS dwCreationFlags, PVOID lpEnvironment,
    PWSTR lpCurrentDirectory, STARTUPINFOW* lpStartupInfo, PROCESS_INFORMATION* lpProcessInformation);
BOOL CreateProcessAsUserW(HANDLE hToken, PWSTR lpApplicationName, PWSTR lpCommandLine,
    SECURITY_ATTRIBUTES* lpProcessAttributes, SECURITY_ATTRIBUTES* lpThreadAttributes, BOOL bInheritHandles,
    FLAGS dwCreationFlags, PVOID lpEnvironment, PWSTR lpCurrentDirectory, STARTUPINFOW* lpStartupInfo,
    PROCESS_INFORMATION* lpProcessInformation);
"""

LONGEST_LOGON_LINE = 1023
"""Characters of a command line that the secondary logon service takes, its zero not counted."""


class LogonCalls(Protocol):
    """Logging on.  Every call raises Win32Error."""

    def LogonUserW(self, user: str, domain: str | None, password: str, *, kind: int = LOGON32_LOGON_INTERACTIVE,
                   provider: int = LOGON32_PROVIDER_DEFAULT) -> Handle:
        """A primary token of an account; a wrong password counts towards its lock-out."""

    def CreateProcessWithLogonW(self, user: str, domain: str | None, password: str | Secret, info: StartInfo, *,
                                flags: int = LOGON_WITH_PROFILE) -> Started:
        """Starts a process as an account through the secondary logon service.

        Neither handles nor attributes pass, it takes no descriptor, and a line has at most ``LONGEST_LOGON_LINE``
        characters (CallError).
        """

    def CreateProcessAsUserW(self, token: Handle, info: StartInfo) -> Started:
        """Starts a process with a primary token: a restricted copy of one's own needs no privilege."""


class NativeLogon:
    """Those calls on the real DLL."""

    _dll: Dll
    _kernel: Dll

    def LogonUserW(self, user: str, domain: str | None, password: str, *, kind: int = LOGON32_LOGON_INTERACTIVE,
                   provider: int = LOGON32_PROVIDER_DEFAULT) -> Handle:
        token = ctypes.c_void_p()
        self._dll.LogonUserW(user, domain, password, kind, provider, ctypes.byref(token))
        return Handle(token.value or 0, self._kernel.CloseHandle, f"a token of the account {user}")

    def CreateProcessWithLogonW(self, user: str, domain: str | None, password: str | Secret, info: StartInfo, *,
                                flags: int = LOGON_WITH_PROFILE) -> Started:
        if info.attributes is not None or info.inherit or info.security is not None:
            raise CallError("CreateProcessWithLogonW takes no attributes and no descriptor, and passes no handles")
        if len(info.command_line) > LONGEST_LOGON_LINE:
            raise CallError(f"CreateProcessWithLogonW takes a command line of {LONGEST_LOGON_LINE} characters, "
                            f"not {len(info.command_line)}")
        start = Start(info)
        secret = password.wide if isinstance(password, Secret) else password
        self._dll.CreateProcessWithLogonW(user, domain, secret, flags, info.application, start.line, start.flags,
                                          start.environment, info.directory, start.startup, ctypes.byref(start.result))
        return start.started(self._kernel.CloseHandle)

    def CreateProcessAsUserW(self, token: Handle, info: StartInfo) -> Started:
        start = Start(info)
        own = start.security.argument
        self._dll.CreateProcessAsUserW(token, info.application, start.line, own, own, info.inherit, start.flags,
                                       start.environment, info.directory, start.startup, ctypes.byref(start.result))
        return start.started(self._kernel.CloseHandle)


__all__ = ["LONGEST_LOGON_LINE", "PROTOTYPES", "LogonCalls", "NativeLogon"]
