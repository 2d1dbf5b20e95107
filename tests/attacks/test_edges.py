"""A-01 to A-05, A-12, A-13, A-36 to A-38: where a boundary goes missing: odd directories, broken policies, old kernels.

Knows: what users and models pass as directories, names and files.  Must not know: how they are read.  Follows
`docs/attacks.md`, group A.  The rule behind all of them: a run is confined as asked for, or there is no run (125, 2).
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .guards import NAMESPACE, SIDEWALL, Guard, Outcome, environment, guards
from .outside import Listener
from .probes import PYTHON, X86, command
from .world import World

HELD = guards("write-outside", control=False)
REFUSED = (2, 125)


def tool(world: World, *argv: str, **more: object) -> Outcome:
    """`sidewall ...` with the defaults, in the workspace unless told otherwise."""
    settings: dict[str, object] = {"env": environment(world), "cwd": world.workspace, **more}
    done = subprocess.run(
        [*SIDEWALL, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, **settings
    )  # type: ignore[call-overload]
    return Outcome(world.nonce, done.stdout, done.stderr, done.returncode)


def write_test(world: World, *paths: Path) -> list[str]:
    """A command that tries to write each path and then says that it ran."""
    script = "".join(f"(echo {world.nonce} >> '{path}'); " for path in paths)
    return ["sh", "-c", script + f"echo ATTACK-START {world.nonce}"]


@HELD
@pytest.mark.parametrize("place", ["/", "/usr", "/etc", "home", "above home"])
def test_A01_workspace_that_must_not_be(guard: Guard, world: World, place: str) -> None:
    """Started in the root, a system directory, the home itself or what holds it: never a writable root."""
    where = {"home": world.home, "above home": world.base}.get(place, Path(place))
    target = where / f"sidewall-attack-{world.nonce}"
    outcome = guard.run(world, write_test(world, target, world.canary), cwd=where)
    existed = target.exists()
    target.unlink(missing_ok=True)
    assert not existed, str(outcome)
    assert world.changed() == []
    assert outcome.returncode in REFUSED or outcome.started, str(outcome)


ELSEWHERE = """
import sys, sidewall
with sidewall.Sandbox(tier=sys.argv[1]) as box:
    for cwd in sys.argv[3:]:
        try:
            print(box.run(["sh", "-c", sys.argv[2]], cwd=cwd, capture_output=True, text=True))
        except OSError as error:
            print("refused", error)
print("ATTACK-START", sys.argv[2].split()[1])
"""


@HELD
def test_A01_directory_of_one_command(guard: Guard, world: World) -> None:
    """The model chooses `cwd`; it is a place to stand, not a root."""
    script = f"echo {world.nonce} > planted; mkdir planted-directory"
    places = [str(path) for path in (world.neighbour, world.outside, world.home)] + ["../neighbour", "/"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE, guard.name, script, *places],
        env=environment(world),
        cwd=world.workspace,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert world.nonce in done.stdout.decode(), done
    assert world.changed() == []


BROKEN = {
    "syntax": b"schema = \n[",
    "binary": bytes(range(256)),
    "unknown key": b"schema = 1\nwritable = ['/']\n",
    "unknown table": b"schema = 1\n[filesystem]\nwrite = ['/']\n",
    "wrong type": b"schema = 1\nrequire = 7\n",
    "wrong schema": b"schema = 99\n",
    "unknown profile": b'schema = 1\nprofile = ":no-such-profile"\n',
    "half valid": b'schema = 1\nprofile = ":read-only"\n\n[network]\nmode = "maybe"\n',
    "not utf-8": b'schema = 1\nprofile = "\xff\xfe"\n',
}


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
@pytest.mark.parametrize("layer", ["project", "user"])
@pytest.mark.parametrize("fault", BROKEN)
def test_A03_broken_policy(guard: Guard, world: World, fault: str, layer: str) -> None:
    """Never a run with the defaults when a file that should narrow them cannot be understood."""
    file = world.workspace / "sidewall.toml" if layer == "project" else world.home / ".config/sidewall/config.toml"
    file.write_bytes(BROKEN[fault])
    outcome = guard.run(world, write_test(world, world.workspace / "ran"))
    assert outcome.returncode in REFUSED, str(outcome)
    assert not (world.workspace / "ran").exists()
    assert file.name.encode() in outcome.stderr, "the message does not name the file"
    assert b"Traceback" not in outcome.stderr


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
@pytest.mark.parametrize("fault", ["unreadable", "directory", "fifo", "dangling", "loop"])
def test_A03_policy_that_cannot_be_read(guard: Guard, world: World, fault: str) -> None:
    file = world.home / ".config/sidewall/config.toml"
    file.unlink()
    if fault == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads every file")
        file.touch(mode=0o000)
    elif fault == "directory":
        file.mkdir()
    elif fault == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("nowhere" if fault == "dangling" else file.name)
    outcome = guard.run(world, write_test(world, world.workspace / "ran"))
    ran = (world.workspace / "ran").exists()
    assert outcome.returncode in REFUSED or (fault == "dangling" and ran), str(outcome)
    assert b"Traceback" not in outcome.stderr


SESSION = """
import pathlib, sys, sidewall
with sidewall.Sandbox(tier=sys.argv[1]) as box:
    box.run(["true"])
    pathlib.Path(sys.argv[2]).write_text(sys.argv[3])
    try:
        pathlib.Path("sidewall.toml").write_text(sys.argv[3])
    except OSError as error:
        print("the name is held:", error)
    for _ in range(2):
        done = box.run(["sh", "-c", sys.argv[4]], capture_output=True, text=True)
    done = box.run(sys.argv[5:], capture_output=True, text=True)
    print(done.stdout, done.stderr)
