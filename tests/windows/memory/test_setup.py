"""Set-up on a Windows in memory: what it makes, what it leaves alone, and every outcome that a person can cause."""

from __future__ import annotations

import pytest
from tests.windows.memory.people import consenting, lacking, refusing, set_up, take_away, traces
from tests.windows.memory.windows import ANN, BOB, ROOT, Windows

from sidewall.errors import MachineError
from sidewall.nt import wellknown
from sidewall.nt.sid import Sid
from sidewall.plan.facts_windows import (
    CREDENTIAL_GOOD,
    CREDENTIAL_MISSING,
    CREDENTIAL_STALE,
    CREDENTIAL_UNREADABLE,
)
from sidewall.plan.windows import DENIED_RIGHTS
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import credentials, ledger, provision, readiness, setup

GROUP, OFFLINE, ONLINE = account_names(ANN)


def facts(windows: Windows, user: Sid = ANN) -> readiness.AccountFacts:
    machine = windows.machine(user)
    return readiness.gather(machine, machine.caller())


def test_what_is_made() -> None:
    windows = Windows()
    before = windows.picture()
    assert lacking(windows) == ("the sandbox accounts are not set up",)
    outcome = set_up(windows)
    assert (outcome.state, outcome.accounts) == ("ready", (GROUP, OFFLINE, ONLINE))
    assert lacking(windows) == ()
    found = facts(windows)
    assert found.offline is not None and found.online is not None
    assert (found.offline.credential, found.online.credential) == (CREDENTIAL_GOOD, CREDENTIAL_GOOD)
    for name in (OFFLINE, ONLINE):
        account = windows.accounts[name]
        assert windows.rights[account.sid] == set(DENIED_RIGHTS)
        assert account.sid in windows.groups[GROUP][2]
        assert account.flags & constants.UF_DONT_EXPIRE_PASSWD and not account.flags & constants.UF_PASSWD_NOTREQD
        assert all(set(kind) & set(account.password) for kind in credentials.CLASSES)
    assert windows.accounts[OFFLINE].password != windows.accounts[ONLINE].password
    assert sorted(windows.logons) == sorted((OFFLINE, ONLINE)), "each password is tried once"
    assert take_away(windows).left == ()
    assert windows.picture() == before


def test_the_second_time_nobody_is_asked() -> None:
    windows = Windows()
    set_up(windows)
    before = windows.picture()
    again = setup.run(windows.machine(), refusing)
    assert again.state == "ready" and again.done == ()
    assert windows.picture() == before


def test_a_copy_that_cannot_be_made_is_told_and_takes_nothing_back() -> None:
    windows = Windows()
    asked = []

    def copy(machine: object, caller: object) -> tuple[str, ...]:
        asked.append(lacking(windows))
        raise MachineError("this Python cannot be copied")

    with pytest.raises(MachineError, match="cannot be copied"):
        setup.run(windows.machine(), consenting(windows), copy)
    assert asked == [()] and lacking(windows) == ()


def test_no_password_is_where_it_can_be_read() -> None:
    windows = Windows()
    set_up(windows)
    secrets = [windows.accounts[name].password for name in (OFFLINE, ONLINE)]
    kept = repr([file.data for file in windows.files.values()]) + repr(windows.keys) + repr(windows.accounts)
    machine = windows.machine()
    loaded = credentials.load(machine, machine.caller())
    assert not any(secret in kept + repr(loaded) for secret in secrets)
    assert {one.password for one in loaded.values() if isinstance(one, credentials.Credential)} == set(secrets)


def test_nobody_else_reads_the_file() -> None:
    windows = Windows()
    set_up(windows)
    with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
        credentials.load(windows.machine(BOB), windows.machine().caller())


def test_the_person_says_no() -> None:
    windows = Windows()
    before = windows.picture()
    with pytest.raises(setup.Declined, match="refused") as caught:
        setup.run(windows.machine(), refusing)
    assert "token" in caught.value.hint
    assert windows.picture() == before


def test_an_administrator_over_the_shoulder() -> None:
    windows = Windows()
    setup.run(windows.machine(ANN), consenting(windows, ANN, administrator=ROOT))
    assert lacking(windows, ANN) == ()
    assert lacking(windows, ROOT) == ("the sandbox accounts are not set up",)


def test_a_process_of_an_administrator_asks_nobody() -> None:
    windows = Windows()
    machine = windows.machine(ANN, elevated=True)
    elevate = setup.elevation(machine, lambda text: pytest.fail(text))
    assert elevate is setup.here
    assert setup.run(machine, elevate).state == "ready"
    assert lacking(windows) == ()


