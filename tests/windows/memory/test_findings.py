"""What is found out about a machine and kept: whole or not at all, renewed where something changed, never believed when
it does not read. On a Windows in memory.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.windows.memory.windows import ANN, BOB, Windows

from sidewall.errors import MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.sid import Sid
from sidewall.plan.facts_windows import Wide
from sidewall.platforms.windows import findings, open_places_kept
from sidewall.platforms.windows.open_places import Section, Start
from sidewall.platforms.windows.open_places_kept import GOOD_SECONDS, Kept, packed, parse, renewed, told

HOME = r"C:\Users\ann"
BUILD = 26100
GROUP = Sid("S-1-5-21-1-2-3-1010")
NOW = 1_700_000_000
STARTS = (Start(path="C:\\", depth=2), Start(path=r"C:\ProgramData", depth=4), Start(path="E:\\", depth=2, bare=True))
OPEN = Wide(path=r"C:\ProgramData\x", who=known.USERS, mask=0x40)


def section(start: Start, **changes: Any) -> Section:
    return Section(path=start.path, depth=start.depth, stamp="1", when=NOW).replace(**changes)


KEPT = Kept(build=BUILD, user=str(ANN), sections=tuple([section(one) for one in STARTS]))


def looked(kept: Kept | None, *, now: int = NOW, build: int = BUILD, user: Sid = ANN, changed: tuple[str, ...] = (),
           starts: tuple[Start, ...] = STARTS) -> tuple[list[str], Kept]:
    """Where is looked, and what is known then."""
    seen: list[str] = []

    def look(start: Start) -> Section:
        seen.append(start.path)
        return section(start, stamp="2", when=now)

    return seen, renewed(kept, build, str(user), starts, now, lambda start, found: start.path not in changed, look)


def test_what_is_good_is_not_looked_at() -> None:
    assert looked(KEPT) == ([], KEPT)
    assert looked(KEPT, now=NOW + GOOD_SECONDS - 1)[0] == []


EVERYWHERE = [one.path for one in STARTS]


@pytest.mark.parametrize(("changes", "seen"), [
    ({"now": NOW + GOOD_SECONDS}, EVERYWHERE), ({"now": NOW - 1}, EVERYWHERE), ({"build": BUILD + 1}, EVERYWHERE),
    ({"user": BOB}, EVERYWHERE), ({"changed": (r"C:\ProgramData",)}, [r"C:\ProgramData"]),
    ({"starts": (*STARTS, Start(path="D:\\", depth=2))}, ["D:\\"]),
    ({"starts": (STARTS[0].replace(depth=3), *STARTS[1:])}, ["C:\\"]), ({"starts": STARTS[:1]}, []),
])  # fmt: skip
def test_what_is_too_old_or_changed_is_looked_at_and_no_more(changes: dict[str, Any], seen: list[str]) -> None:
    where, after = looked(KEPT, **changes)
    assert where == seen
    assert [one.path for one in after.sections] == [one.path for one in changes.get("starts", STARTS)]
    # The next run has nothing to look for.
    assert looked(after, **{**changes, "changed": ()})[0] == []
    assert looked(None, **changes)[0] == [one.path for one in changes.get("starts", STARTS)]


TEXT = st.text(max_size=20)
ROWS = st.builds(Wide, path=TEXT, who=st.sampled_from([known.EVERYONE, ANN]), mask=st.integers(0, 2**32 - 1))
SECTIONS = st.builds(Section, path=TEXT, depth=st.integers(0, 9), stamp=TEXT, when=st.integers(0, 2**40),
                     places=st.lists(ROWS, max_size=3).map(tuple), left=TEXT, unread=st.integers(0, 99), example=TEXT)


@given(st.builds(Kept, build=st.integers(0, 99999), user=TEXT, sections=st.lists(SECTIONS, max_size=4).map(tuple)))
def test_what_is_written_reads_as_it_was_whatever_names_there_are(kept: Kept) -> None:
    assert parse(packed(kept)) == kept


WHOLE = packed(Kept(build=1, user="u", sections=(section(STARTS[0], places=(OPEN,)),)))


@pytest.mark.parametrize("data", [
    b"", b"\xff\xfe", b"x" + WHOLE, WHOLE.replace(b"open\t", b"open\t\t"), WHOLE.replace(b"S-1-5-32-545", b"S-1-"),
    WHOLE[:-1] + b"x", WHOLE + b"\nmore", WHOLE.split(b"\n")[0] + b"\nopen\ta\tS-1-1-0\t1",
    WHOLE + b"\nopen\t\\x\tS-1-1-0\t1",
])  # fmt: skip
def test_what_does_not_read_is_not_known(data: bytes) -> None:
    assert parse(WHOLE) is not None
    assert parse(data) is None


def test_it_is_told_what_was_not_looked_at() -> None:
    whole = told(KEPT.replace(sections=(section(STARTS[0], places=(OPEN,)),)))
    assert (whole.places, whole.missing, whole.notes) == ((OPEN,), "", ())
    partly = told(KEPT.replace(sections=(section(STARTS[0], left="C:\\a", unread=2, example="C:\\b"),
                                         section(STARTS[1], left="C:\\c"))))
    assert "not complete" in partly.missing and "C:\\a, and more" in partly.missing
    assert "2 directories" in partly.notes[0] and "C:\\b" in partly.notes[0]


@pytest.fixture
def windows() -> Windows:
    return Windows()


def test_findings_are_the_users_alone(windows: Windows) -> None:
    api = windows.machine().api
    assert open_places_kept.read(api, HOME) is None
    open_places_kept.write(api, HOME, KEPT, ANN)
    assert open_places_kept.read(api, HOME) == KEPT
    with pytest.raises(MachineError):
        windows.machine(BOB).api.kernel32.CreateFileW(rf"{findings.directory(HOME)}\{open_places_kept.NAME}",
                                                      0x80000000, 3)
    assert open_places_kept.read(windows.machine(BOB).api, HOME) is None
    findings.forget(api, HOME, open_places_kept.NAME)
    assert open_places_kept.read(api, HOME) is None


def test_many_places_are_kept(windows: Windows) -> None:
    api = windows.machine().api
    many = tuple([OPEN.replace(path="C:\\" + str(number) * 200) for number in range(1000)])
    kept = KEPT.replace(sections=(section(STARTS[0], places=many),))
    open_places_kept.write(api, HOME, kept, ANN)
    assert open_places_kept.read(api, HOME) == kept


def test_a_write_that_fails_leaves_what_was_there(windows: Windows) -> None:
    api = windows.machine().api
    open_places_kept.write(api, HOME, KEPT, ANN)
    before = windows.picture()
    number = len(windows.calls)
    open_places_kept.write(api, HOME, KEPT, ANN)
    calls = len(windows.calls) - number
    assert calls > 4
    for at in range(calls):
        windows.fail_at = len(windows.calls) + at
        try:
            open_places_kept.write(api, HOME, KEPT.replace(build=7), ANN)
        except MachineError:
            windows.fail_at = -1
            assert open_places_kept.read(api, HOME) == KEPT
            assert windows.picture() == before
        else:
            pytest.fail("nobody was told")


@pytest.mark.parametrize("found", [findings.PLAIN, findings.EVERYONE])
def test_whether_programs_start_is_known_for_this_build_and_these_accounts(windows: Windows, found: str) -> None:
    api = windows.machine().api
    assert findings.start_of(api, HOME, BUILD, GROUP) == ""
    findings.keep_start(api, HOME, BUILD, GROUP, ANN, found)
    assert findings.start_of(api, HOME, BUILD, GROUP) == found
    assert findings.start_of(api, HOME, BUILD + 1, GROUP) == ""
    assert findings.start_of(api, HOME, BUILD, Sid("S-1-5-21-1-2-3-1013")) == ""
    assert findings.start_of(api, HOME, BUILD, None) == ""
    (path,) = [path for path in windows.files if path.endswith("STARTS")]
    whole = windows.files[path].data
    assert whole is not None
    for damaged in (b"", whole[:20], whole.replace(found.encode(), b"perhaps"), whole + b"\n", b"\xff" + whole):
        windows.files[path].data = damaged
        assert findings.start_of(api, HOME, BUILD, GROUP) == ""


def test_what_cannot_be_asked_is_not_known(windows: Windows) -> None:
    api = windows.machine().api
    findings.keep_start(api, HOME, BUILD, GROUP, ANN, findings.EVERYONE)
    for at in range(3):
        windows.fail_at = len(windows.calls) + at
        assert findings.start_of(api, HOME, BUILD, GROUP) == ""
