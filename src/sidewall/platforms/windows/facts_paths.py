"""Facts of paths: what is there, where it really lies, who may change its access list, what is special below it.

Knows: how a file is asked about by a handle that follows no link at its end.  Must not know: what a plan makes of it.
Bounded: a workspace is looked through so far and no further, and it is said when that was not all.
"""

from __future__ import annotations

import os

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import FILE_READ_DATA, READ_CONTROL, WRITE_DAC
from sidewall.nt.token import Group, Token
from sidewall.nt.wellknown import AUTHENTICATED_USERS, EVERYONE, INTERACTIVE, USERS
from sidewall.plan import facts as kinds
from sidewall.plan.facts import GitFact, Listing
from sidewall.plan.facts_windows import PathFact, VolumeFact
from sidewall.plan.prove_access import Judge
from sidewall.plan.world import (
    APP_LINK,
    CLOUD,
    JUNCTION,
    LEADING,
    OTHER_REPARSE,
    SYMLINK,
    WSL_LINK,
    holder,
    place,
)
from sidewall.plan.world import root as volume_root
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    LABEL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.layouts_files import FILE_ATTRIBUTE_TAG_INFO
from sidewall.policy import paths
from sidewall.policy.model import DENY, WRITE
from sidewall.policy.protect import GIT
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.tokens import TokenState
    from sidewall.policy.model import Policy

MANY = (EVERYONE, USERS, AUTHENTICATED_USERS, INTERACTIVE)
MOST_DIRECTORIES, MOST_FOR_PATTERNS = 1500, 20_000
UNSEARCHED = frozenset(("node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", ".pytest_cache"))
FILE_READ_ATTRIBUTES = 0x80
WHAT = (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION
        | LABEL_SECURITY_INFORMATION)
_LINK_ITSELF = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
_ACCESS_DENIED = 5
_TAGS = {constants.IO_REPARSE_TAG_SYMLINK: SYMLINK, constants.IO_REPARSE_TAG_MOUNT_POINT: JUNCTION,
         constants.IO_REPARSE_TAG_APPEXECLINK: APP_LINK, 0xA000001D: WSL_LINK}
_LINUX = ("\\\\wsl$\\", "\\\\wsl.localhost\\")


class Looked(Record):
    """What was found; the fields are those of ``WindowsFacts``."""

    paths: tuple[PathFact, ...]
    protected: tuple[PathFact, ...]
    git: tuple[GitFact, ...]
    listings: tuple[Listing, ...]
    matches: tuple[str, ...]
    reparses: tuple[str, ...]
    volumes: tuple[VolumeFact, ...]
    scanned: bool
    expanded: bool
    home_private: bool