"""


def probe_reach(port, path):
    import socket

    attempt("connect", socket.create_connection, ("127.0.0.1", port), 2)
    attempt("write", lambda: os.write(os.open(path, os.O_WRONLY), NONCE.encode()))


@HELD
def test_A04_settings_changed_while_it_runs(guard: Guard, world: World) -> None:
    wide = 'schema = 1\nprofile = ":unconfined"\n'
    listener = Listener(2, 1, ("127.0.0.1", 0))
    config = world.home / ".config/sidewall/config.toml"
    inner = command(probe_reach, world.nonce, port=listener.port, path=world.canary)
    done = subprocess.run(
        [sys.executable, "-P", "-c", SESSION, guard.name, str(config), wide, f"echo x > {world.canary}", *inner],
        env=environment(world),
        cwd=world.workspace,
        capture_output=True,
        timeout=60,
        check=False,
    )
    came = listener.got()
    listener.close()
    assert b"ATTACK-END" in done.stdout, done
    assert came == [] and [path for path in world.changed() if "sidewall" not in path] == []


# A seccomp program that refuses (EPERM) or hides (ENOSYS) system calls from everything started below it.
WITHOUT = """
import ctypes, os, struct, sys
numbers, answer, argv = eval(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
lines = [(0x20, 0, 0, 0)]
for number in numbers:
    lines += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | answer)]
