"""Probes for Windows that are about files and the registry: outside, in the workspace, and secret ones.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks-windows.md.
"""

from __future__ import annotations

from sidewall.verify.probe import Probe

CANARY = "content {outside}/canary"
CHANGED = "changed {outside}/canary"

CALL = """
import ctypes
from ctypes import wintypes
def call(library, name, *words, result=wintypes.BOOL):
    function = getattr(ctypes.WinDLL(library, use_last_error=True), name)
    function.restype = result
    got = function(*[ctypes.c_void_p(word) if isinstance(word, int) else word for word in words])
    if not got:
        raise ctypes.WinError(ctypes.get_last_error())
    return got
"""
"""``call(library, function, ...)`` for programs that need one that Python does not have; integers go as pointers."""

_JUNCTION = """
import _winapi
_winapi.CreateJunction(outside, here + "\\\\way")
open(here + "/way/new", "w").write(nonce)
"""
_REGISTRY = """
import winreg
key = winreg.OpenKey(winreg.HKEY_CURRENT_USER, registry, access=winreg.KEY_SET_VALUE)
winreg.SetValueEx(key, nonce, 0, 1, nonce)
"""
_CLASSES = """
import winreg
verb = registry + "\\\\shell\\\\open\\\\command"
key = winreg.CreateKeyEx(winreg.HKEY_CURRENT_USER, verb, access=winreg.KEY_SET_VALUE)
winreg.SetValueEx(key, nonce, 0, 1, nonce)
"""
_REPLACE = """
open(here + "/mine", "w").write(nonce)
os.replace(here + "/mine", outside + "/canary")
"""
_HARD_LINK = """
os.link(outside + "/canary", here + "/second")
open(here + "/second", "w").write(nonce)
"""
_LONG_NAME = r"open('\\\\?\\' + outside + r'\canary', 'w').write(nonce)"
_SHARE = """
drive, path = os.path.splitdrive(outside)
open(f"\\\\\\\\localhost\\\\{drive[0]}${path}\\\\canary", "w").write(nonce)
"""


def _outside(row: str, what: str, program: str, effect: str = CANARY, *, source: str = "") -> Probe:
    return Probe(id=row, guarantee="write-outside", what=what, program=program, effect=effect, source=source)


WRITING = [
    _outside("W-FSN-01 write", "write to a file outside", "open(outside + '/canary', 'w').write(nonce)"),
    _outside("W-FSN-01 create", "create a file outside", "open(outside + '/new', 'w').write(nonce)",
             "exists {outside}/new"),
    _outside("W-FSN-01 directory", "create a directory outside", "os.mkdir(outside + '/made')",
             "exists {outside}/made"),
    _outside("W-FSN-01 truncate", "truncate a file outside", "os.truncate(outside + '/canary', 0)", CHANGED),
    _outside("W-FSN-01 replace", "replace a file outside by one of the workspace", _REPLACE),
    _outside("W-FSN-02 name", "write outside by a name for the object manager", _LONG_NAME),
    _outside("W-FSN-03 share", "write outside by a share of this machine", _SHARE),
    _outside("W-FSN-05 stream", "write beside the content of a file outside",
             "open(outside + '/canary:more', 'w').write(nonce)",
             "content {outside}/canary:more"),
    _outside("W-WWR-07 delete", "delete a file outside", "os.remove(outside + '/canary')",
             "gone {outside}/canary"),
    _outside("W-WWR-07 rename", "rename a file outside", "os.rename(outside + '/canary', outside + '/moved')",
             "gone {outside}/canary"),
    _outside("W-LNK-01 junction", "write outside through a junction in the workspace", _JUNCTION,
             "exists {outside}/new"),
    _outside("W-LNK-02 link", "write outside through a symbolic link in the workspace",
             "os.symlink(outside + '/canary', here + '/link'); open(here + '/link', 'w').write(nonce)"),
    _outside("W-LNK-03 hard-link", "write outside by a second name in the workspace", _HARD_LINK),
    _outside("W-WWR-04 temporary", "change another program's file in the temporary directory",
             "open(shared, 'a').write(nonce)", "content {shared}"),
    _outside("W-REG-01 value", "set a value in the user's registry", _REGISTRY, "received registry"),
    _outside("W-REG-02 verb", "add a verb to a class of the user's", _CLASSES, "received registry"),
    _outside("W-REG-03 profile", "append to a shell's profile", "open(home + '/.bashrc', 'a').write(nonce)",
             "content {home}/.bashrc"),
]

