"""The grammars of the allow-list, against git's own answers and against what attackers would write.

Knows: ``gitrules``, ``gitsequence``.  Must not know: how files are carried.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.platforms.linux import gitrules, gitsequence

OID = b"0123456789abcdef0123456789abcdef01234567"
LONG = OID + b"0" * 24
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
SHELL = set(b"$`\"'|;&<>()!")

NAMES = st.lists(st.sampled_from([b"a", b"B", b"/", b".", b"..", b".lock", b"@", b"@{", b"{", b"-", b"~", b"^", b":",
                                  b"?", b"*", b"[", b"\\", b" ", b"\x7f", b"\x01", b"\xff", "é".encode(), b"$", b"`",
                                  b"heads", b"replace", b"lock"]), min_size=1, max_size=7).map(b"".join)


@needs_git
@settings(max_examples=300, deadline=None)
@given(rest=NAMES)
def test_reference_names_are_those_of_git_without_those_of_a_shell(rest: bytes) -> None:
    name = b"refs/" + rest
    done = subprocess.run(["git", "check-ref-format", name], timeout=20, capture_output=True)
    narrower = bool(SHELL & set(name)) or b"/-" in name or name.startswith(b"refs/replace/")
    assert (gitrules.refname(name) == "") == (done.returncode == 0 and not narrower)


@pytest.mark.parametrize("name", [b"HEAD", b"refs", b"heads/x", b"refs/", b"/refs/heads/x",
                                  b"refs/heads/" + b"a" * 2000, b"refs/heads/a\nb", b"refs/heads/x.lock",
                                  b"refs/replace/" + OID, b"refs/heads/\0"])
def test_no_reference_names(name: bytes) -> None:
    assert gitrules.refname(name)


GOOD = {
    "head": [b"ref: refs/heads/main\n", OID, OID + b"\n", LONG + b"\n", b"ref: refs/heads/main"],
    "oid": [OID, OID + b"\n"],
    "oids": [b"", OID + b"\n" + OID + b"\n"],
    "fetch": [b"", OID + b"\t\tbranch 'main' of https://example.org/x\n" + OID + b"\tnot-for-merge\ttag 'v1' of x\n"],
    "log": [b"", b"%s %s A U Thor <a@b> 1700000000 +0100\tcommit: text\n" % (OID, OID),
            b"%s %s A <> 1 -0000\n" % (OID, OID), b"%s %s A <a> 1 +0000\t\n" % (LONG, LONG)],
    "packed-refs": [b"", b"# pack-refs with: peeled fully-peeled sorted \n%s refs/heads/a\n%s refs/tags/t\n^%s\n" % (
        OID, OID, OID)],
    "text": ["Übergröße\n\twith tab\r\n".encode(), b""],
    "merge-mode": [b"", b"no-ff"],
    "bisect-terms": [b"bad\ngood\n", b"new-one\nold-one\n"],
    "bisect-names": [b"\n", b" 'a/b' 'c'\n"],
    "bisect-log": [b"# bad: [x] text\ngit bisect start 'a' 'b'\ngit bisect good " + OID + b"\n"],
}
BAD = {
    "head": [b"", b"\n", b"ref: HEAD", b"ref: ../x", b"ref: refs/heads/a\nb", OID[:7], OID.upper(), OID + b"\n\n",
             b"0" * 40, b"0" * 40 + b"\n", b"gitdir: /x", b" " + OID],
    "oid": [b"ref: refs/heads/main", OID + b" " + OID, b"0" * 64],
    "oids": [OID, b"0" * 40 + b"\n", OID + b"\n\n"],
    "fetch": [OID + b"\tx\ty\n", b"x", OID + b"\t\t\x1b[31m\n"],
    "log": [b"x", b"%s %s A <a> 1 +0000" % (OID, OID), b"%s %s A\x00 <a> 1 +0000\n" % (OID, OID),
            b"%s %s A <a> 1 +0000\tx\x1b[2J\n" % (OID, OID), b"%s A <a> 1 +0000\n" % OID, OID + b"\n",
            b"%s %s <a> 1 +0000\n<script>\n" % (OID, OID)],
    "packed-refs": [b"%s refs/heads/b\n%s refs/heads/a\n" % (OID, OID), b"^%s\n" % OID, b"%s HEAD\n" % OID,
                    b"%s refs/heads/a" % OID, b"%s refs/heads/a\n# x\n" % OID, b"0" * 40 + b" refs/heads/a\n",
                    b"%s\trefs/heads/a\n" % OID, b"# pack-refs\n"],
    "text": [b"\0", b"\x1b[31m", b"\x07"],
    "merge-mode": [b"x"],
    "bisect-terms": [b"a;b\nc\n", b"--x\ny\n"],
    "bisect-names": [b" 'a'; touch x\n", b"$(x)", b" 'a'\\''b'\n"],
    "bisect-log": [b"touch x\n", b"git bisect run x\n", b"git bisect good $(x)\n"],
}


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, cases in GOOD.items() for data in cases])
def test_what_git_writes_is_taken(kind: str, data: bytes) -> None:
    assert gitrules.check(kind, data) == ""


@pytest.mark.parametrize(("kind", "data"), [(kind, data) for kind, cases in BAD.items() for data in cases])
def test_what_git_does_not_write_is_refused(kind: str, data: bytes) -> None:
    assert gitrules.check(kind, data)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(GOOD)), data=st.binary(max_size=80))
def test_a_grammar_answers_for_anything(kind: str, data: bytes) -> None:
    assert isinstance(gitrules.check(kind, data), str)


@settings(max_examples=200, deadline=None)
@given(path=st.lists(st.sampled_from([b"", b".", b"..", b"a", b"root", b"x"]), max_size=6).map(b"/".join))
def test_inside_is_about_the_shortest_spelling(path: bytes) -> None:
    found = gitrules.inside(b"/" + path, (b"/root",))
    parts = path.split(b"/")
    assert found == (parts[0] == b"root" and not {b"", b".", b".."} & set(parts))


@pytest.mark.parametrize("path", [b".git", b"a/.git/b", b".GIT", b".git.", b".git ", b"git~1", b"a/GIT~2/x", b".git:x",
                                  b"a\\.git\\b"])
def test_spellings_of_dot_git(path: bytes) -> None:
    assert gitrules.dot_git(path)


@pytest.mark.parametrize("path", [b".gitignore", b"a.git", b".gitx/y", b"git", b"x/.github", b"git~x"])
def test_names_that_are_no_dot_git(path: bytes) -> None:
    assert not gitrules.dot_git(path)


@pytest.mark.parametrize("data", [b"/r/a/.git\n", b"/r/a b/.git\n", b"/r/.x/.git\n"])
def test_working_trees_below_a_root(data: bytes) -> None:
    assert gitrules.worktree_gitdir(data, (b"/r",)) == ""


@pytest.mark.parametrize("data", [b"/x/.git\n", b"/r/a/.git", b"/r/a\n", b"/r/../x/.git\n", b"/r/a/.git\n\n",
                                  b"a/.git\n", b"/r/a\n/.git\n", b"/r//a/.git\n", b"/r/.git/a/.git\n", b"\n",
                                  b"/rr/.git\n",
                                  b"/r/a/.git\r\n"])
def test_working_trees_elsewhere(data: bytes) -> None:
    assert gitrules.worktree_gitdir(data, (b"/r",))


INSTRUCTIONS = [b"pick 0123456 text", b"p 0123456", b"fixup -C 0123456 text", b"merge -C 0123456 label # text",
        b"reset [new root]", b"label onto", b"update-ref refs/heads/x", b"noop", b"break", b"", b"# exec in a comment",
        b"drop 0123456 exec x"]
EVIL_INSTRUCTIONS = [b"exec touch x", b"x touch x", b"  exec x", b"\texec x", b"merge --strategy=x",
                     b"pick 0123456\rexec x",
             b"reset --hard", b"update-ref HEAD", b"update-ref refs/heads/a b", b"label -x", b"pick HEAD", b"run x",
             b"pick 0123456 \x1b[2J"]


def test_instructions() -> None:
    assert gitsequence.todo(b"\n".join(INSTRUCTIONS) + b"\n")
    for line in INSTRUCTIONS:
        assert gitsequence.todo(line + b"\n"), line
    for line in EVIL_INSTRUCTIONS:
        assert not gitsequence.todo(b"pick 0123456\n" + line + b"\n"), line
        assert gitsequence.check("rebase-merge", "done", line + b"\n"), line


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from("ex ec\tpick#0123\nx;"), max_size=40))
def test_no_instruction_list_with_a_program(text: str) -> None:
    """As git reads it: the first word of a line that is neither blank nor a comment."""
    words = [line.split()[0] for line in text.split("\n") if line.split() and not line.lstrip(" \t").startswith("#")]
    if {"exec", "x"} & set(words):
        assert not gitsequence.todo(text.encode())


def test_author_scripts() -> None:
    good = b"GIT_AUTHOR_NAME='A '\\''U'\\'' $(x)'\nGIT_AUTHOR_EMAIL='a@b'\nGIT_AUTHOR_DATE='@1700000000 +0000'\n"
    assert gitsequence.check("rebase-merge", "author-script", good) == ""
    for evil in (good + b"touch x\n", good.replace(b"'\n", b"'; touch x\n", 1), good.replace(b"@1", b"$(x)"),
                 b"GIT_AUTHOR_NAME=$(x)\n", good.replace(b"GIT_AUTHOR_EMAIL", b"LD_PRELOAD")):
        assert gitsequence.check("rebase-merge", "author-script", evil)


@pytest.mark.parametrize("name", ["strategy_opts", "gpg_sign_opt", "allow_rerere_autoupdate", "exec", "x", ".git",
                                  "a/b"])
def test_files_that_are_options(name: str) -> None:
    for group in sorted(gitrules.GROUPS):
        assert gitsequence.check(group, name, b"")