class Looker:
    """Looks at one policy's paths with the eyes of one user."""

    def __init__(self, api: Api, policy: Policy, state: TokenState) -> None:
        self._api = api
        self._policy = policy
        groups = tuple([Group(sid=sid, attributes=bits) for sid, bits in state.groups])
        # Privileges count only once they are switched on, which nobody does for this.
        self._user = Judge(Token(user=state.user, groups=groups, integrity=state.integrity))
        self._many = [Judge(Token(user=sid)) for sid in MANY]
        self._found: dict[str, PathFact] = {}
        self._volumes: dict[str, VolumeFact] = {}
        self._descriptors: dict[bytes, SecurityDescriptor] = {}

    def look_through(self, own: tuple[str, ...]) -> Looked:
        """All of it.  ``own`` are places that stay as they are where they lie in a writable root.

        Raises PolicyError for a pattern that cannot be read.
        """
        policy = self._policy
        for path in (policy.home, policy.workspace, *policy.gitdirs, *policy.private,
                     *[rule.path for rule in policy.files if not rule.glob]):
            self.see(path)
        roots = [found.real for found in map(self.see, [rule.path for rule in policy.files
                                                        if rule.access == WRITE and not rule.glob]) if found.real]
        below = _Below(self, roots)
        scanned = True
        for root in roots:
            scanned &= below.scan(root)
        for path in policy.gitdirs:
            below.list_git(path)
        for path in own:
            if any(place(path).startswith(place(root) + "\\") for root in roots):
                below.protected[place(path)] = self.see(path)
        matches, expanded = below.matching()
        for path in list(self._found):
            self._volume(self._found[path].real or self._found[path].path)
        return Looked(
            paths=tuple(self._found.values()), protected=tuple(below.protected.values()), git=tuple(below.git),
            listings=tuple(below.listings.values()), matches=matches, reparses=tuple(below.reparses),
            volumes=tuple(self._volumes.values()), scanned=scanned, expanded=expanded,
            home_private=not self.see(policy.home).shared)

    def see(self, path: str) -> PathFact:
        """The path's fact, once; with it those of the directories above, as it is written and where it lies."""
        key = place(path)
        known = self._found.get(key)
        if known is not None:
            return known
        above = holder(path)
        if above:
            parent = self.see(above)
            if parent.kind != kinds.DIRECTORY:
                # What is below nothing is not there, and costs no question.
                missing = self._found[key] = PathFact(path=path)
                return missing
        fact = self._found[key] = self._look(path)
        if fact.real and place(fact.real) != key:
            self.see(fact.real)
        return fact

    def _look(self, path: str) -> PathFact:
        opened = self._open(path, _LINK_ITSELF)
        if opened is None:
            return PathFact(path=path)
        with opened:
            reparse = self._reparse(opened)
            if reparse not in LEADING:
                return self._fact(path, opened, reparse)
        followed = self._open(path, constants.FILE_FLAG_BACKUP_SEMANTICS)
        if followed is None:
            return PathFact(path=path, kind=kinds.OTHER, reparse=reparse)
        with followed:
            return self._fact(path, followed, reparse)

    def _open(self, path: str, flags: int) -> Handle | None:
        for access in (FILE_READ_ATTRIBUTES | READ_CONTROL, FILE_READ_ATTRIBUTES):
            try:
                return self._api.kernel32.CreateFileW(verbatim(path), access, constants.OPEN_EXISTING, flags=flags)
            except ApiError as error:
                if error.code != _ACCESS_DENIED:
                    return None
        return None

    def _reparse(self, handle: Handle) -> str:
        information = self._api.kernel32.GetFileInformationByHandle(handle)
        if not information.dwFileAttributes & constants.FILE_ATTRIBUTE_REPARSE_POINT:
            return ""
        tag = self._api.kernel32.GetFileInformationByHandleEx(handle, FILE_ATTRIBUTE_TAG_INFO).ReparseTag
        # The cloud's sixteen tags differ in one digit.
        return CLOUD if tag & 0xFFFF0FFF == 0x9000001A else _TAGS.get(tag, OTHER_REPARSE)

    def _fact(self, path: str, handle: Handle, reparse: str) -> PathFact:
        kernel = self._api.kernel32
        information = kernel.GetFileInformationByHandle(handle)
        directory = bool(information.dwFileAttributes & constants.FILE_ATTRIBUTE_DIRECTORY)
        descriptor, problem = self._descriptor(handle)
        if descriptor is not None and descriptor.dacl is not None and not descriptor.dacl.is_canonical():
            problem = "its entries are not in canonical order"
        elif descriptor is not None and descriptor.dacl is None:
            problem = "it has no DACL: everybody may do everything"
        elif descriptor is not None:
            problem = self._user.bounds(descriptor).unsure
        return PathFact(
            path=path, kind=kinds.DIRECTORY if directory else kinds.FILE, reparse=reparse, problem=problem,
            real=plain(kernel.GetFinalPathNameByHandleW(handle)),
            links=1 if directory else int(information.nNumberOfLinks),
            owner=descriptor.owner if descriptor is not None else None,
            editable=descriptor is not None and self._user.works(descriptor, WRITE_DAC),
            shared=descriptor is not None
            and any(judge.bounds(descriptor).upper & FILE_READ_DATA for judge in self._many))

    def _descriptor(self, handle: Handle) -> tuple[SecurityDescriptor | None, str]:
        try:
            data = self._api.advapi32.GetKernelObjectSecurity(handle, WHAT)
        except ApiError as error:
            return None, f"its access list cannot be read ({error.name or error.code})"
        known = self._descriptors.get(data)
        if known is None:
            try:
                known = self._descriptors[data] = SecurityDescriptor.from_bytes(data)
            except NtError as error:
                return None, error.message
        return known, ""

    def _volume(self, path: str) -> None:
        root = volume_root(path)
        if place(root) in self._volumes:
            return
        remote = root.startswith("\\\\")
        linux = root.lower().startswith(_LINUX)
        system, acls = "", False
        opened = self._open(root, constants.FILE_FLAG_BACKUP_SEMANTICS)
        if opened is not None:
            with opened:
                try:
                    volume = self._api.kernel32.GetVolumeInformationByHandleW(opened)
                    system, acls = volume.file_system, bool(volume.flags & constants.FILE_PERSISTENT_ACLS)
                except ApiError:
                    acls = False
            remote = remote or self._api.kernel32.GetDriveTypeW(root) == constants.DRIVE_REMOTE
        self._volumes[place(root)] = VolumeFact(root=root, filesystem=system, acls=acls, remote=remote and not linux,
                                                linux=linux)

    @property
    def policy(self) -> Policy:
        """Whose paths these are."""
        return self._policy


