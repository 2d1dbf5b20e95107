"""Names that stay as they are inside writable directories, since they steer what later runs outside the sandbox.

Knows: which files and directories agents, editors, shells and git read and act upon by themselves when a project is
opened, entered or committed to.  Must not know: whether they exist; how they are held.

Not here is what only acts when a person or a build starts it (``Makefile``, ``package.json``, ``conftest.py``), and
what only instructs (``AGENTS.md``): a writable workspace cannot be kept from changing those; changes are reported.
``.git`` has rules of its own (``gitdir``).
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import gitdir, paths
from sidewall.policy.model import GIT_COMMIT

OWN = "sidewall.toml"

AGENTS = (
    ".agents", ".aider.conf.yml", ".amazonq", ".claude", ".codex", ".continue", ".crush.json", ".cursor", ".factory",
    ".gemini", ".junie", ".kiro", ".mcp.json", ".opencode", ".qwen", ".roo", ".trae", ".windsurf", "crush.json",
    "opencode.json",
)
"""Hooks, servers and permissions that coding agents take from the project."""
EDITORS = (".idea", ".vscode", ".zed")
"""Tasks and tool paths that editors run when the project is opened."""
OTHERS = (".devcontainer", ".envrc", ".husky")
"""Commands that run on entering the directory, on opening it in a container, on the next commit."""
WINDOWS_ONLY = (".vs",)

ONLY_PRESENT = frozenset((
    ".aider.conf.yml", ".amazonq", ".continue", ".crush.json", ".devcontainer", ".factory", ".husky", ".junie", ".kiro",
    ".opencode", ".qwen", ".roo", ".trae", ".windsurf", ".zed", "crush.json", "opencode.json",
))
"""Names that are held where they exist, and put away when a command made them: a person is asked before they act, so
an empty directory in every workspace, to hold the name while it is absent, would cost more than it gives."""

GIT = ".git"
HOOKS = frozenset((
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "p4-changelist", "p4-post-changelist", "p4-pre-submit",
    "p4-prepare-changelist", "post-applypatch", "post-checkout", "post-commit", "post-index-change", "post-merge",
    "post-receive", "post-rewrite", "post-update", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit",
    "pre-push", "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive", "push-to-checkout",
    "reference-transaction", "sendemail-validate", "update",
))
"""What git runs where it is told to look for hooks.  Nothing may hold the name of an absent one: an empty directory,
which is executable, would be a hook that fails."""
_LONGEST = 255
"""Bytes of a name on the file systems of Linux; on those of Windows as many UTF-16 units."""


def names(flavour: str = paths.POSIX) -> tuple[str, ...]:
    """The default list, in order of the alphabet."""
    extra = WINDOWS_ONLY if flavour == paths.WINDOWS else ()
    return tuple(sorted((*AGENTS, *EDITORS, *OTHERS, *extra, OWN)))


DEFAULT = names()


def validate(name: str, flavour: str = paths.POSIX) -> str:
    """A name for the list: of a file or directory, at any depth below a writable root.

    Raises PolicyError for a path, a pattern, a dot segment, what no file can be called, and for ``.git``, which has
    rules of its own.
    """
    pieces = paths.split_names(name, flavour)
    if len(pieces) != 1 or "\0" in name or paths.is_absolute(name, flavour) or pieces[0] in (".", ".."):
        raise PolicyError(f"protected name {name!r} is not the name of a file or directory",
                          hint="Write it as .vscode; a path is made unwritable by a read rule.")
    unit, coding = (1, "utf-8") if flavour == paths.POSIX else (2, "utf-16-le")
    if len(pieces[0].encode(coding, "replace")) > _LONGEST * unit:
        raise PolicyError(f"protected name {name!r} is longer than any file's name can be",
                          hint=f"A name has {_LONGEST} bytes at most.")
    if any(mark in name for mark in "*?["):
        raise PolicyError(f"protected name {name!r} is a pattern: a file that does not exist yet could not be held",
                          hint="Name the directory.")
    if pieces[0].lower() == GIT:
        raise PolicyError(f"protected name {name!r}: .git has rules of its own", hint='Use git = "read-only".')
    return pieces[0]


class Names:
    """The protected names and the git rules of a policy, ready to be asked."""

    __slots__ = ("_by_first", "_flavour", "_git")

    def __init__(self, protected: tuple[str, ...], git: str, flavour: str) -> None:
        self._flavour = flavour
        self._git = git
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name in protected:
            pieces = paths.fold_all(tuple(name.split("/")), flavour, wide=True)
            self._by_first.setdefault(pieces[0], []).append((pieces, name))

    def holding(self, below: tuple[str, ...]) -> str:
        """The protected name that forbids writing the path of these names below a writable root; '' for none."""
        folded = paths.fold_all(below, self._flavour, wide=True)
        git = GIT if self._flavour == paths.POSIX else GIT.upper()
        for at, name in enumerate(folded):
            if name == git:
                rest = below[at + 1 :]
                if self._git == GIT_COMMIT and gitdir.writable(rest):
                    return ""
                return "/".join((GIT, *rest[:1]))
            for pieces, shown in self._by_first.get(name, ()):
                if folded[at : at + len(pieces)] == pieces:
                    return shown
        return ""

    def holding_git(self, rest: tuple[str, ...]) -> bool:
        """Whether writing the path of these names below a git directory itself is forbidden."""
        return self._git != GIT_COMMIT or not gitdir.writable(rest)
