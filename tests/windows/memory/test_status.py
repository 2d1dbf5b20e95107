"""Status and uninstall on a Windows in memory: what is listed is what is there, and what uninstall leaves is named."""

from __future__ import annotations

import pytest
from tests.windows.memory.people import consenting, refusing, set_up, take_away, traces
from tests.windows.memory.windows import ANN, BOB, DOMAIN, ROOT, Windows

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.wellknown import USERS
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import (
    credentials,
    elevated,
    exchange,
    hiding,
    ledger,
    runtime,
    runtime_removal,
    setup,
    status,
    uninstall,
)
from sidewall.platforms.windows.readiness import PROFILES
from sidewall.platforms.windows.runtime_files import Contents, File

GROUP, OFFLINE, ONLINE = account_names(ANN)
ALL = {"account", "group", "hidden", "right", "filter", "registry", "file"}


def profile(windows: Windows, name: str) -> None:
    """The account was logged on once."""
    sid = windows.accounts[name].sid
    windows.keys[f"{PROFILES}\\{sid}".upper()] = {"ProfileImagePath": rf"C:\Users\{name}"}


def test_nothing_is_nothing() -> None:
    windows = Windows()
    for elevated_ in (False, True):
        found = status.look(windows.machine(elevated=elevated_))
        assert (found.traces, found.lacking, found.unseen) == ((), (), ())
    windows.calls.clear()
    assert uninstall.run(windows.machine(), refusing) == uninstall.Removed()


def test_all_is_listed() -> None:
    windows = Windows()
    set_up(windows)
    profile(windows, OFFLINE)
    assert {kind for kind, _ in traces(windows)} == ALL | {"profile"}
    names = {name for _, name in traces(windows)}
    assert {GROUP, OFFLINE, ONLINE, rf"C:\Users\{OFFLINE}", credentials.path_of(r"C:\Users\ann")} <= names


def test_a_runner_that_no_owner_has_any_more_is_listed_and_ended() -> None:
    """Else nobody could remove what it runs from."""
    windows = Windows()
    before = windows.picture()
    set_up(windows)
    machine = windows.machine()
    contents = Contents(files=(File(name="pythonw.exe", data=b"MZ"),), origins=(), modules=())
    directory = runtime.make(machine, machine.caller(), windows.groups[GROUP][0], contents)
    windows.processes.update({77: windows.accounts[OFFLINE].sid, 78: ANN})
    windows.left.update({77: rf"{directory}\pythonw.exe", 78: r"C:\Python311\pythonw.exe"})
    assert {name for kind, name in traces(windows) if kind == "process"} == {
        "process 77, which no sandbox has any more"}
    done, left = runtime_removal.uninstall(machine.api, machine.caller().home)
    assert left == () and any("process 77" in line for line in done)
    assert 77 not in windows.processes and 78 in windows.processes
    del windows.processes[78]
    assert take_away(windows).left == ()
    assert windows.picture() == before


def test_a_copy_of_python_and_a_refused_logon_are_traces_too() -> None:
    windows = Windows()
    before = windows.picture()
    set_up(windows)
    machine = windows.machine()
    caller = machine.caller()
    contents = Contents(files=(File(name="pythonw.exe", data=b"MZ"),), origins=(), modules=())
    directory = runtime.make(machine, caller, windows.groups[GROUP][0], contents)
    credentials.note_refusal(machine, caller, credentials.Refused(sid=windows.accounts[OFFLINE].sid, generation=1,
                                                                  code=1326))
    found = {(kind, name.lower()) for kind, name in traces(windows)}
    assert ("runtime", directory.lower()) in found and ("runtime", (caller.home + runtime.PLACE).lower()) in found
    assert ("file", f"{caller.home}{credentials.DIRECTORY}\\{credentials.REFUSED}".lower()) in found
    windows.files[f"{directory}\\pythonw.exe".upper()].running = 1
    left = take_away(windows).left
    assert any("a sandbox runs from it" in line for line in left) and not windows.accounts
    windows.files[f"{directory}\\pythonw.exe".upper()].running = 0
    assert take_away(windows).left == ()
    assert windows.picture() == before


