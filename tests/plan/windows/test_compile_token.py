"""The tokens of the tiers, asked of the model: what they can do to a profile, to other processes, to their own objects.

Knows: descriptors as Windows makes them.  Must not know: a policy's paths.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall.nt import mask, sddl
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.windows_token import DISABLE_MAX_PRIVILEGE, LUA_TOKEN, WRITE_RESTRICTED, result

from .machines import ADMIN_GROUPS, ANN, GROUP, LOGON, MACHINE, OFFLINE, USER_GROUPS, compiled, of

TIERS = ("account", "token", "token-strict")
FULL = mask.FILE_ALL_ACCESS
PROFILE = f"O:{ANN}G:{ANN}D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{ANN})"
PROCESS = f"O:{ANN}G:{ANN}D:(A;;0x1fffff;;;{ANN})(A;;0x1fffff;;;SY)(A;;0x121411;;;{LOGON})"
DRIVE = "O:SYG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)(A;;0x4;;;AU)(A;OICI;0x1301bf;;;AU)"
OPEN = "O:BAG:BAD:(A;OICI;FA;;;WD)"
SHARED_TEMP = "O:BAG:BAD:(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;BU)"
TERMINATE, VM_READ = 0x1, 0x10


def recipe(tier: str, **changes: Any) -> TokenRecipe:
    found: TokenRecipe = of(compiled(tier=tier, **changes), TokenRecipe)[0]
    return found


def can(token: Token, descriptor: str, rights: int, kind: str = "file") -> bool:
    """Whether it may be possible, whatever reading of the open questions is right."""
    answer = access_check(sddl.parse(descriptor), token, rights, mask.MAPPINGS[kind])
    return answer.verdict != "denied"


@pytest.mark.parametrize("tier", TIERS)
def test_the_recipe_is_what_the_design_says(tier: str) -> None:
    made = recipe(tier)
    capability = made.restricting[0]
    assert capability.startswith("S-1-5-21-") and not capability.startswith(MACHINE)
    assert made.flags & DISABLE_MAX_PRIVILEGE and made.flags & LUA_TOKEN
    assert bool(made.flags & WRITE_RESTRICTED) == (tier != "token-strict")
    assert made.privileges == ("SeChangeNotifyPrivilege",)
    assert made.integrity == 0x2000
    assert made.restricting[1:] == {
        "account": (OFFLINE, known.RESTRICTED, known.WRITE_RESTRICTED),
        "token": (LOGON, known.EVERYONE),
        "token-strict": (LOGON, known.EVERYONE, known.USERS, known.RESTRICTED),
    }[tier]
    # Neither the real user nor a group with rights over the machine is ever a restricting SID.
    assert not {ANN, known.ADMINISTRATORS, known.AUTHENTICATED_USERS, known.INTERACTIVE} & set(made.restricting)
    assert made.base == ("account" if tier == "account" else "user")
    assert made.user == (OFFLINE if tier == "account" else ANN)


@pytest.mark.parametrize("tier", TIERS)
def test_the_profile_of_the_user(tier: str) -> None:
    token = result(recipe(tier))
    assert not can(token, PROFILE, mask.FILE_WRITE_DATA)
    assert not can(token, PROFILE, mask.DELETE)
    assert not can(token, PROFILE, mask.WRITE_DAC) and not can(token, PROFILE, mask.WRITE_OWNER)
    assert not can(token, PROFILE, mask.FILE_WRITE_ATTRIBUTES)
    assert can(token, PROFILE, mask.FILE_READ_DATA) == (tier == "token")
    # The hole of the token tier, which its report names.
    assert can(token, PROFILE, mask.FILE_DELETE_CHILD) == (tier == "token")


@pytest.mark.parametrize("tier", TIERS)
def test_places_that_are_open_to_many(tier: str) -> None:
    token = result(recipe(tier))
    # The root of a drive: authenticated users may make directories there, a restricting SID they are not.
    assert not can(token, DRIVE, mask.FILE_ADD_SUBDIRECTORY) and not can(token, DRIVE, mask.FILE_ADD_FILE)
    assert can(token, OPEN, mask.FILE_WRITE_DATA) == (tier != "account")
    assert can(token, OPEN, mask.FILE_DELETE_CHILD)
    assert can(token, SHARED_TEMP, mask.FILE_ADD_FILE) == (tier == "token-strict")


def test_where_everyone_is_needed_to_start_the_account_tier_is_as_open_as_that() -> None:
    made = recipe("account", needs_everyone=True)
    assert made.restricting[-1] == known.EVERYONE
    assert can(result(made), OPEN, mask.FILE_WRITE_DATA)


@pytest.mark.parametrize("tier", TIERS)
def test_processes_of_the_user(tier: str) -> None:
    """The default DACL of the user's processes names his logon session: reading memory, ending."""
    token = result(recipe(tier))
    assert not can(token, PROCESS, 0x20, "process")
    for rights in (TERMINATE, VM_READ):
        assert can(token, PROCESS, rights, "process") == (tier != "account")


def test_the_logon_session_is_deny_only_in_the_account_tier() -> None:
    """CreateProcessWithLogonW puts the caller's logon SID into the account's token."""
    made = recipe("account")
    assert LOGON in made.disable and LOGON not in made.default_dacl and LOGON not in made.restricting
    (group,) = [one for one in result(made).groups if one.sid == LOGON]
    assert group.deny_only and not group.enabled
    assert LOGON not in recipe("token").disable


