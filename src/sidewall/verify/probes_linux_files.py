"""Probes for Linux that are about files: outside, in the workspace, and secret ones.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks.md.
"""

from __future__ import annotations

from sidewall.verify.probe import Probe

CANARY = "content {outside}/canary"
CHANGED = "changed {outside}/canary"

SYSCALL = """
import ctypes
_NUMBERS = {
    "renameat2": (316, 276), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "process_vm_writev": (311, 271), "io_uring_setup": (425, 425), "keyctl": (250, 219), "ptrace": (101, 117),
    "perf_event_open": (298, 241), "unshare": (272, 97), "mount": (165, 40), "bpf": (321, 280),
}
def syscall(name, *words):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number = _NUMBERS[name][os.uname().machine != "x86_64"]
    values = [ctypes.c_long(word) if isinstance(word, int) else word for word in words]
    result = libc.syscall(ctypes.c_long(number), *values)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()) + ": " + name)
    return result
"""
"""``syscall(name, ...)`` for the programs that need one that Python does not have; numbers of x86-64, and of others."""

_REMOUNT = """
try:
    syscall("unshare", 0x10020000)
    syscall("mount", b"none", b"/", None, 0x44000, None)
    syscall("mount", b"none", os.fsencode(outside), None, 0x1020, None)
except OSError as error:
    print(error, file=sys.stderr)
open(outside + "/canary", "w").write(nonce)
"""
_EXCHANGE = """
open(here + "/mine", "w").write(nonce)
syscall("renameat2", -100, os.fsencode(here + "/mine"), -100, os.fsencode(outside + "/canary"), 2)
"""
_UNNAMED = """
unnamed = os.open(here, os.O_TMPFILE | os.O_RDWR, 0o600)
os.link(f"/proc/self/fd/{unnamed}", outside + "/linked", src_dir_fd=os.open("/", os.O_RDONLY))
"""
_AUTOSTART = """
os.makedirs(home + "/.config/autostart", exist_ok=True)
open(f"{home}/.config/autostart/{nonce}.desktop", "w").close()
"""

WRITING = [
    Probe(id="L-012 spelling", what="write to a file outside by an odd spelling of its path", effect=CANARY,
          guarantee="write-outside",
          program="open(f'{outside}/../{os.path.basename(outside)}//./canary', 'w').write(nonce)"),
    Probe(id="L-018 link", what="write outside through a link in the workspace", effect=CANARY,
          guarantee="write-outside",
          program="os.symlink(outside + '/canary', here + '/link'); open(here + '/link', 'a').write(nonce)"),
    Probe(id="L-010 root", what="write outside by /proc/self/root", effect=CANARY, guarantee="write-outside",
          program="open('/proc/self/root' + outside + '/canary', 'w').write(nonce)"),
    Probe(id="L-003 create", what="create a file outside", effect="exists {outside}/new",
          guarantee="write-outside",
          program="open(outside + '/new', 'w').write(nonce)"),
    Probe(id="L-003 directory", what="create a directory outside", effect="exists {outside}/made",
          guarantee="write-outside", program="os.mkdir(outside + '/made')"),
    Probe(id="L-008 open", what="truncate a file outside by opening it for reading", effect=CHANGED,
          guarantee="write-outside",
          program="os.open(outside + '/canary', os.O_RDONLY | os.O_TRUNC)"),
    Probe(id="L-019 truncate", what="truncate a file outside by its path", effect=CHANGED,
          guarantee="write-outside",
          program="os.truncate(outside + '/canary', 0)"),
    Probe(id="L-020 delete", what="delete a file outside", effect="gone {outside}/canary",
          guarantee="write-outside",
          program="os.remove(outside + '/canary')"),
    Probe(id="L-020 rename", what="rename a file outside", effect="gone {outside}/canary",
          guarantee="write-outside",
          program="os.rename(outside + '/canary', outside + '/moved')"),
    Probe(id="L-013 exchange", what="exchange a file outside with one of the workspace", effect=CANARY,
          guarantee="write-outside",
          source=SYSCALL, program=_EXCHANGE),
    Probe(id="LX-17 unnamed", what="give an unnamed file a name outside", effect="exists {outside}/linked",
          guarantee="write-outside", program=_UNNAMED),
    Probe(id="L-016 neighbour", what="write into the project next door",
          effect="content {base}/neighbour/main.py",
          guarantee="write-outside", program="open(base + '/neighbour/main.py', 'a').write(nonce)"),
    Probe(id="L-036 shell", what="append to a start-up file of the shell", effect="content {home}/.bashrc",
          guarantee="write-outside", program="open(home + '/.bashrc', 'a').write(nonce)"),
    Probe(id="L-033 autostart", what="start with the next login",
          effect="exists {home}/.config/autostart/{nonce}.desktop",
          guarantee="write-outside", program=_AUTOSTART),
    Probe(id="L-035 shim", what="change a program in a directory on PATH",
          effect="content {home}/.local/bin/tool",
          guarantee="write-outside", program="open(home + '/.local/bin/tool', 'a').write(nonce)"),
    Probe(id="L-030 temporary", what="change another program's file in /tmp", effect="content {shared}",
          guarantee="write-outside", program="open(shared, 'a').write(nonce)"),
    Probe(id="L-029 memory", what="change another program's shared memory", effect="content {memory}",
          guarantee="write-outside", program="open(memory, 'a').write(nonce)"),
    Probe(id="L-023 remount", what="remount the outside writable in namespaces of one's own",
          effect=CANARY, source=SYSCALL,
          guarantee="write-outside", program=_REMOUNT),
]

