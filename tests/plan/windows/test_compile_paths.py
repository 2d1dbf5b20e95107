"""Which paths a Windows plan edits and how, which it refuses, and why.

Knows: file rules and disks as facts.  Must not know: this machine.
"""

from __future__ import annotations

import pytest

from sidewall.errors import GuaranteeError
from sidewall.nt import mask, sddl
from sidewall.nt.edit import smallest
from sidewall.nt.wellknown import OWNER_RIGHTS, SYSTEM
from sidewall.plan import facts as kinds
from sidewall.plan.facts_windows import PathFact
from sidewall.plan.steps import Plan, Watch
from sidewall.plan.windows_edits import MODIFY, PASSING, READING, WRITING
from sidewall.plan.windows_steps import AclEdit, Placeholder, Refused, TokenRecipe
from sidewall.policy.decide import decide
from sidewall.policy.model import Request

from .machines import (
    ANN,
    GROUP,
    HOME,
    WORK,
    Disk,
    aces,
    compiled,
    deny,
    edit,
    line,
    of,
    policy,
    read,
    write,
)

ALL = 3
TIERS = ("account", "token", "token-strict")


def capability(plan: Plan) -> str:
    return str(of(plan, TokenRecipe)[0].restricting[0])


def reason(plan: Plan, path: str) -> str:
    found = {step.path.upper(): step.reason for step in of(plan, Refused)}
    return str(found.get(path.upper(), ""))


def test_the_workspace_of_the_account_tier() -> None:
    plan = compiled()
    cap = capability(plan)
    assert aces(plan, WORK) == {
        ("allow", GROUP, MODIFY, ALL), ("allow", cap, MODIFY, ALL),
        ("allow", ANN, mask.FILE_ALL_ACCESS, ALL), ("allow", OWNER_RIGHTS, mask.READ_CONTROL, ALL),
        ("deny", GROUP, mask.DELETE, 0), ("deny", cap, mask.DELETE, 0),
    }  # fmt: skip
    found = edit(plan, WORK)
    assert found is not None and found.reach == "tree" and found.directory and set(found.purposes) == {"grant", "pin"}


@pytest.mark.parametrize("tier", ["token", "token-strict"])
def test_the_workspace_of_the_token_tiers_names_the_capability_only(tier: str) -> None:
    """An ACE with Full Control for the user would hand FILE_DELETE_CHILD to a command that runs as the user."""
    plan = compiled(tier=tier)
    cap = capability(plan)
    assert aces(plan, WORK) == {("allow", cap, MODIFY, ALL), ("deny", cap, mask.DELETE, 0)}


@pytest.mark.parametrize("tier", TIERS)
def test_no_grant_holds_more_than_modify(tier: str) -> None:
    for about in (policy(), policy(":workspace", write(r"D:\data"), read(HOME + r"\tools"), deny(WORK + r"\keys"))):
        disk = Disk({r"D:\data": "dir", HOME + r"\tools": "dir", WORK + r"\keys": "dir"})
        plan = compiled(about, disk, tier=tier)
        for step in of(plan, AclEdit):
            for ace in step.aces:
                if ace.type == 0 and ace.sid != ANN:
                    assert ace.mask & ~MODIFY == 0, step.path
                assert ace.sid not in ("S-1-1-0", "S-1-5-32-545", "S-1-5-11", SYSTEM), step.path


@pytest.mark.parametrize("tier", TIERS)
def test_denies_stand_before_the_grants_around_them(tier: str) -> None:
    """A grant that is carried on must meet the deny that is there already; placeholders come before both."""
    disk = Disk({WORK + r"\.vscode": "dir", WORK + r"\src": "dir"})
    plan = compiled(disk=disk, tier=tier, protected=(disk.look(WORK + r"\.vscode"),))
    order = [(step.path, {ace.type for ace in step.aces}) for step in of(plan, AclEdit)]
    grants = [at for at, (_, types) in enumerate(order) if 0 in types]
    denies = [at for at, (_, types) in enumerate(order) if types == {1}]
    assert denies and grants and max(denies) < min(grants)
    places = [at for at, step in enumerate(plan.steps) if isinstance(step, Placeholder)]
    edits = [at for at, step in enumerate(plan.steps) if isinstance(step, AclEdit)]
    assert max(places) < min(edits)


