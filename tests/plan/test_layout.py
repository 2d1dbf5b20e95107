"""Where a policy's paths come to lie: hidden, masked, shown, protected, writable; links, and what does not exist.

Knows: homes as people have them.  Must not know: this machine's.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import GuaranteeError, PolicyError
from sidewall.plan import facts as fact
from sidewall.plan.facts import PathFact
from sidewall.plan.linux_paths import is_within
from sidewall.plan.steps import (
    GitOverlay,
    Hide,
    Landlock,
    Mask,
    Pin,
    Placeholder,
    Plan,
    Protect,
    Show,
    Watch,
    Writable,
)
from sidewall.policy import profiles, protect
from sidewall.policy.model import READ, WRITE, FileRule, Source

from .machines import HOME, WORK, Disk, compiled, deny, git, of, policy, refused


def hidden(plan: Plan, path: str) -> bool:
    """Whether a path is gone by composition: it, or a directory on the way to it."""
    return any(is_within(path, f"{step.parent.rstrip('/')}/{name}") for step in of(plan, Hide) for name in step.names)


def masked(plan: Plan) -> set[str]:
    return {step.path for step in of(plan, Mask)}


def read(path: str) -> FileRule:
    return FileRule(path=path, access=READ)


def write(path: str, layer: str = "user") -> FileRule:
    return FileRule(path=path, access=WRITE, source=Source(layer=layer, file="config.toml", key="files.write"))


def readable(plan: Plan, path: str) -> bool:
    """Whether Landlock's allow-list lets the path be read."""
    (step,) = of(plan, Landlock)
    return any(is_within(path, rule) and access & 1 << 2 for rule, access in step.rules)


def test_every_default_secret_is_hidden_whether_it_exists_or_not() -> None:
    disk = Disk({f"{HOME}/.ssh": "dir", f"{HOME}/.config": "dir", f"{HOME}/.netrc": "file"})
    plan, weak = compiled(disk=disk), compiled(disk=disk, **refused())
    for rule in policy().files:
        if rule.access == "deny" and rule.path.startswith(HOME):
            assert hidden(plan, rule.path), rule.path
            assert not readable(weak, rule.path), rule.path
    assert readable(weak, "/usr") is False or not Disk().real("/usr")
    assert not of(plan, Mask)


def test_one_composition_for_each_directory_that_exists() -> None:
    plan = compiled(disk=Disk({f"{HOME}/.config/gh": "dir"}))
    parents = [step.parent for step in of(plan, Hide)]
    assert parents == [HOME, f"{HOME}/.config"]
    assert ".cache" in next(step for step in of(plan, Hide) if step.parent == HOME).names


def test_a_file_where_a_directory_should_be() -> None:
    """``~/.config`` is a file: nothing below it can be, and it is no directory to put together."""
    plan = compiled(disk=Disk({f"{HOME}/.config": "file"}))
    assert [step.parent for step in of(plan, Hide)] == [HOME]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_may_come_to_be_is_hidden_at_the_first_missing_name(depth: int) -> None:
    path = HOME + "".join(f"/level{number}" for number in range(depth)) + "/key"
    plan = compiled(policy(":full-read", deny(path)))
    assert hidden(plan, path)
    assert Hide(parent=HOME, names=("level0",)) in [
        step.replace(names=tuple(set(step.names) & {"level0"})) for step in of(plan, Hide)
    ]


@pytest.mark.parametrize("target", [f"{HOME}/dot/ssh", "/mnt/stick/ssh", "dot/ssh", "../ann/dot/ssh"])
def test_a_secret_that_is_a_link(target: str) -> None:
    real = {"dot/ssh": f"{HOME}/dot/ssh", "../ann/dot/ssh": f"{HOME}/dot/ssh"}.get(target, target)
    disk = Disk({real: "dir", f"{HOME}/.ssh": f"-> {target}"})
    plan = compiled(disk=disk)
    assert hidden(plan, f"{HOME}/.ssh") and hidden(plan, real)
    weak = compiled(disk=disk, **refused())
    assert not readable(weak, f"{real}/key")


