"""The edits of access lists that a plan collects: one a path, with the ACEs that grant, deny and hold.

Knows: file rights, inheritance flags, whom a tier's edits name.  Must not know: which paths a policy means, an API.
Follows MS-DTYP 2.4.4 and Win32's "File Security and Access Rights".

* A grant is Modify, never Full Control: FILE_DELETE_CHILD on a directory voids every deny below it.
* Denies are explicit and stand where the held thing is: an explicit allow on a child beats what it inherits.
* In the ``account`` tier a grant names the group (the account's half of the check) and the capability (the restricted
  half), so does a deny; the user keeps Full Control, inheritably, of what the account makes, and OWNER RIGHTS takes
  from the account what an owner may do by himself: change the descriptor.  In the token tiers only the capability is
  named.  The user is not a restricting SID, so as owner nothing is gained; and an ACE with Full Control for the user
  would hand FILE_DELETE_CHILD to the command, which runs as the user.
"""

from __future__ import annotations

from sidewall.nt import mask
from sidewall.nt.ace import (
    ACCESS_ALLOWED,
    ACCESS_DENIED,
    CONTAINER_INHERIT,
    INHERIT_ONLY,
    OBJECT_INHERIT,
    Ace,
)
from sidewall.nt.wellknown import OWNER_RIGHTS
from sidewall.plan.windows_steps import DENY_READ, GRANT, PASSAGE, PIN, PROTECT, READ, SELF, TREE, AclEdit
from sidewall.policy import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid

BOTH = OBJECT_INHERIT | CONTAINER_INHERIT
MODIFY = mask.FILE_MODIFY
READING = mask.FILE_READ_AND_EXECUTE
PASSING = mask.FILE_TRAVERSE | mask.FILE_READ_ATTRIBUTES | mask.SYNCHRONIZE
"""To go through a directory and to look at itself, not at what is in it."""
WRITING = (
    mask.FILE_WRITE_DATA | mask.FILE_APPEND_DATA | mask.FILE_WRITE_EA | mask.FILE_WRITE_ATTRIBUTES
    | mask.FILE_DELETE_CHILD | mask.DELETE | mask.WRITE_DAC | mask.WRITE_OWNER
)
"""All that changes; without READ_CONTROL and SYNCHRONIZE, which FILE_GENERIC_WRITE holds and reading needs too."""
STAYING = mask.DELETE | mask.FILE_WRITE_ATTRIBUTES | mask.FILE_WRITE_EA
"""What a directory loses that is not to be moved, nor made into a link or into one that tells cases apart."""
FILLING = MODIFY & ~STAYING
"""Modify of a directory that must itself stay where it is."""


_MANY = 8192
_keys: dict[str, tuple[str, ...]] = {}
"""Keys of paths that were asked for: a plan asks for the same few hundred thousands of times."""


def key(path: str) -> tuple[str, ...]:
    """A path in the form in which equal places are equal.  Raises PolicyError for one that cannot be read."""
    found = _keys.get(path)
    if found is None:
        if len(_keys) >= _MANY:
            _keys.clear()
        found = _keys[path] = paths.key(path, paths.WINDOWS, wide=True)
    return found