def test_one_edit_a_path_whatever_its_case() -> None:
    about = policy(":workspace", write(WORK.upper()), read(WORK + r"\Docs"), deny(WORK + r"\docs"))
    plan = compiled(about, Disk({WORK + r"\Docs": "dir", WORK.upper(): "dir"}))
    places = [step.path.upper() for step in of(plan, AclEdit)]
    assert len(places) == len(set(places))


def test_edits_are_what_the_editor_wants() -> None:
    found = edit(compiled(), WORK)
    assert found is not None
    before = sddl.parse(f"O:{ANN}G:{ANN}D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;{ANN})")
    made = smallest(before, found.wants())
    assert set(made.added) == set(found.aces)


@pytest.mark.parametrize("tier", TIERS)
def test_protected_names_present(tier: str) -> None:
    disk = Disk({WORK + r"\.vscode": "dir", WORK + r"\.mcp.json": "file", WORK + r"\a\b\.claude": "dir"})
    names = (WORK + r"\.vscode", WORK + r"\.mcp.json", WORK + r"\a\b\.claude")
    plan = compiled(disk=disk, tier=tier, protected=tuple(map(disk.look, names)))
    for path, flags in zip(names, (ALL, 0, ALL), strict=True):
        assert ("deny", capability(plan), WRITING, flags) in aces(plan, path)
    # The directories on the way stay where they are, or the name would move with them.
    for path in (WORK + r"\a", WORK + r"\a\b"):
        assert ("deny", capability(plan), mask.DELETE, 0) in aces(plan, path)
        found = edit(plan, path)
        assert found is not None and found.reach == "self"
    assert set(names) <= set(of(plan, Watch)[0].held)


@pytest.mark.parametrize("tier", TIERS)
def test_protected_names_absent(tier: str) -> None:
    plan = compiled(tier=tier)
    placed = {step.path: step for step in of(plan, Placeholder)}
    assert {WORK + r"\.git", WORK + r"\.claude", WORK + r"\.vscode", WORK + r"\.mcp.json"} <= set(placed)
    # A person is asked before these act: they are only held where they exist.
    assert WORK + r"\.husky" not in placed
    for step in placed.values():
        held = sddl.parse(step.sddl)
        assert held.control & 0x1000 and held.dacl is not None
        for ace in held.dacl.aces:
            if ace.sid not in (ANN, SYSTEM, "S-1-5-32-544"):
                assert ace.mask & WRITING == 0
    assert of(plan, Watch)[0].each


def test_protected_names_that_cannot_be_held() -> None:
    """A link, what belongs to somebody else, what nobody can reason about: said, and the promise is partial."""
    odd = (
        PathFact(path=WORK + r"\.vscode", kind=kinds.DIRECTORY, real=HOME + r"\shared", reparse="junction"),
        PathFact(path=WORK + r"\.idea", kind=kinds.DIRECTORY, real=WORK + r"\.idea", editable=False, owner=SYSTEM),
        PathFact(path=WORK + r"\.envrc", kind=kinds.FILE, real=WORK + r"\.envrc", problem="a conditional ACE"),
    )
    plan = compiled(protected=odd)
    for found, word in zip(odd, ("reparse point", "belongs to S-1-5-18", "conditional ACE"), strict=True):
        assert edit(plan, found.path) is None
        assert word in reason(plan, found.path)
        assert found.path in line(plan, "protected-names").reason
    assert line(plan, "protected-names").level == "partial"


def test_a_protected_file_with_several_names_needs_no_deny() -> None:
    """No grant reaches it, so it is held, and the other names' permissions stay as they are."""
    several = PathFact(path=WORK + r"\.mcp.json", kind=kinds.FILE, real=WORK + r"\.mcp.json", links=3)
    plan = compiled(protected=(several,))
    assert edit(plan, several.path) is None
    assert "3 names" in reason(plan, several.path)
    assert several.path not in line(plan, "protected-names").reason


