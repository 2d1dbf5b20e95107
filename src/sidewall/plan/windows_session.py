"""What surrounds a command on Windows: environment, private directory, desktop, job.

Knows: which variables programs need to start, which rights windows need, which limits a job has (``winnt.h``,
``winuser.h``).  Must not know: file rules, an API.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.plan.windows_steps import Desktop, Environment, Job, PrivateTemp
from sidewall.policy.environ import named
from sidewall.policy.model import NETWORK_ON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.policy.model import Policy

SYSTEM_FLOOR = (
    "SystemRoot", "windir", "SystemDrive", "ComSpec", "PATHEXT", "OS", "NUMBER_OF_PROCESSORS",
    "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432",
    "CommonProgramFiles", "CommonProgramFiles(x86)", "CommonProgramW6432", "ProgramData", "ALLUSERSPROFILE", "PUBLIC",
)
"""Without these .NET, PowerShell, Winsock and the C run-time do not start."""
USER_FLOOR = ("USERNAME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA")
PATHEXT = ".COM;.EXE;.BAT;.CMD"

NO_CURRENT_DIRECTORY = ("NoDefaultCurrentDirectoryInExePath", "1")
"""Else ``git`` typed in a workspace is the ``git.cmd`` that lies there."""
DEAD_PROXY = "http://127.0.0.1:9"
ADVICE = (
    *((name, DEAD_PROXY) for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")),
    ("NO_PROXY", "localhost,127.0.0.1,::1"), ("PIP_NO_INDEX", "1"), ("NPM_CONFIG_OFFLINE", "true"),
    ("CARGO_NET_OFFLINE", "true"), ("GIT_ALLOW_PROTOCOL", "file"), ("GIT_TERMINAL_PROMPT", "0"),
)
"""Where nothing can refuse packets, programs are asked not to send any."""

JOB_PROCESSES, JOB_MEMORY, JOB_NO_ERROR_BOX, JOB_KILL_ON_CLOSE = 0x8, 0x200, 0x400, 0x2000
STATION_USE, STATION_ALL = 0x2033F, 0xF033F
DESKTOP_USE, DESKTOP_ALL = 0x200FF, 0xF00FF
"""``USE`` is without changing who may do what, and without deleting.  Nobody may end the logon session or switch to the
desktop: to a write-restricted token these are no writes, so what the user has a command of his own token has too.  A
process connects to both with as much as it may have, so what is left out keeps none from starting."""
MODIFY, FULL, INHERIT = "0x1301bf", "FA", "OICI"
KEEPERS = "(A;{0};FA;;;SY)(A;{0};FA;;;BA)"


def environment(policy: Policy, facts: WindowsFacts, *, account: bool, safe: tuple[str, ...]) -> Environment:
    """Start-up variables, in the token tiers with advice about the network.

    A name that the policy denies is left out, whatever needs it.  Raises MachineError when the machine did not say
    where Windows lies.
    """
    known = {name.upper(): value for name, value in facts.environ}
    root = known.get("SYSTEMROOT", "").rstrip("\\")
    if not root:
        raise MachineError("the machine did not say where Windows lies (SystemRoot): no program would start",
                           hint="report the build of Windows that this happens on")
    known.setdefault("WINDIR", root)
    known.setdefault("SYSTEMDRIVE", root[:2])
    known.setdefault("COMSPEC", root + "\\System32\\cmd.exe")
    known.setdefault("PATHEXT", PATHEXT)
    names = SYSTEM_FLOOR if account else (*SYSTEM_FLOOR, *USER_FLOOR)
    denied = tuple([pattern.upper() for pattern in policy.environ.deny])

    def kept(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple([pair for pair in pairs if not named(pair[0].upper(), denied)])

    advice = () if account or policy.network.mode == NETWORK_ON else ADVICE
    return Environment(
        floor=kept(tuple([(name, known[name.upper()]) for name in names if name.upper() in known])),
        forced=kept((NO_CURRENT_DIRECTORY, *advice)), own=USER_FLOOR if account else (), safe=safe if account else (),
    )


def temp_dacl(facts: WindowsFacts, capability: Sid, group: Sid | None) -> str:
    """SDDL of the private directory: system and user keep all; inside there is Modify, and no more for owners.

    The account itself is not named: it is a restricting SID of every cell that it runs, the capability of one policy.
    """
    users = f"(A;{INHERIT};FA;;;{facts.user})(A;{INHERIT};{MODIFY};;;{capability})"
    if group is None:
        return f"D:P{KEEPERS.format(INHERIT)}{users}"
    return f"D:P{KEEPERS.format(INHERIT)}{users}(A;{INHERIT};{MODIFY};;;{group})(A;{INHERIT};RC;;;OW)"


def private_temp(facts: WindowsFacts, capability: Sid, group: Sid | None) -> PrivateTemp:
    """The step that makes it.  Raises MachineError when there is no place for it."""
    if not facts.temp:
        raise MachineError("there is no place for a private temporary directory",
                           hint="set-up makes one; else look whether the profile's AppData\\Local is there")
    return PrivateTemp(parent=facts.temp, sddl=temp_dacl(facts, capability, group))


def placeholder_dacl(facts: WindowsFacts, readers: tuple[Sid, ...]) -> str:
    """SDDL of what holds an absent name: protected, so that nothing of the writable root reaches it."""
    seen = "".join([f"(A;;0x1200a9;;;{sid})" for sid in readers])
    return f"D:P{KEEPERS.format('')}(A;;FA;;;{facts.user}){seen}"


def desktop(facts: WindowsFacts, account: Sid | None) -> Desktop:
    """Window station and desktop; ``account`` None: the user's own logon session uses them."""
    inside = facts.logon if account is None else account

    def dacl(every: int, use: int) -> str:
        return f"D:P(A;;{every:#x};;;SY)(A;;{every:#x};;;{facts.user})(A;;{use:#x};;;{inside})"

    return Desktop(station=dacl(STATION_ALL, STATION_USE), desktop=dacl(DESKTOP_ALL, DESKTOP_USE))


def job(policy: Policy) -> Job:
    """The job of the whole cell, with the bounds that Windows has for one."""
    limits = policy.limits
    flags = JOB_KILL_ON_CLOSE | JOB_NO_ERROR_BOX
    flags |= JOB_PROCESSES if limits.processes else 0
    flags |= JOB_MEMORY if limits.memory_bytes else 0
    return Job(flags=flags, processes=limits.processes, memory_bytes=limits.memory_bytes)
