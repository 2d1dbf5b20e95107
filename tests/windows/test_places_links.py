"""The walk of ``WindowsPlace`` over trees with links in them, on any system, on a file system in memory.

Wine has no reparse points, so what is here runs on genuine Windows by these calls only; the file system in memory opens
by one name below an open directory and never follows a link, as NtCreateFile with OBJ_DONT_REPARSE does.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_files import BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_TAG_INFO
from sidewall.platforms.windows.places import LINK, WindowsPlace
from sidewall.platforms.windows.prototypes import STATUS

from .test_links import junction, symlink

NOT_FOUND, IS_A_LINK = 0xC0000034, 0xC000050B


class Node:
    """A directory (``children``), a link (``data``), or a file."""

    def __init__(self, path: str, data: bytes | None = None, *, directory: bool = False) -> None:
        self.path = path
        self.data = data
        self.children: dict[str, Node] | None = {} if directory else None

    @property
    def tag(self) -> int:
        return int.from_bytes(self.data[:4], "little") if self.data else 0


class Tree:
    """Volumes by their root in the kernel's words; ``opened`` notes every root that was opened."""

    def __init__(self) -> None:
        self.roots = {"\\??\\C:\\": Node("C:\\", directory=True), "\\??\\UNC\\server\\share\\":
                      Node("\\\\server\\share\\", directory=True)}
        self.opened: list[str] = []
        self._open: dict[int, Node] = {}
        self.ntdll = SimpleNamespace(NtCreateFile=self.open, RtlNtStatusToDosError=lambda code: 2)
        self.kernel32 = SimpleNamespace(
            GetFinalPathNameByHandleW=lambda file: self.final(self.node(file).path),
            GetFileInformationByHandle=self.information, GetFileInformationByHandleEx=self.tag,
            GetReparsePoint=lambda file: self.node(file).data)

    def final(self, path: str) -> str:
        return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"

    def add(self, path: str, data: bytes | None = None) -> None:
        """A file, or with ``data`` a link, and the directories above it."""
        node = self.roots["\\??\\C:\\"]
        *above, name = path.removeprefix("C:\\").split("\\")
        for each in above:
            assert node.children is not None
            node = node.children.setdefault(each.upper(), Node(f"{node.path.rstrip(chr(92))}\\{each}", directory=True))
        assert node.children is not None
        node.children[name.upper()] = Node(f"{node.path.rstrip(chr(92))}\\{name}", data)

    def node(self, file: Handle) -> Node:
        return self._open[file.value]

    def open(self, name: str, access: int, *, directory: Handle | None = None, options: int = 0, attributes: int = 0,
             **_: Any) -> Handle:
        if directory is None:
            self.opened.append(name)
            found = self.roots.get(name)
        else:
            assert attributes & constants.OBJ_DONT_REPARSE and options & constants.FILE_OPEN_REPARSE_POINT
            assert name and "\\" not in name
            holder = self.node(directory)
            if holder.data is not None:
                raise failure("NtCreateFile", STATUS, IS_A_LINK)
            assert holder.children is not None
            found = holder.children.get(name.upper())
        if found is None:
            raise failure("NtCreateFile", STATUS, NOT_FOUND)
        number = len(self._open) + 1
        self._open[number] = found
        return Handle(number, lambda value: None, found.path)

    def information(self, file: Handle) -> BY_HANDLE_FILE_INFORMATION:
        node = self.node(file)
        kind = constants.FILE_ATTRIBUTE_DIRECTORY if node.children is not None else constants.FILE_ATTRIBUTE_NORMAL
        return BY_HANDLE_FILE_INFORMATION(kind | (constants.FILE_ATTRIBUTE_REPARSE_POINT if node.data else 0))

    def tag(self, file: Handle, kind: type[Any]) -> FILE_ATTRIBUTE_TAG_INFO:
        return FILE_ATTRIBUTE_TAG_INFO(0, self.node(file).tag)


class Denied(Exception):
    """What the policy says to ``secret``, and to other machines."""