@pytest.mark.parametrize("real", [f"{HOME}/dot/config", "/mnt/stick/config"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_secret_below_a_linked_directory(real: str, exists: bool) -> None:
    disk = Disk({real: "dir", f"{HOME}/.config": f"-> {real}", **({f"{real}/gh": "dir"} if exists else {})})
    plan = compiled(disk=disk)
    assert hidden(plan, f"{real}/gh")
    # No composition is made on a link: the kernel would not follow it.
    assert f"{HOME}/.config" not in [step.parent for step in of(plan, Hide)]
    assert not readable(compiled(disk=disk, **refused()), f"{real}/gh/hosts.yml")


@pytest.mark.parametrize("system", ["/etc/ssh-keys", "/nix/store/abc/ssh", "/var/lib/keys"])
def test_a_link_into_the_system_is_masked_and_not_composed(system: str) -> None:
    disk = Disk({system: "dir", f"{HOME}/.ssh": f"-> {system}"})
    plan = compiled(disk=disk)
    assert masked(plan) == {system}
    assert all(step.parent.startswith(HOME) for step in of(plan, Hide))


def test_links_to_nowhere_and_in_circles_are_only_names() -> None:
    links = {".ssh": "nowhere", ".aws": ".gnupg", ".gnupg": ".aws"}
    disk = Disk({f"{HOME}/{name}": f"-> {HOME}/{target}" for name, target in links.items()})
    plan = compiled(disk=disk)
    assert hidden(plan, f"{HOME}/.ssh") and hidden(plan, f"{HOME}/.aws") and not of(plan, Mask)


def test_a_literal_path_is_no_pattern() -> None:
    for name in ("a[1]", "what?", "star*", "[x"):
        plan = compiled(policy(":full-read", deny(f"{HOME}/{name}")), Disk({f"{HOME}/{name}": "file"}))
        assert hidden(plan, f"{HOME}/{name}")


def test_a_pattern_masks_what_it_matches_now() -> None:
    about = policy(":full-read", deny(f"{HOME}/**/.env", glob=True))
    plan = compiled(about, matches=(f"{WORK}/.env", f"{HOME}/other/.env"))
    assert masked(plan) == {f"{WORK}/.env", f"{HOME}/other/.env"}
    disk = Disk({f"{HOME}/other/.env": "file", f"{HOME}/other/readme": "file"})
    weak = compiled(about, disk, matches=(f"{HOME}/other/.env",), **refused())
    assert readable(weak, f"{HOME}/other/readme") and not readable(weak, f"{HOME}/other/.env")


def test_patterns_that_cannot_be_followed_stop() -> None:
    about = policy(":full-read", deny(f"{HOME}/**/.env", glob=True))
    with pytest.raises(GuaranteeError) as caught:
        compiled(about, expanded=False)
    assert caught.value.guarantees == ("read-secrets",) and caught.value.hint


def test_denied_inside_the_workspace_is_masked_where_it_exists() -> None:
    present = {f"{WORK}/key": "file", f"{WORK}/keys": "dir", f"{HOME}/outside": "file"}
    disk = Disk({**present, f"{WORK}/link": f"-> {HOME}/outside"})
    rules = [deny(f"{WORK}/{name}") for name in ("key", "keys", "link", "missing")]
    plan = compiled(policy(":workspace", *rules), disk)
    assert masked(plan) == {f"{WORK}/key", f"{WORK}/keys"}
    # A mask on a link would be on what it leads to; that is hidden where it lies.
    assert hidden(plan, f"{HOME}/outside")


def test_denied_below_denied_counts_once_unless_it_is_open_between() -> None:
    disk = Disk({f"{HOME}/box/open/inner/key": "file"})
    plan = compiled(policy(":full-read", deny(f"{HOME}/box"), deny(f"{HOME}/box/open/inner/key")), disk)
    assert [step for step in of(plan, Hide) if "box" in step.parent] == []
    rules = (deny(f"{HOME}/box"), read(f"{HOME}/box/open"), deny(f"{HOME}/box/open/inner/key"))
    plan = compiled(policy(":full-read", *rules), disk)
    assert Hide(parent=f"{HOME}/box/open/inner", names=("key",)) in of(plan, Hide)
    assert Show(path=f"{HOME}/box/open") in of(plan, Show)


def test_what_a_private_directory_would_take_away_is_shown() -> None:
    disk = Disk({"/tmp/data": "dir", "/var/tmp/data": "dir", "/run/user/1000/bus": "other", "/srv/data": "dir"})
    rules = [read(path) for path in ("/tmp/data", "/var/tmp/data", "/tmp/missing", "/srv/data")]
    shown = {step.path for step in of(compiled(policy(":full-read", *rules), disk), Show)}
    assert shown >= {"/tmp/data", "/var/tmp/data"}
    assert shown.isdisjoint({"/tmp/missing", "/srv/data", "/run/user/1000/bus", "/tmp"})


@pytest.mark.parametrize("home", ["/home/ann", "/root", "/tmp/ann", "/var/tmp/x/ann", "/mnt/ann"])
def test_homes_anywhere(home: str) -> None:
    work = f"{home}/work"
    about = policy(home=home, workspace=work)
    plan = compiled(about, Disk({work: "dir", f"{home}/.ssh": "dir"}))
    assert hidden(plan, f"{home}/.ssh")
    assert [step.path for step in of(plan, Writable)] == [work]
    covered = home.startswith(("/tmp/", "/var/tmp/", "/run/"))
    assert (Show(path=home) in of(plan, Show)) == covered


def test_a_workspace_that_is_a_link_is_what_it_leads_to() -> None:
    disk = Disk({f"{HOME}/real/work": "dir", f"{HOME}/by-link": f"-> {HOME}/real/work"})
    plan = compiled(policy(workspace=f"{HOME}/by-link"), disk)
    (root,) = of(plan, Writable)
    assert root.path == f"{HOME}/real/work" and root.inode


def test_two_names_of_one_root_are_one() -> None:
    disk = Disk({f"{HOME}/same": f"-> {WORK}"})
    assert len(of(compiled(policy(":workspace", write(f"{HOME}/same")), disk), Writable)) == 1


def test_roots_that_are_not_there() -> None:
    plan = compiled(policy(":workspace", write(f"{HOME}/gone")))
    assert [root.path for root in of(plan, Writable)] == [WORK]
    assert any(f"{HOME}/gone" in note and "config.toml files.write" in note for note in plan.notes)
    with pytest.raises(PolicyError, match="does not exist") as caught:
        compiled(policy(":workspace", write(f"{HOME}/gone", "command line")))
    assert caught.value.exit_code == 2 and caught.value.hint
    gone = Disk()
    del gone.entries[WORK]
    with pytest.raises(PolicyError, match="does not exist"):
        compiled(policy(), gone)


def test_roots_of_odd_kinds() -> None:
    plan = compiled(policy(":workspace", write(f"{HOME}/notes")), Disk({f"{HOME}/notes": "file"}))
    assert [root.path for root in of(plan, Writable)] == [f"{HOME}/notes", WORK]
    with pytest.raises(PolicyError, match="neither"):
        compiled(policy(":workspace", write(f"{HOME}/pipe")), Disk({f"{HOME}/pipe": "other"}))


def test_read_only_writes_nothing() -> None:
    plan = compiled(policy(profiles.READ_ONLY))
    assert not of(plan, Writable, Protect, Placeholder, GitOverlay)


ALWAYS = sorted(set(protect.DEFAULT) - protect.ONLY_PRESENT)


def test_protected_names_that_are_absent() -> None:
    plan = compiled()
    assert {step.name for step in of(plan, Placeholder)} == {*ALWAYS, ".git"}
    held = {step.path for step in of(plan, Protect)}
    assert held == {f"{WORK}/{name}" for name in ALWAYS}
    assert of(plan, GitOverlay) == [GitOverlay(path=f"{WORK}/.git", roots=(WORK,), fresh=True)]


@pytest.mark.parametrize("kind", [fact.DIRECTORY, fact.FILE, fact.SYMLINK, fact.OTHER])
@pytest.mark.parametrize("name", [".vscode", "a/b/.claude", ".husky"])
def test_protected_names_that_are_present(kind: str, name: str) -> None:
    found = PathFact(path=f"{WORK}/{name}", kind=kind, real=f"{WORK}/{name}")
    plan = compiled(protected=(found,))
    assert (found.path in {step.path for step in of(plan, Protect)}) == (kind != fact.SYMLINK)
    assert name not in {step.name for step in of(plan, Placeholder)}
    # A link is not held, and never where it leads to; it is compared and put back, and the user is told.
    assert any(found.path in note for note in plan.notes) == (kind == fact.SYMLINK)


@pytest.mark.parametrize("mode", ["commit", "read-only"])
@pytest.mark.parametrize("overlay", ["", "EINVAL"])
def test_git(mode: str, overlay: str) -> None:
    plan = compiled(policy(git=mode), overlay=overlay, git=(git(f"{WORK}/.git"), git(f"{WORK}/sub/.git")))
    paths = [f"{WORK}/.git", f"{WORK}/sub/.git"]
    layered = mode == "commit" and not overlay
    assert [step.path for step in of(plan, GitOverlay)] == (paths if layered else [])
    held = {step.path for step in of(plan, Protect)}
    assert held.issuperset(paths) != layered
    assert ".git" not in {step.name for step in of(plan, Placeholder)}
    if mode == "commit" and overlay:
        assert any("EINVAL" in note and "read-only" in note for note in plan.notes)


@pytest.mark.parametrize("mode", ["commit", "read-only"])
@pytest.mark.parametrize("overlay", ["", "EINVAL"])
def test_no_repository_yet(mode: str, overlay: str) -> None:
    plan = compiled(policy(git=mode), overlay=overlay)
    assert Placeholder(root=WORK, name=".git") in of(plan, Placeholder)
    layered = mode == "commit" and not overlay
    assert [step.fresh for step in of(plan, GitOverlay)] == ([True] if layered else [])
    assert (Protect(path=f"{WORK}/.git") in of(plan, Protect)) != layered


def test_gitfiles() -> None:
    """A worktree's file is held as it is, the repository that it leads to gets the layer; one that nobody answers for
    gets none."""
    main = "/home/ann/main/.git"
    found = (git(f"{WORK}/.git", fact.FILE, common=main), git(f"{WORK}/b/.git", fact.FILE, problem="is odd"))
    plan = compiled(git=found)
    assert [step.path for step in of(plan, GitOverlay)] == [main]
    assert {f"{WORK}/.git", f"{WORK}/b/.git"} <= {step.path for step in of(plan, Protect)}
    twice = compiled(git=(*found, git(f"{WORK}/c/.git", fact.FILE, common=main)))
    assert [step.path for step in of(twice, GitOverlay)] == [main]
    link = compiled(git=(git(f"{WORK}/.git", fact.SYMLINK, problem="is a symbolic link"),))
    assert not of(link, GitOverlay) and f"{WORK}/.git" not in {step.path for step in of(link, Protect)}


NAMES = st.sampled_from(["a", "b", ".ssh", ".config", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: f"{HOME}/" + "/".join(names))


@settings(deadline=None, max_examples=80)
@given(st.sets(PATHS, min_size=1, max_size=4), st.sets(PATHS, max_size=6), st.booleans())
def test_no_denied_path_is_left_in_sight(denied: set[str], present: set[str], links: bool) -> None:
    """Whatever exists, and wherever links lead: each denied path is hidden or masked where it really lies; and in the
    other tier not readable."""
    entries = {path: "file" for path in present if not any(other.startswith(path + "/") for other in present)}
    if links:
        entries.update({path: f"-> {HOME}/a" for path in entries if path.endswith("b")})
    disk = Disk(entries)
    about = policy(":full-read", *(deny(path) for path in denied))
    plan, weak = compiled(about, disk), compiled(about, disk, **refused())
    for path in denied:
        if any(disk.look(above).kind in (fact.FILE, fact.SYMLINK) for above in disk.above(path)[1:]):
            # Below a file, or a link that leads nowhere, there is nothing.
            continue
        above = next(above for above in disk.above(path) if disk.real(above))
        one = disk.real(above) + path[len(above) :]
        assert hidden(plan, one) or one in masked(plan), (one, entries)
        assert not readable(weak, one)
    assert not any(is_within(WORK, f"{step.parent}/{name}") for step in of(plan, Hide) for name in step.names)


def placed(plan: Plan) -> list[tuple[str, str]]:
    """What is attached in writable roots, in order."""
    kinds = (Writable, Protect, Pin, GitOverlay)
    return [(type(step).__name__, step.path) for step in plan.steps if isinstance(step, kinds)]


def test_what_is_only_readable_in_a_writable_directory_is_bound_read_only_from_the_outside_in() -> None:
    disk = Disk({f"{WORK}/a/src": "dir", f"{WORK}/a/src/made": "dir", f"{WORK}/lock": "file"})
    rules = (read(f"{WORK}/a/src"), write(f"{WORK}/a/src/made"), read(f"{WORK}/lock"), read(f"{WORK}/later"))
    asked = policy(":workspace", *rules, protected=())
    plan = compiled(asked, disk)
    assert placed(plan) == [
        ("Writable", WORK), ("Protect", f"{WORK}/a/src"), ("Writable", f"{WORK}/a/src/made"),
        ("Protect", f"{WORK}/later"), ("Protect", f"{WORK}/lock"), ("Pin", f"{WORK}/a"),
        ("GitOverlay", f"{WORK}/.git"),
    ]
    assert Placeholder(root=WORK, name="later") in plan.steps
    report = {line.name: line.level for line in plan.guarantees}
    assert (report["write-outside"], report["protected-names"]) == ("enforced", "partial")
    with pytest.raises(GuaranteeError, match="can be all the same"):
        compiled(asked, disk, require=("write-outside",), **refused())


def test_a_repository_in_what_is_only_readable_gets_no_layer() -> None:
    disk = Disk({f"{WORK}/lib": "dir", f"{WORK}/lib/.git": "dir"})
    inner = {"git": (git(f"{WORK}/lib/.git"),)}
    asked = policy(":workspace", read(f"{WORK}/lib"))
    assert ("GitOverlay", f"{WORK}/lib/.git") in placed(compiled(policy(), disk, **inner))
    assert ("GitOverlay", f"{WORK}/lib/.git") not in placed(compiled(asked, disk, **inner))


def test_reading_wins_over_writing_in_the_same_place_and_what_is_absent_deep_inside_is_said() -> None:
    disk = Disk({"/data": "dir"})
    for stricter in (read, deny):
        plan = compiled(policy(":workspace", write("/data"), stricter("/data")), disk)
        assert "/data" not in [path for _kind, path in placed(plan)]
    disk = Disk({"/data/a": "dir"})
    shown = [compiled(policy(":workspace", deny("/data"), *more), disk).steps for more in (
        (read("/data/a"),), (read("/data/a"), deny("/data/a")))]
    assert [Show(path="/data/a") in steps for steps in shown] == [True, False]
    plan = compiled(policy(":workspace", read(WORK)), disk, git=(git(f"{WORK}/.git"),))
    assert not of(plan, GitOverlay), "what is carried out of a layer would be written"
    with pytest.raises(GuaranteeError, match="does not exist"):
        compiled(policy(":workspace", read(f"{WORK}/no/such/place")), disk, require=("write-outside",))


def test_what_git_is_told_to_obey_in_the_workspace_is_held_like_a_protected_name() -> None:
    told = {f"{WORK}/tools/hooks": fact.DIRECTORY, f"{WORK}/check": fact.FILE, f"{WORK}/.githooks": fact.MISSING,
            f"{WORK}/no/hooks": fact.MISSING, f"{WORK}/link": fact.SYMLINK}
    steering = tuple(PathFact(path=path, kind=kind) for path, kind in told.items())
    plan, weak = (compiled(policy(protected=()), steering=steering, **more) for more in ({}, refused()))
    held = [path for kind, path in placed(plan) if kind == "Protect"]
    assert held == [f"{WORK}/tools/hooks", f"{WORK}/check", f"{WORK}/.githooks"]
    assert Placeholder(root=WORK, name=".githooks") in plan.steps and ("Pin", f"{WORK}/tools") in placed(plan)
    assert next(line.level for line in plan.guarantees if line.name == "protected-names") == "partial"
    for one in (plan, weak):
        (watched,) = of(one, Watch)
        assert watched.places == tuple(told)


def test_no_directory_stands_in_for_a_hook_that_is_absent() -> None:
    told = {f"{WORK}/pre-commit": fact.MISSING, f"{WORK}/update": fact.DIRECTORY, f"{WORK}/post-merge": fact.FILE}
    steering = tuple(PathFact(path=path, kind=kind) for path, kind in told.items())
    plan = compiled(policy(protected=()), steering=steering)
    assert [path for kind, path in placed(plan) if kind == "Protect"] == [f"{WORK}/update", f"{WORK}/post-merge"]
    assert Placeholder(root=WORK, name="pre-commit") not in plan.steps
    assert next(line.level for line in plan.guarantees if line.name == "protected-names") == "partial"
    (watched,) = of(plan, Watch)
    assert watched.places == tuple(told)


def test_what_is_denied_in_a_writable_directory_is_masked_though_it_is_closed_to_its_owner() -> None:
    disk = Disk({f"{WORK}/key": "file"})
    about = policy(":workspace", deny(f"{WORK}/key"))
    facts = [found.replace(readable=False) if found.path == f"{WORK}/key" else found for found in disk.paths(about)]
    assert masked(compiled(about, disk, paths=tuple(facts))) == {f"{WORK}/key"}
