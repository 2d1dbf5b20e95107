"""The questions of ``store`` over SMB, and what an account tries: by smbprotocol, a client that is not ours.

Knows: SMB2 CREATE, QUERY_INFO and SET_INFO.  Must not know: plans.  ``C:\\`` is the share.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from smbprotocol import open as smb
from smbprotocol.connection import Connection, Dialects
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.file_info import (
    FileAttributes,
    FileDispositionInformation,
    FileInformationClass,
    FileInternalInformation,
    FileRenameInformation,
    FileStandardInformation,
    InfoType,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect
from tests.windows.samba.server import PASSWORD

from sidewall.nt import mask as bits
from sidewall.nt.descriptor import (
    SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SecurityDescriptor,
)
from sidewall.nt.sid import Sid
from sidewall.platforms.windows.store import (
    DENIED,
    EXISTS,
    FULL,
    MISSING,
    OTHER,
    Identity,
    StoreError,
    Traits,
)

OPEN, CREATE, OPEN_IF = 1, 2, 3
PARTS = 7
LOOKING = bits.READ_CONTROL | bits.FILE_READ_ATTRIBUTES
STATUSES = {0xC0000022: DENIED, 0xC0000034: MISSING, 0xC000003A: MISSING, 0xC0000035: EXISTS, 0xC0000101: FULL,
            0xC0000061: DENIED}


class Client:
    """One account's connection to the share."""

    def __init__(self, port: int, name: str) -> None:
        self._connection = Connection(uuid.uuid4(), "127.0.0.1", port)
        self._connection.connect(Dialects.SMB_3_1_1, timeout=20)
        self._session = Session(self._connection, name, PASSWORD, require_encryption=False, auth_protocol="ntlm")
        self._session.connect()
        self.tree = TreeConnect(self._session, "\\\\127.0.0.1\\disk")
        self.tree.connect()

    def close(self) -> None:
        self._connection.disconnect(True, timeout=20)

    def open(self, path: str, access: int, *, disposition: int = OPEN, options: int = 0x200000,
             descriptor: SecurityDescriptor | None = None) -> smb.Open:
        """CREATE, following nothing (FILE_OPEN_REPARSE_POINT).  Raises StoreError."""
        assert path.startswith("C:\\")
        handle = smb.Open(self.tree, path[3:])
        contexts = None
        if descriptor is not None:
            from smbprotocol.create_contexts import CreateContextName, SMB2CreateContextRequest

            context = SMB2CreateContextRequest()
            context["buffer_name"] = CreateContextName.SMB2_CREATE_SD_BUFFER
            context["buffer_data"] = descriptor.to_bytes()
            contexts = [context]
        try:
            handle.create(smb.ImpersonationLevel.Impersonation, access, FileAttributes.FILE_ATTRIBUTE_NORMAL, 7,
                          disposition, options, create_contexts=contexts)
        except SMBResponseException as error:
            raise refused(error, path) from None
        return handle

    def can(self, path: str, access: int) -> bool:
        """Whether the server opens the path for this access."""
        try:
            self.open(path, access).close(False)
        except StoreError as error:
            if error.why == DENIED:
                return False
            raise
        return True

    def try_(self, work: Callable[[], object]) -> bool:
        """Whether something is done, or denied."""
        try:
            work()
        except StoreError as error:
            if error.why == DENIED:
                return False
            raise
        return True

    def write(self, path: str, data: bytes) -> None:
        handle = self.open(path, bits.FILE_WRITE_DATA, options=0x40)
        handle.write(data, 0)
        handle.close(False)

    def read(self, path: str) -> bytes:
        handle = self.open(path, bits.FILE_READ_DATA, options=0x40)
        try:
            return bytes(handle.read(0, 100))
        except SMBResponseException as error:
            if error.status & 0xFFFFFFFF != 0xC0000011:  # STATUS_END_OF_FILE
                raise
            return b""
        finally:
            handle.close(False)

    def create(self, path: str, *, directory: bool = False) -> None:
        self.open(path, bits.FILE_READ_ATTRIBUTES, disposition=CREATE, options=0x1 if directory else 0x40).close(False)

    def delete(self, path: str) -> None:
        handle = self.open(path, bits.DELETE | bits.FILE_READ_ATTRIBUTES)
        info = FileDispositionInformation()
        info["delete_pending"] = True
        self.set(handle, path, info)
        handle.close(False)

    def rename(self, path: str, new: str) -> None:
        handle = self.open(path, bits.DELETE | bits.FILE_READ_ATTRIBUTES)
        info = FileRenameInformation()
        info["replace_if_exists"] = False
        info["file_name"] = new[3:]
        try:
            self.set(handle, path, info)
        finally:
            handle.close(False)

    def set(self, handle: smb.Open, path: str, info: Any) -> None:
        try:
            smb_set(handle, InfoType.SMB2_0_INFO_FILE, info.INFO_CLASS, 0, info.pack())
        except SMBResponseException as error:
            raise refused(error, path) from None


def refused(error: SMBResponseException, path: str) -> StoreError:
    return StoreError(f"{path}: {error}", why=STATUSES.get(error.status & 0xFFFFFFFF, OTHER), path=path)