@pytest.mark.parametrize("tier", ["account", "token-strict"])
def test_what_only_its_owner_may_read_is_granted(tier: str) -> None:
    tool = HOME + r"\AppData\Local\Programs\Python\Python313"
    disk = Disk({tool: "dir", HOME + r"\notes": "dir", r"C:\Tools": "dir"})
    about = policy(":workspace", read(HOME + r"\notes"), read(r"C:\Tools"))
    plan = compiled(about, disk, tier=tier, tools=(tool, r"C:\Program Files\Git\cmd"))
    for path in (tool, HOME + r"\notes"):
        assert ("allow", capability(plan), READING, ALL) in aces(plan, path)
    # What everybody may read needs no edit, and no system directory is edited.
    for path in (r"C:\Tools", r"C:\Program Files\Git\cmd", r"C:\Program Files"):
        assert edit(plan, path) is None
    # Programs look at every directory on the way; at the root of the profile they are refused, and that is said.
    for path in (HOME + r"\source", HOME + r"\AppData\Local\Programs\Python"):
        assert ("allow", capability(plan), PASSING, 0) in aces(plan, path)
        found = edit(plan, path)
        assert found is not None and found.reach == "self"
    assert edit(plan, HOME) is None and any(HOME in note and "realpath" in note for note in plan.notes)


def test_the_token_tier_grants_no_reading() -> None:
    """The user reads already; a write-restricted token is not asked about it."""
    tool = HOME + r"\AppData\Local\Programs\Python"
    plan = compiled(policy(":workspace", read(tool)), Disk({tool: "dir"}), tier="token", tools=(tool,))
    purposes = {purpose for step in of(plan, AclEdit) for purpose in step.purposes}
    assert purposes <= {"grant", "protect", "pin"}


def test_a_denied_tool_is_not_granted() -> None:
    tool = HOME + r"\bin"
    plan = compiled(policy(":workspace", deny(tool)), Disk({tool: "dir"}), tools=(tool + r"\sub",))
    assert edit(plan, tool + r"\sub") is None


@pytest.mark.parametrize("tier", ["account", "token-strict"])
def test_denied_in_a_writable_root(tier: str) -> None:
    keys = WORK + r"\keys"
    plan = compiled(policy(":workspace", deny(keys)), Disk({keys: "dir"}), tier=tier)
    assert ("deny", capability(plan), mask.FILE_ALL_ACCESS, ALL) in aces(plan, keys)
    later = compiled(policy(":workspace", deny(keys)), tier=tier)
    (placed,) = [step for step in of(later, Placeholder) if step.path == keys]
    assert capability(later) not in placed.sddl


def test_denied_where_every_user_may_read() -> None:
    """Another account may read what all users may; a deny of its own takes that away."""
    path = r"D:\salaries"
    disk = Disk({path: "dir"})
    plan = compiled(policy(":workspace", deny(path)), disk)
    assert ("deny", GROUP, mask.FILE_ALL_ACCESS, ALL) in aces(plan, path)
    assert line(plan, "read-secrets").level == "enforced"
    foreign = Disk({path: {"editable": False}})
    plan = compiled(policy(":workspace", deny(path)), foreign)
    assert line(plan, "read-secrets").level == "partial" and path in line(plan, "read-secrets").reason


def test_denied_in_the_private_profile_needs_no_edit() -> None:
    plan = compiled(disk=Disk({HOME + r"\.ssh": "dir", HOME + r"\.aws": "dir"}))
    assert edit(plan, HOME + r"\.ssh") is None
    assert line(plan, "read-secrets").level == "enforced"
    assert line(compiled(home_private=False), "read-secrets").level == "partial"


def test_the_token_tier_holds_a_denied_path_against_writing() -> None:
    keys = WORK + r"\keys"
    plan = compiled(policy(":workspace", deny(keys)), Disk({keys: "dir"}), tier="token")
    assert ("deny", capability(plan), WRITING, ALL) in aces(plan, keys)


def test_deny_patterns() -> None:
    env = WORK + r"\.env"
    about = policy(":workspace", deny(WORK + r"\**\.env", glob=True))
    plan = compiled(about, Disk({env: "file"}), matches=(env,))
    assert ("deny", GROUP, mask.FILE_ALL_ACCESS, 0) in aces(plan, env)
    assert line(plan, "read-secrets").level == "partial"
    with pytest.raises(GuaranteeError, match="cannot be held"):
        compiled(about, expanded=False)


