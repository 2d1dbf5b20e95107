"""Windows machines and disks as data: what a Windows plan is compiled from, made up.

Knows: the shapes of host facts.  Must not know: the machine that the tests run on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sidewall import plan as planning
from sidewall.nt import wellknown as known
from sidewall.nt.sid import Sid
from sidewall.plan import facts as kinds
from sidewall.plan import windows_network
from sidewall.plan.facts_windows import (
    AccountFact,
    Filtering,
    GitFact,
    Listing,
    PathFact,
    VolumeFact,
    WindowsFacts,
)
from sidewall.plan.guarantees import Guarantee, by_name
from sidewall.plan.steps import Plan, Step
from sidewall.plan.windows_sids import account_names
from sidewall.plan.windows_steps import AclEdit
from sidewall.plan.windows_token import USUAL
from sidewall.policy import paths, profiles
from sidewall.policy.model import COMMAND_LINE, DENY, READ, WRITE, FileRule, Policy, Source

HOME = r"C:\Users\ann"
WORK = r"C:\Users\ann\source\demo"
DATA = "D:\\"

MACHINE = "S-1-5-21-1111-2222-3333"
ANN = Sid(f"{MACHINE}-1001")
GROUP, OFFLINE, ONLINE = Sid(f"{MACHINE}-1010"), Sid(f"{MACHINE}-1011"), Sid(f"{MACHINE}-1012")
LOGON = Sid("S-1-5-5-0-77777")

USER_GROUPS = tuple([(sid, USUAL) for sid in (known.EVERYONE, known.USERS, known.INTERACTIVE,
                                             known.AUTHENTICATED_USERS, LOGON)])  # fmt: skip
ADMIN_GROUPS = (*USER_GROUPS, (known.ADMINISTRATORS, USUAL), (known.LOCAL_ADMINISTRATOR, USUAL))
PRIVILEGES = ("SeShutdownPrivilege", "SeChangeNotifyPrivilege", "SeUndockPrivilege", "SeTimeZonePrivilege")
ENVIRON = (("SystemRoot", r"C:\Windows"), ("windir", r"C:\Windows"), ("ProgramFiles", r"C:\Program Files"),
           ("ProgramData", r"C:\ProgramData"), ("USERPROFILE", HOME), ("LOCALAPPDATA", HOME + r"\AppData\Local"))

VOLUMES = (VolumeFact(root="C:\\"), VolumeFact(root=DATA))
SHARED = (r"C:\Users", r"C:\Windows", r"C:\Program Files", r"C:\ProgramData", r"C:\Tools", "D:\\")
"""What every user may read on a machine as it is delivered: these, and what lies below but for profiles."""


class Disk:
    """A disk as a mapping from path to facts; directories above what is named exist, and so do home and workspace.

    A value is ``dir``, ``file``, ``missing`` or a mapping of the fields of a path's fact.
    """

    def __init__(self, entries: Mapping[str, Any] = {}, *, home: str = HOME, work: str = WORK) -> None:
        self.facts: dict[str, PathFact] = {}
        for path, told in {home: "dir", work: "dir", **entries}.items():
            for length in range(1, len(paths.parts(path, paths.WINDOWS))):
                names = paths.parts(path, paths.WINDOWS)
                self.facts.setdefault(names[0] + "\\".join(names[1:length]), self.fact(names, length))
            fields = dict(told) if isinstance(told, Mapping) else {"kind": {"dir": kinds.DIRECTORY}.get(told, told)}
            names = paths.parts(path, paths.WINDOWS)
            self.facts[path] = self.fact(names, len(names)).replace(**fields)
        for path, found in self.facts.items():
            if found.kind == kinds.MISSING:
                self.facts[path] = found.replace(real="")

    @staticmethod
    def fact(names: tuple[str, ...], length: int) -> PathFact:
        """An ordinary directory."""
        path = names[0] + "\\".join(names[1:length])
        shared = path == "C:\\" or (any(path.startswith(place) for place in SHARED) and not path.startswith(HOME))
        return PathFact(path=path, kind=kinds.DIRECTORY, real=path, owner=ANN, shared=shared)

    def look(self, path: str) -> PathFact:
        """The fact of any path: missing when it was not named."""
        return self.facts.get(path, PathFact(path=path))


def policy(name: str = ":workspace", *rules: FileRule, **changes: Any) -> Policy:
    """A policy of the user Ann on Windows; ``rules`` are added."""
    built = profiles.build(name, workspace=changes.pop("workspace", WORK), home=changes.pop("home", HOME),
                           flavour=paths.WINDOWS)
    return built.replace(files=(*built.files, *rules), **changes)


def machine(about: Policy, disk: Disk | None = None, **changes: Any) -> WindowsFacts:
    """A Windows 11 that was set up, with these changes, asked about a policy."""
    disk = disk or Disk(home=about.home, work=about.workspace)
    wanted = [rule.path for rule in about.files if not rule.glob]
    found = {path: disk.look(path) for path in (*disk.facts, *wanted)}
    user = changes.get("user", ANN)
    _, offline, online = account_names(user)
    told: dict[str, Any] = {
        "build": 26100, "machine": "AMD64", "install": "install-1", "user": user, "home": about.home, "logon": LOGON,
        "groups": USER_GROUPS, "privileges": PRIVILEGES, "group": GROUP,
        "offline": AccountFact(name=offline, sid=OFFLINE), "online": AccountFact(name=online, sid=ONLINE),
        "filtering": Filtering(present=filter_names()), "volumes": VOLUMES, "paths": tuple(found.values()),
        "temp": r"C:\ProgramData\sidewall\temp", "environ": ENVIRON, **changes,
    }  # fmt: skip
    roots = [rule.path for rule in about.files if rule.access == WRITE]
    known_names = {item.path for item in told.get("protected", ())}
    absent = [PathFact(path=f"{root}\\{name}") for root in roots for name in about.protected
              if f"{root}\\{name}" not in known_names]
    return WindowsFacts(**{**told, "protected": (*told.get("protected", ()), *absent)})


def filter_names() -> tuple[str, ...]:
    """The names of all filters that set-up makes."""
    return tuple([one.name for made in (windows_network.offline(OFFLINE), windows_network.online(ONLINE))
                  for one in made.filters])


def not_set_up() -> dict[str, Any]:
    """Changes of a machine on which nobody ran the set-up."""
    return {"group": None, "offline": None, "online": None, "filtering": Filtering()}


def compiled(about: Policy | None = None, disk: Disk | None = None, *, tier: str = "auto", **changes: Any) -> Plan:
    """A plan, whatever it leaves unmet."""
    about = about or policy()
    about = about.replace(require=changes.pop("require", ()))
    return planning.compile(about, machine(about, disk, **changes), tier=tier)


def of(plan: Plan, *wanted: type[Step]) -> list[Any]:
    """The steps of these types, in order."""
    return [step for step in plan.steps if isinstance(step, wanted)]


def edit(plan: Plan, path: str) -> AclEdit | None:
    """The edit of one path."""
    found = [step for step in of(plan, AclEdit) if step.path.upper() == path.upper()]
    assert len(found) < 2, f"{path} has two edits"
    return found[0] if found else None


def aces(plan: Plan, path: str) -> set[tuple[str, str, int, int]]:
    """What an edit adds: (allow or deny, SID, mask, flags)."""
    step = edit(plan, path)
    return {(("allow", "deny")[one.type], str(one.sid), one.mask, one.flags) for one in step.aces} if step else set()


def line(plan: Plan, name: str) -> Guarantee:
    """One line of the report."""
    return by_name(plan.guarantees)[name]


def rule(path: str, access: str, *, glob: bool = False, layer: str = "user") -> FileRule:
    """A rule of the user's."""
    return FileRule(path=path, access=access, glob=glob, source=Source(layer=layer))