class Edits:
    """Collects ACEs by path.  ``trustees`` are whom grants and denies name; ``user``: who keeps Full Control of what is
    granted to another account (None in the token tiers)."""

    def __init__(self, trustees: tuple[Sid, ...], user: Sid | None = None) -> None:
        self.trustees = trustees
        self.user = user
        self._made: dict[tuple[str, ...], _Edit] = {}

    def grant(self, path: str, directory: bool) -> None:
        """Modify, and for a directory on all below; the directory itself stays where it is."""
        edit = self._at(path, directory, GRANT)
        flags = BOTH if directory else 0
        for sid in self.trustees:
            edit.add(ACCESS_ALLOWED, sid, MODIFY, flags)
        if self.user is not None:
            edit.add(ACCESS_ALLOWED, self.user, mask.FILE_ALL_ACCESS, flags)
            edit.add(ACCESS_ALLOWED, OWNER_RIGHTS, mask.READ_CONTROL, flags)
        edit.tree = edit.tree or directory
        if directory:
            self.pin(path)

    def fill(self, path: str) -> None:
        """New files and directories may be made in this directory and are Modify; what is there already stays."""
        edit = self._at(path, True, GRANT)
        for sid in self.trustees:
            edit.add(ACCESS_ALLOWED, sid, FILLING, 0)
            edit.add(ACCESS_ALLOWED, sid, MODIFY, BOTH | INHERIT_ONLY)
        if self.user is not None:
            edit.add(ACCESS_ALLOWED, self.user, mask.FILE_ALL_ACCESS, BOTH | INHERIT_ONLY)
            edit.add(ACCESS_ALLOWED, OWNER_RIGHTS, mask.READ_CONTROL, BOTH | INHERIT_ONLY)

    def read(self, path: str, directory: bool) -> None:
        """Reading and starting, on all below."""
        edit = self._at(path, directory, READ)
        for sid in self.trustees:
            edit.add(ACCESS_ALLOWED, sid, READING, BOTH if directory else 0)
        edit.tree = edit.tree or directory

    def passage(self, path: str) -> None:
        """Going through a directory and looking at itself; nothing is inherited."""
        edit = self._at(path, True, PASSAGE)
        for sid in self.trustees:
            edit.add(ACCESS_ALLOWED, sid, PASSING, 0)

    def protect(self, path: str, directory: bool) -> None:
        """Nothing of it may change, nor of what lies below."""
        edit = self._at(path, directory, PROTECT)
        for sid in self.trustees:
            edit.add(ACCESS_DENIED, sid, WRITING, BOTH if directory else 0)
        edit.tree = edit.tree or directory

    def pin(self, path: str, directory: bool = True) -> None:
        """It can neither be renamed nor deleted; what lies below is as it was."""
        edit = self._at(path, directory, PIN)
        for sid in self.trustees:
            edit.add(ACCESS_DENIED, sid, mask.DELETE, 0)

    def fix(self, path: str) -> None:
        """A directory that stays where and what it is, while what is in it may change."""
        edit = self._at(path, True, PIN)
        for sid in self.trustees:
            edit.add(ACCESS_DENIED, sid, STAYING, 0)

    def deny(self, path: str, directory: bool) -> None:
        """Nothing at all, on all below."""
        edit = self._at(path, directory, DENY_READ)
        for sid in self.trustees:
            edit.add(ACCESS_DENIED, sid, mask.FILE_ALL_ACCESS, BOTH if directory else 0)
        edit.tree = edit.tree or directory

    def has(self, path: str, *purposes: str) -> bool:
        """Whether the path has an edit for one of these purposes."""
        edit = self._made.get(key(path))
        return edit is not None and any(purpose in edit.purposes for purpose in purposes)

    def steps(self) -> tuple[AclEdit, ...]:
        """The edits: what only denies comes first, so that a grant never reaches a place before its deny; then from the
        top down."""
        order = sorted(self._made.items(), key=lambda item: (item[1].allows, item[0]))
        return tuple([edit.step() for _, edit in order])

    def _at(self, path: str, directory: bool, purpose: str) -> _Edit:
        edit = self._made.setdefault(key(path), _Edit(path, directory))
        if purpose not in edit.purposes:
            edit.purposes.append(purpose)
        return edit


class _Edit:
    """One path's ACEs while they are collected."""

    def __init__(self, path: str, directory: bool) -> None:
        self.path = path
        self.directory = directory
        self.purposes: list[str] = []
        self.tree = False
        self._masks: dict[tuple[int, Sid, int], int] = {}

    def add(self, kind: int, sid: Sid, rights: int, flags: int) -> None:
        """One more ACE, or more bits of one that is there."""
        place = (kind, sid, flags)
        self._masks[place] = self._masks.get(place, 0) | rights

    @property
    def allows(self) -> bool:
        """Whether the edit grants anything."""
        return any(kind == ACCESS_ALLOWED for kind, _, _ in self._masks)

    def step(self) -> AclEdit:
        """The edit as a step: denies before allows, of each the order in which they were asked for."""
        aces = [Ace(type=kind, flags=flags, mask=rights, sid=sid) for (kind, sid, flags), rights in self._masks.items()]
        aces.sort(key=lambda one: one.type != ACCESS_DENIED)
        return AclEdit(path=self.path, purposes=tuple(self.purposes), aces=tuple(aces),
                       reach=TREE if self.tree else SELF, directory=self.directory)