def test_read_only_below_a_writable_root() -> None:
    vendor = WORK + r"\vendor"
    for tier in TIERS:
        plan = compiled(policy(":workspace", read(vendor)), Disk({vendor: "dir"}), tier=tier)
        assert ("deny", capability(plan), WRITING, ALL) in aces(plan, vendor)


def test_the_read_only_profile_writes_nothing() -> None:
    for tier in TIERS:
        plan = compiled(policy(":read-only"), tier=tier)
        for step in of(plan, AclEdit):
            assert all(ace.type == 1 or ace.mask & WRITING == 0 for ace in step.aces), step.path
        assert not of(plan, Placeholder)


def test_a_root_too_large_to_look_through() -> None:
    plan = compiled(scanned=False)
    assert line(plan, "protected-names").level == "partial"
    assert any("too large" in note for note in plan.notes)


def test_the_way_to_an_absent_name_stays_where_it_is() -> None:
    """Else the directories around a placeholder are moved away, and the name is made in others of their names."""
    deep = WORK + r"\a\b"
    plan = compiled(policy(":workspace", deny(deep + r"\keys")), Disk({deep: "dir"}))
    assert deep + r"\keys" in {step.path for step in of(plan, Placeholder)}
    for path in (WORK + r"\a", deep):
        assert ("deny", GROUP, mask.DELETE, 0) in aces(plan, path)
    # Where the directory is not there either, nothing can hold the name; the promise says so.
    later = compiled(policy(":workspace", deny(deep + r"\keys")))
    assert not [step for step in of(later, Placeholder) if step.path.startswith(deep)]
    assert deep + r"\keys" in line(later, "read-secrets").reason


def test_the_way_to_a_name_in_a_nested_root_stays_from_the_outer_one_on() -> None:
    inner = WORK + r"\a\b"
    disk = Disk({inner + r"\c\.vscode": "dir"})
    plan = compiled(policy(":workspace", write(inner)), disk, protected=(disk.look(inner + r"\c\.vscode"),))
    for path in (WORK + r"\a", inner, inner + r"\c"):
        assert ("deny", GROUP, mask.DELETE, 0) in aces(plan, path)


def test_a_directory_that_all_may_read_needs_no_passage() -> None:
    mine = r"C:\Tools\deep\mine"
    disk = Disk({mine: {"shared": False}, r"C:\Tools\deep": {"shared": False}})
    plan = compiled(policy(":workspace", read(mine)), disk)
    assert ("allow", GROUP, PASSING, 0) in aces(plan, r"C:\Tools\deep")
    assert edit(plan, r"C:\Tools") is None


@pytest.mark.parametrize("tier", ["account", "token", "token-strict"])
def test_sidewall_s_own_places_are_not_edited(tier: str) -> None:
    """The accounts read the runtime by its own access list, which is compared at each use; no plan touches it, nor
    the passwords beside it, nor grants what the user's settings say."""
    own = HOME + r"\AppData\Local\sidewall"
    runtime, settings = own + r"\runtime", HOME + r"\AppData\Roaming\sidewall"
    disk = Disk({own + r"\accounts.json": "file", runtime + r"\abc": "dir", settings: "dir"})
    about = policy()
    asked = {path: (decide(about, Request(action="read", target=path)).allowed,
                    decide(about, Request(action="write", target=path)).allowed)
             for path in (own, own + r"\accounts.json", own + r"\state\trust.json", own + r"\runtime2",
                          runtime + r"\abc\python.exe", settings + r"\config.toml")}
    assert list(asked.values()) == [(False, False)] * 4 + [(True, False)] * 2
    plan = compiled(about, disk, tier=tier)
    edited = [step.path for step in of(plan, AclEdit) if "sidewall" in step.path]
    assert not [path for path in edited if not path.startswith(r"C:\ProgramData")]
    assert not [step.path for step in of(plan, Placeholder) if "AppData" in step.path]
