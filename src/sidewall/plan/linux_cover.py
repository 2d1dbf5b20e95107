"""What a Landlock domain may read: everything but what is denied, as a list of paths.

Knows: that Landlock only adds rights (Documentation/userspace-api/landlock.rst), so that a directory which holds
something denied is listed entry by entry.  Must not know: this machine (``LinuxFacts``), how a rule is made.

Each directory that is listed grows old: what the host replaces there by rename can no longer be read.  So nothing is
listed without need.
"""

from __future__ import annotations

from sidewall.plan import facts as fact
from sidewall.plan.linux_paths import exists, in_system, is_within
from sidewall.policy.model import BUILT_IN, DENY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts import LinuxFacts, PathFact
    from sidewall.policy.model import Policy


def readable(policy: Policy, facts: LinuxFacts, known: dict[str, PathFact], denied: list[str]) -> tuple[str, ...]:
    """The paths that together may be read.  ``denied`` is what the policy hides, ``known`` the paths looked at."""
    kept = _hidden_by_rights(policy, known) if facts.uid else frozenset()
    hidden = [path for path in denied if path not in kept]
    listings = {item.path: item.entries for item in facts.listings}
    return readable_cover(frozenset((*hidden, *facts.matches, "/dev")), listings)


def _hidden_by_rights(policy: Policy, known: dict[str, PathFact]) -> frozenset[str]:
    """The system's own secrets (of the built-in list, outside the home) that this ordinary user's rights hide already.
    A privilege that would change that cannot be gained inside."""
    listed = [rule.path for rule in policy.files if rule.access == DENY and rule.source.layer == BUILT_IN
              and not rule.glob and in_system(rule.path) and not is_within(rule.path, policy.home)]
    names = {*listed, *[fact.really(path, known) for path in listed]}
    asked = {name for rule in policy.files if rule.access == DENY and rule.source.layer != BUILT_IN and not rule.glob
             for name in (rule.path, fact.really(rule.path, known))}
    return frozenset([name for name in names if name not in asked and in_system(name)
                      and not exists(name, known)])


def readable_cover(denied: frozenset[str], listings: dict[str, tuple[tuple[str, str], ...]]) -> tuple[str, ...]:
    """The fewest paths that together reach everything except what is denied: Landlock only adds rights, so a
    directory that holds a denied name is not named itself, but each of its other entries is."""
    cover: list[str] = []

    def visit(path: str) -> None:
        if path in denied:
            return
        inner = "/" if path == "/" else path + "/"
        if not any(name.startswith(inner) for name in denied):
            cover.append(path)
            return
        if path not in listings:
            # It may be entered but not read; what is known of it are the ways to what is denied.
            for name in sorted({name[len(inner):].partition("/")[0] for name in denied if name.startswith(inner)}):
                visit(inner + name)
            return
        for name, kind in listings[path]:
            if kind in (fact.DIRECTORY, fact.FILE):
                visit(inner + name)

    visit("/")
    return tuple(cover)


__all__ = ["readable", "readable_cover"]
