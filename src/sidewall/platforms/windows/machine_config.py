"""The configuration of the machine's administrator: read only if nobody else can have written it.

Knows: where it lies, who is trusted with it, which rights over a file or a directory amount to writing it.  Must not
know: what stands in it, which layer outranks which.

Every directory on the way is opened as what it is, looked at, and held until the file was read, so that what was looked
at is what was read.  Whoever may not write the file may still put another in its place with rights over a directory
above it: deleting what is in it, or changing its access list or its owner.
"""

from __future__ import annotations

from sidewall.errors import ConfigError
from sidewall.nt import wellknown as known
from sidewall.nt.ace import ALLOW_TYPES, INHERIT_ONLY
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import (
    DELETE,
    FILE_ADD_FILE,
    FILE_ADD_SUBDIRECTORY,
    FILE_DELETE_CHILD,
    FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_EA,
    READ_CONTROL,
    SYNCHRONIZE,
    WRITE_DAC,
    WRITE_OWNER,
    map_generic,
    mapping_of,
)
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import private_file
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.registry import Registry

PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"
NAME = r"sidewall\config.toml"
TRUSTED = (known.SYSTEM, known.ADMINISTRATORS, known.TRUSTED_INSTALLER)
TAKING = DELETE | WRITE_DAC | WRITE_OWNER
"""With one of these a directory above can be put out of the way, or opened up."""
WRITING = TAKING | FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_DELETE_CHILD | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES
"""For files these bits are writing and appending."""
MOST_BYTES = 1 << 18
_ALIKE = (known.CREATOR_OWNER, known.CREATOR_GROUP, known.OWNER_RIGHTS)
"""They stand for the owner, who is looked at himself."""
_SHARE = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE
_LOOK = READ_CONTROL | FILE_READ_ATTRIBUTES | SYNCHRONIZE


def place(registry: Registry, windows: str) -> str:
    """Where it lies, by the registry and not by a variable; ``windows`` is the directory of Windows."""
    value = registry.value(PROFILES, "ProgramData")
    base = value if isinstance(value, str) and value else r"%SystemDrive%\ProgramData"
    head, _, rest = base.partition("\\")
    if head.lower() == "%systemdrive%":
        head = windows[:2]
    return f"{head}\\{rest.rstrip(chr(92))}\\{NAME}"


def read(api: Api, path: str) -> bytes | None:
    """The file's bytes; None when there is none.  Raises ConfigError: a link, somebody else's, or unreadable."""
    held: list[Handle] = []
    try:
        above = path.split("\\")[:-1]
        for count in range(1, len(above) + 1):
            directory = "\\".join(above[:count]) + ("\\" if count == 1 else "")
            opened = _open(api, directory, FILE_LIST_DIRECTORY)
            if opened is None:
                return None
            held.append(opened)
        file = _open(api, path, FILE_READ_DATA)
        if file is None:
            return None
        held.append(file)
        # Only now: where there is no file nothing is obeyed.
        for count, opened in enumerate(held[:-1]):
            last = count == len(above) - 1
            _check(api, opened, opened.what, path, WRITING if last else TAKING | FILE_DELETE_CHILD, top=count == 0)
        if api.kernel32.GetFileInformationByHandle(file).dwFileAttributes & constants.FILE_ATTRIBUTE_DIRECTORY:
            raise ConfigError("is a directory", file=path, hint="Put a file there, or remove it.")
        _check(api, file, path, path, WRITING)
        data = b""
        while piece := api.kernel32.ReadFile(file, MOST_BYTES + 1):
            data += piece
            if len(data) > MOST_BYTES:
                raise ConfigError(f"is longer than {MOST_BYTES} bytes", file=path, hint="Is this the right file?")
        return data
    except ApiError as error:
        raise ConfigError(f"cannot be read: {error.message}", file=path,
                          hint="Let an administrator look at who may read it, or remove it.") from None
    finally:
        for opened in reversed(held):
            opened.close()


def _open(api: Api, path: str, access: int) -> Handle | None:
    return private_file.opened(api, path, _LOOK | access, share=_SHARE)


def _check(api: Api, opened: Handle, where: str, file: str, mask: int, *, top: bool = False) -> None:
    """Raises ConfigError unless only the trusted may do what is in ``mask``.  ``top``: it is the root of a volume."""
    if api.kernel32.GetFileInformationByHandle(opened).dwFileAttributes & constants.FILE_ATTRIBUTE_REPARSE_POINT:
        raise ConfigError(f"is not read: {where} is a link", file=file, hint="Put the file itself there.")
    try:
        descriptor = SecurityDescriptor.from_bytes(api.advapi32.GetKernelObjectSecurity(
            opened, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION))
    except NtError as error:
        raise ConfigError(f"is not obeyed: the access list of {where} does not read: {error}", file=file,
                          hint=_remedy(file)) from None
    if descriptor.owner not in TRUSTED:
        raise ConfigError(f"is not obeyed: {where} belongs to {told(api, descriptor.owner)}, and not to an "
                          "administrator", file=file, hint=_remedy(file))
    # The root of a volume is not deleted or renamed, whoever has that right over it.
    others = writers(descriptor, mask & ~DELETE if top else mask)
    if others is None:
        raise ConfigError(f"is not obeyed: {where} has no access list, so everybody may write it", file=file,
                          hint=_remedy(file))
    if others:
        names = ", ".join([told(api, sid) for sid in others])
        raise ConfigError(f"is not obeyed: {where} can be changed by {names}", file=file, hint=_remedy(file))


def writers(descriptor: SecurityDescriptor, mask: int) -> tuple[Sid, ...] | None:
    """Who besides the trusted is granted any bit of ``mask`` (of a file); None when everybody is.

    What denies does not count: nobody relies on it here.
    """
    if descriptor.dacl is None:
        return None
    mapping = mapping_of("file")
    found = [ace.sid for ace in descriptor.dacl.aces
             if ace.type in ALLOW_TYPES and not ace.flags & INHERIT_ONLY and map_generic(ace.mask, mapping) & mask
             and ace.sid not in TRUSTED and ace.sid not in _ALIKE]
    return tuple(dict.fromkeys(found))


def told(api: Api, sid: Sid | None) -> str:
    """A SID for people: its name, if it has one."""
    if sid is None:
        return "nobody"
    try:
        name, domain, _ = api.advapi32.LookupAccountSidW(sid.to_bytes())
    except ApiError:
        return str(sid)
    return f"{domain}\\{name}" if domain else name


def _remedy(file: str) -> str:
    directory = file.rpartition("\\")[0]
    return (f'As an administrator, look at what stands in it; then: icacls "{directory}" /setowner *S-1-5-32-544 /T && '
            f'icacls "{directory}" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F '
            '*S-1-5-32-545:(OI)(CI)RX')


def native() -> tuple[Api, str]:
    """This machine's functions, and the path."""
    from sidewall.platforms.windows.api import native as native_api
    from sidewall.platforms.windows.registry import NativeRegistry

    api = native_api()
    return api, place(NativeRegistry(), api.kernel32.GetWindowsDirectoryW())


__all__ = ["NAME", "TRUSTED", "native", "place", "read", "told", "writers"]
