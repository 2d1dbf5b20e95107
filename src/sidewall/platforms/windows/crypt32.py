"""crypt32: data that only one user, or only this machine, can read (DPAPI).

Knows: ``CryptProtectData`` and its inverse.  Must not know: what is protected.  Nobody is ever asked anything.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_security import (
    CRYPTPROTECT_LOCAL_MACHINE,
    CRYPTPROTECT_UI_FORBIDDEN,
)
from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.layouts_accounts import CRYPT_INTEGER_BLOB
from sidewall.platforms.windows.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "crypt32.dll"
PROTOTYPES = """
BOOL CryptProtectData(CRYPT_INTEGER_BLOB* pDataIn, PWSTR szDataDescr, CRYPT_INTEGER_BLOB* pOptionalEntropy,
    PVOID pvReserved, CRYPTPROTECT_PROMPTSTRUCT* pPromptStruct, FLAGS dwFlags, CRYPT_INTEGER_BLOB* pDataOut);
BOOL CryptUnprotectData(CRYPT_INTEGER_BLOB* pDataIn, PWSTR* ppszDataDescr, CRYPT_INTEGER_BLOB* pOptionalEntropy,
    PVOID pvReserved, CRYPTPROTECT_PROMPTSTRUCT* pPromptStruct, FLAGS dwFlags, CRYPT_INTEGER_BLOB* pDataOut);
"""


class Crypt32(Protocol):
    """Protected data.  Every call raises Win32Error."""

    def CryptProtectData(self, data: bytes, *, description: str = "", entropy: bytes = b"",
                         machine: bool = False) -> bytes:
        """Protects data for this user, or with ``machine`` for everybody on this machine.

        ``description`` is stored in the clear.
        """

    def CryptUnprotectData(self, data: bytes, *, entropy: bytes = b"") -> tuple[bytes, str]:
        """The data and its description; fails for another user, another entropy, or a byte that was changed."""

    def UnprotectSecret(self, data: bytes, *, entropy: bytes = b"") -> Secret:
        """CryptUnprotectData for a password, of which no copy is left that cannot be wiped.

        Raises ValueError when what was protected is none.
        """


class NativeCrypt32:
    """The real DLL.  ``kernel`` is kernel32's, which frees."""

    def __init__(self, dll: Dll, kernel: Dll) -> None:
        self._dll = dll
        self._kernel = kernel

    def CryptProtectData(self, data: bytes, *, description: str = "", entropy: bytes = b"",
                         machine: bool = False) -> bytes:
        flags = CRYPTPROTECT_UI_FORBIDDEN | (CRYPTPROTECT_LOCAL_MACHINE if machine else 0)
        result = CRYPT_INTEGER_BLOB()
        self._dll.CryptProtectData(ctypes.byref(_blob(data)), description, _optional(entropy), None, None, flags,
                                   ctypes.byref(result))
        return self._taken(result)

    def CryptUnprotectData(self, data: bytes, *, entropy: bytes = b"") -> tuple[bytes, str]:
        result, text = self._unprotected(data, entropy)
        return self._taken(result, wipe=True), text

    def UnprotectSecret(self, data: bytes, *, entropy: bytes = b"") -> Secret:
        result, _ = self._unprotected(data, entropy)
        place = ctypes.cast(result.pbData, ctypes.c_void_p).value or 0
        try:
            copy = ctypes.create_string_buffer(result.cbData)
            ctypes.memmove(copy, place, result.cbData)
        finally:
            ctypes.memset(place, 0, result.cbData)
            self._kernel.LocalFree(place)
        return Secret(copy)

    def _unprotected(self, data: bytes, entropy: bytes) -> tuple[CRYPT_INTEGER_BLOB, str]:
        result, description = CRYPT_INTEGER_BLOB(), memory.Text()
        self._dll.CryptUnprotectData(ctypes.byref(_blob(data)), ctypes.byref(description), _optional(entropy), None,
                                     None, CRYPTPROTECT_UI_FORBIDDEN, ctypes.byref(result))
        text = description.value or ""
        self._kernel.LocalFree(ctypes.cast(description, ctypes.c_void_p).value)
        return result, text

    def _taken(self, blob: CRYPT_INTEGER_BLOB, *, wipe: bool = False) -> bytes:
        place = ctypes.cast(blob.pbData, ctypes.c_void_p).value or 0
        try:
            return ctypes.string_at(place, blob.cbData)
        finally:
            if wipe:
                ctypes.memset(place, 0, blob.cbData)
            self._kernel.LocalFree(place)


def _blob(data: bytes) -> CRYPT_INTEGER_BLOB:
    return CRYPT_INTEGER_BLOB(len(data), memory.bytes_of(data, ctypes.c_uint8))


def _optional(data: bytes) -> object:
    return ctypes.byref(_blob(data)) if data else None


def native(dll: Dll, kernel: Dll) -> Crypt32:
    """crypt32 of this machine."""
    return NativeCrypt32(dll, kernel)


__all__ = ["NAME", "PROTOTYPES", "Crypt32", "NativeCrypt32", "native"]
