"""What of a writable directory a rule lets only be read: read-only binds in between, from the outside in.

Knows: that the more specific rule decides, so that a writable directory may hold a readable one, which may hold a
writable one again.  Must not know: this machine (``LinuxFacts``).

Without mounts nothing can be taken out of a writable directory: Landlock only adds rights.  Then the report says so,
and a policy that requires ``write-outside`` does not run.
"""

from __future__ import annotations

from sidewall.plan import facts as fact
from sidewall.plan.steps import NAMESPACE, Placeholder, Protect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts import PathFact
    from sidewall.plan.linux_paths import Layout


def place(paths: list[str], known: dict[str, PathFact], layout: Layout, tier: str, notes: list[str]) -> None:
    """Places ``paths``, real ones that lie in writable roots and are not to be written."""
    roots = {root.path for root in layout.writable}
    for path in sorted(set(paths)):
        if tier != NAMESPACE:
            layout.bare_places.append(path)
            continue
        found = known.get(path)
        if found is not None and found.kind != fact.MISSING:
            layout.readonly.append(Protect(path=path))
            if found.kind != fact.DIRECTORY:
                layout.weak_names.append(path)
                notes.append(f"{path} is a file: it is read-only until a program outside replaces it")
            continue
        root, _, name = path.rpartition("/")
        if root in roots:
            layout.placeholders.append(Placeholder(root=root, name=name))
            layout.readonly.append(Protect(path=path))
        else:
            layout.bare_places.append(path)


def holds(layout: Layout, path: str) -> bool:
    """Whether the nearest of writable roots and read-only places around ``path`` is one of the latter."""
    places = [(step.path, False) for step in layout.writable] + [(step.path, True) for step in layout.readonly]
    around = [(len(place), still) for place, still in places
              if path == place or path.startswith(place.rstrip("/") + "/")]
    return bool(around) and max(around)[1]
