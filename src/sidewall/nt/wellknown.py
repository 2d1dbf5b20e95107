"""Well-known SIDs: names both ways, and the two-letter aliases of SDDL.

Knows: MS-DTYP 2.4.2.4 (names) and 2.5.1.1 (aliases), and the additions of the Win32 page "SID Strings".
Must not know: what any of them is allowed.
"""

from __future__ import annotations

from sidewall.nt.errors import SidError
from sidewall.nt.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NULL = Sid("S-1-0-0")
EVERYONE = Sid("S-1-1-0")
LOCAL = Sid("S-1-2-0")
CONSOLE_LOGON = Sid("S-1-2-1")
CREATOR_OWNER = Sid("S-1-3-0")
CREATOR_GROUP = Sid("S-1-3-1")
CREATOR_OWNER_SERVER = Sid("S-1-3-2")
CREATOR_GROUP_SERVER = Sid("S-1-3-3")
OWNER_RIGHTS = Sid("S-1-3-4")
NETWORK = Sid("S-1-5-2")
DIALUP = Sid("S-1-5-1")
BATCH = Sid("S-1-5-3")
INTERACTIVE = Sid("S-1-5-4")
SERVICE = Sid("S-1-5-6")
ANONYMOUS = Sid("S-1-5-7")
PROXY = Sid("S-1-5-8")
ENTERPRISE_DOMAIN_CONTROLLERS = Sid("S-1-5-9")
PRINCIPAL_SELF = Sid("S-1-5-10")
AUTHENTICATED_USERS = Sid("S-1-5-11")
RESTRICTED = Sid("S-1-5-12")
TERMINAL_SERVER_USER = Sid("S-1-5-13")
REMOTE_INTERACTIVE = Sid("S-1-5-14")
THIS_ORGANIZATION = Sid("S-1-5-15")
IUSR = Sid("S-1-5-17")
SYSTEM = Sid("S-1-5-18")
LOCAL_SERVICE = Sid("S-1-5-19")
NETWORK_SERVICE = Sid("S-1-5-20")
WRITE_RESTRICTED = Sid("S-1-5-33")
ADMINISTRATORS = Sid("S-1-5-32-544")
USERS = Sid("S-1-5-32-545")
GUESTS = Sid("S-1-5-32-546")
POWER_USERS = Sid("S-1-5-32-547")
REMOTE_DESKTOP_USERS = Sid("S-1-5-32-555")
LOCAL_ACCOUNT = Sid("S-1-5-113")
LOCAL_ADMINISTRATOR = Sid("S-1-5-114")
TRUSTED_INSTALLER = Sid("S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464")
ALL_SERVICES = Sid("S-1-5-80-0")
USER_MODE_DRIVERS = Sid("S-1-5-84-0-0-0-0-0")
ALL_APPLICATION_PACKAGES = Sid("S-1-15-2-1")
ALL_RESTRICTED_APPLICATION_PACKAGES = Sid("S-1-15-2-2")
UNTRUSTED = Sid("S-1-16-0")
LOW = Sid("S-1-16-4096")
MEDIUM = Sid("S-1-16-8192")
MEDIUM_PLUS = Sid("S-1-16-8448")
HIGH = Sid("S-1-16-12288")
SYSTEM_LEVEL = Sid("S-1-16-16384")
PROTECTED_LEVEL = Sid("S-1-16-20480")

ALIASES: Mapping[str, Sid] = {
    alias: Sid(text)
    for alias, text in (
        pair.split("=")
        for pair in (
            "WD=S-1-1-0 CO=S-1-3-0 CG=S-1-3-1 OW=S-1-3-4 NU=S-1-5-2 IU=S-1-5-4 SU=S-1-5-6 AN=S-1-5-7 ED=S-1-5-9"
            " PS=S-1-5-10 AU=S-1-5-11 RC=S-1-5-12 SY=S-1-5-18 LS=S-1-5-19 NS=S-1-5-20 WR=S-1-5-33 BA=S-1-5-32-544"
            " BU=S-1-5-32-545 BG=S-1-5-32-546 PU=S-1-5-32-547 AO=S-1-5-32-548 SO=S-1-5-32-549 PO=S-1-5-32-550"
            " BO=S-1-5-32-551 RE=S-1-5-32-552 RU=S-1-5-32-554 RD=S-1-5-32-555 NO=S-1-5-32-556 MU=S-1-5-32-558"
            " LU=S-1-5-32-559 IS=S-1-5-32-568 CY=S-1-5-32-569 ER=S-1-5-32-573 CD=S-1-5-32-574 RA=S-1-5-32-575"
            " ES=S-1-5-32-576 MS=S-1-5-32-577 HA=S-1-5-32-578 AA=S-1-5-32-579 RM=S-1-5-32-580 UD=S-1-5-84-0-0-0-0-0"
            " AC=S-1-15-2-1 LW=S-1-16-4096 ME=S-1-16-8192 MP=S-1-16-8448 HI=S-1-16-12288 SI=S-1-16-16384"
            " AS=S-1-18-1 SS=S-1-18-2 HO=S-1-5-32-584 SH=S-1-5-32-585"
        ).split()
    )
}
"""Alias to SID, those that mean the same on every machine."""

DOMAIN_ALIASES: Mapping[str, int] = {
    "RO": 498, "DA": 512, "DU": 513, "DG": 514, "DC": 515, "DD": 516, "CA": 517, "SA": 518, "EA": 519, "PA": 520,
    "CN": 522, "AP": 525, "KA": 526, "EK": 527, "RS": 553,
}
"""Alias to relative identifier in the machine's domain (or in the forest's root domain)."""

MACHINE_ALIASES: Mapping[str, int] = {"LA": 500, "LG": 501}
"""Alias to relative identifier among the machine's own accounts."""

_NEW = ("HO", "SH")  # Windows 11 24H2; older ones read the numbers only, so they are never written
_ALIAS_OF = {sid: alias for alias, sid in ALIASES.items() if alias not in _NEW}
_NAME_OF = {value: name for name, value in list(globals().items()) if isinstance(value, Sid)}
_NAMED = {name: sid for sid, name in _NAME_OF.items()}


def name_of(sid: Sid) -> str:
    """The constant's name in words (``"authenticated users"``), or ``""`` for a SID that has none."""
    return _NAME_OF.get(sid, "").replace("_", " ").lower()


def named(name: str) -> Sid:
    """The SID by the name that `name_of` gives; letters' case and ``_`` do not matter.  Raises SidError."""
    sid = _NAMED.get(name.strip().replace(" ", "_").upper()) if name.isascii() else None
    if sid is None:
        raise SidError(f"no well-known SID is named {name!r}", hint="write the SID itself: S-1-...")
    return sid


def alias_of(sid: Sid) -> str:
    """The SDDL alias that means this SID on every machine, or ``""``."""
    return _ALIAS_OF.get(sid, "")