@pytest.mark.parametrize("tier", TIERS)
def test_own_objects_are_usable_and_their_lists_stay(tier: str) -> None:
    """What the token makes without a descriptor: it can be opened again, its DACL cannot be rewritten by its owner."""
    made = recipe(tier)
    token = result(made)
    own = f"O:{made.user}G:{made.user}{made.default_dacl}".replace("GA", "0x1f0003")
    assert can(token, own, 0x1F0003, "event")
    # An owner by himself may only read the descriptor.
    owned = f"O:{made.user}G:{made.user}D:(A;;RC;;;OW)"
    assert not can(token, owned, mask.WRITE_DAC, "event")
    assert token.default_dacl is not None and len(token.default_dacl.aces) == 3


@pytest.mark.parametrize("kind", ["process", "thread", "token"])
@pytest.mark.parametrize("tier", TIERS)
def test_the_system_may_open_what_a_command_makes(tier: str, kind: str) -> None:
    """Its services look at the process and the token of who calls them, and need no privilege for that."""
    made = recipe(tier)
    mapping = mask.MAPPINGS[kind]
    own = sddl.parse(f"O:{made.user}G:{made.user}{made.default_dacl}")
    system = Token(user=known.SYSTEM, groups=())
    assert access_check(own, system, mapping.all, mapping).certain
    assert not can(result(made), "O:SYG:SYD:(A;;GA;;;SY)", 0x1, kind), "the entry is of no use to a command"


def test_files_that_only_their_owner_may_open() -> None:
    """What Python's tempfile makes since 3.12.4: usable in the account tier, not in the token tiers, which say so."""
    for tier in TIERS:
        made = recipe(tier)
        private = f"O:{made.user}G:{made.user}D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"
        assert can(result(made), private, mask.FILE_ADD_FILE) == (tier == "account")
        assert any("3.12.4" in note for note in compiled(tier=tier).notes) == (tier != "account")


def test_pipes_without_a_list_of_their_own() -> None:
    """Full access for the owner, reading for Everyone: the account is a restricting SID, so it writes to its own."""
    made = recipe("account")
    pipe = f"O:{OFFLINE}G:{OFFLINE}D:(A;;FA;;;{OFFLINE})(A;;FR;;;WD)"
    assert can(result(made), pipe, mask.FILE_WRITE_DATA, "pipe")
    other = f"O:{ANN}G:{ANN}D:(A;;FA;;;{ANN})(A;;FR;;;WD)"
    assert not can(result(made), other, mask.FILE_WRITE_DATA, "pipe")
    # The report says that reading them is open.
    assert can(result(made), other, mask.FILE_READ_DATA, "pipe")


@pytest.mark.parametrize("tier", ["token", "token-strict"])
def test_an_administrator_is_none_inside(tier: str) -> None:
    domain_admins = Sid("S-1-5-21-4-5-6-512")
    made = recipe(tier, groups=(*ADMIN_GROUPS, (domain_admins, 7)), elevated=True)
    assert {known.ADMINISTRATORS, known.LOCAL_ADMINISTRATOR, domain_admins} <= set(made.disable)
    token = result(made)
    mine = "O:BAG:BAD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
    assert not can(token, mine, mask.FILE_READ_DATA) and not can(token, mine, mask.FILE_DELETE_CHILD)
    # A deny for administrators still counts.
    assert not can(token, "O:BAG:BAD:(D;;FA;;;BA)(A;;FA;;;WD)", mask.FILE_READ_DATA)


@pytest.mark.parametrize("tier", TIERS)
def test_no_privilege_of_the_caller_is_left(tier: str) -> None:
    strong = ("SeDebugPrivilege", "SeBackupPrivilege", "SeRestorePrivilege", "SeTakeOwnershipPrivilege",
              "SeChangeNotifyPrivilege", "SeImpersonatePrivilege")
    token = result(recipe(tier, privileges=strong))
    assert token.privileges == {"SeChangeNotifyPrivilege"}
    assert not can(token, PROFILE, mask.WRITE_OWNER)


def test_the_accounts_group_stands_for_its_half() -> None:
    token = result(recipe("account"))
    workspace = f"O:{ANN}G:{ANN}D:(A;OICI;0x1301bf;;;{GROUP})(A;OICI;FA;;;{ANN})"
    assert can(token, workspace, mask.FILE_READ_DATA)
    assert not can(token, workspace, mask.FILE_WRITE_DATA)
    capability = recipe("account").restricting[0]
    alone = f"O:{ANN}G:{ANN}D:(A;OICI;0x1301bf;;;{capability})(A;OICI;FA;;;{ANN})"
    assert not can(token, alone, mask.FILE_WRITE_DATA)
    both = f"O:{ANN}G:{ANN}D:(A;OICI;0x1301bf;;;{GROUP})(A;OICI;0x1301bf;;;{capability})(A;OICI;FA;;;{ANN})"
    assert can(token, both, mask.FILE_WRITE_DATA)


def test_another_policys_workspace_is_closed() -> None:
    """The group was granted there as well; the capability of this policy was not."""
    for tier in TIERS:
        made = recipe(tier)
        other = recipe(tier, install="another").restricting[0]
        group = f"(A;OICI;0x1301bf;;;{GROUP})" if tier == "account" else ""
        theirs = f"O:{ANN}G:{ANN}D:{group}(A;OICI;0x1301bf;;;{other})(A;OICI;FA;;;{ANN})"
        assert not can(result(made), theirs, mask.FILE_WRITE_DATA)
        assert not can(result(made), theirs, mask.DELETE)


def test_groups_that_stay() -> None:
    made = recipe("token")
    assert made.groups == USER_GROUPS and made.disable == ()
    assert all(one.enabled for one in result(made).groups)
    assert FULL & mask.FILE_DELETE_CHILD
