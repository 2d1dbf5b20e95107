"""Which places a Windows plan refuses to touch, and why; which odd names it takes as they are.

Knows: volumes, owners, links and profiles as facts.  Must not know: this machine.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall.errors import GuaranteeError, MachineError, PolicyError
from sidewall.plan import facts as kinds
from sidewall.plan.facts_windows import VolumeFact
from sidewall.plan.steps import Plan
from sidewall.plan.windows_edits import MODIFY
from sidewall.plan.windows_steps import Accounts, AclEdit, Placeholder, Refused, TokenRecipe

from .machines import (
    GROUP,
    HOME,
    VOLUMES,
    WORK,
    Disk,
    aces,
    asked,
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


REFUSED_BY_POLICY = [
    ("D:\\", "whole file system"), (HOME, "home directory"), (r"C:\Users", "home directory"),
    (r"C:\Windows\Temp\x", "system directory"), (r"C:\Program Files\Demo", "system directory"),
    (HOME + r"\AppData\Local\Packages\App", "settings"), (HOME + r"\AppData\Local", "settings"),
    (r"C:\Users\bob", "root of a profile"), (HOME + r"\NTUSER.DAT", "registry hive"),
    (HOME + r"\deep\UsrClass.dat", "registry hive"), (r"D:\WindowsApps\App", "installed packages"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "word"), REFUSED_BY_POLICY)
@pytest.mark.parametrize("tier", TIERS)
def test_places_that_never_become_writable(path: str, word: str, tier: str) -> None:
    disk = Disk({path: "dir"}) if path != "D:\\" else Disk({r"D:\x": "dir"})
    with pytest.raises(PolicyError) as caught:
        compiled(policy(":workspace", asked(path)), disk, tier=tier)
    assert word in str(caught.value) and path in str(caught.value) and caught.value.hint
    # A file of configuration does not stop the run by it; the root is left out, and the plan says so.
    plan = compiled(policy(":workspace", write(path)), disk, tier=tier)
    assert edit(plan, path) is None and word in reason(plan, path)
    assert any(path in note for note in plan.notes)


REFUSED_BY_MACHINE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"volumes": (VOLUMES[0], VolumeFact(root="D:\\", filesystem="FAT32", acls=False))}, "(FAT32)"),
    ({}, {"volumes": (VOLUMES[0], VolumeFact(root="D:\\", filesystem="exFAT", acls=False))}, "(exFAT)"),
    ({}, {"volumes": (VOLUMES[0], VolumeFact(root="D:\\", remote=True))}, "another machine"),
    ({}, {"volumes": (VOLUMES[0], VolumeFact(root="D:\\", linux=True, remote=True, acls=False))}, "Linux distribution"),
    ({}, {"volumes": VOLUMES[:1]}, "nothing is known"),
    ({"editable": False, "owner": "S-1-5-32-544"}, {}, "belongs to S-1-5-32-544"),
    ({"problem": "an object ACE"}, {}, "an object ACE"),
    ({"problem": "a NULL DACL"}, {}, "a NULL DACL"),
    ({"kind": kinds.OTHER}, {}, "neither a directory nor a file"),
    ({"kind": kinds.FILE, "links": 2}, {}, "2 names"),
]


@pytest.mark.parametrize(("fields", "changes", "word"), REFUSED_BY_MACHINE)
@pytest.mark.parametrize("tier", TIERS)
def test_places_that_a_machine_cannot_make_writable(
    fields: dict[str, Any], changes: dict[str, Any], word: str, tier: str
) -> None:
    path = r"D:\project"
    disk = Disk({path: {"kind": kinds.DIRECTORY, **fields}})
    with pytest.raises(MachineError) as caught:
        compiled(policy(":workspace", asked(path)), disk, tier=tier, **changes)
    assert word in str(caught.value) and caught.value.hint and caught.value.exit_code == 125
    plan = compiled(policy(":workspace", write(path)), disk, tier=tier, **changes)
    assert edit(plan, path) is None and word in reason(plan, path)


def test_the_workspace_on_a_drive_without_access_lists() -> None:
    volumes = (VOLUMES[0], VolumeFact(root="D:\\", filesystem="FAT32", acls=False))
    with pytest.raises(MachineError, match="FAT32"):
        compiled(policy(workspace=r"D:\project"), volumes=volumes)


@pytest.mark.parametrize("kind", ["junction", "symlink", "other"])
def test_a_root_that_is_a_link_stands_for_where_it_leads(kind: str) -> None:
    link, real = WORK + "-link", r"D:\real"
    disk = Disk({link: {"reparse": kind, "real": real}, real: "dir"})
    plan = compiled(policy(":workspace", write(link)), disk)
    assert edit(plan, link) is None and ("allow", GROUP, MODIFY, ALL) in aces(plan, real)
    # Where nothing is known of the place that it leads to, nothing is granted.
    lost = Disk({link: {"reparse": kind, "real": r"D:\elsewhere"}})
    plan = compiled(policy(":workspace", write(link)), lost)
    assert "reparse point" in reason(plan, link) and edit(plan, r"D:\elsewhere") is None


def test_a_link_to_the_home_directory_is_refused() -> None:
    link = WORK + "-link"
    disk = Disk({link: {"reparse": "junction", "real": HOME}})
    with pytest.raises(PolicyError, match="home directory"):
        compiled(policy(":workspace", asked(link)), disk)


def test_a_cloud_directory_is_a_directory() -> None:
    path = HOME + r"\OneDrive\demo"
    plan = compiled(policy(":workspace", write(path)), Disk({path: {"reparse": "cloud"}}))
    assert ("allow", GROUP, MODIFY, ALL) in aces(plan, path)


def test_absent_roots() -> None:
    with pytest.raises(PolicyError, match="does not exist"):
        compiled(policy(":workspace", asked(r"D:\gone")))
    plan = compiled(policy(":workspace", write(r"D:\gone")))
    assert edit(plan, r"D:\gone") is None and any("D:\\gone" in note for note in plan.notes)


def test_a_root_below_a_protected_name_is_not_granted() -> None:
    """An explicit grant there would outrank the deny that it inherits."""
    path = WORK + r"\.vscode\cache"
    plan = compiled(policy(":workspace", write(path)), Disk({path: "dir"}))
    assert edit(plan, path) is None and ".vscode" in reason(plan, path)


def test_files_with_several_names_and_links_below_a_root() -> None:
    linked, link = WORK + r"\node_modules\x\index.js", WORK + r"\node_modules\y"
    plan = compiled(linked=(linked,), reparses=(link,))
    assert "several names" in reason(plan, linked) and "reparse point" in reason(plan, link)
    assert edit(plan, linked) is None and edit(plan, link) is None
    assert any("package stores" in note for note in plan.notes)


@pytest.mark.parametrize("path", [HOME + r"\AppData\Local\Microsoft\WindowsApps", HOME + r"\AppData\Local\Packages\x"])
def test_package_directories_are_not_granted_for_tools(path: str) -> None:
    plan = compiled(disk=Disk({path: "dir"}), tools=(path,))
    assert edit(plan, path) is None and "installed packages" in reason(plan, path)


@pytest.mark.parametrize("name", ["Ann Example", "한글", "Jürgen", "🦊 fox", "o'brien", "x" * 200])
@pytest.mark.parametrize("tier", TIERS)
def test_names_of_people_and_projects(name: str, tier: str) -> None:
    """Spaces, Hangul, emoji, long names: they are text, and stay what they are."""
    home = f"C:\\Users\\{name}"
    work = f"{home}\\{name} demo"
    about = policy(workspace=work, home=home)
    plan = compiled(about, Disk({work + r"\.vscode": "dir"}, home=home, work=work), tier=tier)
    assert ("allow", capability(plan), MODIFY, ALL) in aces(plan, work)
    assert edit(plan, home) is None
    accounts = of(plan, Accounts)
    assert all(found.use.isascii() and len(found.use) <= 20 for found in accounts)


@pytest.mark.parametrize("tier", TIERS)
def test_only_files_of_local_volumes_are_edited(tier: str) -> None:
    """No device, no volume root, no profile root, no path that is not plain."""
    about = policy(":workspace", write(r"D:\data"), read(HOME + r"\tools"))
    plan = compiled(about, Disk({r"D:\data": "dir", HOME + r"\tools": "dir"}), tier=tier)
    for step in of(plan, AclEdit, Placeholder):
        assert step.path[1:3] == ":\\" and len(step.path) > 3
        assert not step.path.startswith(("\\\\", "//")) and step.path != HOME


def test_a_whole_volume_denied_is_not_promised() -> None:
    """The account reads what every user may; no access list of a volume's root is changed for that."""
    plan = compiled(policy(":workspace", deny("D:\\")), Disk({r"D:\x": "dir"}))
    assert edit(plan, "D:\\") is None
    found = line(plan, "read-secrets")
    assert found.level == "partial" and "D:\\" in found.reason
    with pytest.raises(GuaranteeError, match="read-secrets"):
        compiled(policy(":workspace", deny("D:\\")), Disk({r"D:\x": "dir"}), require=("read-secrets",))