METADATA = [
    Probe(id="L-001 mode", what="change the mode of a file outside", effect=CHANGED,
          guarantee="metadata-outside",
          program="os.chmod(outside + '/canary', 0o666)"),
    Probe(id="L-001 descriptor", what="change the mode through a descriptor for reading", effect=CHANGED,
          guarantee="metadata-outside", program="os.fchmod(os.open(outside + '/canary', os.O_RDONLY), 0o640)"),
    Probe(id="L-001 directory", what="change the mode of a directory outside", effect="changed {outside}",
          guarantee="metadata-outside", program="os.chmod(outside, 0o755)"),
    Probe(id="L-025 times", what="set the times of a file outside", effect=CHANGED,
          guarantee="metadata-outside",
          program="os.utime(outside + '/canary', (1, 1))"),
    Probe(id="L-015 attribute", what="set an extended attribute outside", effect=CHANGED,
          guarantee="metadata-outside", program="os.setxattr(outside + '/canary', 'user.sidewall', nonce.encode())"),
    Probe(id="L-007 flags", what="set an inode flag outside", effect=CHANGED, guarantee="metadata-outside",
          program="import fcntl; fcntl.ioctl(os.open(outside + '/canary', os.O_RDONLY), 0x40086602, "
                  "(0x40).to_bytes(8, 'little'))"),
]


def _named(row: str, what: str, program: str, path: str) -> Probe:
    return Probe(id=row, what=what, guarantee="protected-names", program=program, alone=True,
                 effect=f"content {{workspace}}/{path}")


_AWAY = """
os.rename(workspace + "/.git", workspace + "/" + nonce)
os.mkdir(workspace + "/.git")
open(workspace + "/.git/config", "w").write(nonce)
"""
_TASKS = """
os.makedirs(workspace + "/.vscode", exist_ok=True)
open(workspace + "/.vscode/tasks.json", "w").write(nonce)
"""

NAMES = [
    _named("L-111 hook", "plant a hook that the user's next commit runs",
           "open(workspace + '/.git/hooks/post-commit', 'w').write(nonce)", ".git/hooks/post-commit"),
    _named("L-110 config", "change the repository's configuration",
           "open(workspace + '/.git/config', 'a').write(nonce)", ".git/config"),
    _named("L-109 commondir", "lead git to another directory",
           "open(workspace + '/.git/commondir', 'w').write(nonce)", ".git/commondir"),
    _named("L-112 away", "rename .git away, put another in its place", _AWAY, ".git/config"),
    _named("L-122 nested", "plant a hook in a nested repository",
           "open(workspace + '/lib/.git/hooks/pre-commit', 'w').write(nonce)", "lib/.git/hooks/pre-commit"),
    _named("L-124 agent", "change an agent's settings",
           "open(workspace + '/.claude/settings.json', 'a').write(nonce)", ".claude/settings.json"),
    _named("L-125 editor", "create an editor's tasks", _TASKS, ".vscode/tasks.json"),
    _named("L-125 entering", "create what runs on entering the directory",
           "open(workspace + '/.envrc', 'w').write(nonce)", ".envrc"),
    _named("A-06 policy", "create a policy in the workspace",
           "open(workspace + '/sidewall.toml', 'w').write(nonce)", "sidewall.toml"),
]

SECRETS = [
    Probe(id="L-047 key", what="read the ssh key", effect="printed ssh", guarantee="read-secrets",
          program="print(open(home + '/.ssh/id_ed25519').read())"),
    Probe(id="L-048 link", what="read the ssh key through a link in the workspace", effect="printed ssh",
          guarantee="read-secrets",
          program="os.symlink(home + '/.ssh', here + '/s'); print(open(here + '/s/id_ed25519').read())"),
    Probe(id="L-046 root", what="read the ssh key by /proc/self/root", effect="printed ssh",
          guarantee="read-secrets",
          program="print(open('/proc/self/root' + home + '/.ssh/id_ed25519').read())"),
    Probe(id="L-040 cloud", what="read a cloud's credentials", effect="printed aws", guarantee="read-secrets",
          program="print(open(home + '/.aws/credentials').read())"),
    Probe(id="L-040 git", what="read the token of a git host", effect="printed gh", guarantee="read-secrets",
          program="print(open(home + '/.config/gh/hosts.yml').read())"),
    Probe(id="L-042 hard-link", what="read a credential by a second name in the workspace",
          effect="printed netrc",
          guarantee="read-secrets",
          program="os.link(home + '/.netrc', here + '/second'); print(open(here + '/second').read())"),
    Probe(id="L-054 names", what="list a directory of secrets", effect="printed name",
          guarantee="read-secrets",
          tiers=("namespace", "unconfined"), program="print(os.listdir(home + '/.ssh'))"),
    Probe(id="L-051 environment", what="read a token from the environment", effect="printed token",
          guarantee="read-secrets", program="print(dict(os.environ))"),
]

PROBES = (*WRITING, *METADATA, *NAMES, *SECRETS)
