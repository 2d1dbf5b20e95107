"""Host facts out of a world, so that a plan can be made for a machine that is somewhere else.

Knows: which facts a plan for Windows asks for, and where a world says them.  Must not know: what a plan makes of them.

A world says nothing of services, passwords of accounts or filters: for these a machine is taken on which Sidewall was
set up and works.  File contents are not in a world either: where a ``.git`` file leads is not known, and said so.
"""

from __future__ import annotations

from sidewall.nt.mask import (
    DELETE,
    FILE_ADD_FILE,
    FILE_ADD_SUBDIRECTORY,
    FILE_DELETE_CHILD,
    FILE_READ_DATA,
    WRITE_DAC,
    WRITE_OWNER,
)
from sidewall.nt.token import SE_GROUP_ENABLED, SE_GROUP_ENABLED_BY_DEFAULT, SE_GROUP_MANDATORY, Token
from sidewall.nt.wellknown import AUTHENTICATED_USERS, EVERYONE, INTERACTIVE, USERS
from sidewall.plan import facts as kinds
from sidewall.plan import windows_network
from sidewall.plan.facts import GitFact, Listing
from sidewall.plan.facts_windows import AccountFact, Filtering, PathFact, VolumeFact, Wide, WindowsFacts
from sidewall.plan.prove import user_of
from sidewall.plan.prove_access import Judge
from sidewall.plan.windows_sids import account_names
from sidewall.plan.world import LEADING, Index, holder, place
from sidewall.policy import paths
from sidewall.policy.globs import Pattern
from sidewall.policy.model import DENY, WRITE
from sidewall.policy.protect import GIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.plan.world import Accounts, Entry, World
    from sidewall.policy.model import Policy

BUILD = 26100
MANY = (EVERYONE, USERS, AUTHENTICATED_USERS, INTERACTIVE)
CHANGING = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER
PROGRAMS = (".exe", ".cmd", ".bat", ".ps1")
_USUAL = SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED


def facts(world: World, policy: Policy) -> WindowsFacts:
    """What a plan for this policy asks of the machine.

    Raises PolicyError for a path or a pattern of the policy that cannot be read.
    """
    return _Looker(world, policy).facts()


