"""Facts of paths: what is there, where it really lies, who may change its access list.

Knows: how a file is asked about by a handle that follows no link at its end.  Must not know: what a plan makes of it.
"""

from __future__ import annotations

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
    LEADING,
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
from sidewall.platforms.windows.facts_below import Below
from sidewall.platforms.windows.layouts_files import FILE_ATTRIBUTE_TAG_INFO
from sidewall.platforms.windows.win32_paths import plain, reparse_kind, verbatim
from sidewall.policy.model import WRITE
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.tokens import TokenState
    from sidewall.policy.model import Policy

MANY = (EVERYONE, USERS, AUTHENTICATED_USERS, INTERACTIVE)
FILE_READ_ATTRIBUTES = 0x80
WHAT = (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION
        | LABEL_SECURITY_INFORMATION)
_LINK_ITSELF = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
_ACCESS_DENIED = 5
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

    def __init__(self, api: Api, policy: Policy, state: TokenState, held: frozenset[str]) -> None:
        """``held`` are paths at which cells hold an absent name: there is nothing of the user's there."""
        self._api = api
        self._held = frozenset([place(path) for path in held])
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
        below = Below(policy, roots, self.see)
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
        if key in self._held:
            return PathFact(path=path)
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
        return reparse_kind(tag)

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



__all__ = ["Looked", "Looker"]