def test_other_volumes_do_not_matter() -> None:
    """A drive without access lists on which the policy names nothing stops nothing."""
    fat = VolumeFact(root="G:\\", filesystem="FAT32", acls=False)
    assert compiled(volumes=(*VOLUMES, fat)).digest == compiled().digest


def test_a_package_store_does_not_swell_the_plan() -> None:
    many = tuple(f"{WORK}\\node_modules\\{number}.js" for number in range(5000))
    plan = compiled(linked=many)
    assert len(of(plan, Refused)) <= 100
    assert any(note.startswith("5000 file(s)") for note in plan.notes)


@pytest.mark.parametrize("tier", TIERS)
def test_a_substituted_drive_stands_for_where_it_leads(tier: str) -> None:
    """``subst S: D:\\real``: the grant, the held names and the placeholder for git lie where the files lie."""
    work = r"S:\demo"
    disk = Disk({work: {"real": r"D:\real\demo"}, r"D:\real\demo": "dir"}, work=work)
    plan = compiled(policy(workspace=work), disk, tier=tier)
    assert ("allow", capability(plan), MODIFY, ALL) in aces(plan, r"D:\real\demo")
    assert edit(plan, work) is None
    assert r"D:\real\demo\.git" in {step.path for step in of(plan, Placeholder)}


@pytest.mark.parametrize("tier", TIERS)
def test_a_share_is_refused_however_it_is_named(tier: str) -> None:
    """A mapped drive is a share where it really lies; a UNC path is one as it stands."""
    share = VolumeFact(root="\\\\server\\share\\", remote=True)
    mapped = Disk({r"M:\demo": {"real": r"\\server\share\demo"}})
    with pytest.raises(MachineError, match="another machine"):
        compiled(policy(":workspace", asked(r"M:\demo")), mapped, tier=tier, volumes=(*VOLUMES, share))
    plain = Disk({r"\\server\share\demo": "dir"})
    with pytest.raises(MachineError, match="another machine"):
        compiled(policy(":workspace", asked(r"\\server\share\demo")), plain, tier=tier, volumes=(*VOLUMES, share))