def test_what_a_user_may_not_see_is_named_and_hides_nothing() -> None:
    windows = Windows()
    set_up(windows)
    found = status.look(windows.machine())
    assert {one.kind for one in found.traces} == ALL - {"right"}
    assert any("account rights" in line for line in found.unseen)
    assert found.lacking == ()
    assert {one.kind for one in status.look(windows.machine(BOB)).traces} >= {"account", "group", "hidden", "registry"}


def test_status_changes_nothing_and_tells_what_is_broken() -> None:
    windows = Windows()
    set_up(windows)
    del windows.accounts[ONLINE]
    before = windows.picture()
    found = status.look(windows.machine(elevated=True))
    assert any("was deleted" in line for line in found.lacking)
    assert any(one.kind == "right" for one in found.traces), "rights of the deleted account are still found"
    assert windows.picture() == before


def test_uninstall_ends_what_runs_and_removes_profiles() -> None:
    windows = Windows()
    before = windows.picture()
    set_up(windows)
    profile(windows, OFFLINE)
    windows.processes = {100: windows.accounts[OFFLINE].sid, 200: ANN}
    assert take_away(windows).left == ()
    assert windows.processes == {200: ANN}
    assert windows.picture() == before


@pytest.mark.parametrize(("seconds", "left"), [(3, 0), (60, 1)])
def test_a_profile_that_is_still_being_unloaded(seconds: int, left: int) -> None:
    windows = Windows()
    set_up(windows)
    profile(windows, OFFLINE)
    windows.processes = {100: windows.accounts[OFFLINE].sid}
    windows.unloading = windows.now + seconds
    assert len(take_away(windows).left) == left and not windows.processes
    windows.now = windows.unloading
    assert take_away(windows).left == ()


def test_a_profile_s_directory_that_windows_leaves_is_named() -> None:
    windows = Windows()
    set_up(windows)
    profile(windows, OFFLINE)
    windows.files[rf"C:\Users\{OFFLINE}".upper()] = windows.files[r"C:\USERS\ANN"]
    assert any(rf"left C:\Users\{OFFLINE}" in line for line in take_away(windows).left)


def test_administrators_without_the_privilege_of_debuggers_are_told() -> None:
    """The list of a sandbox's processes leaves administrators out, and so does that of their tokens."""
    windows = Windows()
    before = windows.picture()
    set_up(windows)
    profile(windows, OFFLINE)
    windows.processes = {100: windows.accounts[OFFLINE].sid, 200: ANN}
    windows.debuggers = False
    assert any("the profile of" in line and "SHARING" in line for line in take_away(windows).left)
    assert windows.processes.keys() == {100, 200}
    windows.debuggers = True
    assert take_away(windows).left == ()
    assert windows.processes == {200: ANN} and windows.picture() == before


@pytest.mark.parametrize("ever", [False, True])
def test_what_starts_others_while_it_is_ended(ever: bool) -> None:
    windows = Windows()
    set_up(windows)
    sid = windows.accounts[OFFLINE].sid
    windows.processes = {100: sid, 50: BOB}

    def again(number: int) -> None:
        if ever or number < 110:
            windows.processes[number + 1] = sid

    windows.ended = again
    left = take_away(windows).left
    assert windows.processes[50] == BOB
    assert any("faster than they are ended" in line for line in left) if ever else (
        left == () and windows.processes == {50: BOB})


def test_uninstall_after_an_account_was_deleted_by_hand() -> None:
    windows = Windows()
    before = windows.picture()
    set_up(windows)
    profile(windows, OFFLINE)
    gone = windows.accounts.pop(OFFLINE)
    windows.groups[GROUP][2].remove(gone.sid)
    assert take_away(windows).left == ()
    assert windows.picture() == before


def test_no_is_no() -> None:
    windows = Windows()
    set_up(windows)
    before = windows.picture()
    with pytest.raises(setup.Declined):
        uninstall.run(windows.machine(), refusing)
    assert windows.picture() == before