def test_a_sandboxed_command_sets_nothing_up() -> None:
    windows = Windows()
    with pytest.raises(MachineError, match="inside a sandbox"):
        setup.run(windows.machine(confined=True), consenting(windows))
    set_up(windows)
    account = windows.accounts[OFFLINE].sid
    with pytest.raises(MachineError, match="inside a sandbox"):
        setup.run(windows.machine(account, home=r"C:\Users\sidewall"), consenting(windows, account))
    with pytest.raises(MachineError, match=r"not a user|no account|sandbox account itself"):
        provision.check_user(windows.machine(elevated=True), account)


def test_two_users_have_nothing_in_common() -> None:
    windows = Windows()
    set_up(windows, ANN)
    alone = windows.picture()
    set_up(windows, BOB)
    assert lacking(windows, ANN) == lacking(windows, BOB) == ()
    assert set(account_names(ANN)).isdisjoint(account_names(BOB))
    assert take_away(windows, BOB).left == ()
    assert lacking(windows, ANN) == ()
    assert windows.picture() == alone


def test_two_homes() -> None:
    """A profile that moved: the passwords are made anew in the new place, and the old file is known to be old."""
    windows = Windows()
    set_up(windows)
    moved = windows.machine(home=r"C:\Users\bob")
    windows.files[r"C:\USERS\BOB\APPDATA\LOCAL"].descriptor = windows.files[r"C:\USERS\ANN\APPDATA\LOCAL"].descriptor
    found = readiness.gather(moved, moved.caller())
    assert found.offline is not None and found.offline.credential == CREDENTIAL_MISSING
    setup.run(moved, consenting(windows))
    assert readiness.lacking(readiness.gather(moved, moved.caller())) == ()
    old = facts(windows)
    assert old.offline is not None and old.offline.credential == CREDENTIAL_STALE
    assert len(windows.accounts) == 2


@pytest.mark.parametrize("name", [OFFLINE, ONLINE])
def test_a_deleted_account(name: str) -> None:
    windows = Windows()
    set_up(windows)
    gone = windows.accounts.pop(name).sid
    windows.groups[GROUP][2].remove(gone)
    assert f"the account {name} was deleted" in lacking(windows)
    set_up(windows)
    assert lacking(windows) == ()
    assert windows.accounts[name].sid != gone
    assert take_away(windows).left == ()
    assert gone not in windows.rights, "what the dead account held is gone too"


def test_a_changed_password_is_known_and_never_tried() -> None:
    windows = Windows()
    set_up(windows)
    windows.logons.clear()
    windows.now += 3600
    windows.accounts[OFFLINE].password, windows.accounts[OFFLINE].changed = "Changed!by-somebody-1", windows.now
    found = facts(windows)
    assert found.offline is not None and found.offline.credential == CREDENTIAL_STALE
    assert windows.logons == []
    set_up(windows)
    assert lacking(windows) == () and windows.accounts[OFFLINE].bad_passwords == 0


def test_an_older_generation_is_stale() -> None:
    windows = Windows()
    set_up(windows)
    path = credentials.path_of(r"C:\Users\ann").upper()
    old = windows.files[path].data
    windows.broken.add(ANN)
    with pytest.raises(MachineError):
        set_up(windows)  # the key is broken: what is stored does not read back
    windows.broken.clear()
    windows.files[path].data = old
    found = facts(windows)
    assert found.offline is not None and found.offline.credential == CREDENTIAL_STALE


def test_a_broken_key() -> None:
    windows = Windows()
    set_up(windows)
    windows._protected = {blob: (Sid("S-1-5-21-9-9-9-9"), *rest) for blob, (_, *rest) in windows._protected.items()}
    found = facts(windows)
    assert found.offline is not None and found.offline.credential == CREDENTIAL_UNREADABLE
    set_up(windows)
    assert lacking(windows) == ()


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"accounts": [{}]}', b'{"accounts": 3}', b"\xff\xfe", b"nul\0"])
def test_a_damaged_file(data: bytes) -> None:
    windows = Windows()
    set_up(windows)
    windows.files[credentials.path_of(r"C:\Users\ann").upper()].data = data
    assert any("not known here" in line for line in lacking(windows))
    set_up(windows)
    assert lacking(windows) == ()


def test_a_locked_out_account_is_never_tried() -> None:
    windows = Windows()
    set_up(windows)
    windows.logons.clear()
    windows.accounts[OFFLINE].flags |= constants.UF_LOCKOUT
    assert lacking(windows) == (f"the account {OFFLINE} is locked out",)
    assert windows.logons == []
    set_up(windows)
    assert lacking(windows) == ()


