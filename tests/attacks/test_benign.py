"""L-140 to L-151: what must work, or a sandbox that refuses everything would win.

Knows: what developers do all day.  Must not know: any mechanism.  Follows `docs/attacks.md`, group L10.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import pytest

from .guards import CONTROL, LANDLOCK, NAMESPACE, Guard
from .probes import PYTHON, command
from .world import World, git

ALL = pytest.mark.parametrize("guard", [CONTROL, NAMESPACE, LANDLOCK], indirect=True)
FULL = pytest.mark.parametrize("guard", [CONTROL, NAMESPACE], indirect=True)


def works(guard: Guard, world: World, inner: list[str], *words: str) -> str:
    """Run it; it must end well and say these words."""
    outcome = guard.run(world, inner)
    assert outcome.returncode == 0, str(outcome)
    missing = [word for word in words if word not in outcome.text]
    assert not missing, f"{missing}: {outcome}"
    return outcome.text


def probe_devices_for_all():
    assert os.read(os.open("/dev/zero", os.O_RDONLY), 4) == bytes(4)
    assert len(os.read(os.open("/dev/urandom", os.O_RDONLY), 8)) == 8
    assert os.write(os.open("/dev/null", os.O_WRONLY), b"x") == 1
    assert os.read(os.open("/dev/null", os.O_RDONLY), 1) == b""
    assert attempt("full", os.write, os.open("/dev/full", os.O_WRONLY), b"x") is None
    reader, writer = os.pipe()
    os.write(os.open(f"/dev/fd/{writer}", os.O_WRONLY), b"through")
    assert os.read(reader, 7) == b"through"
    assert os.path.exists("/dev/stdin") and os.path.exists("/dev/stdout") and os.path.exists("/proc/self/fd")


@ALL
def test_L140_devices(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_devices_for_all, world.nonce), "ATTACK-END", "REFUSED full ENOSPC")


@ALL
def test_L141_git_commit(guard: Guard, world: World) -> None:
    script = "echo more >> README.md && echo n > new.txt && git add -A && git commit -qm 'by the agent'"
    works(guard, world, ["sh", "-c", script + " && git log --oneline"], "by the agent", "first")
    assert "by the agent" in git(world.workspace, "log", "-1", home=world.home)
    assert git(world.workspace, "status", "--short", home=world.home) == ""
    assert git(world.workspace, "fsck", "--strict", home=world.home).count("error") == 0


@FULL
def test_L141_git_branches_stash_rebase(guard: Guard, world: World) -> None:
    script = """set -e
        git checkout -qb topic; echo a > a.txt; git add a.txt; git commit -qm a; git checkout -q main
        echo b > b.txt; git add b.txt; git commit -qm b; git checkout -q topic; git rebase -q main
        echo c >> a.txt; git stash -q; git stash pop -q; git commit -qam c; git checkout -q main; git merge -q topic
        git tag v1; git worktree list; git log --oneline --graph | cat"""
    works(guard, world, ["sh", "-c", script])
    assert git(world.workspace, "log", "--format=%s", home=world.home).split() == ["c", "a", "b", "first"]
    assert git(world.workspace, "tag", home=world.home).split() == ["v1"]


@ALL
def test_L142_git_reads(guard: Guard, world: World) -> None:
    (world.workspace / "README.md").write_text("# changed\n")
    script = "git status --short && git log --oneline && git diff"
    works(guard, world, ["sh", "-c", script], " M README.md", "first", "+# changed")


def probe_parallel():
    import multiprocessing
    import socket
    import threading

    left, right = socket.socketpair()
    left.sendall(b"pair")
    assert right.recv(4) == b"pair"
    results = []
    threads = [threading.Thread(target=results.append, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    context = multiprocessing.get_context("fork")
    lock, value = context.Lock(), context.Value("i", 0)

    def add():
        for _ in range(50):
            with lock:
                value.value += 1

    children = [context.Process(target=add) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert value.value == 200


@FULL
def test_L143_parallel(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_parallel, world.nonce), "ATTACK-END")


@ALL
def test_L144_binary_output(guard: Guard, world: World) -> None:
    code = "import sys; [sys.stdout.buffer.write(bytes(range(256)) * 4096) for _ in range(8)]"
    outcome = guard.run(world, [PYTHON, "-I", "-S", "-c", code])
    assert outcome.returncode == 0
    assert outcome.stdout == bytes(range(256)) * 4096 * 8


def probe_loopback():
    import socket
    import threading

    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind((host, 0))
        server.listen()
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"served"))
        thread.start()
        with socket.create_connection((host, server.getsockname()[1]), timeout=5) as client:
            assert client.recv(6) == b"served"
        thread.join()
    assert socket.gethostbyname("localhost") == "127.0.0.1"


@FULL
def test_L145_loopback_inside(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_loopback, world.nonce), "ATTACK-END")


@ALL
def test_L146_pipes_and_jobs(guard: Guard, world: World) -> None:
    script = "(seq 1 100 | sort -rn | head -1; echo $(echo sub)) & wait; diff <(echo a) <(echo a) && cat <<< here"
    works(guard, world, ["bash", "-c", script], "100", "sub", "here")


def probe_terminal():
    import pty
    import subprocess

    master, slave = pty.openpty()
    assert os.isatty(slave) and os.ttyname(slave).startswith("/dev/pts/")
    child = subprocess.Popen(["tty"], stdin=slave, stdout=slave, start_new_session=True)
    child.wait(timeout=10)
    assert os.read(master, 100).startswith(b"/dev/pts/")


@FULL
def test_L147_pseudo_terminal(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_terminal, world.nonce), "ATTACK-END")


@ALL
def test_L148_reading(guard: Guard, world: World) -> None:
    script = f"cat /etc/passwd {world.neighbour}/src/main.py {world.home}/.bashrc"
    script += f" && ls / /usr/bin {world.home}/projects"
    works(guard, world, ["sh", "-c", script], "root:", "neighbour", "# bashrc", "usr", "work")


def probe_temporary():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        put(folder + "/a/b/c.txt", "kept")
        os.rename(folder + "/a", folder + "/d")
        assert open(folder + "/d/b/c.txt").read() == "kept"
        os.chmod(folder + "/d/b/c.txt", 0o700)
        os.symlink("d", folder + "/e")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")


@ALL
def test_L149_temporary_directory(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_temporary, world.nonce), "ATTACK-END")


def probe_unix_sockets():
    import socket
    import tempfile

    for folder in (os.getcwd(), tempfile.gettempdir()):
        path = f"{folder}/s-{NONCE}"
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        server.accept()[0].sendall(b"local")
        assert client.recv(5) == b"local"
        os.unlink(path)


@FULL
def test_L150_unix_sockets_inside(guard: Guard, world: World) -> None:
    works(guard, world, command(probe_unix_sockets, world.nonce), "ATTACK-END")


@ALL
def test_L151_files_of_the_workspace(guard: Guard, world: World) -> None:
    script = """set -e
        mkdir -p new/deep; echo text > new/deep/a; mv new/deep/a new/b; ln new/b new/c; ln -s b new/d; chmod 700 new/b
        cp -r new copy; rm -r new/deep copy; touch -d 2001-01-01 new/b; truncate -s 2 new/c
        mkfifo new/pipe; rm new/pipe; rm README.md; mv src moved; cat new/d"""
    works(guard, world, ["sh", "-c", script], "te")
    assert (world.workspace / "new/b").read_text() == "te"
    assert (world.workspace / "moved/app.py").exists() and not (world.workspace / "README.md").exists()
    assert world.changed() == []