def test_another_users_set_up_is_not_ours_to_remove() -> None:
    windows = Windows()
    set_up(windows, BOB)
    before = windows.picture()
    assert uninstall.run(windows.machine(ANN), refusing) == uninstall.Removed()
    assert windows.picture() == before
    with pytest.raises(MachineError, match="administrator"):
        uninstall.for_user(windows.machine(ANN), BOB)
    result = uninstall.for_user(windows.machine(ROOT, elevated=True), BOB)
    assert result.left == () and not windows.accounts
    assert {one.kind for one in status.look(windows.machine(BOB)).traces} == {"file"}


def test_an_account_that_is_not_ours_stays_and_is_named() -> None:
    windows = Windows()
    set_up(windows)
    windows.accounts[OFFLINE].comment = "taken over by somebody"
    result = take_away(windows)
    assert any("not Sidewall's" in line for line in result.left)
    assert OFFLINE in windows.accounts and ONLINE not in windows.accounts
    assert ledger.key_of(ANN).upper() in windows.keys, "the next uninstall still knows what there was"


def test_other_hidden_accounts_stay_hidden() -> None:
    windows = Windows()
    windows.keys[hiding.SPECIAL.upper()] = {}
    windows.keys[hiding.USER_LIST.upper()] = {"kiosk": 0}
    before = windows.picture()
    set_up(windows)
    assert take_away(windows).left == ()
    assert windows.picture() == before


class Scripted:
    """The other side of the pipe, saying what a test wants."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def receive(self) -> bytes:
        if not self.answers:
            raise MachineError("gone")
        return self.answers.pop(0)


@pytest.mark.parametrize("request_", [b"", b"setup ", b"SETUP", b"setup\0", b'{"sid": "S-1-1-0"}',
                                      b"uninstall S-1-1-0"])
def test_the_helper_takes_two_words_and_nothing_else(request_: bytes) -> None:
    with pytest.raises(MachineError):
        exchange.requested(request_)
    assert exchange.requested(exchange.request("setup")) == "setup"


@pytest.mark.parametrize("answer", [b"", b"[]", b"1", b"\xff", b'{"error": "x"}', b'{"credentials": []}'])
def test_a_helper_that_talks_nonsense(answer: bytes) -> None:
    with pytest.raises(MachineError):
        exchange.ask(Scripted(answer), exchange.SETUP, lambda made: None)


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"kept": false}', b'{"kept": 1}', b'{"kept": "true"}'])
def test_without_a_plain_yes_nothing_stays(answer: bytes) -> None:
    windows = Windows()
    before = windows.picture()
    user = Scripted(answer)
    assert not exchange.serve(windows.machine(elevated=True), ANN, exchange.SETUP, user)
    assert windows.picture() == before
    assert b"error" in user.sent[-1]


def test_the_helper_serves_its_parent_only() -> None:
    class Api:
        class kernel32:
            times = {1: (50, 0, 0, 0), 0: (100, 0, 0, 0)}

            @staticmethod
            def GetCurrentProcess() -> int:
                return 0

            @classmethod
            def GetProcessTimes(cls, process: object) -> tuple[int, int, int, int]:
                return cls.times[getattr(process, "number", 0)]

            @staticmethod
            def OpenProcess(access: int, number: int) -> object:
                return Opened(number)

        class ntdll:
            @staticmethod
            def ParentProcessId(process: object) -> int:
                return 1

    class Opened:
        def __init__(self, number: int) -> None:
            self.number = number

        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None:
            return

    elevated.check_parent(Api, 1)  # type: ignore[arg-type]
    with pytest.raises(MachineError, match="process 2 asks"):
        elevated.check_parent(Api, 2)  # type: ignore[arg-type]
    Api.kernel32.times[1] = (150, 0, 0, 0)
    with pytest.raises(MachineError, match="process 1 asks"):
        elevated.check_parent(Api, 1)  # type: ignore[arg-type]


def test_two_people_over_one_shoulder() -> None:
    """An administrator's helper serves whoever asked, never the administrator whose password was typed."""
    windows = Windows()
    setup.run(windows.machine(BOB), consenting(windows, BOB, administrator=ROOT))
    assert set(windows.accounts) == set(account_names(BOB)[1:])


