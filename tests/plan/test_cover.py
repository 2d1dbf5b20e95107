"""The allow-list of what may be read without mounts: everything but what is denied, in as few paths as there can be.

Knows: trees of names.  Must not know: Landlock.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.plan import facts as fact
from sidewall.plan.linux_cover import readable_cover
from sidewall.plan.linux_paths import is_within
from sidewall.plan.steps import Landlock, Plan

from .machines import HOME, Disk, compiled, deny, of, policy, refused

NAMES = ("a", "b", "ab", "a.b", "c d")
TREES = st.recursive(
    st.sampled_from([fact.FILE, fact.SYMLINK, fact.OTHER]),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=25,
)


def flatten(tree: object, path: str = "") -> dict[str, str]:
    """Every path of a tree with its kind."""
    if isinstance(tree, str):
        return {path: tree}
    assert isinstance(tree, dict)
    found = {path or "/": fact.DIRECTORY}
    for name, inner in tree.items():
        found |= flatten(inner, f"{path}/{name}")
    return found


def listings(paths: dict[str, str]) -> dict[str, tuple[tuple[str, str], ...]]:
    rows: dict[str, list[tuple[str, str]]] = {path: [] for path, kind in paths.items() if kind == fact.DIRECTORY}
    for path, kind in paths.items():
        parent, _, name = path.rpartition("/")
        if path != "/":
            rows[parent or "/"].append((name, kind))
    return {path: tuple(found) for path, found in rows.items()}


@st.composite
def trees_and_denials(draw: st.DrawFn) -> tuple[dict[str, str], frozenset[str]]:
    tree = draw(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=4))
    paths = flatten(tree)
    inner = [path for path in paths if path != "/"]
    denied = draw(st.sets(st.sampled_from(inner), max_size=5)) if inner else set()
    # Some that do not exist, below what does.
    holders = [path for path, kind in paths.items() if kind == fact.DIRECTORY]
    missing = draw(st.sets(st.sampled_from(holders), max_size=2))
    return paths, frozenset(denied | {f"{path.rstrip('/')}/missing" for path in missing})


def covered(cover: tuple[str, ...], path: str) -> bool:
    return any(is_within(path, one) for one in cover)


@settings(deadline=None, max_examples=120)
@given(trees_and_denials())
def test_everything_but_what_is_denied(case: tuple[dict[str, str], frozenset[str]]) -> None:
    paths, denied = case
    cover = readable_cover(denied, listings(paths))
    for path, kind in paths.items():
        shut = any(is_within(path, one) for one in denied)
        if shut:
            assert not covered(cover, path)
        elif kind == fact.FILE or (kind == fact.DIRECTORY and not any(is_within(one, path) for one in denied)):
            assert covered(cover, path)
    for path in denied:
        # What does not exist yet is not opened by anything above it.
        assert not covered(cover, path)


@settings(deadline=None, max_examples=120)
@given(trees_and_denials())
def test_in_as_few_paths_as_there_can_be(case: tuple[dict[str, str], frozenset[str]]) -> None:
    paths, denied = case
    cover = readable_cover(denied, listings(paths))
    assert len(set(cover)) == len(cover)
    for one in cover:
        assert not any(is_within(one, other) for other in cover if other != one)
        parent = one.rpartition("/")[0] or "/"
        # The directory above could not be named: something in it is denied.
        assert one == "/" or any(is_within(path, parent) for path in denied)


def test_nothing_denied_is_one_path() -> None:
    assert readable_cover(frozenset(), {}) == ("/",)


def test_links_and_devices_are_not_named() -> None:
    """A rule on a link would be a rule on what it leads to."""
    kinds = (fact.SYMLINK, fact.OTHER, fact.FILE, fact.DIRECTORY)
    rows = {"/": (*zip(("bin", "pipe", "initrd", "etc"), kinds, strict=True), ("x", fact.DIRECTORY))}
    assert set(readable_cover(frozenset({"/x"}), rows)) == {"/etc", "/initrd"}


def test_a_directory_that_cannot_be_listed_opens_nothing() -> None:
    rows = {"/": (("home", fact.DIRECTORY), ("usr", fact.DIRECTORY))}
    assert readable_cover(frozenset({"/home/ann/.ssh"}), rows) == ("/usr",)


def test_names_that_begin_alike_are_not_below_each_other() -> None:
    rows = {"/": (("a", fact.DIRECTORY), ("ab", fact.DIRECTORY)), "/a": (("x", fact.FILE),)}
    assert readable_cover(frozenset({"/a/secret"}), rows) == ("/a/x", "/ab")


def test_directories_that_may_be_entered_but_not_read() -> None:
    """The home in such a directory (mode 0711) is still reached, but for what is denied there."""
    known = {"/": (("home", fact.DIRECTORY), ("usr", fact.DIRECTORY)),
             "/home/me": ((".ssh", fact.DIRECTORY), ("work", fact.DIRECTORY))}
    denied = frozenset(("/home/me/.ssh", "/home/me/.netrc", "/home/me/.config/gh"))
    assert readable_cover(denied, known) == ("/home/me/work", "/usr")
    assert readable_cover(frozenset(("/home/me",)), known) == ("/usr",)


def covers(plan: Plan) -> set[str]:
    (step,) = of(plan, Landlock)
    return {path for path, access in step.rules if access & 1 << 2}


def test_a_directory_of_the_system_is_not_listed_for_what_the_users_rights_hide_already() -> None:
    """What the host replaces in a listed directory cannot be read any more."""
    disk = Disk({"/etc/shadow": "file", "/etc/passwd": "file", "/etc/ssl/private": "dir", f"{HOME}/.netrc": "file"})
    about = policy()
    closed = tuple([found.replace(readable=found.path not in ("/etc/shadow", "/etc/ssl/private"))
                    for found in disk.paths(about)])
    ordinary = compiled(about, disk, paths=closed, **refused())
    assert "/etc" in covers(ordinary) and "/etc/passwd" not in covers(ordinary)
    # Nothing is closed to root; and a secret that the user could read is left out as ever.
    for plan in (compiled(about, disk, paths=closed, uid=0, **refused()), compiled(about, disk, **refused())):
        assert "/etc/passwd" in covers(plan)
        assert not {"/etc", "/etc/shadow", "/etc/ssl", "/etc/ssl/private"} & covers(plan)
    # A rule of the user's own is about what it names, whoever may read that today; and so are secrets in the home.
    asked = policy(":workspace", deny("/etc/shadow"))
    assert not {"/etc", "/etc/shadow"} & covers(compiled(asked, disk, paths=closed, **refused()))
    assert HOME not in covers(ordinary) and f"{HOME}/.netrc" not in covers(ordinary)