class _Below:
    """What is special below writable roots."""

    def __init__(self, looker: Looker, roots: list[str]) -> None:
        self._looker = looker
        self._roots = roots
        self._names = {place(name) for name in looker.policy.protected}
        self.protected: dict[str, PathFact] = {}
        self.git: list[GitFact] = []
        self.listings: dict[str, Listing] = {}
        self.reparses: list[str] = []

    def scan(self, root: str) -> bool:
        """Looks through one root, breadth first; False when it was too large."""
        queue = [root]
        complete = True
        for count, directory in enumerate(queue):
            if count >= MOST_DIRECTORIES:
                complete = False
                break
            for name, path, kind in _entries(directory):
                if name.lower() == GIT:
                    self._git(path, kind)
                elif place(name) in self._names:
                    self.protected[place(path)] = self._looker.see(path)
                elif kind == kinds.SYMLINK:
                    self.reparses.append(path)
                elif kind == kinds.DIRECTORY and name.lower() not in UNSEARCHED:
                    queue.append(path)
        for name in self._looker.policy.protected:
            path = f"{root}\\{name}"
            if place(path) not in self.protected:
                self.protected[place(path)] = self._looker.see(path)
        return complete

    def _git(self, path: str, kind: str) -> None:
        self._looker.see(path)
        if kind == kinds.DIRECTORY:
            self.git.append(GitFact(path=path, kind=kind, common=path))
            self.list_git(path)
        elif kind == kinds.FILE:
            self.git.append(GitFact(path=path, kind=kind, problem="its git directory lies elsewhere, where commits are "
                                    "not possible unless it is the workspace's own"))
        else:
            self.git.append(GitFact(path=path, kind=kinds.SYMLINK, problem="it leads elsewhere"))

    def list_git(self, path: str) -> None:
        """The entries of a git directory that a plan asks for."""
        for directory in (path, path + "\\objects", path + "\\objects\\info"):
            if self._looker.see(directory).kind == kinds.DIRECTORY:
                rows = []
                for name, entry, kind in _entries(directory):
                    rows.append((name, kind))
                    if not directory.endswith("\\objects"):
                        self._looker.see(entry)
                self.listings[place(directory)] = Listing(path=directory, entries=tuple(rows))

    def matching(self) -> tuple[tuple[str, ...], bool]:
        """What the deny patterns match now, and whether everything there was looked at."""
        rules = [rule.path for rule in self._looker.policy.files if rule.access == DENY and rule.glob]
        if not rules:
            return (), True
        from sidewall.policy.globs import Pattern

        patterns = [Pattern(rule, paths.WINDOWS) for rule in rules]
        starts = self._roots + ["\\".join(pattern.literal) for pattern in patterns if len(pattern.literal) > 1]
        found: dict[str, None] = {}
        seen: set[str] = set()
        complete = True
        for number, start in enumerate(starts):
            queue = [start]
            for count, directory in enumerate(queue):
                if count >= MOST_FOR_PATTERNS:
                    complete &= number >= len(self._roots)
                    break
                if place(directory) in seen:
                    continue
                seen.add(place(directory))
                for _, path, kind in _entries(directory):
                    if any(pattern.matches(path) for pattern in patterns):
                        found[path] = None
                        self._looker.see(path)
                    elif kind == kinds.DIRECTORY:
                        queue.append(path)
        return tuple(found), complete


def _entries(directory: str) -> list[tuple[str, str, str]]:
    """(name, path, kind) of what is in a directory; SYMLINK is whatever leads elsewhere.  Empty when it is closed."""
    rows = []
    try:
        with os.scandir(verbatim(directory)) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                leads = (getattr(info, "st_file_attributes", 0) & constants.FILE_ATTRIBUTE_REPARSE_POINT
                         and _TAGS.get(getattr(info, "st_reparse_tag", 0), OTHER_REPARSE) in LEADING
                         and getattr(info, "st_reparse_tag", 0) & 0xFFFF0FFF != 0x9000001A)
                kind = kinds.SYMLINK if leads else kinds.DIRECTORY if entry.is_dir() else kinds.FILE
                rows.append((entry.name, f"{directory.rstrip(os.sep)}\\{entry.name}", kind))
    except OSError:
        return rows
    return rows


def verbatim(path: str) -> str:
    """A path for the kernel as it is: of any length, no part of it read as anything else."""
    if path.startswith("\\\\?\\") or not paths.is_absolute(path, paths.WINDOWS):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def plain(path: str) -> str:
    """The same without the prefix."""
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


__all__ = ["Looked", "Looker", "plain", "verbatim"]