def planted(windows: Windows, *sids: Sid) -> None:
    """Bob lives here, and something wrote his SID and a group's where uninstall looks."""
    windows.keys[f"{PROFILES}\\{BOB}".upper()] = {"ProfileImagePath": r"C:\Users\bob"}
    windows.processes = {200: BOB, 300: ANN}
    windows.rights[BOB] = {"SeBatchLogonRight"}
    there = windows.keys[ledger.key_of(ANN).upper()]
    there["Accounts"] = " ".join((*str(there.get("Accounts", "")).split(), *sids))


def untouched(windows: Windows) -> bool:
    return (windows.processes == {200: BOB, 300: ANN} and f"{PROFILES}\\{BOB}".upper() in windows.keys
            and windows.rights == {BOB: {"SeBatchLogonRight"}, USERS: {"SeInteractiveLogonRight"}})


def test_a_user_does_not_write_what_an_administrator_s_uninstall_obeys() -> None:
    for fleet in (False, True):
        windows = Windows()
        if fleet:
            setup.for_user(windows.machine(ROOT, elevated=True), ANN)
        else:
            set_up(windows)
        registry = windows.machine(ANN).registry
        for key in (ledger.key_of(ANN), ledger.waiting_key(ANN)):
            with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
                registry.set_value(key + r"\below", "Accounts", str(BOB))
            with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
                registry.delete_key(key) if key.upper() in windows.keys else registry.make_key(key)
        with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
            registry.set_value(ledger.key_of(ANN), "Accounts", str(BOB))


@pytest.mark.parametrize("weak", [f"O:BAG:SYD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;;0x2001b;;;{ANN})",
                                  f"O:{ANN}G:SYD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;;KR;;;{ANN})",
                                  f"O:BAG:SYD:P(A;CI;KA;;;BA)(A;;0x60019;;;{ANN})", "O:BAG:SYD:P(A;;GA;;;WD)"])
def test_a_note_that_others_could_write_is_not_obeyed(weak: str) -> None:
    windows = Windows()
    set_up(windows)
    gone = Sid(f"{DOMAIN}-4711")
    planted(windows, BOB, USERS, gone)
    windows.rights[gone] = {"SeBatchLogonRight"}
    windows.key_security[ledger.key_of(ANN).upper()] = parse(weak)
    looked = status.look(windows.machine(ANN, elevated=True))
    assert any("others than administrators could write" in line for line in looked.unseen)
    assert not any(str(BOB) in one.name or str(USERS) in one.name for one in looked.traces)
    result = take_away(windows)
    assert [line.split(",")[0] for line in result.left] == [BOB, USERS, gone]
    assert all("others than administrators" in line for line in result.left)
    assert windows.rights.pop(gone) == {"SeBatchLogonRight"} and untouched(windows)
    assert not windows.accounts and ledger.key_of(ANN).upper() not in windows.keys
    assert take_away(windows).left == ()


def test_set_up_makes_a_note_that_others_could_write_anew() -> None:
    windows = Windows()
    set_up(windows)
    planted(windows, BOB)
    windows.key_security[ledger.key_of(ANN).upper()] = parse(f"O:BAG:SYD:P(A;CI;KA;;;BA)(A;;0x2001b;;;{ANN})")
    windows.accounts[OFFLINE].flags |= 2
    windows.calls.clear()
    set_up(windows)
    assert "delete_key" in windows.calls, "whoever holds the old key open writes to no key any more"
    machine = windows.machine(ANN)
    assert ledger.believed(machine, ANN) and BOB not in ledger.made(machine.registry, ANN)
    assert take_away(windows).left == () and untouched(windows)


def test_what_an_administrator_noted_is_still_looked_up() -> None:
    """A domain's user without a controller, a living person and a group: none is an account that set-up made."""
    windows = Windows()
    set_up(windows)
    away = Sid("S-1-5-21-7-7-7-1010")
    planted(windows, BOB, USERS, away, Sid(f"{DOMAIN}-500"), Sid(f"{DOMAIN}-513"))
    result = take_away(windows)
    assert untouched(windows) and len(result.left) == 5
    assert any(line.startswith(f"{BOB},") and r"PC\bob" in line for line in result.left)
    assert any(line.startswith(f"{away},") and "not of this machine" in line for line in result.left)
    assert ledger.key_of(ANN).upper() in windows.keys
