"""What surrounds a command on Windows: variables, the private directory, filters, desktop, job, and how it is told.

Knows: names, numbers and SDDL as Windows reads them.  Must not know: this machine.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidewall.nt import mask, sddl
from sidewall.nt.access_check import access_check
from sidewall.nt.sid import Sid
from sidewall.plan import explain, windows_network
from sidewall.plan.steps import Plan
from sidewall.plan.windows_sids import account_names, capability
from sidewall.plan.windows_steps import (
    Desktop,
    Environment,
    Filter,
    Job,
    NetworkFilters,
    Ownership,
    PrivateTemp,
    TokenRecipe,
)
from sidewall.plan.windows_token import result
from sidewall.policy.model import Environ, Limits, Network

from .machines import (
    ANN,
    ENVIRON,
    GROUP,
    HOME,
    MACHINE,
    OFFLINE,
    ONLINE,
    WORK,
    Disk,
    compiled,
    deny,
    line,
    of,
    policy,
    repository,
    rule,
)

TIERS = ("account", "token", "token-strict")
CLASSES: dict[str, dict[str, Any]] = {
    "a connection": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 443, "loopback": False},
    "a datagram": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 17, "IP_REMOTE_PORT": 443, "loopback": False},
    "a question": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 17, "IP_REMOTE_PORT": 53, "loopback": False},
    "a question here": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 17, "IP_REMOTE_PORT": 53, "loopback": True},
    "a file share here": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 445, "loopback": True},
    "a file share": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 139, "loopback": False},
    "a server of the host's": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 3000, "loopback": True},
    "the port below": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 47599, "loopback": True},
    "the port above": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 47664, "loopback": True},
    "a reserved port elsewhere": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 47600,
                                  "loopback": False},
    "a datagram to a reserved port": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 17, "IP_REMOTE_PORT": 47600,
                                      "loopback": True},
    "an answer": {"layer": "ALE_AUTH_RECV_ACCEPT", "IP_PROTOCOL": 6, "IP_LOCAL_PORT": 8080, "loopback": False},
    "an answer here": {"layer": "ALE_AUTH_RECV_ACCEPT", "IP_PROTOCOL": 6, "IP_LOCAL_PORT": 8080, "loopback": True},
    "an echo": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 0, "IP_REMOTE_PORT": 0, "loopback": False},
    "an echo here": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 0, "IP_REMOTE_PORT": 0, "loopback": True},
    "a raw socket": {"layer": "ALE_RESOURCE_ASSIGNMENT", "IP_PROTOCOL": 99, "raw": True, "loopback": False},
}  # fmt: skip
OPEN: dict[str, dict[str, Any]] = {
    "the proxy": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 47600, "loopback": True},
    "the last reserved": {"layer": "ALE_AUTH_CONNECT", "IP_PROTOCOL": 6, "IP_REMOTE_PORT": 47663, "loopback": True},
    "a server inside": {"layer": "ALE_AUTH_RECV_ACCEPT", "IP_PROTOCOL": 6, "IP_LOCAL_PORT": 47610, "loopback": True},
    "a socket": {"layer": "ALE_RESOURCE_ASSIGNMENT", "IP_PROTOCOL": 6, "loopback": True},
}  # fmt: skip


def blocked(filters: tuple[Filter, ...], what: dict[str, Any], version: int) -> bool:
    """What the engine decides: of the filters of the layer whose conditions all hold, the heaviest."""
    asked = dict(what)
    if asked["IP_PROTOCOL"] == 0:
        asked["IP_PROTOCOL"] = 1 if version == 4 else 58
    matching = []
    for one in filters:
        if one.layer != f"{asked['layer']}_V{version}":
            continue
        for condition in one.conditions:
            value = condition.value
            if condition.field in ("IP_REMOTE_ADDRESS", "IP_LOCAL_ADDRESS"):
                holds = asked["loopback"]
            elif condition.match == "flags":
                assert isinstance(value, tuple)
                flags = (0x1 if asked["loopback"] else 0) | (0x10 if asked.get("raw") else 0)
                holds = value[0] & flags == value[0]
            elif condition.field == "ALE_USER_ID":
                holds = isinstance(value, str)
            else:
                assert isinstance(value, tuple)
                number = asked.get(condition.field, -1)
                holds = value[0] <= number <= value[-1] if condition.match == "range" else number == value[0]
            if not holds:
                break
        else:
            matching.append(one)
    return bool(matching) and max(matching, key=lambda one: one.weight).block


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("what", CLASSES)
def test_what_the_offline_account_cannot_send(what: str, version: int) -> None:
    assert blocked(windows_network.offline(OFFLINE).filters, CLASSES[what], version)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("what", OPEN)
def test_what_the_offline_account_can_reach(what: str, version: int) -> None:
    assert not blocked(windows_network.offline(OFFLINE).filters, OPEN[what], version)


@pytest.mark.parametrize("version", [4, 6])
def test_the_online_account_reaches_all_but_file_shares(version: int) -> None:
    filters = windows_network.online(ONLINE).filters
    stopped = {what for what, told in CLASSES.items() if blocked(filters, told, version)}
    assert stopped == {"a file share here", "a file share"}


def test_filters_name_one_account_and_have_names_of_their_own() -> None:
    """Conditions are numbers: address texts are read in other ways by other builds."""
    for made, sid in ((windows_network.offline(OFFLINE), OFFLINE), (windows_network.online(ONLINE), ONLINE)):
        names = [one.name for one in made.filters]
        assert len(names) == len(set(names)) and made.sid == sid
        for one in made.filters:
            users = [found for found in one.conditions if found.field == "ALE_USER_ID"]
            assert len(users) == 1 and isinstance(users[0].value, str)
            (ace,) = (sddl.parse(users[0].value).dacl or sddl.parse("D:")).aces  # type: ignore[union-attr]
            assert ace.sid == sid and ace.mask == 1
            assert all(isinstance(found.value, tuple) for found in one.conditions if found is not users[0])
        assert len({one.layer[-3:] for one in made.filters}) == 2
    assert not set(made.filters) & set(windows_network.offline(OFFLINE).filters)


def test_the_token_tiers_have_no_filters_and_say_so() -> None:
    for tier in ("token", "token-strict"):
        plan = compiled(tier=tier)
        assert not of(plan, NetworkFilters)
        assert line(plan, "network-egress").level == "advisory"
        forced = dict(of(plan, Environment)[0].forced)
        assert forced["HTTPS_PROXY"] == "http://127.0.0.1:9" and forced["GIT_ALLOW_PROTOCOL"] == "file"
        online = compiled(policy(network=Network(mode="on")), tier=tier)
        assert "HTTPS_PROXY" not in dict(of(online, Environment)[0].forced)
        assert line(online, "network-egress").level == "enforced"


@pytest.mark.parametrize("tier", TIERS)
def test_programs_start(tier: str) -> None:
    """Without these .NET, PowerShell and Winsock do not, whatever the policy inherits."""
    found = of(compiled(policy(environ=Environ(inherit="none")), tier=tier), Environment)[0]
    floor = dict(found.floor)
    assert {"SystemRoot", "windir", "SystemDrive", "ComSpec", "PATHEXT", "ProgramFiles", "ProgramData"} <= set(floor)
    assert floor["ComSpec"] == r"C:\Windows\System32\cmd.exe" and floor["SystemDrive"] == "C:"
    assert ".EXE" in floor["PATHEXT"]
    assert ("NoDefaultCurrentDirectoryInExePath", "1") in found.forced
    assert found.temporary == ("TEMP", "TMP")
    # The account has a profile of its own; the user's paths would lead where it may not write.
    assert (found.own == ()) == (tier != "account")
    assert ("USERPROFILE" in floor) == (tier != "account")


def test_a_variable_that_the_policy_denies_is_left_out() -> None:
    found = of(compiled(policy(environ=Environ(deny=("ProgramData", "windir")))), Environment)[0]
    assert not {"ProgramData", "windir"} & set(dict(found.floor))


def test_another_drive_for_windows() -> None:
    environ = (("SystemRoot", "E:\\WINNT\\"), *ENVIRON[2:])
    floor = dict(of(compiled(environ=environ), Environment)[0].floor)
    assert floor["ComSpec"] == r"E:\WINNT\System32\cmd.exe" and floor["SystemDrive"] == "E:"


def test_git_takes_the_workspace_as_safe_and_it_returns_to_the_user() -> None:
    plan = compiled()
    assert of(plan, Environment)[0].safe == (WORK,)
    assert of(plan, Ownership)[0].roots == (WORK,) and of(plan, Ownership)[0].owner == ANN
    assert of(compiled(tier="token"), Environment)[0].safe == () and not of(compiled(tier="token"), Ownership)


@pytest.mark.parametrize("tier", TIERS)
def test_the_private_directory(tier: str) -> None:
    plan = compiled(tier=tier)
    made: PrivateTemp = of(plan, PrivateTemp)[0]
    token = result(of(plan, TokenRecipe)[0])
    descriptor = sddl.parse(f"O:{ANN}G:{ANN}{made.sddl}")
    assert descriptor.control & 0x1000, "protected: nothing of the directory above reaches it"

    def can(rights: int) -> bool:
        return access_check(descriptor, token, rights, mask.MAPPINGS["file"]).verdict != "denied"

    for rights in (mask.FILE_ADD_FILE, mask.FILE_READ_DATA, mask.FILE_MODIFY):
        assert can(rights)
    assert not can(mask.WRITE_DAC) and not can(mask.WRITE_OWNER)
    # Who made a file there owns it, and still does not change who may open it.
    made_inside = sddl.parse(f"O:{token.user}G:{token.user}{made.sddl}")
    assert access_check(made_inside, token, mask.WRITE_DAC, mask.MAPPINGS["file"]).verdict == "denied"
    # The account is a restricting SID of all its cells; what another policy's cell could write names no account.
    assert str(OFFLINE) not in made.sddl
    other = result(of(compiled(tier=tier, install="another"), TokenRecipe)[0])
    assert access_check(descriptor, other, mask.FILE_ADD_FILE, mask.MAPPINGS["file"]).verdict == "denied"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("kind", "field"), [("window_station", "station"), ("desktop", "desktop")])
def test_the_desktop(tier: str, kind: str, field: str) -> None:
    plan = compiled(tier=tier)
    made: Desktop = of(plan, Desktop)[0]
    descriptor = sddl.parse(f"O:{ANN}G:{ANN}{getattr(made, field)}")
    token = result(of(plan, TokenRecipe)[0])
    use, ends = (0x33F, 0x40) if kind == "window_station" else (0xFF, 0x100)
    assert access_check(descriptor, token, use, mask.MAPPINGS[kind]).verdict == "granted"
    for rights in (mask.WRITE_DAC, mask.WRITE_OWNER, mask.DELETE, ends):
        assert access_check(descriptor, token, rights, mask.MAPPINGS[kind]).verdict == "denied"


def test_the_job() -> None:
    limits = Limits(processes=7, memory_bytes=1 << 30)
    job: Job = of(compiled(policy(limits=limits)), Job)[0]
    assert job.flags & 0x2000, "killed when its last handle closes"
    assert not job.flags & 0x1800, "nothing breaks away"
    assert job.flags & 0x8 and job.processes == 7 and job.flags & 0x200 and job.memory_bytes == 1 << 30
    # Each command has a job of its own within this one, and jobs nest only where neither limits windows.
    assert set(job.to_dict()) - {"kind"} == {"flags", "processes", "memory_bytes"}
    none: Job = of(compiled(policy(limits=Limits(processes=0))), Job)[0]
    assert not none.flags & 0x208 and none.processes == none.memory_bytes == 0


def test_the_synthetic_sid() -> None:
    """One for a policy, the same at every start; nothing that an access list does not depend on changes it."""
    about = policy(":workspace", deny(WORK + r"\keys"))
    sid = capability("install", ANN, about)
    assert sid.startswith("S-1-5-21-") and len(sid.subauthorities) == 5 and sid.rid >= 1000
    same = about.replace(limits=Limits(processes=1), files=about.files[::-1], name="other", require=(),
                         network=Network(mode="on"))
    assert capability("install", ANN, same) == sid
    upper = about.replace(files=tuple(found.replace(path=found.path.upper()) for found in about.files))
    assert capability("install", ANN, upper) == sid
    others = {
        sid, capability("other", ANN, about), capability("install", Sid(f"{MACHINE}-1002"), about),
        capability("install", ANN, policy()), capability("install", ANN, about.replace(git="read-only")),
        capability("install", ANN, about.replace(protected=())),
        capability("install", ANN, policy(":workspace", rule(WORK + r"\keys", "read"))),
        capability("install", ANN, policy(":workspace", deny(WORK + r"\keys", glob=True))),
        capability("install", ANN, about.replace(gitdirs=(r"D:\main\.git",))),
    }  # fmt: skip
    assert len(others) == 9


def test_names_of_accounts() -> None:
    group, offline, online = account_names(ANN)
    assert (offline, online) == (group + "-off", group + "-on")
    assert not set(group) & set('"/\\[]:;|=,+*?<> ')
    assert account_names(ANN) == account_names(Sid(str(ANN)))


@pytest.mark.parametrize("tier", TIERS)
def test_a_plan_can_be_told(tier: str) -> None:
    """Every step has a sentence; the whole goes into JSON; the report is in it."""
    disk = Disk({WORK + r"\.vscode": "dir", HOME + r"\bin": "dir"})
    plan: Plan = compiled(policy(limits=Limits(memory_bytes=1 << 30)), disk, tier=tier, tools=(HOME + r"\bin",),
                          protected=(disk.look(WORK + r"\.vscode"),), linked=(WORK + r"\a.js",), **repository())
    for step in plan.steps:
        told = explain.entry(step)
        assert told.title and "=" not in told.title.split(":")[0]
    text = "\n".join(explain.text(plan))
    assert f"tier       {tier} (windows)" in text
    assert f"writable, stays where it is: {WORK}" in text
    assert f"not touched: {WORK}\\a.js has several names" in text
    assert "Modify (this and all below)" in text
    again = json.loads(json.dumps(explain.to_dict(plan)))
    assert again["platform"] == "windows" and len(again["steps"]) == len(plan.steps)
    assert str(GROUP) in text or tier != "account"


def test_what_the_filters_cost_is_said() -> None:
    """A loopback port of the system's choice cannot be told from a server of the host's."""
    assert any("asyncio" in note for note in compiled().notes)
    assert not any("asyncio" in note for note in compiled(policy(network=Network(mode="on"))).notes)
    assert not any("asyncio" in note for note in compiled(tier="token").notes)


def test_nothing_is_elevated_or_changed_for_a_cells_network() -> None:
    """The filters of two policies, of two cells, of two proxies are the same: set-up made them once."""
    first, second = compiled(), compiled(policy(":read-only", network=Network(loopback_ports=(5432,))))
    assert of(first, NetworkFilters) == of(second, NetworkFilters)


@pytest.mark.parametrize("version", [4, 6])
def test_what_leaks_stays_closed_whatever_range_is_reserved(version: int) -> None:
    filters = windows_network.offline(OFFLINE, (1, 65535)).filters
    for what in ("a question here", "a file share here", "an echo here"):
        assert blocked(filters, CLASSES[what], version)
    assert not blocked(filters, CLASSES["a server of the host's"], version)