lines += [(0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(argv[0], argv)
"""
USER_NAMESPACES, MOUNTS, LANDLOCK_CALLS, SECCOMP = (272, 56, 435), (165, 442, 428, 429), (444, 445, 446), (317,)
MISSING = {
    "landlock": (LANDLOCK_CALLS, 38),
    "user namespaces": (USER_NAMESPACES[:1], 1),
    "mounts": (MOUNTS, 1),
    "mount_setattr": (MOUNTS[1:2], 38),
    "both layers": ((*USER_NAMESPACES[:1], *MOUNTS, *LANDLOCK_CALLS), 38),
    "everything": ((*USER_NAMESPACES[:1], *MOUNTS, *LANDLOCK_CALLS, *SECCOMP), 1),
    "seccomp": (SECCOMP, 38),
    "no more user namespaces": ((), 0),
}


@pytest.mark.skipif(not X86, reason="the numbers are x86-64's")
@pytest.mark.parametrize("tier", ["auto", "namespace", "landlock"])
@pytest.mark.parametrize("missing", MISSING)
def test_A05_machine_that_lacks_something(world: World, missing: str, tier: str) -> None:
    """Take the mechanisms away one after the other: it holds as promised, or refuses; there is no plain run."""
    listener = Listener(2, 1, ("127.0.0.1", 0))
    numbers, answer = MISSING[missing]
    inner = command(probe_reach, world.nonce, port=listener.port, path=world.canary)
    argv = [PYTHON, "-I", "-S", "-c", WITHOUT, repr(numbers), str(answer)]
    if missing == "no more user namespaces":
        if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, timeout=20, check=False).returncode:
            pytest.skip("this machine gives no user namespace to take away")
        argv = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    argv += [*SIDEWALL, "run", "--tier", tier, "--", *inner]
    done = subprocess.run(
        argv, env=environment(world), cwd=world.workspace, capture_output=True, timeout=60, check=False
    )
    came = listener.got()
    listener.close()
    outcome = Outcome(world.nonce, done.stdout, done.stderr, done.returncode)
    assert came == [] and world.changed() == [], f"ESCAPE without {missing}: {outcome}"
    assert outcome.ended or (outcome.returncode == 125 and not outcome.started), str(outcome)
    assert b"Traceback" not in outcome.stderr and b"internal error" not in outcome.stderr, str(outcome)


NAMES = ("a b", "line\nbreak", "-dash", "[bracket]", "{a,b}", "star*", "que?", "back\\slash", "\u00e9t\u00e9",
         "e\u0301te\u0301", "quote'\"", "$HOME", "#hash", "~tilde", "%s")  # fmt: skip


@guards("read-secrets", control=False)
@pytest.mark.parametrize("magic", [False, True], ids=["plain", "glob letters"])
def test_A12_denied_paths_with_odd_names(guard: Guard, world: World, magic: bool) -> None:
    """Each name is denied as it is written: hidden, or the run is refused; never ignored."""
    names = [name for name in NAMES if magic == any(letter in name for letter in "*?[")]
    folders = [world.home / "vault" / name for name in names]
    tokens = {world.plant_secret(folder / "secret.txt"): folder.name for folder in folders}
    # Together, and where a name could be taken for a pattern of another one, each by itself.
    for group in [[folder] for folder in folders] if magic else [folders]:
        options = tuple(word for folder in group for word in ("--deny", str(folder)))
        outcome = guard.run(world, ["cat", *(str(folder / "secret.txt") for folder in group)], options=options)
        assert [name for token, name in tokens.items() if token in outcome.text] == [], str(outcome)


@guards("read-secrets", control=False)
def test_A13_denied_by_a_glob(guard: Guard, world: World) -> None:
    """What exists at the start is hidden; what comes later is hidden too, or the glob is refused."""
    first = world.home / "projects/other/.secret"
    token = world.plant_secret(first)
    options = ("--deny", f"{world.home}/projects/**/.secret")
    outcome = guard.run(world, ["sh", "-c", f"echo ATTACK-START {world.nonce}; cat {first}"], options=options)
    assert token not in outcome.text, str(outcome)
    assert outcome.started or outcome.returncode in REFUSED, str(outcome)


@guards("write-outside", control=False)
def test_A36_sandbox_in_the_sandbox(guard: Guard, world: World) -> None:
    """It works, as confined as before, or says why not; the outer boundary holds for what the inner one runs."""
    inner = [*SIDEWALL, "run", "--", *write_test(world, world.canary, world.workspace / "inside")]
    options = ("--env", "PYTHONPATH") if "PYTHONPATH" in os.environ else ()
    outcome = guard.run(world, inner, options=options)
    assert world.changed() == []
    assert outcome.started or outcome.returncode in REFUSED, str(outcome)
    assert b"Traceback" not in outcome.stderr and b"internal error" not in outcome.stderr, str(outcome)


def probe_state(folders):
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                attempt("read", lambda: print(open(f"{folder}/{name}", errors="replace").read()))
                attempt("write", lambda: open(f"{folder}/{name}", "a").write(NONCE))
        attempt("plant", put, top + "/planted", NONCE)


@guards("read-secrets", control=False)
def test_A37_state_directory(guard: Guard, world: World) -> None:
    """What an earlier session wrote down about its commands is neither readable nor writable inside."""
    word = f"argument-{world.nonce[::-1]}"
    assert guard.run(world, ["true", word]).returncode == 0
    folders = [world.home / name for name in (".local/state/sidewall", ".local/share/sidewall", ".cache/sidewall")]
    kept = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    outcome = guard.attack(world, probe_state, folders=folders)
    assert outcome.started and word not in outcome.text, str(outcome)
    assert not any((folder / "planted").exists() for folder in folders)
    for path, text in kept.items():
        assert path.read_bytes().startswith(text), f"{path} was changed"
        assert world.nonce.encode() not in path.read_bytes()[: len(text)]


@HELD
@pytest.mark.parametrize("spelling", ["link", "link to parent", "trailing", "dots", "spaces", "unicode", "home link"])
def test_A38_spellings_of_the_workspace(guard: Guard, world: World, spelling: str) -> None:
    """However the directory is called, it is writable, its protected names are not, and nothing else is."""
    work, where, env = world.workspace, world.workspace, {}
    if spelling in ("spaces", "unicode"):
        work = where = work.with_name("my own work" if spelling == "spaces" else "\u00fcbung\u202e [x] $HOME")
        world.workspace.rename(work)
        world.workspace = work
    elif spelling == "link":
        where = world.base / "alias"
        where.symlink_to(work)
    elif spelling == "link to parent":
        (world.base / "up").symlink_to(work.parent)
        where = world.base / "up/work"
    elif spelling == "home link":
        (world.base / "house").symlink_to(world.home)
        env = {"HOME": str(world.base / "house")}
    world.freeze()
    name = {"trailing": f"{work}/", "dots": f"{work}/src/../../work"}.get(spelling, str(where))
    script = f"echo {world.nonce} > fine; echo {world.nonce} > .claude/settings.json; cat {world.home}/.netrc"
    inner = ["sh", "-c", f"{script}; echo {world.nonce} > ../neighbour/x; echo {world.nonce} > .envrc; pwd"]
    outcome = guard.run(world, inner, cwd=name, env={**env, "PWD": name})
    assert (work / "fine").exists(), str(outcome)
    assert world.changed() == []
    assert world.leaked(outcome.stdout) == [] and not (work / ".envrc").exists()
    assert world.nonce not in (work / ".claude/settings.json").read_text()
