"""Real tools do their real work inside: git, pip and venv, pytest with xdist, npm, make and gcc, servers, tmux.

Each test looks at the outcome from outside the sandbox.  A tool that this machine lacks is a named skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sidewall

DEADLINE = 90


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"this machine has no {program}")


@pytest.fixture
def place(tmp_path_factory, monkeypatch):
    """A home and a workspace of the test's own, outside /tmp where the machine allows it."""
    base = Path(os.environ.get("HOME", "/")) / f".sidewall-works-{os.getpid()}-{time.monotonic_ns()}"
    try:
        base.mkdir()
    except OSError:
        base = tmp_path_factory.mktemp("works")
    home, workspace = base / "home", base / "home" / "project"
    workspace.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "state"))
    for name, value in (("AUTHOR_NAME", "A"), ("AUTHOR_EMAIL", "a@b.test"), ("COMMITTER_NAME", "A"),
                        ("COMMITTER_EMAIL", "a@b.test")):
        monkeypatch.setenv("GIT_" + name, value)
    (home / ".gitconfig").write_text("[init]\n\tdefaultBranch = main\n[user]\n\tname = A\n\temail = a@b.test\n"
                                     "[protocol \"file\"]\n\tallow = always\n")
    yield workspace
    shutil.rmtree(base, ignore_errors=True)


def git(directory: Path, *words: str) -> str:
    """git outside, as the user's next command."""
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(sandbox: sidewall.Sandbox, line: str, **options):
    done = sandbox.run(["sh", "-ec", line], capture_output=True, text=True, timeout=DEADLINE, **options)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_git_commits_branches_stashes_rebases(place):
    need("git")
    git(place, "init", "-q")
    (place / "a").write_text("one\n")
    git(place, "add", ".")
    git(place, "commit", "-qm", "first")
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, "echo two >> a; git commit -qam second; git checkout -qb side HEAD~1; echo b > b; git add b; "
                     "git commit -qm third; git rebase -q main; echo dirty >> a; git stash -q; git tag v1")
        assert git(place, "log", "--format=%s", "side").split() == ["third", "second", "first"]
        run(sandbox, "git stash pop -q; git checkout -q -- a; git checkout -q main; git merge -q side")
    assert git(place, "log", "--format=%s", "main").split() == ["third", "second", "first"]
    assert git(place, "status", "--porcelain") == ""
    assert git(place, "tag").split() == ["v1"]
    git(place, "fsck", "--strict")


def test_git_fetches_from_a_local_remote_and_clones(place):
    need("git")
    remote = place.parent / "remote"
    remote.mkdir()
    git(remote, "init", "-q")
    (remote / "r").write_text("r\n")
    git(remote, "add", ".")
    git(remote, "commit", "-qm", "there")
    git(place, "init", "-q")
    git(place, "remote", "add", "origin", str(remote))
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, f"git fetch -q origin; git merge -q origin/main; git clone -q {remote} copy; cd copy; git log -1")
    assert git(place, "log", "--format=%s").split() == ["there"]
    assert git(place / "copy", "log", "--format=%s").split() == ["there"]


def test_git_worktrees_and_submodules(place):
    need("git")
    library = place.parent / "library"
    library.mkdir()
    git(library, "init", "-q")
    (library / "l").write_text("l\n")
    git(library, "add", ".")
    git(library, "commit", "-qm", "library")
    git(place, "init", "-q")
    git(place, "submodule", "--quiet", "add", str(library), "lib")
    git(place, "commit", "-qm", "with a submodule")
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, "git worktree add -q tree -b topic; cd tree; echo t > t; git add t; git commit -qm topic")
        run(sandbox, "cd lib; echo more >> l; git commit -qam more; cd ..; git add lib; git commit -qm moved")
    assert git(place, "log", "--format=%s", "topic").splitlines()[0] == "topic"
    assert git(place / "tree", "status", "--porcelain") == ""
    assert git(place / "lib", "log", "--format=%s").splitlines()[0] == "more"
    assert git(place, "log", "-1", "--format=%s").strip() == "moved"
    # The worktree itself as a workspace: its git directory lies outside it.
    with sidewall.Sandbox(workspace=place / "tree") as sandbox:
        run(sandbox, "echo again >> t; git commit -qam again; git status --porcelain")
    assert git(place / "tree", "log", "-1", "--format=%s").strip() == "again"


def test_a_new_repository_made_inside_works_outside(place):
    need("git")
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, "git init -q; echo x > x; git add x; git commit -qm made")
    assert git(place, "log", "--format=%s").split() == ["made"]
    assert git(place, "status", "--porcelain") == ""


