"""Host facts of Windows: what the plan needs to know of a machine, as data.

Knows: names and shapes.  Must not know: how a fact is found (``platforms.windows`` does), nor what follows from it
(``plan.windows`` does).  Names of accounts, rights and attributes are those of the Win32 documentation.

Every build of Windows, every kind of account, volume and workspace, and everything that a person or a policy can have
done to the sandbox's accounts is a value of these records, and so a unit test.
"""

from __future__ import annotations

from sidewall.plan.facts import DIRECTORY, FILE, MISSING, OTHER, GitFact, Listing
from sidewall.plan.windows_unenforced import Unenforced
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid

CREDENTIAL_GOOD, CREDENTIAL_MISSING, CREDENTIAL_UNREADABLE, CREDENTIAL_STALE = "good", "missing", "unreadable", "stale"
CREDENTIALS = (CREDENTIAL_GOOD, CREDENTIAL_MISSING, CREDENTIAL_UNREADABLE, CREDENTIAL_STALE)
"""What there is to log the account on with: ``unreadable`` when the user's key is broken, ``stale`` when the stored
generation is older than the account's password."""

UAC_ASKS, UAC_SILENT, UAC_OFF = "asks", "silent", "off"


class VolumeFact(Record):
    """A volume by its root (``D:\\``, ``\\\\server\\share\\``): ``acls`` is FILE_PERSISTENT_ACLS of
    GetVolumeInformation.  ``linux``: it is the file system of a WSL distribution."""

    root: str
    filesystem: str = "NTFS"
    acls: bool = True
    remote: bool = False
    linux: bool = False


class PathFact(Record):
    """One path, asked about by a handle that follows no reparse point at its end.

    ``real`` is where it really lies (final path of the handle, all links and substituted drives resolved), '' when it
    is missing or leads nowhere; ``links`` its names on the volume; ``reparse`` '' or a word of ``world.REPARSE``.
    ``owner`` its owner, None when unknown; ``editable``: the user has WRITE_DAC on it.  ``shared``: Everyone, Users or
    Authenticated Users may read it.  ``problem`` says why a plan cannot reason about its descriptor ('' when it can).
    """

    path: str
    kind: str = MISSING
    real: str = ""
    links: int = 1
    reparse: str = ""
    owner: Sid | None = None
    editable: bool = True
    shared: bool = False
    problem: str = ""


class Wide(Record):
    """A place where somebody besides the user, the system and administrators (``who``: mostly a group of many, as
    Everyone, Users, Authenticated Users, INTERACTIVE) has rights that write; ``mask`` is that of a file."""

    path: str
    who: Sid
    mask: int


class AccountFact(Record):
    """One sandbox account.  ``sid`` is None while it does not exist; ``credential`` a word of ``CREDENTIALS``;
    ``profile`` its profile directory ('' before its first logon); ``refused`` says how Windows refused it a logon with
    the password that is stored ('' when it did not)."""

    name: str
    sid: Sid | None = None
    disabled: bool = False
    locked: bool = False
    expired: bool = False
    in_group: bool = True
    credential: str = CREDENTIAL_GOOD
    profile: str = ""
    refused: str = ""


class Filtering(Record):
    """What was found in the Windows Filtering Platform: ``present`` are the names of our filters that are there and say
    what they should; ``running`` whether the base filtering engine runs; ``taken`` ports of the reserved range on which
    a program of somebody else listens."""

    running: bool = True
    present: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()


class WindowsFacts(Record):
    """A Windows machine, seen by the process that starts a sandbox.

    ``build`` is the third number of the version (19045, 26100); ``install`` names this installation of Sidewall, any
    text that no other machine has.  ``user`` and ``groups`` (SID and SE_GROUP attributes), ``privileges``, ``logon``
    (None: no logon SID) are of the caller's token; ``restricted``: that token is itself restricted; ``container``: it
    is an AppContainer's; ``elevated``: it is an administrator's full token.  ``session`` is the terminal services
    session.  ``uac`` says whether administrators are asked.

    ``group`` is the SID of the sandbox group, ``offline`` and ``online`` the accounts; ``logon_forbidden`` names the
    policy that refuses them an interactive logon ('' for none); ``seclogon`` is the start type of the Secondary Logon
    service.  ``needs_everyone``: here a command does not start unless Everyone is among its restricting SIDs (found
    by trying).  ``home_private``: the profile directory lets no group of many in.

    ``paths`` are facts of every path of the policy and of every directory above; ``protected`` of protected names in
    writable roots, present or missing at the roots; ``git`` and ``listings`` of git directories and their entries;
    ``matches`` what deny patterns match; ``linked`` files with several names in writable roots and ``reparses`` the
    reparse points there; ``tools`` directories that programs are started from.  ``scanned`` is False when a root was
    too large to look through, ``expanded`` when patterns were not followed to their end, ``audited`` when places that
    are open to many (``wide``) were not all looked for; then ``unaudited`` says why ('': nobody looked).
    ``temp`` is the directory in which private temporary directories are made.  ``runner``: commands can be started as
    the accounts; if not, ``runner_problem`` says why.  ``environ`` are start-up variables with the system's own values.
    ``unenforced`` is what the kernel was found not to do.
    """

    build: int
    machine: str
    install: str
    user: Sid
    home: str
    logon: Sid | None = None
    groups: tuple[tuple[Sid, int], ...] = ()
    privileges: tuple[str, ...] = ()
    restricted: bool = False
    container: bool = False
    elevated: bool = False
    session: int = 1
    uac: str = UAC_ASKS
    group: Sid | None = None
    offline: AccountFact | None = None
    online: AccountFact | None = None
    logon_forbidden: str = ""
    seclogon: str = "manual"
    filtering: Filtering = Filtering()
    needs_everyone: bool = False
    home_private: bool = True
    volumes: tuple[VolumeFact, ...] = ()
    paths: tuple[PathFact, ...] = ()
    protected: tuple[PathFact, ...] = ()
    git: tuple[GitFact, ...] = ()
    listings: tuple[Listing, ...] = ()
    matches: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    reparses: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    wide: tuple[Wide, ...] = ()
    scanned: bool = True
    expanded: bool = True
    audited: bool = True
    unaudited: str = ""
    temp: str = ""
    environ: tuple[tuple[str, str], ...] = ()
    unenforced: tuple[Unenforced, ...] = ()
    runner: bool = True
    runner_problem: str = ""
    notes: tuple[str, ...] = ()


__all__ = ["CREDENTIALS", "DIRECTORY", "FILE", "MISSING", "OTHER", "AccountFact", "Filtering", "GitFact", "Listing",
           "PathFact", "VolumeFact", "Wide", "WindowsFacts"]
