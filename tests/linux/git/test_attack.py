"""What a hostile command can leave in its layer, and that nothing of it reaches the user's next git command.

Knows: how git is made to run programs or to write elsewhere.  Must not know: how the carrier works.
Every attack ends with the user's everyday commands outside: no marker, an untouched canary, a whole repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.linux.git.conftest import World

EVIL = "sh -c 'test -n \"$MARKER\" && touch \"$MARKER\"; cat'"
HOOK = "printf '#!/bin/sh\\ntest -n \"$MARKER\" && touch \"$MARKER\"\\n' >"
EVIL_CONFIG = (
    f"git config --file $C core.fsmonitor \"{EVIL}\"; git config --file $C core.sshCommand \"{EVIL}\";"
    f"git config --file $C core.pager \"{EVIL}\"; git config --file $C diff.external \"{EVIL}\";"
    f"git config --file $C filter.x.clean \"{EVIL}\"; git config --file $C filter.x.smudge \"{EVIL}\";"
    f"git config --file $C alias.status \"!{EVIL}\"; git config --file $C core.hooksPath ../hooks;"
    f"git config --file $C gpg.program \"{EVIL}\"; git config --file $C remote.origin.uploadpack \"{EVIL}\";"
    f"git config --file $C include.path ../evil.config")


def frozen(world: World) -> dict[str, bytes | str]:
    """Everything outside, by name: content, or where a link leads."""
    return {str(path.relative_to(world.git)): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in world.git.rglob("*") if path.is_symlink() or path.is_file()}


NEVER = {
    "config": f"C=.git/config; {EVIL_CONFIG}",
    "config by rename": f"cp .git/config x; C=x; {EVIL_CONFIG}; mv x .git/config",
    "config.worktree": f"git config extensions.worktreeConfig true; C=.git/config.worktree; {EVIL_CONFIG}",
    "commondir": f"git init -q --bare evil; C=evil/config; {EVIL_CONFIG}; echo ../evil > .git/commondir",
    "hooks": f"mkdir -p .git/hooks; for h in pre-commit post-commit post-checkout reference-transaction post-merge "
             f"pre-auto-gc fsmonitor-watchman; do {HOOK} .git/hooks/$h; chmod +x .git/hooks/$h; done",
    "hooks replaced by a link": f"mkdir h; {HOOK} h/pre-commit; chmod +x h/pre-commit; rm -rf .git/hooks; "
                                f"ln -s ../h .git/hooks",
    "attributes": f"mkdir -p .git/info; echo '* filter=x diff=x' > .git/info/attributes; "
                  f"git config filter.x.clean \"{EVIL}\"; git config diff.x.textconv \"{EVIL}\"",
    "grafts and excludes": "mkdir -p .git/info; git rev-parse HEAD > .git/info/grafts; echo '*' > .git/info/exclude",
    "alternates": "git init -q --bare evil; mkdir -p .git/objects/info; "
                  "echo $PWD/evil/objects > .git/objects/info/alternates; "
                  "echo http://x > .git/objects/info/http-alternates",
    "legacy remotes": "mkdir -p .git/remotes .git/branches; printf 'URL: ext::sh -c touch%%20$MARKER\\n' > "
                      ".git/remotes/origin; echo 'ext::x' > .git/branches/origin",
    "gitdir": "echo /tmp/elsewhere > .git/gitdir",
    "recorded resolutions": "mkdir -p .git/rr-cache/aa; echo x > .git/rr-cache/aa/postimage; echo x > .git/MERGE_RR",
    "replacement": "git replace HEAD HEAD~1",
    "commit graph": "git commit-graph write --reachable; echo junk > .git/objects/info/commit-graph",
    "reference tables": "mkdir .git/reftable; echo x > .git/reftable/tables.list",
    "unknown names": "mkdir .git/new; echo x > .git/new/file; echo x > .git/Config; echo x > .git/HEAD2",
    "locks left behind": "touch .git/index.lock .git/HEAD.lock .git/refs/heads/main.lock",
}


@pytest.mark.parametrize("script", NEVER.values(), ids=NEVER)
def test_what_steers_git_stays_inside(world: World, script: str) -> None:
    before = frozen(world)
    told = world.run(script, check=False)
    assert frozen(world) == before
    assert {one.action for one in told} <= {"held"}
    assert "locks" in script or "commit-graph" in script or ".lock" in script or told
    world.whole()
    world.everyday()
    assert world.settle() == ()


LINKS = {
    "HEAD": "rm -f .git/HEAD; ln -s $CANARY .git/HEAD",
    "index": "rm -f .git/index; ln -s $CANARY .git/index",
    "packed-refs": "ln -s $CANARY .git/packed-refs",
    "message": "rm -f .git/COMMIT_EDITMSG; ln -s $CANARY .git/COMMIT_EDITMSG; ln -s $CANARY .git/FETCH_HEAD",
    "branch": "rm .git/refs/heads/topic; ln -s $CANARY .git/refs/heads/topic",
    "new branch": "ln -s $CANARY .git/refs/heads/new",
    "HEAD's log": "rm .git/logs/HEAD; ln -s $CANARY .git/logs/HEAD",
    "branch's log": "rm .git/logs/refs/heads/main; ln -s $CANARY .git/logs/refs/heads/main",
    "references": "mv .git/refs/heads ../elsewhere; ln -s ../../../elsewhere .git/refs/heads",
    "objects": "mv .git/objects ../elsewhere || true; ln -s ../../elsewhere .git/objects",
    "object directory": "mkdir ../fan; rm -rf .git/objects/aa; ln -s ../../../fan .git/objects/aa",
    "object": "mkdir -p .git/objects/bb; ln -s $CANARY .git/objects/bb/" + "0" * 38,
    "pack": "for e in pack idx; do ln -s $CANARY .git/objects/pack/pack-" + "0" * 40 + ".$e; done",
    "worktrees": "mkdir ../trees; ln -s ../../trees .git/worktrees",
    "modules": "mkdir ../mods; ln -s ../../mods .git/modules",
    "rebase": "mkdir ../rebase; ln -s ../../rebase .git/rebase-merge",
    "hard link": "ln .git/HEAD .git/refs/heads/hard; ln .git/config .git/refs/heads/config",
}


@pytest.mark.parametrize("script", LINKS.values(), ids=LINKS)
def test_no_link_is_carried_or_followed(world: World, script: str) -> None:
    told = world.run(f"CANARY={world.canary}; {script}", check=False)
    assert [one for one in told if one.action == "held"]
    assert not [name for name, content in frozen(world).items() if isinstance(content, str)]
    world.whole()
    world.run("git reset -q --hard; echo x >> f; git commit -qam after", check=False)
    world.whole()
    world.everyday()


def test_a_link_outside_is_not_followed_either(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q; echo 1 > f; git add f; git commit -qm 1; git branch b; "
                   "rm .git/logs/HEAD .git/refs/heads/b; ln -s ../../../canary .git/logs/HEAD; "
                   "ln -s ../../../../canary .git/refs/heads/b; mkdir ../far; "
                   "ln -s ../../../../far .git/refs/heads/far")
    told = world.run("rm -f .git/refs/heads/b .git/logs/HEAD; git update-ref refs/heads/b HEAD; "
                     "git commit -q --allow-empty -m 2; rm .git/refs/heads/far; git branch far/x", check=False)
    assert {".git/logs/HEAD", ".git/refs/heads/b"} <= {one.path for one in told if one.action == "held"}
    assert world.canary.read_text() == "untouched\n"
    assert list((world.base / "far").iterdir()) == []


SPECIAL = [".git/refs/heads/x", ".git/refs/y", ".git/objects/pack/pack-" + "1" * 40 + ".idx", ".git/ORIG_HEAD",
           ".git/objects/cc/" + "2" * 38, ".git/logs/refs/heads/z", ".git/MERGE_MSG", ".git/shallow",
           ".git/rebase-merge/git-rebase-todo", ".git/modules/m", ".git/modules/n/HEAD", ".git/worktrees/w/HEAD"]


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "endless"])
def test_nothing_waits_for_what_is_no_file(world: World, kind: str) -> None:
    make = {"fifo": "mkfifo \"$p\"", "directory": "mkdir -p \"$p/deeper\"; echo x > \"$p/deeper/file\"",
            "socket": "python3 -c 'import socket,sys,os; os.chdir(os.path.dirname(sys.argv[1])); "
                      "socket.socket(socket.AF_UNIX).bind(os.path.basename(sys.argv[1]))' \"$p\"",
            "endless": "truncate -s 1T \"$p\""}[kind]
    before = frozen(world)
    told = world.run(f"for p in {' '.join(SPECIAL)}; do mkdir -p \"$(dirname \"$p\")\"; {make}; done")
    assert [one for one in told if one.action == "held"]
    assert not [one for one in told if one.action == "carried"]
    assert frozen(world) == before
    world.everyday()


VALUES = ["ref: ../../x", "ref: refs/../../x", "ref: refs/heads/$(touch x)", "ref: HEAD", "ref:refs/heads/main",
          "ref: refs/heads/a\\nrefs/heads/b", "gitdir: /tmp/x", "0123", "main", "", "[core]\\n\\tfsmonitor = x",
          "ref: refs/heads/-x", "ref: refs/heads/x.lock", "\\0", "g" * 40, "ref: refs/heads/" + "a" * 5000,
          "0" * 40, "1" * 40, "1" * 64]


@pytest.mark.parametrize("where", ["HEAD", "refs/heads/topic", "refs/heads/new", "ORIG_HEAD", "MERGE_HEAD"])
def test_only_references_are_taken_for_references(world: World, where: str) -> None:
    before = frozen(world)
    for value in VALUES:
        # An object of zeros stands for "none" and does no harm where there is nothing else.
        if value.strip("0") or where.startswith(("refs", "HEAD")):
            world.inside(f"printf '{value}' > .git/{where}")
            world.settle()
            assert frozen(world) == before, value
    world.everyday()


NAMES = ["-x", "$(touch x)", "`x`", "a;b", "a|b", "a&b", "a'b", "a..b", ".hidden", "x.lock", "a b", "a\nb", "a~b",
         "a:b", "a\\b", "-d/x", "\x1b[31m", "\udcff\x7f", "x/.y", "@{", "a" * 200 + "/" + "b" * 200 + "\n", "refs.",
         "a.lock/b"]


def test_names_that_are_commands_stay_inside(world: World) -> None:
    before = frozen(world)
    script = world.base / "make.py"
    for name in NAMES:
        script.write_text(f"import os, shutil\npath = os.path.join('.git/refs/heads', {name!a})\n"
                          "os.makedirs(os.path.dirname(path), exist_ok=True)\n"
                          "shutil.copy('.git/refs/heads/main', path)\n")
        world.inside(f"python3 -X utf8 {script}")
        told = world.settle()
        assert all(one.path.isprintable() and one.action == "held" for one in told)
        assert told or ".lock" in name, name
        assert frozen(world) == before, name
    world.everyday()


PACKED = [
    "junk", "# pack-refs with: peeled\\n$OID refs/heads/../../x", "$OID refs/heads/$(x)", "$OID HEAD",
    "$OID refs/heads/b\\n$OID refs/heads/a", "^$OID", "$OID refs/heads/a\\n$OID refs/heads/a", "$OID  refs/heads/a",
    "$OID refs/heads/a b", "$OID refs/replace/$OID", "1111111111111111111111111111111111111111 refs/heads/a",
    "# [core]\\n$OID refs/heads/a",
]


@pytest.mark.parametrize("text", PACKED)
def test_packed_references_have_a_grammar(world: World, text: str) -> None:
    before = frozen(world)
    text = text.replace("$(x)", "\\$(x)").replace("$OID", world.shell("git rev-parse HEAD").strip())
    world.run(f"printf '{text}\\n' > .git/packed-refs; rm .git/refs/heads/topic")
    assert frozen(world) == before
    world.everyday()


@pytest.mark.parametrize("text", ["junk", "1111111111111111111111111111111111111111 refs/heads/a"])
def test_references_stay_however_old_the_packed_ones_are_that_stayed_inside(world: World, text: str) -> None:
    # What was written long before the command's end is looked at once; what it stands for lasts.
    before = frozen(world)
    packs = f"printf '{text}\\n' > .git/packed-refs; touch -d '1 hour ago' .git/packed-refs; sleep 0.1"
    told = [*world.run(f"{packs}; rm .git/refs/heads/topic")]
    assert frozen(world) == before
    told += [*world.run("rm .git/refs/tags/v1"), *world.settle()]
    assert frozen(world) == before
    reasons = {one.path: one.reason for one in told}
    assert all("packed references could not be carried" in reasons[f".git/refs/{name}"]
               for name in ("heads/topic", "tags/v1"))
    world.everyday()


REBASE = ("git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; "
          "git commit -qam m; git checkout -q topic; git rebase main || true; ")
SEQUENCE = {
    "exec": REBASE + "echo 'exec touch $MARKER' >> .git/rebase-merge/git-rebase-todo",
    "x after a comment": REBASE + "printf '# nothing\\n x touch $MARKER\\n' >> .git/rebase-merge/git-rebase-todo",
    "update of a strange reference": REBASE + "echo 'update-ref HEAD' >> .git/rebase-merge/git-rebase-todo",
    "strategy": REBASE + "echo '../../../../evil' > .git/rebase-merge/strategy",
    "strategy options": REBASE + "echo \" '--x'\" > .git/rebase-merge/strategy_opts",
    "key": REBASE + "echo '-S--x' > .git/rebase-merge/gpg_sign_opt",
    "author script": REBASE + "echo \"GIT_AUTHOR_NAME='a'; touch \\$MARKER\" > .git/rebase-merge/author-script",
    "deleted references": REBASE + "echo refs/heads/main > .git/rebase-merge/refs-to-delete",
    "link": REBASE + "rm .git/rebase-merge/message; ln -s /etc/passwd .git/rebase-merge/message",
    "apply options": REBASE.replace("rebase main", "rebase --apply main")
    + "echo \"'--unsafe-paths' '--directory=/tmp'\" > .git/rebase-apply/apply-opt",
    "pick options": "git revert --no-edit HEAD~1 HEAD || true; mkdir -p .git/sequencer; "
                    "printf '[options]\\n\\tstrategy = ../../evil\\n' > .git/sequencer/opts",
    "unknown file": REBASE + "echo x > .git/rebase-merge/unknown",
}


@pytest.mark.parametrize("script", SEQUENCE.values(), ids=SEQUENCE)
def test_interrupted_operations_are_carried_whole_or_not_at_all(world: World, script: str) -> None:
    told = world.run(script)
    assert [one.reason for one in told if one.path.startswith((".git/rebase", ".git/sequencer"))]
    assert not [path for name in ("rebase-merge", "rebase-apply", "sequencer") for path in world.git.glob(f"{name}/*")]
    world.whole()
    world.everyday()


def test_removing_the_repository_inside_removes_nothing_outside(world: World) -> None:
    before = frozen(world)
    told = world.run("rm -rf .git/* || true")
    assert [one.path for one in told] == [".git"]
    assert frozen(world) == before
    world.run("git init -q; echo evil > f; git add f; git commit -qm evil")
    assert frozen(world) == before
    world.everyday()


@pytest.mark.parametrize("script", [
    "rm -rf .git/objects", "rm -rf .git/refs", "rm -rf .git/refs; mkdir -p .git/refs/heads", "rm -rf .git/refs/heads",
    "rm -rf .git/objects; mkdir .git/objects", "rm .git/HEAD", "rm -rf .git/logs", "rm .git/index",
    "rm -rf .git/logs; mkdir -p .git/logs/refs/heads", "rm -rf .git/objects/*",
    "rm -rf .git/hooks .git/info .git/config",
    "for f in $(find .git/objects -type f); do chmod +w $f; echo junk > $f; done"])
def test_history_is_not_destroyed(world: World, script: str) -> None:
    before = frozen(world)
    history = set(world.shell("git rev-list --all --reflog --objects").split("\n"))
    world.run(script)
    assert frozen(world) == before
    world.run("git status; git commit -qam x", check=False)
    assert history <= set(world.shell("git rev-list --all --reflog --objects").split("\n"))
    world.whole()
    world.everyday()


def test_the_tip_of_a_removed_branch_is_told(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q; echo 1 > f; git add f; git commit -qm 1; git branch loose; git branch packed; "
                   "git pack-refs --all; git update-ref refs/heads/loose $(git commit-tree -p HEAD -m 2 HEAD:)")
    for name in ("loose", "packed"):
        oid = world.shell(f"git rev-parse {name}").strip()
        told = [one for one in world.run(f"git branch -D {name}") if one.path.endswith(name)]
        assert [one.action for one in told] == ["carried"]
        assert oid in told[0].reason
        world.agree()


def test_a_branch_that_is_checked_out_outside_is_not_removed(world: World) -> None:
    told = world.run("rm .git/refs/heads/main")
    assert [(one.action, one.path) for one in told] == [("held", ".git/refs/heads/main")]
    world.whole()


@pytest.mark.parametrize("script", ["git rev-parse HEAD > .git/shallow",
                                    f"(git rev-parse HEAD~1; echo {'3' * 40}) > .git/shallow"])
def test_history_is_not_cut_off(world: World, script: str) -> None:
    assert [one.action for one in world.run(script)] == ["held"]
    assert not (world.git / "shallow").exists()
    world.everyday()


def test_evil_working_trees(world: World) -> None:
    before = frozen(world)
    for number, (gitdir, commondir) in enumerate((
            ("/etc/.git", "../.."), ("$B/x/.git\\n/etc/.git", "../.."), ("relative/.git", "../.."),
            ("$B/../../etc/.git", "../.."), ("$B/x/.git", "../../../evil"), ("$B/x/.git", "/tmp"),
            ("$B/x/notgit", "../.."), ("$B/work/.git/hooks/.git", "../.."), ("", "../.."))):
        world.inside(f"B={world.base}; d=.git/worktrees/w{number}; mkdir -p $d; cp .git/HEAD $d/HEAD; "
                     f"printf \"{gitdir}\\n\" > $d/gitdir; echo {commondir} > $d/commondir")
        told = world.settle()
        assert [one.action for one in told] == ["held"], gitdir
    world.inside("git worktree add -q ../tree; git config extensions.worktreeConfig true; "
                 f"C=.git/worktrees/tree/config.worktree; {EVIL_CONFIG}; cp -r .git/hooks .git/worktrees/tree/")
    world.settle()
    assert not (world.git / "worktrees/tree/config.worktree").exists()
    assert not (world.git / "worktrees/tree/hooks").exists()
    world.inside("echo ../../../evil > .git/worktrees/tree/commondir; echo /etc/.git > .git/worktrees/tree/gitdir")
    world.settle()
    assert (world.git / "worktrees/tree/commondir").read_text() == "../..\n"
    assert "/etc" not in (world.git / "worktrees/tree/gitdir").read_text()
    assert before.items() <= {name: content for name, content in frozen(world).items() if name != "HEAD"}.items() | {
        ("HEAD", before["HEAD"])}
    world.everyday()
