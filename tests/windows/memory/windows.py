"""The state of a Windows in memory, who acts on it, and calls that fail when a test wants them to.

Knows: accounts, groups, rights, the registry, filters, files, keys of data protection, processes.  Must not know: what
Sidewall makes of them.  Who may do what is decided by ``nt.access_check`` where there is a descriptor, and by being an
administrator where Windows asks for one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_token import USUAL
from sidewall.platforms.windows.constants_files import FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.machine import Machine
from sidewall.platforms.windows.prototypes import FILTERING, LAST, NET, STATUS

DOMAIN = "S-1-5-21-1111-2222-3333"
ANN, BOB, ROOT = Sid(f"{DOMAIN}-1001"), Sid(f"{DOMAIN}-1002"), Sid(f"{DOMAIN}-1003")
PEOPLE = {ANN: "ann", BOB: "bob", ROOT: "root"}
GROUPS = (known.EVERYONE, known.USERS, known.AUTHENTICATED_USERS, known.INTERACTIVE)
MACHINE_KEY = parse("O:BAG:SYD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)")

_NT = r"SOFTWARE\MICROSOFT\WINDOWS NT\CURRENTVERSION"
KEYS = ("SOFTWARE", r"SOFTWARE\MICROSOFT", r"SOFTWARE\MICROSOFT\WINDOWS NT", _NT, _NT + r"\WINLOGON",
        _NT + r"\PROFILELIST")
"""Keys that every Windows has."""

FAULTS = {"Net": (NET, 2140), "SetUser": (NET, 2140), "Lsa": (STATUS, 0xC000009A), "Fwpm": (FILTERING, 0x80320012)}
"""What a call says that is made to fail; all others run out of resources."""
DENIED = {"Net": (NET, 5), "SetUser": (NET, 5), "Lsa": (STATUS, 0xC0000022), "Fwpm": (FILTERING, 5)}


def fault(call: str, table: dict[str, tuple[str, int]], other: int) -> Exception:
    source, code = next((told for start, told in table.items() if call.startswith(start)), (LAST, other))
    return failure(call, source, code)


class Person:
    """Who a process runs as."""

    def __init__(self, user: Sid, home: str, *, elevated: bool = False, confined: bool = False) -> None:
        self.user = user
        self.home = home
        self.elevated = elevated
        self.confined = confined
        self.debugging = False
        """Whether the privilege of debuggers is enabled."""
        groups = (*GROUPS, known.ADMINISTRATORS) if elevated else GROUPS
        self.token = Token(user=user, groups=tuple([Group(sid=sid, attributes=USUAL) for sid in groups]))

    def may(self, descriptor: SecurityDescriptor, mask: int, kind: str) -> bool:
        return access_check(descriptor, self.token, mask, MAPPINGS[kind]).granted


class Account:
    def __init__(self, name: str, sid: Sid, password: str, comment: str, flags: int, now: float) -> None:
        self.name, self.sid, self.password, self.comment, self.flags = name, sid, password, comment, flags
        self.changed = now
        self.expired = False
        self.bad_passwords = 0


class File:
    """``data`` is None for a directory.  ``opens`` are the accesses and shares of its open handles."""

    _numbers = itertools.count(1000)

    def __init__(self, descriptor: SecurityDescriptor, data: bytes | None, written: float = 0) -> None:
        self.descriptor = descriptor
        self.data = data
        self.number = next(self._numbers)
        self.written = written
        self.attributes = FILE_ATTRIBUTE_DIRECTORY if data is None else FILE_ATTRIBUTE_NORMAL
        self.links = 1
        self.opens: list[tuple[int, int]] = []
        self.running = 0
        """Processes that were started from it."""


class Windows:
    """All of it.  ``calls`` are the calls made, in order; ``fail_at`` the number of the one that fails."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.builtin = Account("administrator", Sid(f"{DOMAIN}-500"), "", "", 0x203, 0)
        """The one that every Windows has, disabled."""
        self.groups: dict[str, tuple[Sid, str, list[Sid]]] = {}
        self.rights: dict[Sid, set[str]] = {known.USERS: {"SeInteractiveLogonRight"}}
        self.keys: dict[str, dict[str, Any]] = {key: {} for key in KEYS}
        self.key_security: dict[str, SecurityDescriptor] = {}
        self.objects: dict[str, Any] = {}
        """Providers, sublayers and filters by key."""
        self.running = True
        self.files: dict[str, File] = {}
        self.pipes: set[str] = set()
        self.processes: dict[int, Sid] = {}
        self.details: dict[int, Any] = {}
        """What is known of those processes that were started here."""
        self.jobs: dict[str, Any] = {}
        self.players: dict[str, Any] = {}
        """Who is at the other end of a pipe."""
        self.drives: dict[Sid, SecurityDescriptor] = {}
        """Directories of drive letters of accounts that are logged on."""
        self.acting = 0
        self.token_is_open = self.inherits_default = True
        """What no document says, see ``processes``."""
        self.happened: Callable[[str], object] = lambda call: None
        """Told of each call, and of what programs do by themselves."""
        self.debuggers = True
        """Whether administrators have the privilege of debuggers."""
        self.ended: Callable[[int], object] = lambda number: None
        """Told of each process that was ended."""
        self.left: dict[int, str] = {}
        """Programs of processes that the user may open and whose starter is gone."""
        self.broken: set[Sid] = set()
        """Users whose DPAPI key is lost."""
        self.logons: list[str] = []
        self.lockout = 3
        self.logon_error, self.service_error = 0, 0
        """What keeps every right password from working, and what the service that logs on says."""
        self.prompts: list[tuple[str, str, str | None]] = []
        """Program, parameters and directory of what was to be started as administrator."""
        self.started: list[Any] = []
        """How processes were started that were logged on."""
        self.secrets: list[Any] = []
        """Every password that was decrypted for a moment."""
        self.stations: dict[str, SecurityDescriptor] = {}
        self.desktops: dict[str, SecurityDescriptor] = {}
        self.windows_there = True
        self.unloading = 0.0
        """Until when a service still unloads the profiles of those whose last process has ended."""
        self.now = 1_700_000_000.0
        self.calls: list[str] = []
        self.fail_at = -1
        self.after = False
        self._next = 1010
        self._protected: dict[bytes, tuple[Sid | None, bytes, bytes, str]] = {}
        for user, name in PEOPLE.items():
            own = parse(f"O:{user}G:BUD:P(A;OICI;FA;;;{user})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)")
            for place in ("", r"\AppData", r"\AppData\Local"):
                self.files[rf"C:\Users\{name}{place}".upper()] = File(own, None)

    def rid(self) -> Sid:
        self._next += 1
        return Sid(f"{DOMAIN}-{self._next}")

    def machine(self, user: Sid = ANN, *, elevated: bool = False, confined: bool = False, home: str = "") -> Machine:
        """The machine as a process of this user sees it."""
        from tests.windows.memory.accounts import Netapi
        from tests.windows.memory.desktops import User
        from tests.windows.memory.filters import Filters
        from tests.windows.memory.kernel import Kernel
        from tests.windows.memory.registry import Registry
        from tests.windows.memory.security import Advapi, Crypt, Shell, Userenv

        person = Person(user, home or rf"C:\Users\{PEOPLE.get(user, 'other')}", elevated=elevated, confined=confined)
        api = Api()
        for name, made in (("kernel32", Kernel), ("ntdll", Kernel), ("advapi32", Advapi), ("netapi32", Netapi),
                           ("crypt32", Crypt), ("userenv", Userenv), ("fwpuclnt", Filters), ("user32", User),
                           ("shell32", Shell)):
            setattr(api, name, Watched(made(self, person), self))
        return Machine(api, Watched(Registry(self, person), self), lambda: self.now,  # type: ignore[arg-type]
                       self.later)

    def later(self, seconds: float) -> None:
        """Time passes for who waits."""
        self.now += seconds

    def picture(self) -> dict[str, Any]:
        """All that lasts, to be compared."""
        return {
            "accounts": {name: (str(one.sid), one.comment, one.flags, one.password)
                         for name, one in self.accounts.items()},
            "groups": {name: (comment, tuple(members)) for name, (_, comment, members) in self.groups.items()},
            "rights": {sid: frozenset(held) for sid, held in self.rights.items() if held},
            "keys": {key: dict(values) for key, values in self.keys.items()},
            "objects": dict(self.objects),
            "files": {path: file.data for path, file in self.files.items()},
        }


class Api:
    """The facades by name."""


class Watched:
    """A facade whose calls are counted, and of which one can be made to fail: before or after its effect."""

    def __init__(self, facade: Any, windows: Windows) -> None:
        self._facade = facade
        self._windows = windows

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._facade, name)
        windows = self._windows

        def call(*values: Any, **named: Any) -> Any:
            number = len(windows.calls)
            windows.calls.append(name)
            if number == windows.fail_at and not windows.after:
                raise fault(name, FAULTS, 1450)
            result = method(*values, **named)
            windows.happened(name)
            if number == windows.fail_at:
                if isinstance(result, Handle):
                    result.close()
                raise fault(name, FAULTS, 1450)
            return result

        return call


class Facade:
    """What every facade of this Windows has: the state, and whose process calls."""

    def __init__(self, windows: Windows, person: Person) -> None:
        self.windows = windows
        self.person = person

    def administrator(self, call: str) -> None:
        if not self.person.elevated:
            raise fault(call, DENIED, 5)

    def handle(self, what: str, close: Callable[[int], object] = lambda value: None) -> Handle:
        return Handle(1, close, what)
