"""With notices and without them the same is found, at the same look, and the same is left.

Knows: operations on files that a command may do.  Must not know: which of them give notices.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidewall.platforms.contract import Held
from sidewall.platforms.linux import watch_aside, watch_notices, watch_record
from sidewall.platforms.linux.watch import Watcher

NAMES = (".envrc", ".vscode")
_PLACES = ("", "a", "a/b", "a/b/c", "c", "c/__pycache__", "looks", "node_modules", "node_modules/x", "node_modules/x/y",
           "made", "a/made", "made/made", "node_modules/x/made")
_HEAD = "ref: refs/heads/main\n"

places = st.sampled_from(_PLACES)
operations = st.one_of(
    st.tuples(st.sampled_from(("mkdir", "repository", "bare", "head", "pointer", "gitfile", "link", "settings",
                               "editor", "remove", "shut", "open", "steer", "write", "late", "dust")), places),
    st.tuples(st.sampled_from(("rename", "exchange", "hard link")), places, places))


class Tree:
    """One of two equal workspaces, with its watcher."""

    def __init__(self, top: Path, *, notices: bool) -> None:
        self.top = top / "root"
        self.other = top / "other"
        for place in _PLACES[:-4]:
            (self.top / place).mkdir(parents=True, exist_ok=True)
            (self.top / place / "file").write_text("")
        for name in ("objects", "refs"):
            (self.top / "looks" / name).mkdir()
        _bare(self.other / "template")
        (self.other / "settings").write_text("")
        self.watcher = Watcher((str(self.top),), NAMES, (), each=False)
        if not notices:
            self.watcher._searching().stop_listening()

    def do(self, kind: str, *where: str) -> None:
        place = self.top / where[0]
        with suppress(OSError):
            getattr(self, "_" + kind.replace(" ", "_"))(place, *[self.top / other for other in where[1:]])

    def _mkdir(self, place: Path) -> None:
        (place / "made").mkdir()

    def _repository(self, place: Path) -> None:
        shutil.copytree(self.other / "template", place / ".git")

    def _bare(self, place: Path) -> None:
        _bare(place)

    def _head(self, place: Path) -> None:
        (place / "HEAD").write_text(_HEAD)

    def _pointer(self, place: Path) -> None:
        os.link(self.other / "template/HEAD", place / "HEAD")

    def _gitfile(self, place: Path) -> None:
        (place / ".git").write_text("gitdir: /elsewhere\n")

    def _link(self, place: Path) -> None:
        (place / ".git").symlink_to(self.other / "template")

    def _settings(self, place: Path) -> None:
        os.link(self.other / "settings", place / ".envrc")

    def _editor(self, place: Path) -> None:
        (place / ".vscode").mkdir()

    def _remove(self, place: Path) -> None:
        shutil.rmtree(place)

    def _shut(self, place: Path) -> None:
        place.chmod(0o500)

    def _open(self, place: Path) -> None:
        place.chmod(0o755)

    def _steer(self, place: Path) -> None:
        with open(place / ".git/config", "a") as stream:
            stream.write("[core]\n\tpager = evil\n")

    def _write(self, place: Path) -> None:
        """Through another name of the file, if it has one."""
        (self.other / "template/HEAD").write_text("none")
        (place / "HEAD").write_text(_HEAD)

    def _late(self, place: Path) -> None:
        (place / "made").mkdir(exist_ok=True)
        (place / "made/new").mkdir()
        os.rename(place / "made/new", place / "made/.vscode")

    def _dust(self, place: Path) -> None:
        os.utime(place / "file")

    def _rename(self, place: Path, other: Path) -> None:
        place.rename(other)

    def _hard_link(self, place: Path, other: Path) -> None:
        os.link(place / "HEAD", other / "HEAD")

    def _exchange(self, place: Path, other: Path) -> None:
        ctypes.CDLL(None).renameat2(-100, os.fsencode(place), -100, os.fsencode(other), 2)

    def looked(self) -> tuple[bool, list[tuple[str, str]]]:
        """What a look says, and what is done then."""
        found = self.watcher.look()
        return found, self.told(self.watcher.deal(calm=True) if found else ())

    def told(self, held: tuple[Held, ...]) -> list[tuple[str, str]]:
        return [(item.action, os.path.relpath(item.path, self.top)) for item in held]

    def content(self) -> list[str]:
        found = []
        for directory, directories, files in os.walk(self.top):
            here = os.path.relpath(directory, self.top)
            found += [f"{here}/{name}/" for name in directories]
            found += [f"{here}/{name} {(Path(directory) / name).read_bytes()!r}" for name in files
                      if not (Path(directory) / name).is_symlink()]
        return sorted(found)


def _bare(place: Path) -> None:
    for name in ("objects", "refs", "hooks"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "config").write_text("[core]\n\tfsmonitor = evil\n")
    (place / "hooks/pre-commit").write_text("evil")
    (place / "HEAD").write_text(_HEAD)


@settings(max_examples=int(os.environ.get("SIDEWALL_WATCH_EXAMPLES", "10")), deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(operations, max_size=3), st.integers(0, 3)), min_size=1, max_size=5),
       st.sampled_from((1, 3, 64)))
def test_alike(monkeypatch: pytest.MonkeyPatch, steps: list[tuple[list[tuple[str, ...]], int]], portion: int) -> None:
    with tempfile.TemporaryDirectory() as above, monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", above + "/state")
        patch.setattr(watch_aside, "SLICE_SECONDS", 60.0)
        patch.setattr(watch_notices, "PORTION", portion)
        # Directories count as unchanged soon: else each would be looked through anyway.
        patch.setattr(watch_record, "_TICK_NS", 12_000_000)
        one, other = (Tree(Path(above) / name, notices=name == "one") for name in ("one", "other"))
        try:
            for turn, (doing, idle) in enumerate([([], 3), *steps]):
                for operation in doing:
                    one.do(*operation)
                    other.do(*operation)
                for _ in range(1 + idle):
                    time.sleep(0.004)
                    assert one.looked() == other.looked()
                    assert one.content() == other.content()
                if not turn:
                    assert portion < 64 or one.watcher._searching().unchanged()
            assert one.told(one.watcher.compare(final=True)) == other.told(other.watcher.compare(final=True))
            assert one.content() == other.content()
        finally:
            one.watcher.close()
            other.watcher.close()
