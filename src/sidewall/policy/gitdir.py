"""What may be written below a git directory so that commits work and nothing that git runs or follows can change.

Knows: gitrepository-layout(5).  Must not know: any file's content, any repository.

An allow-list: objects, references, the index, logs and the state of operations in progress.  Not on it is whatever
makes git run a program or look elsewhere: ``config``, ``config.worktree``, ``hooks``, ``info``, ``commondir``,
``gitdir``, ``objects/info/alternates``, ``remotes``, ``branches``, and the ``.git`` entry itself (a directory, or a
file that names one); nor recorded resolutions (``rr-cache``, ``MERGE_RR``): the next commit outside copies every file
that they name, and a later merge replays them.
"""

from __future__ import annotations

_FILE_NAMES = (
    "HEAD FETCH_HEAD ORIG_HEAD MERGE_HEAD MERGE_MSG MERGE_MODE MERGE_AUTOSTASH AUTO_MERGE CHERRY_PICK_HEAD "
    "REVERT_HEAD REBASE_HEAD SQUASH_MSG COMMIT_EDITMSG TAG_EDITMSG NOTES_EDITMSG EDIT_DESCRIPTION ADD_EDIT.patch "
    "addp-hunk-edit.diff BISECT_HEAD BISECT_START BISECT_LOG BISECT_TERMS BISECT_NAMES BISECT_EXPECTED_REV "
    "BISECT_ANCESTORS_OK BISECT_FIRST_PARENT BISECT_RUN index packed-refs packed-refs.new shallow gc.pid gc.log"
)
_FILES = frozenset(_FILE_NAMES.split())
_TREES = frozenset(("objects", "refs", "logs", "reftable"))
"""Fixed directories: what lies in them may change, they themselves stay."""
_STATES = frozenset(("rebase-merge", "rebase-apply", "sequencer", "lfs", "NOTES_MERGE_WORKTREE"))
"""Directories that come and go as a whole."""
_OBJECT_INFO = frozenset(("packs", "commit-graph", "commit-graphs"))
_STEERING = frozenset(
    ("config", "config.worktree", "hooks", "info", "commondir", "gitdir", "remotes", "branches", "worktrees")
)
"""Names that steer git wherever they stand at the top of a git directory; compared without regard to case."""


def writable(rest: tuple[str, ...]) -> bool:
    """Whether the path of these names below a git directory (of a repository, not of a submodule) may be written,
    made, replaced and removed.  The git directory itself (no names) may not."""
    if not rest:
        return False
    if rest[0] == "worktrees":
        return len(rest) > 2 and (rest[2:] == ("locked",) or _inside(rest[2:]))
    return _inside(rest)


def _inside(rest: tuple[str, ...]) -> bool:
    """As ``writable``, below a directory that cannot hold linked worktrees of its own."""
    if rest[0] == "modules":
        return _module(rest[1:])
    return _plain(rest)


def _plain(rest: tuple[str, ...]) -> bool:
    head = rest[0]
    if head in _STATES:
        return True
    if head in _TREES:
        if len(rest) == 1:
            return head == "logs"
        if head == "objects" and rest[1].lower() == "info":
            return len(rest) > 2 and _unlocked(rest[2]) in _OBJECT_INFO
        return True
    if len(rest) > 1:
        return False
    name = _unlocked(head)
    return (
        name in _FILES
        or name.startswith(("sharedindex.", "next-index-", "tmp_", "shallow_"))
        or (name.endswith("_HEAD") and name.isupper())
    )


def _module(rest: tuple[str, ...]) -> bool:
    """Below ``modules``, where the name of a submodule may be several directories deep.

    Which of them is the git directory cannot be told from names, so a path must be harmless however it is split:
    ``modules/a/refs/config`` is a reference of ``a``, or the configuration of a submodule called ``a/refs``.
    """
    allowed = False
    for at in range(1, len(rest)):
        tail = rest[at:]
        if _unlocked(tail[0]).lower() in _STEERING:
            return False
        allowed = allowed or _inside(tail)
    return allowed


def _unlocked(name: str) -> str:
    return name.removesuffix(".lock")
