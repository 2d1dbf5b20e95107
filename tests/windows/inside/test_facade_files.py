"""kernel32's files and ntdll on a real Windows, or on Wine: each call's effect is read back by another way.

Knows: which effects Wine has.  Must not know: plans.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.nt.mask import (
    DELETE,
    FILE_GENERIC_READ,
    FILE_TRAVERSE,
    GENERIC_READ,
    GENERIC_WRITE,
    SYNCHRONIZE,
)
from sidewall.platforms.windows import api
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import layouts_files as layouts
from sidewall.platforms.windows.errors import CallError, StatusError, Win32Error

KERNEL, NT = api.native().kernel32, api.native().ntdll
NAMES = ["plain.txt", "with space & 'quote'.txt", "한글 파일.txt", "emoji 😀.txt", "e\u0301 (decomposed).txt"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_made_written_renamed_and_removed(tmp_path: Path, name: str) -> None:
    path, other = str(tmp_path / name), str(tmp_path / ("new " + name))
    access = GENERIC_READ | GENERIC_WRITE | DELETE
    with KERNEL.CreateFileW(path, access, constants.CREATE_NEW) as file:
        assert KERNEL.WriteFile(file, b"hello") == 5
        KERNEL.FlushFileBuffers(file)
        assert KERNEL.GetFileInformationByHandleEx(file, layouts.FILE_STANDARD_INFO).EndOfFile == 5
        number = KERNEL.GetFileInformationByHandleEx(file, layouts.FILE_ID_INFO)
        assert int.from_bytes(bytes(number.FileId.Identifier), "little") & (2**64 - 1) == os.stat(path).st_ino
        assert KERNEL.GetFileInformationByHandle(file).nNumberOfLinks == 1
        assert KERNEL.GetFinalPathNameByHandleW(file).lower().endswith(name.lower())
        assert KERNEL.GetFileType(file) == constants.FILE_TYPE_DISK
        assert not KERNEL.GetFileInformationByHandleEx(file, layouts.FILE_ATTRIBUTE_TAG_INFO).ReparseTag
        assert name in NT.ObjectName(file)
        KERNEL.RenameByHandle(file, other)
        assert os.listdir(tmp_path) == ["new " + name]
        KERNEL.SetFileInformationByHandle(file, layouts.FILE_DISPOSITION_INFO(1))
    assert os.listdir(tmp_path) == []


def test_what_is_read_is_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with KERNEL.CreateFileW(str(path), GENERIC_READ, constants.OPEN_EXISTING) as file:
        assert [KERNEL.ReadFile(file, 7) for _ in range(3)] == [b"0123456", b"789", b""]


def test_errors_name_the_path_and_the_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "한글 😀")
    with pytest.raises(Win32Error, match="CreateFileW failed: ERROR_FILE_NOT_FOUND") as caught:
        KERNEL.CreateFileW(missing, GENERIC_READ, constants.OPEN_EXISTING)
    assert missing in str(caught.value)
    with pytest.raises(Win32Error, match="ERROR_FILE_NOT_FOUND"):
        KERNEL.GetFileAttributesW(missing)
    with pytest.raises(CallError):
        KERNEL.CreateFileW("C:\\windows\0.txt", GENERIC_READ, constants.OPEN_EXISTING)


def test_paths_of_three_hundred_characters(tmp_path: Path) -> None:
    deep = "\\\\?\\" + str(tmp_path)
    for part in ("a" * 100, "b" * 100, "c" * 100):
        deep += "\\" + part
        KERNEL.CreateDirectoryW(deep)
    with KERNEL.CreateFileW(deep + "\\f", GENERIC_WRITE, constants.CREATE_NEW) as file:
        # Not by GetFinalPathNameByHandle, which Wine gives up at 260 characters.
        assert NT.ObjectName(file).endswith(deep[len("\\\\?\\C:") :] + "\\f")
        assert KERNEL.WriteFile(file, b"deep") == 4
    assert KERNEL.GetFileAttributesW(deep + "\\f") != constants.FILE_ATTRIBUTE_DIRECTORY
    KERNEL.DeleteFileW(deep + "\\f")
    for _ in range(3):
        KERNEL.RemoveDirectoryW(deep)
        deep = deep.rpartition("\\")[0]
    assert os.listdir(tmp_path) == []


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with (KERNEL.CreateFileW(path, GENERIC_WRITE, constants.CREATE_NEW) as ours,
          KERNEL.CreateFileW(path, GENERIC_READ, constants.OPEN_EXISTING) as theirs):
        assert KERNEL.LockFileEx(ours)
        assert not KERNEL.LockFileEx(theirs, wait=False)
        KERNEL.UnlockFileEx(ours)
        assert KERNEL.LockFileEx(theirs, wait=False)
        KERNEL.UnlockFileEx(theirs)


def test_names_attributes_and_moves(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    (tmp_path / "first").write_bytes(b"1")
    (tmp_path / "second").write_bytes(b"2")
    with pytest.raises(Win32Error, match="ERROR_ALREADY_EXISTS"):
        KERNEL.MoveFileExW(first, second, 0)
    KERNEL.MoveFileExW(first, second, constants.MOVEFILE_REPLACE_EXISTING)
    assert (tmp_path / "second").read_bytes() == b"1"
    KERNEL.SetFileAttributesW(second, constants.FILE_ATTRIBUTE_READONLY)
    assert KERNEL.GetFileAttributesW(second) & constants.FILE_ATTRIBUTE_READONLY
    KERNEL.SetFileAttributesW(second, constants.FILE_ATTRIBUTE_NORMAL)
    assert KERNEL.GetLongPathNameW(second).endswith("second")
    with KERNEL.CreateFileW(second, GENERIC_READ, constants.OPEN_EXISTING) as file:
        with pytest.raises(Win32Error, match="ERROR_NOT_A_REPARSE_POINT"):
            KERNEL.GetReparsePoint(file)


def test_the_volume(tmp_path: Path) -> None:
    root = KERNEL.GetVolumePathNameW(str(tmp_path))
    assert KERNEL.GetDriveTypeW(root) == constants.DRIVE_FIXED
    flags = constants.FILE_FLAG_BACKUP_SEMANTICS
    with KERNEL.CreateFileW(str(tmp_path), GENERIC_READ, constants.OPEN_EXISTING, flags=flags) as directory:
        volume = KERNEL.GetVolumeInformationByHandleW(directory)
    assert volume.file_system
    assert volume.longest_name == 255
    assert volume.flags & constants.FILE_PERSISTENT_ACLS


def test_a_file_below_an_open_directory(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file 😀").write_bytes(b"x")
    backup = constants.FILE_FLAG_BACKUP_SEMANTICS
    with KERNEL.CreateFileW(str(tmp_path), GENERIC_READ, constants.OPEN_EXISTING, flags=backup) as top:
        options = constants.FILE_DIRECTORY_FILE | constants.FILE_SYNCHRONOUS_IO_NONALERT
        with NT.NtCreateFile("inner", FILE_TRAVERSE | SYNCHRONIZE, directory=top, options=options) as inner:
            plain = constants.FILE_NON_DIRECTORY_FILE | constants.FILE_SYNCHRONOUS_IO_NONALERT
            with NT.NtCreateFile("file 😀", FILE_GENERIC_READ, directory=inner, options=plain) as file:
                assert KERNEL.ReadFile(file, 10) == b"x"
            with pytest.raises(StatusError, match="STATUS_OBJECT_NAME_NOT_FOUND") as caught:
                NT.NtCreateFile("none", FILE_GENERIC_READ, directory=inner, options=plain)
            assert "inner\\none" in str(caught.value)


def test_where_windows_lies_and_which_it_is() -> None:
    assert Path(KERNEL.GetSystemDirectoryW(), "cmd.exe").exists()
    assert KERNEL.GetSystemDirectoryW().lower().startswith(KERNEL.GetWindowsDirectoryW().lower())
    assert NT.RtlGetVersion()[0] >= 10
    assert NT.RtlNtStatusToDosError(0xC0000022) == 5