def walk(tree: Tree, path: str, *, follow: bool = True) -> tuple[str, tuple[str, ...], list[tuple[str, str]]]:
    """Real path, what is missing, what was asked on the way."""
    asked: list[tuple[str, str]] = []

    def ask(action: str, real: str) -> None:
        asked.append((action, real))
        if "secret" in real or real.startswith("\\\\"):
            raise Denied(real)

    with WindowsPlace(tree, path, ask, follow=follow) as place:  # type: ignore[arg-type]
        return place.path, place.missing, asked


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.add("C:\\work\\dir\\File.txt")
    made.add("C:\\outside\\secret\\key")
    made.add("C:\\outside\\plain")
    made.add("C:\\work\\away", junction("\\??\\C:\\outside"))
    made.add("C:\\work\\up", symlink("..\\outside\\secret\\key", relative=True))
    made.add("C:\\work\\chain", symlink("away\\secret", relative=True))
    made.add("C:\\work\\net", symlink("\\??\\UNC\\server\\share\\dir"))
    made.add("C:\\work\\loop", symlink("loop", relative=True))
    made.add("C:\\work\\pipe", symlink("\\??\\PIPE\\lsass"))
    made.add("C:\\work\\stream", symlink("dir\\File.txt:hidden", relative=True))
    made.add("C:\\work\\dangling", symlink("not\\there", relative=True))
    made.add("C:\\outside\\secret\\inner", symlink("C:\\work", relative=True))
    return made


@pytest.mark.parametrize(("asked_for", "real"), [
    ("c:\\WORK\\DIR\\file.TXT", "C:\\work\\dir\\File.txt"),
    ("C:\\work\\away\\plain", "C:\\outside\\plain"),
    ("C:\\work\\up", "C:\\outside\\secret\\key"),
    ("C:\\work\\chain\\key", "C:\\outside\\secret\\key"),
    ("C:\\work\\away\\secret\\none", "C:\\outside\\secret\\none"),
    ("C:\\work\\dangling", "C:\\work\\not\\there"),
    ("C:\\work\\dangling\\more", "C:\\work\\not\\there\\more"),
])
def test_the_real_path_is_what_links_lead_to(tree: Tree, asked_for: str, real: str) -> None:
    assert walk(tree, asked_for)[0] == real


def test_each_link_on_the_way_is_asked_about(tree: Tree) -> None:
    assert walk(tree, "C:\\work\\chain\\key")[2] == [("read", "C:\\work\\chain"), ("read", "C:\\work\\away")]
    with pytest.raises(Denied):
        walk(tree, "C:\\outside\\secret\\inner\\x")


def test_a_link_itself(tree: Tree) -> None:
    assert walk(tree, "C:\\work\\up", follow=False)[0] == "C:\\work\\up"
    with WindowsPlace(tree, "C:\\work\\up", lambda *_: None, follow=False) as place:  # type: ignore[arg-type]
        assert place.status is not None and place.status.st_mode == LINK


@pytest.mark.parametrize("path", ["C:\\work\\net\\x", "C:\\work\\net", "\\\\server\\share\\x"])
def test_a_server_hears_nothing_before_the_policy_is_asked(tree: Tree, path: str) -> None:
    with pytest.raises(Denied):
        walk(tree, path)
    assert tree.opened in ([], ["\\??\\C:\\"])


@pytest.mark.parametrize("path", ["C:\\work\\loop", "C:\\work\\pipe", "C:\\work\\stream", "C:\\work\\dir\\File.txt\\x",
                                  "C:\\work\\dir:$I30\\x", "\\\\.\\pipe\\x", "\\\\?\\GLOBALROOT\\Device\\x", "work\\x"])
def test_what_is_not_walked(tree: Tree, path: str) -> None:
    with pytest.raises(OSError):
        walk(tree, path)
    assert set(tree.opened) <= {"\\??\\C:\\"}


def test_a_file_that_lies_in_a_cloud_is_a_file() -> None:
    made = Tree()
    cloud = (0x9000001A).to_bytes(4, "little") + bytes(4)
    made.add("C:\\one drive\\file", cloud)
    assert walk(made, "C:\\one drive\\file")[0] == "C:\\one drive\\file"