def test_pip_and_venv(place):
    (place / "thing").mkdir()
    (place / "thing" / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "thing"\nversion = "1"\n')
    (place / "thing" / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(directory, config_settings=None, metadata_directory=None):\n"
        "    name = 'thing-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{directory}/{name}', 'w') as z:\n"
        "        z.writestr('thing.py', 'answer = 42')\n"
        "        z.writestr('thing-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n')\n"
        "        z.writestr('thing-1.dist-info/WHEEL',\n"
        "                   'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        z.writestr('thing-1.dist-info/RECORD', '')\n"
        "    return name\n")
    made = subprocess.run([sys.executable, "-m", "venv", "--help"], capture_output=True, timeout=DEADLINE)
    if made.returncode:
        pytest.skip("this Python has no venv")
    with sidewall.Sandbox(workspace=place) as sandbox:
        done = sandbox.run([sys.executable, "-m", "venv", "env"], capture_output=True, text=True, timeout=DEADLINE)
        if "ensurepip" in done.stdout:
            pytest.skip("this Python has no ensurepip")
        assert done.returncode == 0, done.stderr
        run(sandbox, "env/bin/pip install -q --no-index --no-build-isolation ./thing; "
                     "env/bin/python -c 'import thing; assert thing.answer == 42'")
    assert subprocess.run([place / "env/bin/python", "-c", "import thing"], timeout=DEADLINE).returncode == 0


def test_pytest_with_xdist(place):
    pytest.importorskip("xdist")
    (place / "test_it.py").write_text("import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test(n): pass\n")
    with sidewall.Sandbox(workspace=place) as sandbox:
        done = sandbox.run([sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"],
                           capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 passed" in done.stdout


def test_node_and_npm(place):
    need("node", "npm")
    (place / "dep").mkdir()
    (place / "dep/package.json").write_text('{"name": "dep", "version": "1.0.0", "main": "i.js"}')
    (place / "dep/i.js").write_text("module.exports = 42")
    (place / "package.json").write_text('{"name": "p", "version": "1.0.0", "scripts": {"test": "node t.js"}, '
                                        '"dependencies": {"dep": "file:./dep"}}')
    (place / "t.js").write_text(
        "const {execFileSync, fork} = require('child_process');\n"
        "if (process.argv[2] === 'child') { process.send('hello'); }\n"
        "else { const c = fork(__filename, ['child']); c.on('message', m => {\n"
        "  console.log(m, require('dep'), execFileSync('echo', ['sub']).toString().trim()); }); }\n")
    with sidewall.Sandbox(workspace=place) as sandbox:
        out = run(sandbox, "npm install --offline --no-audit --no-fund --cache ./.npm-cache >&2; npm test")
    assert "hello 42 sub" in out


def test_make_and_gcc(place):
    need("make", "gcc")
    (place / "p.c").write_text('#include <stdio.h>\n#include "h.h"\nint main(void) { printf("%d\\n", N); return 0; }\n')
    (place / "h.h").write_text("#define N 7\n")
    (place / "Makefile").write_text("p: p.o\n\tgcc -o p p.o\np.o: p.c h.h\n\tgcc -O2 -c p.c\n")
    with sidewall.Sandbox(workspace=place) as sandbox:
        assert run(sandbox, "make -j2 >/dev/null; ./p").strip() == "7"
    assert subprocess.run([place / "p"], capture_output=True, timeout=DEADLINE).stdout == b"7\n"


def test_a_server_of_one_command_is_reached_by_the_next(place):
    (place / "page").write_text("served\n")
    python = shutil.which("python3") or sys.executable
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, f"{python} -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 &")
        fetch = ("import time, urllib.request\nfor _ in range(200):\n    try:\n"
                 "        print(urllib.request.urlopen('http://127.0.0.1:8123/page').read().decode()); break\n"
                 "    except OSError: time.sleep(0.05)\n")
        done = sandbox.run([python, "-c", fetch], capture_output=True, text=True, timeout=DEADLINE)
        assert done.stdout.strip() == "served", done.stderr


def test_tmux(place):
    need("tmux")
    with sidewall.Sandbox(workspace=place) as sandbox:
        run(sandbox, "tmux -L t new-session -d -s s 'echo inside > out; sleep 30'")
        out = run(sandbox, "for i in $(seq 100); do [ -s out ] && break; sleep 0.05; done; cat out; tmux -L t ls; "
                           "tmux -L t kill-server")
    assert out.startswith("inside")
    assert "s: 1 windows" in out
