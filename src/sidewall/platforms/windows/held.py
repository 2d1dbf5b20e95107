"""A directory that is held open, and files that are put into it whole.

Knows: that a directory which is open without FILE_SHARE_DELETE can be neither moved nor removed, and one with a file in
it not become a link.  Must not know: what the files say.
"""

from __future__ import annotations

from sidewall.nt.mask import DELETE, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_WRITE_DATA, SYNCHRONIZE
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.api import native
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.layouts_files import FILE_DISPOSITION_INFO

_SHARE = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE
_AS_IT_IS = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT


class Directory:
    """One by its real path.  Raises Win32Error when it cannot be opened."""

    def __init__(self, path: str) -> None:
        self._api = native()
        self._directory = self._api.kernel32.CreateFileW(path, FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
                                                         constants.OPEN_EXISTING, share=_SHARE, flags=_AS_IT_IS)

    def put(self, passing: str, name: str, data: bytes) -> None:
        """Writes a new file ``passing`` and makes it ``name``, whatever is there.  Raises ApiError."""
        kernel = self._api.kernel32
        options = (constants.FILE_NON_DIRECTORY_FILE | constants.FILE_OPEN_REPARSE_POINT
                   | constants.FILE_SYNCHRONOUS_IO_NONALERT)
        with self._api.ntdll.NtCreateFile(passing, FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | DELETE | SYNCHRONIZE,
                                          directory=self._directory, disposition=constants.FILE_CREATE,
                                          options=options) as file:
            try:
                while data:
                    data = data[kernel.WriteFile(file, data):]
                where = kernel.GetFinalPathNameByHandleW(self._directory).rstrip("\\")
                kernel.RenameByHandle(file, f"{where}\\{name}", replace=True)
            except ApiError:
                kernel.SetFileInformationByHandle(file, FILE_DISPOSITION_INFO(True))
                raise

    def close(self) -> None:
        """Lets go of it."""
        self._directory.close()


__all__ = ["Directory"]
