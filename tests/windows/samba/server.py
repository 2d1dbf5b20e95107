"""A Samba server of our own on a loopback port, with its own directories and three accounts of this test's.

Knows: smbd's configuration, users and groups of this machine.  Must not know: descriptors.  What is started here is
ended here by its process id; users and groups that are made here are removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PASSWORD = "Xq7!probe-pass"
_OWN = f"swt{os.getpid():x}"
USER, BOX, CAP = f"{_OWN}u", f"{_OWN}b", f"{_OWN}c"
"""The real user; the sandbox's account by its group; one that has the capability of a policy in its token.  Each
process of tests has its own."""
DEADLINE = 20.0

CONFIGURATION = """
[global]
workgroup = SIDEWALL
server role = standalone server
netbios name = SIDEWALLTEST
security = user
passdb backend = tdbsam:{base}/private/passdb.tdb
private dir = {base}/private
state directory = {base}/state
lock directory = {base}/lock
cache directory = {base}/cache
pid directory = {base}/pid
ncalrpc dir = {base}/ncalrpc
log file = {base}/log.smbd
interfaces = 127.0.0.1/8
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
load printers = no
disable spoolss = yes
map to guest = never
server min protocol = SMB3
rpc_server:default = disabled

[disk]
path = {share}
read only = no
vfs objects = acl_xattr streams_xattr
acl_xattr:ignore system acls = yes
map acl inherit = yes
store dos attributes = yes
inherit owner = no
follow symlinks = no
"""


def why_not() -> str:
    """Why there can be no server here, '' when there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "a Samba server with users of its own needs root"
    if not any(Path(place).glob("**/vfs/acl_xattr.so") for place in ("/usr/lib", "/usr/lib64")):
        return "Samba's module acl_xattr is not here (apt-get install samba-vfs-modules)"
    for program in ("smbd", "smbpasswd", "pdbedit", "net", "useradd", "userdel", "groupadd", "groupdel"):
        if shutil.which(program) is None:
            return f"{program} is not here (apt-get install samba)"
    return ""


def run(*command: str, text: str = "") -> str:
    """A program with a deadline; its output.  Raises CalledProcessError."""
    return subprocess.run(command, input=text, text=True, check=True, timeout=DEADLINE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


class Server:
    """A running server.  ``share`` is its directory, ``sids`` those of its accounts by name."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.share = base / "share"
        self.sids: dict[str, str] = {}
        self._made: list[tuple[str, str]] = []
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._conf = str(base / "smb.conf")

    def start(self) -> None:
        """Makes the accounts and starts."""
        for name in ("private", "state", "lock", "cache", "pid", "ncalrpc", "share"):
            (self.base / name).mkdir(mode=0o755)
        self.base.chmod(0o755)
        self.share.chmod(0o1777)
        Path(self._conf).write_text(CONFIGURATION.format(base=self.base, share=self.share, port=self.port))
        for name in (USER, BOX, CAP):
            run("useradd", "--no-create-home", "--no-user-group", "--shell", "/usr/sbin/nologin", name)
            self._made.append(("userdel", name))
            run("smbpasswd", "-c", self._conf, "-s", "-a", name, text=f"{PASSWORD}\n{PASSWORD}\n")
            told = run("pdbedit", "-s", self._conf, "-v", "-u", name)
            self.sids[name] = next(line.split()[-1] for line in told.splitlines() if line.startswith("User SID:"))
        self._process = subprocess.Popen(
            ["smbd", "--foreground", "--no-process-group", "-s", self._conf], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.base / "log.smbd").read_text()[-2000:]) from None
                time.sleep(0.05)

    def map(self, sid: str, member: str) -> None:
        """From its next session on, the token of ``member`` holds this SID."""
        name = f"{_OWN}g{len(self._made)}"
        run("groupadd", name)
        self._made.append(("groupdel", name))
        run("usermod", "-a", "-G", name, member)
        run("net", "-s", self._conf, "groupmap", "add", f"sid={sid}", f"unixgroup={name}", "type=local")

    def stop(self) -> None:
        """Ends the server with what it started, and removes the accounts."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        for program, name in reversed(self._made):
            subprocess.run([program, name], check=False, timeout=DEADLINE, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
