"""What reparse points say, on any system: the parser, and a walk over a tree with links in it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.platforms.windows.constants_files import (
    IO_REPARSE_TAG_APPEXECLINK,
    IO_REPARSE_TAG_MOUNT_POINT,
    IO_REPARSE_TAG_SYMLINK,
)
from sidewall.platforms.windows.links import UnknownLink, target
from sidewall.platforms.windows.places import DIRECTORY, LINK, REGULAR, mode, plain


def symlink(text: str, *, relative: bool = False) -> bytes:
    """REPARSE_DATA_BUFFER of a symbolic link, the print name before the other one as Windows writes it."""
    name, shown = text.encode("utf-16-le", "surrogatepass"), "shown".encode("utf-16-le")
    body = struct.pack("<HHHHI", len(shown), len(name), 0, len(shown), int(relative)) + shown + name
    return struct.pack("<IHH", IO_REPARSE_TAG_SYMLINK, len(body), 0) + body


def junction(text: str) -> bytes:
    name = text.encode("utf-16-le")
    body = struct.pack("<HHHH", 0, len(name), len(name) + 2, 0) + name + b"\0\0\0\0"
    return struct.pack("<IHH", IO_REPARSE_TAG_MOUNT_POINT, len(body), 0) + body


@pytest.mark.parametrize(("data", "leads"), [
    (symlink("\\??\\C:\\Users\\me"), ("C:\\Users\\me", False)),
    (symlink("..\\other\\file", relative=True), ("..\\other\\file", True)),
    (symlink("\\??\\UNC\\server\\share\\dir"), ("\\\\server\\share\\dir", False)),
    (symlink("\\??\\unc\\server\\share"), ("\\\\server\\share", False)),
    (junction("\\??\\D:\\한글 😀\\"), ("D:\\한글 😀\\", False)),
    (junction("\\??\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\x"),
     ("\\\\?\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\x", False)),
])
def test_targets(data: bytes, leads: tuple[str, bool]) -> None:
    assert target(data) == leads


@pytest.mark.parametrize("data", [
    symlink("\\??\\PIPE\\name"), symlink("\\Device\\HarddiskVolume1\\x"), symlink("C:\\without prefix"),
    symlink("\\??\\C:\\a\0b"), junction("\\??\\GLOBALROOT\\Device\\x"), junction(""),
    struct.pack("<IHH", IO_REPARSE_TAG_APPEXECLINK, 4, 0) + b"\3\0\0\0", b"", symlink("\\??\\C:\\x")[:24],
])
def test_what_leads_nowhere_that_can_be_told(data: bytes) -> None:
    with pytest.raises(UnknownLink):
        target(data)


@given(st.binary(max_size=64), st.sampled_from([IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_MOUNT_POINT, 0x9000001A]))
def test_damaged_data_are_refused_or_read(tail: bytes, tag: int) -> None:
    data = struct.pack("<IHH", tag, len(tail), 0) + tail
    try:
        text, _relative = target(data)
    except UnknownLink:
        return
    assert text and "\0" not in text


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30), st.booleans())
def test_read_back(text: str, relative: bool) -> None:
    data = symlink(text if relative else f"\\??\\C:\\{text}", relative=relative)
    assert target(data) == ((text, True) if relative else (f"C:\\{text}", False))


@pytest.mark.parametrize(("final", "shown"), [
    ("\\\\?\\C:\\x", "C:\\x"), ("\\\\?\\UNC\\server\\share\\x", "\\\\server\\share\\x"), ("C:\\x", "C:\\x"),
    ("\\\\?\\Volume{1}\\x", "\\\\?\\Volume{1}\\x"),
])
def test_final_paths(final: str, shown: str) -> None:
    assert plain(final) == shown


@pytest.mark.parametrize(("attributes", "tag", "kind"), [
    (0x10, 0, DIRECTORY), (0x410, IO_REPARSE_TAG_MOUNT_POINT, LINK), (0x420, IO_REPARSE_TAG_SYMLINK, LINK),
    (0x20, 0, REGULAR), (0x1, 0, REGULAR & ~0o222), (0x420, 0x9000001A, REGULAR), (0x410, 0x9000001A, DIRECTORY),
    (0x420, 0xA000001D, LINK),
])
def test_kinds(attributes: int, tag: int, kind: int) -> None:
    assert mode(attributes, tag) == kind