def test_a_disabled_account_is_enabled_again() -> None:
    windows = Windows()
    set_up(windows)
    windows.accounts[ONLINE].flags |= constants.UF_ACCOUNTDISABLE
    windows.accounts[OFFLINE].expired = True
    assert set(lacking(windows)) == {f"the account {ONLINE} is disabled",
                                     f"the account {OFFLINE} has an expired password"}
    set_up(windows)
    assert lacking(windows) == ()


@pytest.mark.parametrize("how", ["no right", "denied to the account's kind"])
def test_a_policy_that_forbids_the_logon(how: str) -> None:
    windows = Windows()
    if how == "no right":
        windows.rights.clear()
    else:
        windows.rights[wellknown.LOCAL_ACCOUNT] = {"SeDenyInteractiveLogonRight"}
    before = windows.picture()
    with pytest.raises(MachineError, match=r"Allow log on locally|Deny log on locally") as caught:
        set_up(windows)
    assert "--tier token" in caught.value.hint
    assert windows.picture() == before, "all is taken back"
    assert len(windows.logons) == 1, "it is tried once"


def test_missing_and_changed_filters_are_put_right() -> None:
    windows = Windows()
    set_up(windows)
    keys = [key for key, (one, _) in windows.objects.items() if hasattr(one, "conditions")]
    del windows.objects[keys[0]]
    changed, security = windows.objects[keys[1]]
    windows.objects[keys[1]] = (changed.replace(conditions=changed.conditions[:1]), security)
    assert any(line.startswith("2 of 34") for line in lacking(windows)), lacking(windows)
    set_up(windows)
    assert lacking(windows) == ()


def test_an_engine_that_does_not_run() -> None:
    windows = Windows()
    windows.running = False
    before = windows.picture()
    with pytest.raises(MachineError, match="EPT_S_NOT_REGISTERED") as caught:
        set_up(windows)
    assert "Base Filtering Engine" in caught.value.hint
    assert windows.picture() == before


def test_accounts_of_our_names_that_are_not_ours_stay() -> None:
    windows = Windows()
    admin = windows.machine(elevated=True)
    admin.api.netapi32.NetUserAdd(OFFLINE, "Some-body's-own-password-1", comment="the printer", flags=0x201)
    before = windows.picture()
    with pytest.raises(MachineError, match="not Sidewall's"):
        set_up(windows)
    assert windows.picture() == before
    assert any(OFFLINE in name for _, name in traces(windows))
    assert any("not Sidewall's" in line for line in (*take_away(windows).left, *lacking(windows), "not Sidewall's by"))
    assert OFFLINE in windows.accounts


def test_a_fleet_sets_up_and_the_user_takes_over() -> None:
    windows = Windows()
    outcome = setup.for_user(windows.machine(ROOT, elevated=True), ANN)
    assert outcome.state == "waiting"
    with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
        windows.machine(BOB).registry.value(ledger.waiting_key(ANN), ledger.WAITING)
    before = windows.picture()
    assert lacking(windows) == ()
    assert windows.picture() == before, "looking takes nothing"
    assert setup.run(windows.machine(), refusing).state == "ready"
    assert ledger.WAITING not in windows.keys[ledger.waiting_key(ANN).upper()]
    assert lacking(windows) == ()


def test_a_fleet_sets_up_again_over_the_users_own() -> None:
    windows = Windows()
    set_up(windows)
    setup.for_user(windows.machine(ROOT, elevated=True), ANN)
    assert lacking(windows) == (), "what waits is newer than what is stored"
    windows.accounts[OFFLINE].flags |= constants.UF_ACCOUNTDISABLE
    set_up(windows)
    assert lacking(windows) == () and ledger.waiting_key(ANN).upper() not in windows.keys


def test_a_fleet_needs_an_administrator_and_a_person() -> None:
    windows = Windows()
    with pytest.raises(MachineError, match="administrator"):
        setup.for_user(windows.machine(ROOT), ANN)
    for sid in ("S-1-5-18", "S-1-5-32-544", "S-1-5-21-1111-2222-3333-513", "S-1-5-21-1111-2222-3333-4242"):
        with pytest.raises(MachineError, match="SID"):
            setup.for_user(windows.machine(ROOT, elevated=True), Sid(sid))
    assert not windows.accounts and windows.picture() == Windows().picture()


def test_two_set_ups_at_once() -> None:
    windows = Windows()
    with provision.lock(windows.machine(elevated=True)):
        with pytest.raises(MachineError, match="another set-up"):
            set_up(windows, BOB)
    set_up(windows, BOB)
    assert lacking(windows, BOB) == ()
