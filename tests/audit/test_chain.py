"""The audit log on a real file system: the chain, what breaks it, writers at once, hostile directories.

Knows: ``sidewall.audit``.  Must not know: the command line.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sidewall.audit import jsonl, reader


def write(where: Path, *names: str, session: str = "s1") -> None:
    jsonl.append([{"event": name, "session": session} for name in names], str(where))


def only_file(where: Path) -> Path:
    (path,) = where.glob("*.jsonl")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sidewall" / "audit"


def test_lines_are_numbered_stamped_and_chained(log: Path) -> None:
    write(log, "session_open", "command")
    write(log, "exit")
    lines = only_file(log).read_bytes().splitlines()
    heads = [json.loads(line) for line in lines]
    assert [head["seq"] for head in heads] == [0, 1, 2]
    assert heads[0]["prev"] == jsonl.GENESIS
    assert [head["prev"] for head in heads[1:]] == [jsonl.digest(line) for line in lines[:-1]]
    assert all(head["ts"].endswith("Z") and len(head["ts"]) == 30 for head in heads)
    found = reader.verify(str(log))
    assert found.holds and found.lines == 3 and found.head == jsonl.digest(lines[-1])


def test_only_the_user_may_read_it(log: Path) -> None:
    write(log, "exit")
    assert log.stat().st_mode & 0o777 == 0o700 and only_file(log).stat().st_mode & 0o777 == 0o600


def tamper_change(lines: list[bytes]) -> list[bytes]:
    lines[3] = lines[3].replace(b'"event":"e3"', b'"event":"xx"')
    return lines


def tamper_drop(lines: list[bytes]) -> list[bytes]:
    del lines[4]
    return lines


def tamper_swap(lines: list[bytes]) -> list[bytes]:
    lines[4], lines[5] = lines[5], lines[4]
    return lines


def tamper_insert(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[3], *lines[4:]]


def tamper_garble(lines: list[bytes]) -> list[bytes]:
    lines[3] = b"\x00\xff garbage"
    return lines


@pytest.mark.parametrize(("tamper", "row"), [
    (tamper_change, 5), (tamper_drop, 5), (tamper_swap, 5), (tamper_insert, 5), (tamper_garble, 4)])
def test_the_first_broken_line_is_named(log: Path, tamper: object, row: int) -> None:
    write(log, *(f"e{number}" for number in range(8)))
    path = only_file(log)
    assert callable(tamper)
    path.write_bytes(b"\n".join(tamper(path.read_bytes().splitlines())) + b"\n")
    found = reader.verify(str(log))
    assert not found.holds
    assert (found.problems[0].file, found.problems[0].row) == (str(path), row)


def test_a_cut_at_the_end_shows_against_the_head_that_was_kept(log: Path) -> None:
    write(log, "a", "b", "c")
    kept = reader.verify(str(log)).head
    path = only_file(log)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert reader.verify(str(log)).head != kept


def test_a_dropped_first_line_shows(log: Path) -> None:
    write(log, "a", "b")
    path = only_file(log)
    rest = path.read_bytes().split(b"\n", 1)[1]
    path.write_bytes(rest)
    assert reader.verify(str(log)).first == 1
    path.write_bytes(rest.replace(b'"seq":1', b'"seq":0'))
    assert not reader.verify(str(log)).holds


def test_the_chain_goes_on_from_month_to_month(log: Path) -> None:
    write(log, "a", "b")
    path = only_file(log)
    path.rename(log / "2001-01.jsonl")
    write(log, "c")
    assert len(list(log.glob("*.jsonl"))) == 2
    found = reader.verify(str(log))
    assert found.holds and (found.files, found.lines, found.last) == (2, 3, 2)
    (log / "2001-01.jsonl").write_bytes(b"".join((log / "2001-01.jsonl").read_bytes().splitlines(keepends=True)[:-1]))
    assert not reader.verify(str(log)).holds


def test_a_clock_set_back_does_not_fork_the_chain(log: Path) -> None:
    write(log, "a")
    only_file(log).rename(log / "2999-12.jsonl")
    write(log, "b")
    assert [path.name for path in log.glob("*.jsonl")] == ["2999-12.jsonl"]
    assert reader.verify(str(log)).holds


@pytest.mark.parametrize("half", [b'{"schema":1,"seq":', b'{"schema":1,"seq":2,"ts":"20', b"x"])
def test_a_line_that_was_cut_short_is_told_but_breaks_nothing(log: Path, half: bytes) -> None:
    write(log, "a", "b")
    with only_file(log).open("ab") as stream:
        stream.write(half)
    assert not reader.verify(str(log)).holds
    write(log, "c", "d")
    found = reader.verify(str(log))
    assert found.holds and len(found.problems) == 1 and "cut short" in found.problems[0].what
    assert [event["event"] for event in reader.events(str(log))] == ["a", "b", "c", "d"]


def test_a_very_long_last_line_is_found_again(log: Path) -> None:
    jsonl.append([{"event": "a", "session": "s", "text": "é" * 200_000}], str(log))
    write(log, "b")
    assert reader.verify(str(log)).holds


def test_many_writers_at_once_make_one_chain(log: Path) -> None:
    code = ("import sys; from sidewall.audit import jsonl\n"
            "for n in range(40): jsonl.append([{'event': 'e', 'session': sys.argv[2], 'n': n}], sys.argv[1])")
    others = [subprocess.Popen([sys.executable, "-c", code, str(log), f"p{number}"]) for number in range(3)]
    threads = [threading.Thread(target=lambda: [write(log, "t") for _ in range(40)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [other.wait(60) for other in others] == [0, 0, 0]
    found = reader.verify(str(log))
    assert found.holds and found.lines == 240
    mine = [event["n"] for event in reader.events(str(log), session="p1")]
    assert mine == list(range(40))


def test_a_full_disk_leaves_no_half_line(log: Path) -> None:
    write(log, "a")
    before = only_file(log).read_bytes()
    code = ("import resource, signal, sys; from sidewall.audit import jsonl\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "limit = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
            "try: jsonl.append([{'event': 'b', 'session': 's', 'text': 'x' * 500}], sys.argv[1])\n"
            "except OSError: sys.exit(9)")
    done = subprocess.run([sys.executable, "-B", "-c", code, str(log), str(len(before) + 100)], timeout=60)
    assert done.returncode == 9
    assert only_file(log).read_bytes() == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != len(before) + 100


def test_a_link_is_not_followed(log: Path, tmp_path: Path) -> None:
    write(log, "a")
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine\n")
    path = only_file(log)
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(OSError):
        write(log, "b")
    assert victim.read_bytes() == b"mine\n"


def test_a_directory_that_others_write_is_refused(log: Path) -> None:
    write(log, "a")
    log.chmod(0o777)
    with pytest.raises(PermissionError):
        write(log, "b")
    log.chmod(0o700)
    elsewhere = log.parent / "elsewhere"
    log.rename(elsewhere)
    log.symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        write(log, "b")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_directory_of_another_user_is_refused(log: Path) -> None:
    write(log, "a")
    os.chown(log, 65534, 65534)
    with pytest.raises(PermissionError):
        write(log, "b")


def test_filters(log: Path) -> None:
    jsonl.append([{"event": "exit", "session": "abc", "denials": []},
                  {"event": "exit", "session": "abd", "denials": [{"target": "/etc/x"}]},
                  {"event": "exit", "session": "abd", "denials": []}], str(log))
    assert len(list(reader.events(str(log), session="ab"))) == 3
    assert len(list(reader.events(str(log), session="abd"))) == 2
    assert [event["denials"] for event in reader.events(str(log), denied=True)] == [[{"target": "/etc/x"}]]
    assert [event["session"] for event in reader.events(str(log), tail=2)] == ["abd", "abd"]


def test_no_log_is_an_empty_log(log: Path) -> None:
    assert list(reader.events(str(log))) == []
    found = reader.verify(str(log))
    assert found.holds and found.lines == 0


def test_other_files_are_left_alone(log: Path) -> None:
    write(log, "a")
    (log / "notes.txt").write_text("mine")
    (log / "20x6-01.jsonl").write_text("not ours\n")
    write(log, "b")
    assert reader.verify(str(log)).lines == 2


@pytest.mark.parametrize(("environ", "expected"), [
    ({"HOME": "/home/u"}, "/home/u/.local/state/sidewall/audit"),
    ({"HOME": "relative", "XDG_STATE_HOME": "/state"}, "/state/sidewall/audit"),
    ({"HOME": "/home/u", "XDG_STATE_HOME": "relative"}, "/home/u/.local/state/sidewall/audit"),
])
def test_where_it_is(environ: dict[str, str], expected: str) -> None:
    assert jsonl.directory(environ) == expected


def test_who_wants_none_gets_none() -> None:
    assert jsonl.enabled({}) and jsonl.enabled({"SIDEWALL_AUDIT": "on"})
    assert not jsonl.enabled({"SIDEWALL_AUDIT": "off"}) and not jsonl.enabled({"SIDEWALL_AUDIT": "0"})
