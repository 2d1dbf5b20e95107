"""This machine's files behind the questions of ``store``, by handles.

Knows: which calls of Windows open an object without following it, read and write one descriptor, make and remove.
Must not know: why.  Follows "File Security and Access Rights" of the Win32 reference, MS-FSA 2.1.5.16 for what control
bits a written list has.

Every directory on the way to an object is opened by itself, seen not to be a reparse point, and held open for traversal
without letting others rename or delete it, until the object is closed.  A held directory can still become a junction
in its place, once it is empty (MS-FSA 2.1.5.10.37).  So only a volume's root is opened by a path; every other name is
opened below the handle of the directory that holds it, which stays what it was whatever its name leads to by then.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.descriptor import (
    SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SecurityDescriptor,
)
from sidewall.nt.errors import NtError
from sidewall.plan.world import APP_LINK, CLOUD, JUNCTION, OTHER_REPARSE, SYMLINK, WSL_LINK
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import constants_security as security
from sidewall.platforms.windows.errors import ApiError, StatusError
from sidewall.platforms.windows.layouts_files import (
    FILE_ATTRIBUTE_TAG_INFO,
    FILE_DISPOSITION_INFO,
    FILE_ID_INFO,
    FILE_STANDARD_INFO,
)
from sidewall.platforms.windows.store import (
    DENIED,
    EXISTS,
    FULL,
    LINK,
    MISSING,
    OTHER,
    VOLUME,
    Identity,
    StoreError,
    Traits,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.kernel32_files import DirectoryEntry

ITSELF = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
AS_IT_IS = (constants.FILE_OPEN_REPARSE_POINT | constants.FILE_OPEN_FOR_BACKUP_INTENT
            | constants.FILE_SYNCHRONOUS_IO_NONALERT)
NO_LINKS = constants.OBJ_CASE_INSENSITIVE | constants.OBJ_DONT_REPARSE
STAYING = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE
"""Who opens so lets nobody delete or rename what is open.  It counts for opens that read, write, execute or delete."""
LOOKING = bits.READ_CONTROL | bits.FILE_READ_ATTRIBUTES
PARTS = (security.OWNER_SECURITY_INFORMATION | security.GROUP_SECURITY_INFORMATION
         | security.DACL_SECURITY_INFORMATION | security.LABEL_SECURITY_INFORMATION)
_WHY = {2: MISSING, 3: MISSING, 5: DENIED, 19: DENIED, 1307: DENIED, 1314: DENIED, 80: EXISTS, 183: EXISTS, 145: FULL,
        15: VOLUME, 21: VOLUME, 1005: VOLUME, 1006: VOLUME}
_TAGS = {constants.IO_REPARSE_TAG_SYMLINK: SYMLINK, constants.IO_REPARSE_TAG_MOUNT_POINT: JUNCTION,
         constants.IO_REPARSE_TAG_APPEXECLINK: APP_LINK, 0xA000001D: WSL_LINK}
_ACCESS_DENIED = 5


class Win32Store:
    """See ``store.SecurityStore``."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def open(self, path: str, *, change: bool) -> Win32Object:
        above, name = self._way(path)
        try:
            return self.opened(path, above[-1], name, change, above)
        except BaseException:
            _close(above)
            raise

    def opened(self, path: str, holder: Handle, name: str, change: bool, above: list[Handle]) -> Win32Object:
        """What has a name in a held directory ('': that directory); ``path`` is what people call it, ``above`` are
        handles that are its own from now on."""
        access = LOOKING | (bits.WRITE_DAC if change else 0)
        handle = self.below(holder, name, access, STAYING | constants.FILE_SHARE_DELETE, path)
        try:
            return Win32Object(self, path, handle, above, change)
        except BaseException:
            handle.close()
            raise

    def below(self, holder: Handle, name: str, access: int, share: int, path: str, *, root: bool = False) -> Handle:
        """Opens what has a name in an open directory ('': the directory once more), not where it leads."""
        try:
            return self.api.ntdll.NtCreateFile(name, access | bits.SYNCHRONIZE, directory=holder, options=AS_IT_IS,
                                               share=share, attributes=NO_LINKS)
        except ApiError as error:
            raise self.refused(error, path, root=root) from None

    def refused(self, error: ApiError, path: str, *, root: bool = False) -> StoreError:
        """The store's word for an error of Windows."""
        code = self.api.ntdll.RtlNtStatusToDosError(error.code) if isinstance(error, StatusError) else error.code
        return refused(error, path, code, root=root)

    def make(self, path: str, *, directory: bool, descriptor: SecurityDescriptor) -> Identity:
        above, name = self._way(path)
        if not name:
            _close(above)
            raise StoreError(f"{path} is there", why=EXISTS, path=path)
        kind = constants.FILE_DIRECTORY_FILE if directory else constants.FILE_NON_DIRECTORY_FILE
        try:
            with self.api.ntdll.NtCreateFile(
                    name, bits.FILE_READ_ATTRIBUTES | bits.SYNCHRONIZE, directory=above[-1],
                    disposition=constants.FILE_CREATE, options=AS_IT_IS | kind, share=STAYING, attributes=NO_LINKS,
                    file_attributes=constants.FILE_ATTRIBUTE_NORMAL, security=descriptor.to_bytes()) as made:
                return traits_of(self.api, made, path).identity
        except ApiError as error:
            raise self.refused(error, path) from None
        finally:
            _close(above)

    def remove(self, path: str, identity: Identity) -> bool:
        try:
            above, name = self._way(path)
        except StoreError as error:
            if error.why in (MISSING, LINK):
                return False
            raise
        try:
            with self.below(above[-1], name, bits.DELETE | bits.FILE_READ_ATTRIBUTES, STAYING, path) as handle:
                traits = traits_of(self.api, handle, path)
                if traits.identity != identity or traits.leads:
                    return False
                if not traits.directory and self._size(handle):
                    raise StoreError(f"{path} is not empty", why=FULL, path=path)
                self.api.kernel32.SetFileInformationByHandle(handle, FILE_DISPOSITION_INFO(1))
                return True
        except ApiError as error:
            raise self.refused(error, path) from None
        except StoreError as error:
            if error.why == MISSING:
                return False
            raise
        finally:
            _close(above)

    def rename(self, path: str, name: str) -> None:
        """Gives what is at a path (a link itself) another name in its directory.  Raises StoreError.

        The directory is not empty and is held with all above it, so the path that it has by then is its own.
        """
        above, last = self._way(path)
        try:
            with self.below(above[-1], last, bits.DELETE | bits.FILE_READ_ATTRIBUTES, STAYING, path) as entry:
                holder = self.api.kernel32.GetFinalPathNameByHandleW(above[-1]).rstrip("\\")
                self.api.kernel32.RenameByHandle(entry, f"{holder}\\{name}")
        except ApiError as error:
            raise self.refused(error, path) from None
        finally:
            _close(above)

    def _size(self, handle: Handle) -> int:
        return int(self.api.kernel32.GetFileInformationByHandleEx(handle, FILE_STANDARD_INFO).EndOfFile)

    def _way(self, path: str) -> tuple[list[Handle], str]:
        """The directories down to the one that holds the last name, each held; and that name ('' for a root).

        Raises StoreError ``link`` for a reparse point among them.
        """
        root, names = split(path)
        above: list[Handle] = []
        here = root
        try:
            above.append(self._root(root))
            for name in names[:-1]:
                here = f"{here.rstrip(chr(92))}\\{name}"
                above.append(self._held(above[-1], name, here))
                traits = traits_of(self.api, above[-1], here)
                if traits.leads:
                    raise StoreError(f"{here} is a reparse point ({traits.reparse}) on the way to {path}", why=LINK,
                                     path=path, hint="name the place that it leads to")
        except BaseException:
            _close(above)
            raise
        return above, names[-1] if names else ""

    def _root(self, path: str) -> Handle:
        for access in (bits.FILE_TRAVERSE | bits.FILE_READ_ATTRIBUTES, bits.FILE_READ_ATTRIBUTES):
            try:
                return self.api.kernel32.CreateFileW(verbatim(path), access, constants.OPEN_EXISTING, share=STAYING,
                                                     flags=ITSELF)
            except ApiError as error:
                if error.code != _ACCESS_DENIED or access == bits.FILE_READ_ATTRIBUTES:
                    raise self.refused(error, path, root=True) from None
        raise AssertionError("one of the two ends it")

    def _held(self, holder: Handle, name: str, path: str) -> Handle:
        """A directory, open so that it stays where it is; only looked at where its list refuses traversal."""
        try:
            return self.below(holder, name, bits.FILE_TRAVERSE | bits.FILE_READ_ATTRIBUTES, STAYING, path)
        except StoreError as error:
            if error.why != DENIED:
                raise
        return self.below(holder, name, bits.FILE_READ_ATTRIBUTES, STAYING, path)


