"""Which tier a Windows machine gives, and what happens where it gives less than is required.

Knows: builds, callers, accounts and what people and policies did to them, as host facts.  Must not know: this machine.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall import plan as planning
from sidewall.errors import GuaranteeError, MachineError, UsageError
from sidewall.nt import wellknown as known
from sidewall.nt.sid import Sid
from sidewall.plan import windows_network
from sidewall.plan.facts_windows import AccountFact, Filtering
from sidewall.plan.windows import why_not_account
from sidewall.plan.windows_sids import account_names
from sidewall.plan.windows_steps import Accounts, AclEdit, Job, NetworkFilters, Ownership, TokenRecipe
from sidewall.policy.model import DEFAULT_REQUIRE, GUARANTEES, Network

from .machines import (
    ANN,
    GROUP,
    LOGON,
    MACHINE,
    OFFLINE,
    ONLINE,
    USER_GROUPS,
    VOLUMES,
    compiled,
    filter_names,
    machine,
    not_set_up,
    of,
    policy,
)

NAME = account_names(ANN)[1]


def account(**changes: Any) -> dict[str, Any]:
    """The offline account, with something wrong."""
    return {"offline": AccountFact(**{"name": NAME, "sid": OFFLINE, **changes})}


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (not_set_up(), "not set up", "sidewall setup"),
    (account(sid=None), "was deleted", "sidewall setup"),
    (account(disabled=True), "is disabled", "sidewall setup"),
    (account(locked=True), "locked out, and is not tried again", "wait"),
    (account(expired=True), "has expired by a policy", "sidewall setup"),
    (account(in_group=False), "not in its group", "sidewall setup"),
    (account(credential="missing"), "not known here", "sidewall setup"),
    (account(credential="unreadable"), "cannot be decrypted", "sidewall setup"),
    (account(credential="stale"), "was changed after", "sidewall setup"),
    ({"logon_forbidden": "SeDenyInteractiveLogonRight: Users"}, "SeDenyInteractiveLogonRight", "policy"),
    ({"seclogon": "disabled"}, "Secondary Logon", "sc config seclogon"),
    (account(refused="the account's name or password is wrong: ERROR_LOGON_FAILURE (1326)"),
     "is not tried again: the account's name or password is wrong", "sidewall setup"),
    ({"runner": False, "runner_problem": "this Python cannot be copied"}, "this Python cannot be copied", "token tier"),
    ({"runner": False}, "commands cannot be started as the sandbox's accounts", "token tier"),
    ({"filtering": Filtering(running=False, present=filter_names())}, "base filtering engine", "sc start bfe"),
    ({"filtering": Filtering(present=())}, "30 of its network filters are gone", "sidewall setup"),
    ({"filtering": Filtering(present=filter_names()[1:])}, "no-dns", "sidewall setup"),
]


def test_a_machine_that_was_set_up_runs_the_default_policy() -> None:
    about = policy()
    assert about.require == DEFAULT_REQUIRE
    plan = planning.compile(about, machine(about))
    assert (plan.platform, plan.tier) == ("windows", "account")
    (accounts,) = of(plan, Accounts)
    assert accounts.use_sid == OFFLINE and accounts.group_sid == GROUP
    assert accounts.use == accounts.offline != accounts.online
    (filters,) = of(plan, NetworkFilters)
    assert filters.sid == OFFLINE
    assert of(plan, Ownership)[0].owner == ANN


def test_with_network_the_other_account_is_used() -> None:
    plan = compiled(policy(network=Network(mode="on")))
    assert of(plan, Accounts)[0].use_sid == ONLINE
    assert of(plan, TokenRecipe)[0].user == ONLINE
    # What is wrong with the account that is not used does not matter.
    assert compiled(policy(network=Network(mode="on")), **account(locked=True)).tier == "account"


@pytest.mark.parametrize(("changes", "reason", "remedy"), BROKEN)
def test_an_account_that_cannot_be_used(changes: dict[str, Any], reason: str, remedy: str) -> None:
    """Asked for by name it is refused; the default policy is refused, with the account's remedy; what requires nothing
    runs in the token tier, and the plan says why."""
    about = policy()
    with pytest.raises(GuaranteeError) as caught:
        compiled(tier="account", **changes)
    assert reason in str(caught.value) and remedy in caught.value.hint and caught.value.exit_code == 125
    with pytest.raises(GuaranteeError) as caught:
        planning.compile(about, machine(about, **changes))
    assert caught.value.guarantees == ("write-outside", "network-egress")
    assert reason in str(caught.value) and remedy in caught.value.hint
    plan = compiled(**changes)
    assert plan.tier == "token"
    assert any(reason in note for note in plan.notes)


def test_each_filter_is_looked_for() -> None:
    about = policy()
    for name in (one.name for one in windows_network.offline(OFFLINE).filters):
        left = tuple(other for other in filter_names() if other != name)
        found = why_not_account(about, machine(about, filtering=Filtering(present=left)))
        assert found is not None and name in found.reason
    # The other account's filters are not its own.
    online = policy(network=Network(mode="on"))
    assert why_not_account(online, machine(online, filtering=Filtering(present=filter_names()[-4:]))) is None


CALLERS: list[tuple[dict[str, Any], str]] = [
    ({"build": 17134}, "17134 is older than 17763"),
    ({"build": 9600}, "older"),
    ({"user": known.SYSTEM}, "system, not a person"),
    ({"user": known.NETWORK_SERVICE}, "network service"),
    ({"container": True}, "AppContainer"),
    ({"restricted": True}, "confined already"),
    ({"groups": (*USER_GROUPS, (GROUP, 7))}, "confined already"),
]


@pytest.mark.parametrize(("changes", "reason"), CALLERS)
@pytest.mark.parametrize("tier", ["auto", "account", "token", "token-strict"])
def test_callers_that_no_tier_can_confine(changes: dict[str, Any], reason: str, tier: str) -> None:
    with pytest.raises(GuaranteeError) as caught:
        compiled(tier=tier, **changes)
    assert reason in str(caught.value) and caught.value.hint and caught.value.exit_code == 125


@pytest.mark.parametrize("build", [17763, 19045, 22631, 26100, 27999])
@pytest.mark.parametrize("tier", ["account", "token", "token-strict"])
def test_every_build_that_is_supported(build: int, tier: str) -> None:
    plan = compiled(tier=tier, build=build)
    assert plan.tier == tier and of(plan, Job) and of(plan, TokenRecipe)


ORDINARY: list[dict[str, Any]] = [
    {"session": 0},
    {"machine": "ARM64"},
    {"user": Sid("S-1-12-1-1234567890-1234567890-1234567890-1234567890")},
    {"user": Sid("S-1-5-21-9-8-7-50001")},
    {"elevated": True},
    {"privileges": ()},
]


@pytest.mark.parametrize("changes", ORDINARY)
@pytest.mark.parametrize("tier", ["account", "token", "token-strict"])
def test_odd_callers_are_confined_like_others(changes: dict[str, Any], tier: str) -> None:
    """Session 0, ARM64, an Entra user, a domain user, an elevated shell, no privileges at all."""
    plan, usual = compiled(tier=tier, **changes), compiled(tier=tier)
    assert [type(step) for step in plan.steps] == [type(step) for step in usual.steps]
    assert [entry.level for entry in plan.guarantees] == [entry.level for entry in usual.guarantees]


def test_without_a_logon_session_only_the_account_tier() -> None:
    assert compiled(logon=None).tier == "account"
    for tier in ("token", "token-strict"):
        with pytest.raises(GuaranteeError, match="no logon session"):
            compiled(tier=tier, logon=None)
    with pytest.raises(GuaranteeError, match="no tier") as caught:
        compiled(logon=None, **not_set_up())
    assert "sidewall setup" in caught.value.hint


def test_token_tiers_do_not_run_the_default_policy() -> None:
    about = policy()
    for tier in ("token", "token-strict"):
        with pytest.raises(GuaranteeError) as caught:
            planning.compile(about, machine(about), tier=tier)
        assert {"write-outside", "network-egress"} <= set(caught.value.guarantees)
        assert "sidewall setup" in caught.value.hint
        lax = about.replace(require=("privileges", "limits"))
        assert planning.compile(lax, machine(lax), tier=tier).tier == tier


def test_auto_never_takes_the_strict_token() -> None:
    assert compiled(**not_set_up()).tier == "token"


def test_strict_is_refused_in_every_tier_with_what_is_missing() -> None:
    about = policy(":strict")
    assert about.require == GUARANTEES
    for tier in ("account", "token", "token-strict"):
        with pytest.raises(GuaranteeError) as caught:
            planning.compile(about, machine(about), tier=tier)
        assert "name-resolution" in caught.value.guarantees


@pytest.mark.parametrize("tier", ["namespace", "landlock", "elevated", "unelevated", "Account", ""])
def test_unknown_tiers(tier: str) -> None:
    with pytest.raises(UsageError) as caught:
        compiled(tier=tier)
    assert "account, token-strict, token" in caught.value.hint


def test_a_proxy_is_refused_until_there_is_one() -> None:
    with pytest.raises(UsageError, match="egress proxy"):
        compiled(policy(network=Network(mode="proxy")))


def test_a_policy_about_posix_paths_is_refused() -> None:
    with pytest.raises(UsageError, match="Windows paths"):
        planning.compile(policy().replace(flavour="posix"), machine(policy()))


def test_a_machine_that_does_not_say_where_windows_lies() -> None:
    with pytest.raises(MachineError, match="SystemRoot"):
        compiled(environ=())


def test_a_machine_without_a_place_for_temporary_files() -> None:
    with pytest.raises(MachineError, match="temporary directory"):
        compiled(temp="")


def test_unconfined_is_a_job_and_open_promises() -> None:
    plan = compiled(policy(":unconfined"))
    assert plan.tier == "unconfined" and [type(step) for step in plan.steps] == [Job]
    assert {entry.level for entry in plan.guarantees} == {"open"}


def test_the_same_facts_make_the_same_plan() -> None:
    """Two plans are equal, digest too; another installation, another user, another policy make other SIDs."""
    assert compiled() == compiled()
    digests = {compiled().digest, compiled(install="other").digest,
               compiled(user=Sid(f"{MACHINE}-1002")).digest, compiled(policy(":read-only")).digest}  # fmt: skip
    assert len(digests) == 4


def test_a_step_does_not_change_with_what_is_no_fact_of_it() -> None:
    plain, other = compiled(), compiled(notes=("seen",), volumes=(*VOLUMES, VOLUMES[0].replace(root="E:\\")))
    assert plain.digest == other.digest
    assert of(plain, AclEdit) == of(other, AclEdit)
    assert LOGON in of(plain, TokenRecipe)[0].disable


def test_the_first_machine_decides_nothing_about_the_second_user() -> None:
    """Two Windows users of one machine have two groups and four accounts, all of other names."""
    names = {name for rid in range(1001, 1201) for name in account_names(Sid(f"{MACHINE}-{rid}"))}
    assert len(names) == 600
    assert all(len(name) <= 20 for name in names)
