"""Makes a repository harmless that a command made: what git would run or follow is taken out, the rest stays.

Knows: what a plain ``git init``, ``git clone``, ``git worktree add`` or ``git submodule add`` writes, so that those
pass untouched.  Must not know: which repositories are new.
Follows: gitrepository-layout(5), git-config(1).  The configuration is written anew from an allow-list
(``gitconfig.sanitize``); hooks other than samples and everything that redirects git goes to the quarantine.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.watch_git import HOOKS, modules, worktrees
from sidewall.platforms.linux.watch_links import Links
from sidewall.platforms.linux.watch_record import ALL, Recorded, look, open_directory, read
from sidewall.platforms.linux.watch_restore import MANY, PUT_BACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.linux.watch_restore import Restorer
    from sidewall.platforms.linux.watch_state import State

_LONGEST = 8192
_INFO = frozenset(("exclude", "sparse-checkout", "refs"))

_TRUTHS = frozenset((b"true", b"false", b"yes", b"no", b"on", b"off", b"0", b"1"))
_NO = frozenset((b"false", b"no", b"off", b"0"))
_PLAIN: dict[tuple[bytes, bytes], frozenset[bytes]] = {
    (b"core", b"autocrlf"): _TRUTHS | {b"input"}, (b"core", b"eol"): frozenset((b"lf", b"crlf", b"native")),
    (b"core", b"safecrlf"): _TRUTHS | {b"warn"}, (b"core", b"quotepath"): _TRUTHS,
    (b"core", b"sparsecheckout"): _TRUTHS, (b"core", b"sparsecheckoutcone"): _TRUTHS,
    (b"extensions", b"worktreeconfig"): _TRUTHS, (b"commit", b"gpgsign"): _NO, (b"tag", b"gpgsign"): _NO,
    (b"pull", b"rebase"): _TRUTHS, (b"pull", b"ff"): _TRUTHS | {b"only"}, (b"fetch", b"prune"): _TRUTHS,
    (b"push", b"default"): frozenset((b"simple", b"current", b"upstream", b"nothing", b"matching")),
    (b"push", b"autosetupremote"): _TRUTHS, (b"rerere", b"enabled"): _TRUTHS, (b"gc", b"auto"): frozenset((b"0",)),
}
"""Settings that tests and tools give to a repository that they make, with all their harmless values."""
_WHO = frozenset(((b"user", b"name"), (b"user", b"email")))


class Cleaner:
    """Makes new repositories harmless.  ``looked_after`` are git directories (absolute) that a gitfile may name.

    ``held`` are paths that mounts hold: what is in them was checked when it was carried out of the cell.  ``known`` is
    what earlier ones found right, by path.
    """

    def __init__(self, restorer: Restorer, roots: tuple[str, ...], held: tuple[str, ...],
                 known: dict[str, tuple[Links, State]]) -> None:
        self.looked_after: set[str] = set()
        self._known = known
        self._restorer = restorer
        self._roots = tuple([os.fsencode(root) for root in roots])
        self._held = held

    def anything(self, above: int, name: str, path: str, *, files: bool) -> None:
        """What is called ``.git``: with ``files`` also a file, which is left alone without.  Raises OSError."""
        status = look(above, name)
        if status is None:
            return
        if not stat.S_ISREG(status.st_mode):
            self.entry(above, name, path)
        elif files:
            self.gitfile(above, name, path)

    def entry(self, above: int, name: str, path: str, depth: int = 0) -> None:
        """A new git directory, or anything else where one was looked for but a file.  Never raises OSError."""
        self._restorer.attempt(above, path, lambda: self._entry(above, name, path, depth))

    module = entry

    def worktree(self, above: int, name: str, path: str, depth: int, config: int) -> None:
        """A new ``worktrees/<id>``, which must belong to the repository that holds it, whose directory is ``config``.

        Never raises OSError.
        """
        self._restorer.attempt(above, path, lambda: self._worktree(above, name, path, depth, config))

    def gitfile(self, above: int, name: str, path: str) -> None:
        """A new file called ``.git``: it must lead to a repository that is looked after, so it comes last.

        Never raises OSError.
        """
        reason = self._astray(above, name, path)
        if reason:
            self._restorer.take(above, name, path, reason)

    def leads_to_worktree(self, data: bytes) -> bool:
        """Whether a ``worktrees/<id>/gitdir`` of this content leads to a ``.git`` below a writable root."""
        from sidewall.platforms.linux import gitrules

        return not gitrules.worktree_gitdir(data, self._roots)

    def _entry(self, above: int, name: str, path: str, depth: int) -> None:
        status = look(above, name)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            self._restorer.take(above, name, path, "it is new and leads git elsewhere")
            return
        fd = open_directory(above, name)
        try:
            if not depth:
                # With all that is below it, so the rest meets files and directories only.
                self._before(path)[0].sweep(fd, path, self._restorer, objects=self._restorer.final)
            self._directory(fd, path, depth)
        finally:
            os.close(fd)

    def _before(self, path: str) -> tuple[Links, State]:
        # Late: it imports ``re``, and most runs make no repository.
        from sidewall.platforms.linux.watch_state import State

        return self._known.setdefault(path, (Links(), State()))

    def _worktree(self, above: int, name: str, path: str, depth: int, config: int) -> None:
        fd = -1
        try:
            status = look(above, name)
            if status is not None and stat.S_ISDIR(status.st_mode):
                fd = open_directory(above, name)
                common, back = read(fd, "commondir", _LONGEST), read(fd, "gitdir", _LONGEST)
                if common and common[0] == b"../..\n" and back and self.leads_to_worktree(back[0]):
                    self._config(fd, "config.worktree", path)
                    self._modules(fd, path, depth)
                    self._before(path)[1].check(fd, path, self._restorer, config=config)
                    self.looked_after.add(path)
                    return
        finally:
            if fd >= 0:
                os.close(fd)
        self._restorer.take(above, name, path, "it is no worktree of this repository below a writable directory")

    def _directory(self, fd: int, path: str, depth: int) -> None:
        # Each step by itself: one that fails is reported, and the others are done.
        steps: list[Callable[[], None]] = [
            lambda: self._none(fd, "commondir", path),
            lambda: self._none(fd, "gitdir", path),
            lambda: self._config(fd, "config", path),
            lambda: self._config(fd, "config.worktree", path),
            lambda: self._only(fd, "hooks", path, HOOKS.ignores),
            lambda: self._only(fd, "info", path, _is_plain_info),
            lambda: self._only(fd, "branches", path, lambda _entry: False),
            lambda: self._only(fd, "remotes", path, lambda _entry: False),
            lambda: self._alternates(fd, path),
            lambda: self._modules(fd, path, depth),
            lambda: self._worktrees(fd, path, depth),
            lambda: self._before(path)[1].check(fd, path, self._restorer, config=fd),
        ]
        for step in steps:
            self._restorer.attempt(fd, path, step)
        self.looked_after.add(path)

    def _worktrees(self, fd: int, path: str, depth: int) -> None:
        tree = gitfiles.Tree(fd)
        try:
            for worktree in worktrees(tree):
                self.worktree(*tree.at(worktree), f"{path}/{worktree}", depth + 1, fd)
        finally:
            tree.release()

    def _modules(self, fd: int, path: str, depth: int) -> None:
        tree = gitfiles.Tree(fd)
        try:
            for module in modules(tree, depth):
                self.module(*tree.at(module), f"{path}/{module}", depth + 1)
        finally:
            tree.release()

    def _none(self, fd: int, name: str, path: str) -> None:
        if look(fd, name) is not None:
            self._restorer.take(fd, name, f"{path}/{name}", "it leads git elsewhere")

    def _config(self, fd: int, name: str, path: str) -> None:
        from sidewall.platforms.linux import gitconfig

        status = look(fd, name)
        if status is None:
            return
        where = f"{path}/{name}"
        found = read(fd, name, gitconfig.SIZE_LIMIT)
        if found is None:
            self._restorer.take(fd, name, where, "it cannot be read as a configuration")
            return
        try:
            text, left = self._harmless(found[0], path)
        except gitconfig.Rejected as error:
            self._restorer.take(fd, name, where, f"it is no configuration that a new repository needs: {error}")
            return
        if text == found[0]:
            return
        kept = ""
        if left:
            try:
                kept = self._restorer.quarantine.keep(fd, name, where)
            except OSError:
                kept = self._restorer.quarantine.take(fd, name, where)
        was = Recorded(ALL, found[1])
        was.data = text
        self._restorer.write(fd, name, was, "")
        if left:
            names = ", ".join(left[:8]) + (", ..." if len(left) > 8 else "")
            self._restorer.say(PUT_BACK, where, f"left out what could run a program or lead git elsewhere: {names}; "
                               f"the original is {kept}")

    def _harmless(self, text: bytes, path: str) -> tuple[bytes, tuple[str, ...]]:
        """Made anew from what is allowed; and the keys that were left out.  Raises gitconfig.Rejected."""
        from sidewall.platforms.linux import gitconfig

        plain: list[gitconfig.Entry] = []
        others: list[gitconfig.Entry] = []
        for entry in gitconfig.parse(text):
            section, sub, key, value = entry
            allowed = sub is None and (
                value.lower() in _PLAIN.get((section, key), ())
                or ((section, key) in _WHO and len(value) < 256 and value.isascii() and value.decode().isprintable()))
            (plain if allowed else others).append(entry)
        made, left = gitconfig.sanitize(gitconfig.emit(others), directory=os.fsencode(path), roots=self._roots)
        return made + gitconfig.emit(plain), left

    def _only(self, fd: int, name: str, path: str, keeps: Callable[[os.DirEntry[str]], bool]) -> None:
        self._sift(fd, name, path, keeps, "git would act on it")

    def _sift(self, fd: int, name: str, path: str, keeps: Callable[[os.DirEntry[str]], bool], reason: str) -> None:
        status = look(fd, name or ".")
        if status is None:
            return
        where = f"{path}/{name}" if name else path
        if not stat.S_ISDIR(status.st_mode):
            self._restorer.take(fd, name, where, reason)
            return
        inner = open_directory(fd, name or ".")
        try:
            unwelcome: list[str] = []
            with os.scandir(inner) as entries:
                for entry in entries:
                    if not keeps(entry):
                        unwelcome.append(entry.name)
                        if name and len(unwelcome) > MANY:
                            break
            if len(unwelcome) <= MANY or not name:
                for child in unwelcome:
                    self._restorer.take(inner, child, f"{where}/{child}", reason)
                return
        finally:
            os.close(inner)
        self._restorer.take(fd, name, where, f"very many entries in it: {reason}")

    def _alternates(self, fd: int, path: str) -> None:
        tree = gitfiles.Tree(fd)
        try:
            info = tree.directory("objects/info")
            self._none(info, "http-alternates", f"{path}/objects/info")
            if look(info, "alternates") is None:
                return
            found = read(info, "alternates", _LONGEST)
            if found is None or not all(self._is_within(line, f"{path}/objects") for line in found[0].splitlines()):
                self._restorer.take(info, "alternates", f"{path}/objects/info/alternates",
                                    "it leads git outside the writable directories")
        except (FileNotFoundError, NotADirectoryError):
            return
        finally:
            tree.release()

    def _is_within(self, line: bytes, base: str) -> bool:
        if not line or line.startswith((b"#", b'"')):
            return not line.startswith(b'"')
        target = os.path.normpath(os.path.join(os.fsencode(base), line))
        return any(target.startswith(root.rstrip(b"/") + b"/") for root in self._roots)

    def _astray(self, above: int, name: str, path: str) -> str:
        """Why this gitfile is not left where it is; '' when it is."""
        found = read(above, name, _LONGEST)
        if found is None or not found[0].startswith(b"gitdir: "):
            return "it is not a file that git would write"
        target = os.path.normpath(os.path.join(os.path.dirname(path), os.fsdecode(found[0][8:].rstrip(b"\r\n"))))
        if target in self.looked_after or any(
                target.startswith((f"{held}/modules/", f"{held}/worktrees/")) for held in self._held):
            return ""
        return f"it leads git to {target}, which is no git directory that was looked through"


def _is_plain_info(entry: os.DirEntry[str]) -> bool:
    return entry.name in _INFO and entry.is_file(follow_symlinks=False)