def smb_set(handle: smb.Open, kind: int, information: int, additional: int, data: bytes) -> None:
    """SET_INFO."""
    request = smb.SMB2SetInfoRequest()
    request["info_type"] = kind
    request["file_info_class"] = information
    request["additional_information"] = additional
    request["file_id"] = handle.file_id
    request["buffer"] = data
    session = handle.tree_connect.session
    sent = handle.connection.send(request, session.session_id, handle.tree_connect.tree_connect_id)
    handle.connection.receive(sent)


def smb_query(handle: smb.Open, kind: int, information: int, additional: int) -> bytes:
    """QUERY_INFO."""
    request = smb.SMB2QueryInfoRequest()
    request["info_type"] = kind
    request["file_info_class"] = information
    request["output_buffer_length"] = 65536
    request["additional_information"] = additional
    request["file_id"] = handle.file_id
    session = handle.tree_connect.session
    sent = handle.connection.send(request, session.session_id, handle.tree_connect.tree_connect_id)
    response = smb.SMB2QueryInfoResponse()
    response.unpack(handle.connection.receive(sent)["data"].get_value())
    return bytes(response["buffer"].get_value())


class SmbStore:
    """``SecurityStore`` for one account; ``enter`` is called before each call."""

    def __init__(self, client: Client, enter: Callable[[str, str], object] | None = None) -> None:
        self.client = client
        self._enter = enter

    def enter(self, call: str, path: str) -> None:
        if self._enter is not None:
            self._enter(call, path)

    def open(self, path: str, *, change: bool) -> SmbObject:
        self.enter("open", path)
        return SmbObject(self, path, self.client.open(path, LOOKING | (bits.WRITE_DAC if change else 0)), change)

    def make(self, path: str, *, directory: bool, descriptor: SecurityDescriptor) -> Identity:
        self.enter("make", path)
        handle = self.client.open(path, LOOKING, disposition=CREATE, options=0x1 if directory else 0x40,
                                  descriptor=descriptor)
        with SmbObject(self, path, handle, False) as made:
            return made.traits.identity

    def remove(self, path: str, identity: Identity) -> bool:
        self.enter("remove", path)
        try:
            with self.open(path, change=False) as found:
                if found.traits.identity != identity:
                    return False
                if found.traits.directory and found.names():
                    raise StoreError(f"{path} is not empty", why=FULL, path=path)
            self.client.delete(path)
        except StoreError as error:
            if error.why == MISSING:
                return False
            raise
        return True


class SmbObject:
    """``SecurityObject``."""

    def __init__(self, store: SmbStore, path: str, handle: smb.Open, change: bool) -> None:
        self._store = store
        self._path = path
        self._handle = handle
        standard, internal = FileStandardInformation(), FileInternalInformation()
        standard.unpack(smb_query(handle, InfoType.SMB2_0_INFO_FILE, standard.INFO_CLASS, 0))
        internal.unpack(smb_query(handle, InfoType.SMB2_0_INFO_FILE, internal.INFO_CLASS, 0))
        self.traits = Traits(
            identity=Identity(volume="5a", file=f"{internal['index_number'].get_value():x}"),
            directory=bool(standard["directory"].get_value()), links=int(standard["number_of_links"].get_value()))

    @property
    def path(self) -> str:
        return self._path

    def descriptor(self) -> SecurityDescriptor:
        self._store.enter("descriptor", self._path)
        try:
            return SecurityDescriptor.from_bytes(smb_query(self._handle, InfoType.SMB2_0_INFO_SECURITY, 0, PARTS))
        except SMBResponseException as error:
            raise refused(error, self._path) from None

    def write_dacl(self, descriptor: SecurityDescriptor) -> None:
        self._store.enter("write", self._path)
        control = descriptor.control & (SE_DACL_PRESENT | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED)
        if control & SE_DACL_AUTO_INHERITED:
            control |= SE_DACL_AUTO_INHERIT_REQ
        packet = SecurityDescriptor(dacl=descriptor.dacl, control=control).to_bytes()
        try:
            smb_set(self._handle, InfoType.SMB2_0_INFO_SECURITY, 0, 4, packet)
        except SMBResponseException as error:
            raise refused(error, self._path) from None

    def write_owner(self, owner: Sid) -> None:
        self._store.enter("own", self._path)
        handle = self._store.client.open(self._path, bits.WRITE_OWNER)
        try:
            smb_set(handle, InfoType.SMB2_0_INFO_SECURITY, 0, 1, SecurityDescriptor(owner=owner).to_bytes())
        except SMBResponseException as error:
            raise refused(error, self._path) from None
        finally:
            handle.close(False)

    def names(self) -> tuple[str, ...]:
        self._store.enter("names", self._path)
        handle = self._store.client.open(self._path, bits.FILE_LIST_DIRECTORY, options=0x1)
        try:
            found = handle.query_directory("*", FileInformationClass.FILE_NAMES_INFORMATION)
        except SMBResponseException as error:
            raise refused(error, self._path) from None
        finally:
            handle.close(False)
        names = [entry["file_name"].get_value().decode("utf-16-le") for entry in found]
        return tuple([name for name in names if name not in (".", "..")])

    def child(self, name: str, *, change: bool) -> SmbObject:
        return self._store.open(f"{self._path}\\{name}", change=change)

    def close(self) -> None:
        if self._handle.connected:
            self._handle.close(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
