"""advapi32 as a whole: its subjects put together.

Knows: which files make it up.  Must not know: any call.
"""

from __future__ import annotations

from sidewall.platforms.windows import advapi32_accounts, advapi32_logon, advapi32_security, advapi32_tokens
from sidewall.platforms.windows.dll import Dll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Advapi32(
        advapi32_tokens.TokenCalls, advapi32_security.SecurityCalls, advapi32_accounts.AccountCalls,
        advapi32_logon.LogonCalls, Protocol,
    ):
        """Tokens, descriptors, accounts and logging on."""

NAME = "advapi32.dll"
PROTOTYPES = "".join([part.PROTOTYPES for part in (
    advapi32_tokens, advapi32_security, advapi32_accounts, advapi32_logon,
)])  # fmt: skip


class NativeAdvapi32(
    advapi32_tokens.NativeTokens, advapi32_security.NativeSecurity, advapi32_accounts.NativeAccounts,
    advapi32_logon.NativeLogon,
):  # fmt: skip
    """The real DLL.  ``kernel`` is kernel32's, which closes and frees."""

    def __init__(self, dll: Dll, kernel: Dll) -> None:
        self._dll = dll
        self._kernel = kernel


def native(dll: Dll, kernel: Dll) -> Advapi32:
    """advapi32 of this machine."""
    return NativeAdvapi32(dll, kernel)


__all__ = ["NAME", "PROTOTYPES", "NativeAdvapi32", "native"]