def deny(path: str, *, glob: bool = False) -> FileRule:
    return rule(path, DENY, glob=glob)


def read(path: str) -> FileRule:
    return rule(path, READ)


def write(path: str, *, layer: str = "user") -> FileRule:
    return rule(path, WRITE, layer=layer)


def asked(path: str) -> FileRule:
    """A writable root that the command line names."""
    return write(path, layer=COMMAND_LINE)


GIT_ENTRIES = (
    ("HEAD", kinds.FILE), ("config", kinds.FILE), ("description", kinds.FILE), ("index", kinds.FILE),
    ("hooks", kinds.DIRECTORY), ("info", kinds.DIRECTORY), ("logs", kinds.DIRECTORY), ("objects", kinds.DIRECTORY),
    ("refs", kinds.DIRECTORY),
)


def repository(path: str = WORK + r"\.git", extra: Iterable[tuple[str, str]] = (), *,
               without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Changes of a machine with one repository, as ``git init`` and a commit leave it."""
    entries = tuple([item for item in (*GIT_ENTRIES, *extra) if item[0] not in without])
    return {
        "git": (GitFact(path=path, kind=kinds.DIRECTORY, common=path),),
        "listings": (Listing(path=path, entries=entries),
                     Listing(path=path + r"\objects\info", entries=(("packs", kinds.FILE),))),
    }  # fmt: skip