class Win32Object:
    """See ``store.SecurityObject``."""

    def __init__(self, store: Win32Store, path: str, handle: Handle, above: list[Handle], change: bool) -> None:
        self._store = store
        self._path = path
        self._handle = handle
        self._above = above
        self._change = change
        self._listed: Handle | None = None
        self._closed = False
        self.traits = traits_of(store.api, handle, path)

    @property
    def path(self) -> str:
        return self._path

    def descriptor(self) -> SecurityDescriptor:
        try:
            return SecurityDescriptor.from_bytes(
                self._store.api.advapi32.GetKernelObjectSecurity(self._handle, PARTS))
        except ApiError as error:
            raise self._store.refused(error, self._path) from None
        except NtError as error:
            raise StoreError(f"the descriptor of {self._path} does not read: {error.message}", path=self._path,
                             hint=error.hint) from None

    def write_dacl(self, descriptor: SecurityDescriptor) -> None:
        control = descriptor.control & (SE_DACL_PRESENT | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED)
        if control & SE_DACL_AUTO_INHERITED:
            # Without the request the system forgets that the list was inherited automatically.
            control |= SE_DACL_AUTO_INHERIT_REQ
        packet = SecurityDescriptor(dacl=descriptor.dacl, control=control).to_bytes()
        try:
            self._store.api.advapi32.SetKernelObjectSecurity(self._handle, security.DACL_SECURITY_INFORMATION, packet)
        except ApiError as error:
            raise self._store.refused(error, self._path) from None

    def write_owner(self, owner: Sid) -> None:
        access = bits.WRITE_OWNER | bits.FILE_READ_ATTRIBUTES
        with self._store.below(self._handle, "", access, STAYING, self._path) as handle:
            try:
                self._store.api.advapi32.SetKernelObjectSecurity(
                    handle, security.OWNER_SECURITY_INFORMATION, SecurityDescriptor(owner=owner).to_bytes())
            except ApiError as error:
                raise self._store.refused(error, self._path) from None

    def names(self) -> tuple[str, ...]:
        return tuple([entry.name for entry in self._entries()])

    def directories(self) -> tuple[str, ...]:
        """The names in a directory of directories that are nothing but that: no reparse point of any kind."""
        kind = constants.FILE_ATTRIBUTE_DIRECTORY | constants.FILE_ATTRIBUTE_REPARSE_POINT
        return tuple([entry.name for entry in self._entries()
                      if entry.attributes & kind == constants.FILE_ATTRIBUTE_DIRECTORY])

    def _entries(self) -> tuple[DirectoryEntry, ...]:
        if self._listed is None:
            # Held until this is closed, so that it stays where its path says.
            access = bits.FILE_LIST_DIRECTORY | bits.FILE_READ_ATTRIBUTES
            self._listed = self._store.below(self._handle, "", access, STAYING, self._path)
        try:
            return self._store.api.kernel32.DirectoryEntries(self._listed)
        except ApiError as error:
            raise self._store.refused(error, self._path) from None

    def child(self, name: str, *, change: bool) -> Win32Object:
        if self._listed is None:
            self._entries()
        assert self._listed is not None
        return self._store.opened(f"{self._path.rstrip(chr(92))}\\{name}", self._listed, name, change, [])

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            _close([*self._above, *([self._listed] if self._listed is not None else []), self._handle])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def traits_of(api: Api, handle: Handle, path: str) -> Traits:
    """What an open object is.  Raises StoreError."""
    try:
        which = api.kernel32.GetFileInformationByHandleEx(handle, FILE_ID_INFO)
        kind = api.kernel32.GetFileInformationByHandleEx(handle, FILE_STANDARD_INFO)
        attributes = api.kernel32.GetFileInformationByHandleEx(handle, FILE_ATTRIBUTE_TAG_INFO)
    except ApiError as error:
        raise refused(error, path, error.code) from None
    reparse = ""
    if attributes.FileAttributes & constants.FILE_ATTRIBUTE_REPARSE_POINT:
        # The cloud's sixteen tags differ in one digit.
        tag = attributes.ReparseTag
        reparse = CLOUD if tag & 0xFFFF0FFF == 0x9000001A else _TAGS.get(tag, OTHER_REPARSE)
    return Traits(
        identity=Identity(volume=f"{which.VolumeSerialNumber:x}", file=bytes(which.FileId.Identifier).hex()),
        directory=bool(kind.Directory), links=int(kind.NumberOfLinks), reparse=reparse)


def refused(error: ApiError, path: str, code: int, *, root: bool = False) -> StoreError:
    """The store's word for an error of Windows, whose Win32 number is ``code``."""
    why = _WHY.get(code, OTHER)
    return StoreError(error.message, why=VOLUME if root and why == MISSING else why, path=path, hint=error.hint)


def split(path: str) -> tuple[str, tuple[str, ...]]:
    """A volume's root and the names below it.  Raises StoreError for a path that is not absolute."""
    if path[:2] == "\\\\":
        server, _, rest = path[2:].partition("\\")
        share, _, rest = rest.partition("\\")
        root = f"\\\\{server}\\{share}\\"
    else:
        root, rest = path[:3], path[3:]
        if root[1:] != ":\\":
            raise StoreError(f"{path!r} is not an absolute path", why=MISSING, path=path)
    return root, tuple([name for name in rest.split("\\") if name])


def verbatim(path: str) -> str:
    """A path that Windows takes as it is: of any length, no name in it changed."""
    return "\\\\?\\UNC" + path[1:] if path[:2] == "\\\\" else "\\\\?\\" + path


def _close(handles: list[Handle]) -> None:
    for handle in reversed(handles):
        handle.close()


__all__ = ["Win32Object", "Win32Store", "traits_of"]
