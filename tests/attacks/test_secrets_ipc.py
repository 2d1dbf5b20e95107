"""L-039 to L-055: secrets in files, environments, keyrings, shared memory and other processes.

Knows: where secrets lie.  Must not know: how they are masked.  Follows `docs/attacks.md`, group L3.  A secret is a
token that exists nowhere else; the judge looks for tokens in the output and in the files of the workspace.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import ctypes
import os

import pytest

from .guards import CONTROL, NAMESPACE, Guard, guards
from .outside import Victim
from .probes import NR, command
from .world import World

SECRETS, PROCESSES = guards("read-secrets"), guards("outside-processes")
KEYRING_OF_USER, KEY_REVOKE, IPC_RMID = -4, 3, 0


def show(*paths):
    """In the sandbox: print the content of each file."""
    for path in paths:
        attempt(path, lambda: print(open(path, errors="replace").read()))


def probe_show(paths):
    show(*paths)


def probe_show_after_go(paths):
    import time

    print("READY", flush=True)
    deadline = time.monotonic() + 10
    while not os.path.exists("go-" + NONCE) and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(3):
        show(*paths)
        time.sleep(0.02)


@SECRETS
def test_L039_secret_replaced_by_rename(guard: Guard, world: World) -> None:
    paths = [world.home / name for name in (".netrc", ".ssh/id_ed25519", ".git-credentials", ".config/gh/hosts.yml")]
    running = guard.start(world, command(probe_show_after_go, world.nonce, show, paths=paths))
    running.until("READY")
    for path in paths:
        fresh = path.with_name(path.name + ".new")
        world.plant_secret(fresh)
        fresh.rename(path)
    running.go()
    outcome = running.finish()
    guard.judge(outcome, world.leaked(outcome.stdout))


@SECRETS
def test_L040_credential_files(guard: Guard, world: World) -> None:
    world.plant_more_secrets()
    paths = world.credentials()
    outcome = guard.attack(world, probe_show, show, paths=paths)
    escaped = world.leaked(outcome.stdout)
    guard.judge(outcome, escaped)
    if guard.is_control:
        assert len(escaped) == len(paths) > 50


def probe_alias_by_hard_link(paths):
    libc = ctypes.CDLL(None, use_errno=True)
    for number, path in enumerate(paths):
        attempt("link", os.link, path, f"alias-{number}")
        folder = attempt("O_PATH", os.open, os.path.dirname(path), os.O_PATH)
        if folder:
            name = os.path.basename(path).encode()
            libc.linkat(folder, name, -100, f"alias-at-{number}".encode(), 0)
        attempt("old descriptor", os.link, f"/proc/self/root{path}", f"alias-root-{number}")
        show(f"alias-{number}", f"alias-at-{number}", f"alias-root-{number}")


@SECRETS
def test_L042_hard_link_alias(guard: Guard, world: World) -> None:
    world.plant_more_secrets()
    outcome = guard.attack(world, probe_alias_by_hard_link, show, paths=world.credentials())
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_keyring(serial, name):
    buffer = ctypes.create_string_buffer(4096)
    for ring in (-4, -3, -5, -2, -1):
        found = attempt(f"search {ring}", syscall, "keyctl", 10, ring, b"user", name.encode(), 0)
        attempt("link", syscall, "keyctl", 8, ring, -2)
        for key in (serial, found or serial):
            if attempt("read", syscall, "keyctl", 11, key, buffer, 4096):
                print(buffer.value)
    key = attempt("request", syscall, "request_key", b"user", name.encode(), None, -4)
    attempt("read", syscall, "keyctl", 11, key or serial, buffer, 4096)
    print(buffer.value)
    attempt("listing", lambda: print(open("/proc/keys").read()))


@SECRETS
def test_L043_keyring(guard: Guard, world: World) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    token, name = f"TOKEN-{world.nonce}-key", f"sidewall-attack-{world.nonce}"
    serial = libc.syscall(NR["add_key"], b"user", name.encode(), token.encode(), len(token), KEYRING_OF_USER)
    if serial < 0:
        pytest.skip(f"the kernel has no keyring for this user: {os.strerror(ctypes.get_errno())}")
    # Possessor and owner may do all: what a key of the user's login session grants.
    libc.syscall(NR["keyctl"], 5, serial, 0x3F3F0000)
    try:
        outcome = guard.attack(world, probe_keyring, serial=serial, name=name)
    finally:
        libc.syscall(NR["keyctl"], KEY_REVOKE, serial)
    guard.judge(outcome, token in outcome.text)


@SECRETS
def test_L044_secret_created_later(guard: Guard, world: World) -> None:
    paths = [world.home / name for name in (".ssh/id_new", ".aws/sso/cache/token.json", ".gnupg/new.key")]
    paths += [world.home / name for name in (".config/gcloud/new.json", ".docker/config.json", ".netrc")]
    for path in (".docker/config.json", ".netrc"):
        (world.home / path).unlink()
    running = guard.start(world, command(probe_show_after_go, world.nonce, show, paths=paths))
    running.until("READY")
    for path in paths:
        world.plant_secret(path)
    running.go()
    outcome = running.finish()
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_move_secrets(folders):
    for number, folder in enumerate(folders):
        attempt("rename", os.rename, folder, f"moved-{number}")
        os.makedirs(f"swap-{number}", exist_ok=True)
        attempt("exchange", syscall, "renameat2", -100, folder.encode(), -100, f"swap-{number}".encode(), 2)
        for place in (f"moved-{number}", f"swap-{number}"):
            for top, _, names in os.walk(place):
                show(*(os.path.join(top, name) for name in names))


@SECRETS
def test_L045_move_secret_directories(guard: Guard, world: World) -> None:
    folders = [world.home / name for name in (".ssh", ".aws", ".gnupg", ".config/gcloud", ".mozilla", ".config/gh")]
    outcome = guard.attack(world, probe_move_secrets, show, folders=folders)
    guard.judge(outcome, world.leaked(outcome.stdout) + world.changed())


def probe_proc_aliases(path, pid):
    pids = ["self", "thread-self", "1", str(pid), str(os.getppid())]
    pids += [name for name in os.listdir("/proc") if name.isdigit()][:40]
    for number in pids:
        show(f"/proc/{number}/root{path}", f"/proc/{number}/cwd{'/..' * 30}{path}")


@SECRETS
def test_L046_proc_root(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_proc_aliases, show, path=world.home / ".ssh/id_rsa", pid=os.getpid())
    guard.judge(outcome, world.leaked(outcome.stdout))


@SECRETS
def test_L047_ssh_key(guard: Guard, world: World) -> None:
    outcome = guard.run(world, command(probe_show, world.nonce, show, paths=[world.home / ".ssh/id_ed25519"]))
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_symlinks(home):
    for number, name in enumerate((home + "/.ssh/id_rsa", home + "/.ssh", home, "/proc/self/root" + home)):
        os.symlink(name, f"link-{number}")
    show("link-0", "link-1/id_rsa", "link-2/.ssh/id_rsa", "link-3/.ssh/id_rsa", "link-2/.aws/credentials")


@SECRETS
def test_L048_symlink(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_symlinks, show, home=world.home)
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_shared_memory(key, number):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    for segment in {number, libc.shmget(key, 0, 0)}:
        at = libc.shmat(segment, None, 0)
        if at and at != ctypes.c_void_p(-1).value:
            print(ctypes.string_at(at, 100))
            ctypes.memmove(at, NONCE.encode(), len(NONCE))
    attempt("listing", lambda: print(open("/proc/sysvipc/shm").read()))


@PROCESSES
def test_L049_system_v_memory(guard: Guard, world: World) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    key = int(world.nonce[1:8], 16)
    number = libc.shmget(key, 4096, 0o1600)
    assert number >= 0, os.strerror(ctypes.get_errno())
    try:
        at = libc.shmat(number, None, 0)
        token = f"TOKEN-{world.nonce}-shm".encode()
        ctypes.memmove(at, token, len(token))
        outcome = guard.attack(world, probe_shared_memory, key=key, number=number)
        now = ctypes.string_at(at, len(token))
        libc.shmdt(ctypes.c_void_p(at))
    finally:
        libc.shmctl(number, IPC_RMID, None)
    guard.judge(outcome, token.decode() in outcome.text or now != token)


def probe_process_files(pid):
    for name in ("environ", "maps", "fd", "auxv", "stack", "mem", "fdinfo"):
        path = f"/proc/{pid}/{name}"
        attempt(name, lambda: print(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(4096)))
    for number in range(3, 12):
        attempt("descriptor", lambda: print(open(f"/proc/{pid}/fd/{number}").read()))


@PROCESSES
def test_L050_process_outside(guard: Guard, world: World, victim: Victim) -> None:
    outcome = guard.attack(world, probe_process_files, pid=victim.pid)
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_environment():
    print(dict(os.environ))
    for number in ("self", "1", os.getppid()):
        attempt(f"{number}", lambda: print(open(f"/proc/{number}/environ").read()))


@SECRETS
def test_L051_environment(guard: Guard, world: World) -> None:
    names = ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "DB_PASSWORD", "npm_config__authToken")
    values = {name: f"TOKEN-{world.nonce}-{name}" for name in (*names, "MY_SECRET", "Client_Secret")}
    outcome = guard.attack(world, probe_environment, settings={"env": values})
    guard.judge(outcome, [name for name, value in values.items() if value in outcome.text])


@SECRETS
def test_L052_env_file_of_the_neighbour(guard: Guard, world: World) -> None:
    path = world.neighbour / ".env"
    # Which files of other projects are secrets only their owner knows: a rule of the user's says it.
    denied = {} if guard.is_control else {"options": ("--deny", str(path))}
    outcome = guard.attack(
        world, probe_show, show, settings=denied, paths=[path, f"/proc/self/root{path}", "../neighbour/.env"]
    )
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_command_lines():
    for name in os.listdir("/proc"):
        if name.isdigit():
            show(f"/proc/{name}/cmdline")


@guards("outside-processes", only=(NAMESPACE,))
def test_L053_command_lines(guard: Guard, world: World, victim: Victim) -> None:
    outcome = guard.attack(world, probe_command_lines, show)
    guard.judge(outcome, str(world.canary) in outcome.text)


def probe_list(folders):
    for folder in folders:
        attempt("list", lambda: print([(entry.name, entry.stat().st_size) for entry in os.scandir(folder)]))


@guards("read-secrets", only=(NAMESPACE,))
def test_L054_names_in_secret_directories(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_list, folders=[world.home / ".ssh", world.home / ".gnupg/private-keys-v1.d"])
    guard.judge(outcome, "id_ed25519" in outcome.text or "0A1B.key" in outcome.text)


@pytest.mark.parametrize("guard", [CONTROL, NAMESPACE], indirect=True)
def test_L055_env_file_of_the_workspace(guard: Guard, world: World) -> None:
    """Told, not judged: what lies in the workspace is the command's to read, else tests of web programs fail."""
    outcome = guard.attack(world, probe_show, show, paths=[world.workspace / ".env"])
    assert world.workspace_token in outcome.text, str(outcome)


def probe_handles_of_secrets(path):
    for flags in (os.O_PATH, os.O_PATH | os.O_NOFOLLOW):
        descriptor = attempt("O_PATH", os.open, path, flags)
        if descriptor:
            show(f"/proc/self/fd/{descriptor}", f"/dev/fd/{descriptor}")
    attempt("sendfile", lambda: os.sendfile(1, os.open(path, os.O_RDONLY), 0, 4096))
    attempt("copy", lambda: os.copy_file_range(os.open(path, os.O_RDONLY), os.open("copy", 65, 0o600), 4096))
    attempt("run", os.spawnv, os.P_WAIT, "/bin/cat", ["cat", path])
    attempt("load", lambda: ctypes.CDLL(path))


@SECRETS
def test_L047_other_calls(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_handles_of_secrets, show, path=world.home / ".netrc")
    guard.judge(outcome, world.leaked(outcome.stdout))
