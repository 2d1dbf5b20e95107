"""What the parts of a Windows plan agree upon while its paths are placed: what is known, granted, held, refused.

Knows: facts by place, the edits collected so far.  Must not know: which rule wants what (``windows_paths``,
``windows_git``), how anything is done.
"""

from __future__ import annotations

from sidewall.plan import facts as kinds
from sidewall.plan.windows_edits import key
from sidewall.plan.windows_refuse import as_edit
from sidewall.plan.windows_session import placeholder_dacl
from sidewall.plan.windows_steps import GRANT, Placeholder, Refused
from sidewall.policy import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from sidewall.plan.facts_windows import PathFact, WindowsFacts
    from sidewall.plan.windows_edits import Edits
    from sidewall.plan.windows_refuse import Refusal
    from sidewall.policy.model import Policy

    Key: TypeAlias = tuple[str, ...]


class Layout:
    """What ``lay_out`` found, for the steps and for the report.

    ``granted`` are places with the access that an edit gives them; ``weak_names``, ``weak_secrets`` and ``git_gaps``
    what could not be held, for people; ``git_watched`` are git directories in which a name may come to be.
    """

    def __init__(self, policy: Policy, facts: WindowsFacts, tier: str, edits: Edits) -> None:
        self.policy = policy
        self.facts = facts
        self.tier = tier
        self.edits = edits
        self.known = {key(found.path): found for found in facts.paths}
        self.roots: list[PathFact] = []
        self.granted: list[tuple[Key, str]] = []
        self._placed: dict[Key, Placeholder] = {}
        self._held: dict[Key, str] = {}
        self.refused: dict[str, str] = {}
        self.weak_names: list[str] = []
        self.weak_secrets: list[str] = []
        self.git_gaps: list[str] = []
        self.git_watched: list[str] = []
        self.notes: list[str] = []

    def fact(self, path: str) -> PathFact | None:
        """What is known of a path, in whatever case it is written."""
        return self.known.get(key(path))

    def real(self, path: str) -> str:
        """Where a path really lies; one that does not exist, below what the nearest directory above really is."""
        place = key(path)
        for length in range(len(place), 1, -1):
            found = self.known.get(place[:length])
            if found is not None and found.real:
                return "\\".join((found.real.rstrip("\\"), *paths.parts(path, paths.WINDOWS)[length:]))
        return path

    def root_of(self, path: str) -> PathFact | None:
        """The outermost writable root that holds the path."""
        place = key(path)
        holding = [root for root in self.roots if place[: len(key(root.real))] == key(root.real)]
        return min(holding, key=lambda root: len(key(root.real)), default=None)

    def reached(self, path: str) -> bool:
        """Whether a grant of this plan reaches the path."""
        place = key(path)
        return any(place[: len(root)] == root for root, _ in self.granted)

    def refuse(self, path: str, refusal: Refusal) -> None:
        """Notes that this path is not touched."""
        self.refused.setdefault(path, refusal.reason)

    def hold(self, found: PathFact, path: str = "") -> bool:
        """Denies writing to what exists; False when its access list cannot be changed (noted, and not held then)."""
        place = path or found.real or found.path
        if found.kind == kinds.FILE and found.links > 1 and not self.edits.has(place, GRANT):
            # No grant is carried into a file with several names, so nothing has to be denied there either.
            self.refused.setdefault(found.path, f"has {found.links} names, and nothing is granted on it")
            self.pin_above(place)
            return True
        refusal = as_edit(found, self.facts)
        if refusal is None:
            self.edits.protect(place, found.kind == kinds.DIRECTORY)
            self.note_held(place)
            return True
        self.refuse(found.path, refusal)
        return False

    def pin_above(self, path: str) -> None:
        """Every directory between a writable root and what is held in it stays where it is, and it with it."""
        root = self.root_of(path)
        if root is None:
            return
        names = paths.parts(path, paths.WINDOWS)
        for length in range(len(key(root.real)) + 1, len(names)):
            above = names[0] + "\\".join(names[1:length])
            found = self.fact(above)
            refusal = None if found is None or found.kind == kinds.MISSING else as_edit(found, self.facts)
            if refusal is None:
                self.edits.pin(above)
            else:
                self.refuse(above, refusal)
                self.weak_names.append(path)

    def place(self, path: str, *, directory: bool = True, seen: bool = True) -> None:
        """Holds an absent name; ``seen``: it may be read and listed inside."""
        if key(path) not in self._placed:
            dacl = placeholder_dacl(self.facts, self.edits.trustees if seen else ())
            self._placed[key(path)] = Placeholder(path=path, directory=directory, sddl=dacl)
            self.note_held(path)

    def note_held(self, path: str) -> None:
        """``path`` stays as it is from now on, and so does the way to it."""
        self._held.setdefault(key(path), path)
        self.pin_above(path)

    def held(self) -> tuple[str, ...]:
        """The paths that stay as they are, in order."""
        return tuple(sorted(self._held.values()))

    def below_held(self, path: str) -> bool:
        """Whether the path inherits a deny: it is held, or lies in something that is."""
        place = key(path)
        return any(place[:length] in self._held for length in range(1, len(place) + 1))

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders as steps: a directory before what is made in it."""
        return tuple([self._placed[place] for place in sorted(self._placed)])

    def refusals(self) -> tuple[Refused, ...]:
        """The refusals as steps, in order of the path."""
        return tuple([Refused(path=path, reason=self.refused[path]) for path in sorted(self.refused)])