class _Looker:
    """One world, looked at for one policy."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.world = world
        self.policy = policy
        self.index = Index(world)
        self.user = Judge(user_of(world.accounts))
        self.many = {sid: Judge(Token(user=sid)) for sid in MANY}
        self.roots = [self.real(rule.path) or rule.path for rule in policy.files
                      if rule.access == WRITE and not rule.glob]
        self._places = {place(root) for root in self.roots}
        self._within: set[str] = set()

    def facts(self) -> WindowsFacts:
        """All of them."""
        who = self.world.accounts
        found: dict[str, PathFact] = {}
        rules = [rule.path for rule in self.policy.files if not rule.glob]
        for path in (self.policy.home, self.policy.workspace, *rules, *self.policy.gitdirs, *self.policy.private):
            self._see(path, found)
        protected, git, listings, linked, reparses = self._below_roots(found)
        matches = self._matches(found)
        temp = self.policy.home + r"\AppData\Local\Temp"
        self._see(temp, found)
        home = found[place(self.policy.home)]
        names = account_names(who.user)
        return WindowsFacts(
            build=BUILD, machine="amd64", install=f"world of {who.user}", user=who.user, home=self.policy.home,
            logon=who.logon, groups=tuple([(sid, _USUAL) for sid in who.groups]), group=who.group,
            offline=_account(names[1], who.offline), online=_account(names[2], who.online),
            filtering=Filtering(present=_filters(who)), home_private=not home.shared,
            volumes=tuple([VolumeFact(root=each.root, filesystem=each.filesystem, acls=each.acls, remote=each.remote)
                           for each in self.world.volumes]),
            paths=tuple(found.values()), protected=protected, git=git, listings=listings, matches=matches,
            linked=linked, reparses=reparses, tools=self._tools(), wide=self._wide(), temp=temp,
            environ=(("SystemRoot", r"C:\Windows"), ("SystemDrive", "C:"), ("ComSpec", r"C:\Windows\System32\cmd.exe")),
        )

    def real(self, path: str) -> str:
        """Where a path really lies, its links followed; '' when that is not in the world."""
        where = self.index.follow(path)
        return where if where and self.index.entry(where) is not None else ""

    def fact(self, path: str) -> PathFact:
        """One path, its links followed."""
        entry = self.index.entry(path)
        real = self.real(path)
        lies = self.index.entry(real) if real else None
        if entry is None and lies is None:
            return PathFact(path=path)
        seen = lies or entry
        assert seen is not None
        kind = kinds.DIRECTORY if seen.container else kinds.FILE
        reparse = entry.reparse if entry is not None else ""
        return PathFact(
            path=path, kind=kind, real=real, links=1 if seen.container else seen.links, reparse=reparse,
            owner=seen.descriptor.owner if seen.descriptor is not None else None, editable=self._editable(seen),
            shared=self._shared(seen), problem=self._problem(seen))

    def _see(self, path: str, found: dict[str, PathFact]) -> None:
        """The path and the directories above it, as it is written and where it lies."""
        for each in dict.fromkeys((path, self.real(path))):
            while each and place(each) not in found:
                found[place(each)] = self.fact(each)
                each = holder(each)

    def _editable(self, entry: Entry) -> bool:
        return entry.descriptor is not None and self.user.works(entry.descriptor, WRITE_DAC)

    def _shared(self, entry: Entry) -> bool:
        descriptor = entry.descriptor
        if descriptor is None:
            return not entry.problem
        return any(judge.bounds(descriptor).upper & FILE_READ_DATA for judge in self.many.values())

    def _problem(self, entry: Entry) -> str:
        descriptor = entry.descriptor
        if descriptor is None:
            return entry.problem
        if descriptor.dacl is None:
            return "it has no DACL: everybody may do everything"
        if not descriptor.dacl.is_canonical():
            return "its entries are not in canonical order"
        return self.user.bounds(descriptor).unsure

    def _below_roots(self, found: dict[str, PathFact]) -> tuple[
            tuple[PathFact, ...], tuple[GitFact, ...], tuple[Listing, ...], tuple[str, ...], tuple[str, ...]]:
        """What is special below the writable roots: protected names, git directories, links of both kinds."""
        names = {place(name) for name in self.policy.protected}
        protected: dict[str, PathFact] = {}
        git: list[GitFact] = []
        below_git: dict[str, list[tuple[str, str]]] = {}
        linked, reparses = [], []
        for entry in self.world.entries:
            if not self._inside(entry.path):
                continue
            name = entry.path.rpartition("\\")[2]
            parent = place(holder(entry.path))
            if place(name) in names:
                protected[place(entry.path)] = self.fact(entry.path)
            if parent in below_git:
                below_git[parent].append((name, kinds.DIRECTORY if entry.container else kinds.FILE))
                self._see(entry.path, found)
            if entry.container and (parent in below_git or place(name) == place(GIT)):
                below_git[place(entry.path)] = []
            if place(name) == place(GIT):
                git.append(_git(entry))
                self._see(entry.path, found)
            if entry.links > 1 and not entry.container:
                linked.append(entry.path)
            if entry.reparse in LEADING:
                reparses.append(entry.path)
        for root in self.roots:
            for name in self.policy.protected:
                path = f"{root}\\{name}"
                protected.setdefault(place(path), self.fact(path))
        listings = [Listing(path=entry.path, entries=tuple(below_git[place(entry.path)]))
                    for entry in self.world.entries if place(entry.path) in below_git]
        return tuple(protected.values()), tuple(git), tuple(listings), tuple(linked), tuple(reparses)

    def _inside(self, path: str) -> bool:
        """Whether the entry at this path lies in a writable root, itself left out; its directory was asked before."""
        above = place(holder(path))
        inside = above in self._places or above in self._within
        if inside:
            self._within.add(place(path))
        return inside

    def _matches(self, found: dict[str, PathFact]) -> tuple[str, ...]:
        patterns = [Pattern(rule.path, paths.WINDOWS) for rule in self.policy.files
                    if rule.glob and rule.access == DENY]
        if not patterns:
            return ()
        matching = []
        for entry in self.world.entries:
            key = paths.key(entry.path, paths.WINDOWS, wide=True) if not paths.doubt(entry.path, paths.WINDOWS) else ()
            if key and any(pattern.covers_key(key) for pattern in patterns):
                matching.append(entry.path)
                self._see(entry.path, found)
        return tuple(matching)

    def _tools(self) -> tuple[str, ...]:
        """Directories below the profile that programs lie in; elsewhere all may read what is installed."""
        home = place(self.policy.home) + "\\"
        return tuple(dict.fromkeys(
            holder(entry.path) for entry in self.world.entries
            if not entry.container and entry.path.lower().endswith(PROGRAMS) and place(entry.path).startswith(home)
            and not self._inside(entry.path)))

    def _wide(self) -> tuple[Wide, ...]:
        """Places outside the profile that many may change; of a tree that is so throughout, its top."""
        home = place(self.policy.home)
        seen: dict[tuple[str, Sid], int] = {}
        made = []
        for entry in self.world.entries:
            if entry.descriptor is None or place(entry.path).startswith(home):
                continue
            for sid, judge in self.many.items():
                mask = judge.bounds(entry.descriptor).upper & CHANGING
                seen[place(entry.path), sid] = mask
                if mask & ~seen.get((place(holder(entry.path)), sid), 0):
                    made.append(Wide(path=entry.path, who=sid, mask=mask))
        return tuple(made)


def _git(entry: Entry) -> GitFact:
    if entry.reparse in LEADING:
        return GitFact(path=entry.path, kind=kinds.SYMLINK, problem="it leads elsewhere")
    if entry.container:
        return GitFact(path=entry.path, kind=kinds.DIRECTORY, common=entry.path)
    return GitFact(path=entry.path, kind=kinds.FILE, problem="a world does not say what is in the file")


def _filters(who: Accounts) -> tuple[str, ...]:
    """The names of the filters that set-up makes for the accounts that are there."""
    made = [windows_network.offline(who.offline)] if who.offline is not None else []
    made += [windows_network.online(who.online)] if who.online is not None else []
    return tuple([each.name for step in made for each in step.filters])


def _account(name: str, sid: Sid | None) -> AccountFact | None:
    return None if sid is None else AccountFact(name=name, sid=sid)
