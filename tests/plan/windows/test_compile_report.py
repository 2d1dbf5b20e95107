"""The guarantee report of the Windows tiers: what the design says each leaves open, and what a machine adds to it.

Knows: the words for a level.  Must not know: how a mechanism works.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sidewall.nt import mask
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan.facts_windows import Filtering, Wide
from sidewall.plan.windows_report import holes
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.policy.model import GUARANTEES, Limits, Network

from .machines import (
    ADMIN_GROUPS,
    ANN,
    OFFLINE,
    compiled,
    filter_names,
    line,
    machine,
    of,
    policy,
    repository,
)

LEVELS: dict[str, dict[str, str]] = {
    "account": {
        "write-outside": "enforced", "metadata-outside": "enforced", "protected-names": "partial",
        "read-secrets": "enforced", "network-egress": "enforced", "network-host-loopback": "enforced",
        "name-resolution": "open", "unix-sockets-and-pipes": "partial", "outside-processes": "partial",
        "desktop": "partial", "privileges": "enforced", "survivors": "partial", "limits": "enforced",
    },
    "token": {
        "write-outside": "partial", "metadata-outside": "partial", "protected-names": "partial", "read-secrets": "open",
        "network-egress": "advisory", "network-host-loopback": "open", "name-resolution": "advisory",
        "unix-sockets-and-pipes": "open", "outside-processes": "open", "desktop": "partial", "privileges": "enforced",
        "survivors": "partial", "limits": "enforced",
    },
    "token-strict": {
        "write-outside": "partial", "metadata-outside": "partial", "protected-names": "partial",
        "read-secrets": "partial", "network-egress": "advisory", "network-host-loopback": "open",
        "name-resolution": "advisory", "unix-sockets-and-pipes": "partial", "outside-processes": "open",
        "desktop": "partial", "privileges": "enforced", "survivors": "partial", "limits": "enforced",
    },
}  # fmt: skip


@pytest.mark.parametrize("tier", LEVELS)
def test_the_levels_of_a_tier(tier: str) -> None:
    """A default Windows 11 with a repository; whoever changes a level here changes what is promised."""
    plan = compiled(tier=tier, **repository())
    assert {entry.name: entry.level for entry in plan.guarantees} == LEVELS[tier]
    assert tuple(LEVELS[tier]) == GUARANTEES


def test_the_token_tier_names_its_hole() -> None:
    plan = compiled(tier="token")
    for name in ("write-outside", "protected-names"):
        assert "FILE_DELETE_CHILD" in line(plan, name).reason
    assert "FILE_DELETE_CHILD" not in line(compiled(tier="token-strict"), "write-outside").reason
    for name in ("write-outside", "metadata-outside"):
        assert "task scheduler" in line(compiled(tier="token-strict"), name).reason


@pytest.mark.parametrize("tier", ["token", "token-strict"])
def test_what_is_missing_has_the_set_up_as_its_remedy(tier: str) -> None:
    for entry in compiled(tier=tier).guarantees:
        if entry.level in ("open", "advisory"):
            assert "sidewall setup" in entry.remedy, entry.name


FULL, MODIFY = mask.FILE_ALL_ACCESS, mask.FILE_MODIFY
WIDE = [
    (known.EVERYONE, FULL), (known.USERS, FULL), (known.AUTHENTICATED_USERS, FULL), (known.INTERACTIVE, FULL),
    (known.EVERYONE, MODIFY), (known.USERS, MODIFY), (known.AUTHENTICATED_USERS, MODIFY),
    (known.EVERYONE, mask.FILE_WRITE_DATA), (known.USERS, mask.FILE_APPEND_DATA), (known.RESTRICTED, MODIFY),
    (known.EVERYONE, mask.FILE_READ_AND_EXECUTE), (known.USERS, mask.GENERIC_ALL), (known.WRITE_RESTRICTED, MODIFY),
]  # fmt: skip


@pytest.mark.parametrize("tier", LEVELS)
@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize(("who", "rights"), WIDE)
def test_a_place_counts_as_a_hole_exactly_when_the_model_lets_the_token_change_it(
    tier: str, everyone: bool, who: Sid, rights: int
) -> None:
    wide = (Wide(path=r"D:\share", who=who, mask=rights),)
    plan = compiled(tier=tier, wide=wide, needs_everyone=everyone)
    token = result(of(plan, TokenRecipe)[0])
    granted = mask.map_generic(rights, mask.MAPPINGS["file"])
    # What the user may do by himself is not among the facts; where reading is restricted too, anything counts.
    own = f"(A;OICI;FA;;;{ANN})" if tier == "token-strict" else ""
    descriptor = parse(f"O:BAG:BAD:(A;OICI;{granted:#x};;;{who})(A;OICI;0x1200a9;;;BU){own}")
    bits = [1 << bit for bit in range(32) if mask.FILE_ALL_ACCESS >> bit & 1]
    changing = [bit for bit in bits if bit not in (mask.READ_CONTROL, mask.SYNCHRONIZE)
                and not bit & mask.FILE_READ_AND_EXECUTE]  # fmt: skip
    possible = any(
        access_check(descriptor, token, bit, mask.MAPPINGS["file"]).verdict != "denied" for bit in changing
    )
    facts = machine(policy(), wide=wide, needs_everyone=everyone)
    assert bool(holes(facts, of(plan, TokenRecipe)[0])) == possible
    if tier == "account":
        assert (line(plan, "write-outside").level == "partial") == (possible or everyone)
    if possible:
        assert r"D:\share" in line(plan, "write-outside").reason


ACCOUNT: list[tuple[dict[str, Any], str, str, str]] = [
    ({"audited": False}, "write-outside", "partial", "nobody looked"),
    ({"needs_everyone": True}, "write-outside", "partial", "Everyone"),
    ({"home_private": False}, "read-secrets", "partial", "lets other accounts"),
    ({"filtering": Filtering(present=filter_names(), taken=(47601, 47602))}, "network-host-loopback", "partial",
     "47601, 47602"),
]


@pytest.mark.parametrize(("changes", "name", "level", "word"), ACCOUNT)
def test_what_a_machine_takes_from_the_account_tier(changes: dict[str, Any], name: str, level: str, word: str) -> None:
    plan, usual = compiled(**changes), compiled()
    assert (line(plan, name).level, word in line(plan, name).reason) == (level, True)
    assert line(usual, name).level == "enforced"


@pytest.mark.parametrize("tier", ["token", "token-strict"])
@pytest.mark.parametrize(("uac", "administrator", "level"), [
    ("asks", True, "enforced"), ("silent", True, "partial"), ("off", True, "partial"), ("off", False, "enforced"),
    ("silent", False, "enforced"),
])  # fmt: skip
def test_administrators_that_are_not_asked(tier: str, uac: str, administrator: bool, level: str) -> None:
    changes = {"groups": ADMIN_GROUPS} if administrator else {}
    assert line(compiled(tier=tier, uac=uac, **changes), "privileges").level == level
    assert line(compiled(tier="account", uac=uac, **changes), "privileges").level == "enforced"


@pytest.mark.parametrize("tier", LEVELS)
def test_with_network(tier: str) -> None:
    plan = compiled(policy(network=Network(mode="on")), tier=tier)
    for name in ("network-egress", "name-resolution"):
        assert line(plan, name).level == "enforced" and "allows every host" in line(plan, name).mechanism
    assert line(plan, "network-host-loopback").level == "open"


def test_loopback_ports_of_the_host_are_said_to_be_out_of_reach() -> None:
    about = policy(network=Network(mode="off", loopback_ports=(5432,)))
    assert any("loopback ports" in note for note in compiled(about).notes)
    assert not any("loopback ports" in note for note in compiled(about, tier="token").notes)


@pytest.mark.parametrize("tier", LEVELS)
@pytest.mark.parametrize(("limits", "level"), [
    (Limits(processes=5, memory_bytes=1 << 20, wall_seconds=3), "enforced"), (Limits(file_bytes=1), "partial"),
    (Limits(open_files=9), "partial"),
])  # fmt: skip
def test_limits(tier: str, limits: Limits, level: str) -> None:
    assert line(compiled(policy(limits=limits), tier=tier), "limits").level == level


def test_requirements_are_marked() -> None:
    plan = compiled(require=("write-outside", "limits"))
    assert {entry.name for entry in plan.guarantees if entry.required} == {"write-outside", "limits"}
    assert OFFLINE in str(plan.steps)


def test_two_groups_together_open_a_place() -> None:
    """One grants the normal half, the other the restricted half; each alone is no hole in the account tier."""
    users = Wide(path=r"D:\x", who=known.USERS, mask=MODIFY)
    confined = Wide(path=r"D:\x", who=known.RESTRICTED, mask=mask.FILE_WRITE_DATA)
    elsewhere = confined.replace(path=r"D:\y")
    for wide, level in (((users, confined), "partial"), ((users, elsewhere), "enforced"), ((users,), "enforced")):
        assert line(compiled(wide=wide), "write-outside").level == level


@pytest.mark.parametrize("name", GUARANTEES)
def test_the_page_says_the_same(name: str) -> None:
    """The first word in bold of each cell is the level of a default machine with a repository."""
    page = (Path(__file__).parents[3] / "docs/guarantees.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| Windows `{name}` \|(.*)\|$", page, re.MULTILINE)
    told = [found[0] if (found := re.findall(r"\*\*(\w+)\*\*", cell)) else "" for cell in row.split(" | ")]
    assert told == [LEVELS[tier][name] for tier in ("account", "token", "token-strict")]
    for cell in row.split(" | "):
        (ways,) = re.findall(r"^ ?\*\*\w+\*\* \[([\w, ]+)\]", cell)
        assert ways.startswith("model") and set(ways.split(", ")) <= {"model", "metadata", "Samba", "Wine", "Windows"}


@pytest.mark.parametrize("tier", LEVELS)
def test_names_are_held_in_full_only_where_nothing_is_writable(tier: str) -> None:
    assert line(compiled(policy(":read-only"), tier=tier), "protected-names").level == "enforced"
    reason = line(compiled(tier=tier), "protected-names").reason
    assert "absent deeper down" in reason and ("FILE_DELETE_CHILD" in reason) == (tier == "token")
    assert "too large" in line(compiled(tier=tier, scanned=False), "protected-names").reason


def test_a_group_that_is_deny_only_opens_nothing() -> None:
    wide = (Wide(path=r"D:\admins", who=known.ADMINISTRATORS, mask=FULL),)
    plan = compiled(tier="token", wide=wide, groups=ADMIN_GROUPS)
    assert r"D:\admins" not in line(plan, "write-outside").reason
