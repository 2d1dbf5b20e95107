"""A file of configuration that the user trusts: obeyed only if it is the user's own, and nobody else may write it.

Knows: whose a file may be, and who may have rights over it that amount to writing it.  Must not know: where it lies,
what stands in it.

Administrators of a domain are in the lists of redirected profiles; they are administrators of this machine anyway.  The
directory is not looked at: what somebody else puts into it in the file's place is not the user's own.
"""

from __future__ import annotations

from sidewall.errors import ConfigError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import machine_config, tokens
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

ADMINISTRATORS = (500, 512, 519)
"""Relative identifiers of the built-in administrator, and of the administrators of a domain and of a forest."""


def check(api: Api, opened: Handle, file: str) -> None:
    """Raises ConfigError unless the open file is this user's or an administrator's, and only they may write it."""
    try:
        with tokens.own(api) as token:
            user = Sid.from_bytes(api.advapi32.TokenUser(token))
        descriptor = SecurityDescriptor.from_bytes(api.advapi32.GetKernelObjectSecurity(
            opened, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION))
    except (ApiError, NtError) as error:
        raise ConfigError(f"is not obeyed: whose it is cannot be seen: {error.message}", file=file,
                          hint="Put it on a disk that keeps access lists, or remove it.") from None
    owner = descriptor.owner
    if owner is None or not _trusted(owner, user):
        raise ConfigError(f"is not obeyed: it belongs to {machine_config.told(api, owner)}, and not to you or an "
                          "administrator", file=file,
                          hint=f'Look at what stands in it; then: takeown /f "{file}", or remove it.')
    writers = machine_config.writers(descriptor, machine_config.WRITING)
    others = [one for one in writers if not _trusted(one, user)] if writers is not None else None
    if others is None or others:
        who = ", ".join([machine_config.told(api, one) for one in others]) if others else "everybody"
        raise ConfigError(f"is not obeyed: it can be changed by {who}", file=file,
                          hint=f'Look at what stands in it; then: icacls "{file}" /inheritance:r /grant:r *{user}:F '
                               "*S-1-5-18:F *S-1-5-32-544:F")


def _trusted(sid: Sid, user: Sid) -> bool:
    domain = sid.startswith("S-1-5-21-") and sid.rid in ADMINISTRATORS
    return sid == user or sid in machine_config.TRUSTED or domain


__all__ = ["check"]