METADATA = [
    Probe(id="W-FSN-01 times", guarantee="metadata-outside", what="set the times of a file outside",
          effect=CHANGED,
          program="os.utime(outside + '/canary', (1000000000, 1000000000))"),
    Probe(id="W-FSN-01 attributes", guarantee="metadata-outside", what="hide a file outside", effect=CHANGED,
          source=CALL, program="call('kernel32', 'SetFileAttributesW', outside + '\\\\canary', 2)"),
    Probe(id="W-FSN-01 mode", guarantee="metadata-outside", what="make a file outside read-only",
          effect=CHANGED,
          program="os.chmod(outside + '/canary', 0o400)"),
    Probe(id="W-WWR-06 list", guarantee="metadata-outside", what="change the access list of a file outside",
          effect=CHANGED, source="import subprocess\n",
          program="subprocess.run(['icacls', outside + '\\\\canary', '/grant', '*S-1-1-0:R'], check=True)"),
]


def _named(row: str, what: str, program: str, path: str) -> Probe:
    return Probe(id=row, what=what, guarantee="protected-names", program=program, alone=True,
                 effect=f"content {{workspace}}/{path}")


_TASKS = """
os.makedirs(workspace + "/.vscode", exist_ok=True)
open(workspace + "/.vscode/tasks.json", "w").write(nonce)
"""
_AWAY = """
os.rename(workspace + "/.git", workspace + "/" + nonce)
os.mkdir(workspace + "/.git")
open(workspace + "/.git/config", "w").write(nonce)
"""

NAMES = [
    _named("W-DEL-01 hook", "plant a hook that the user's next commit runs",
           "open(workspace + '/.git/hooks/post-commit', 'w').write(nonce)", ".git/hooks/post-commit"),
    _named("W-DEL-01 config", "change the repository's configuration",
           "open(workspace + '/.git/config', 'a').write(nonce)", ".git/config"),
    _named("W-DEL-01 spelling", "change that by another spelling of its name",
           "open(workspace + '/.GIT/CONFIG', 'a').write(nonce)", ".git/config"),
    _named("W-DEL-01 away", "rename .git away, put another in its place", _AWAY, ".git/config"),
    _named("W-DEL-03 agent", "change an agent's settings",
           "open(workspace + '/.claude/settings.json', 'a').write(nonce)", ".claude/settings.json"),
    _named("W-WWR-08 settings", "create an editor's tasks", _TASKS, ".vscode/tasks.json"),
    _named("W-WWR-08 policy", "create a policy in the workspace",
           "open(workspace + '/sidewall.toml', 'w').write(nonce)", "sidewall.toml"),
]

SECRETS = [
    Probe(id="W-SEC-01 key", what="read the ssh key", effect="printed ssh", guarantee="read-secrets",
          program="print(open(home + '/.ssh/id_ed25519').read())"),
    Probe(id="W-SEC-01 cloud", what="read a cloud's credentials", effect="printed aws",
          guarantee="read-secrets",
          program="print(open(home + '/.aws/credentials').read())"),
    Probe(id="W-SEC-01 git", what="read the token of a git host", effect="printed gh",
          guarantee="read-secrets",
          program="print(open(home + '/.config/gh/hosts.yml').read())"),
    Probe(id="W-SEC-01 name", what="read a key by a name for the object manager", effect="printed ssh",
          guarantee="read-secrets",
          program=r"print(open('\\\\?\\' + home + r'\.ssh\id_ed25519').read())"),
    Probe(id="W-SEC-10 names", what="list a directory of secrets", effect="printed name",
          guarantee="read-secrets",
          program="print(os.listdir(home + '/.ssh'))"),
    Probe(id="W-SEC-06 environment", what="read a token from the environment", effect="printed token",
          guarantee="read-secrets", program="print(dict(os.environ))"),
]

PROBES = (*WRITING, *METADATA, *NAMES, *SECRETS)
