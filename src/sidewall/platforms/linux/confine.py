"""Giving up power, for good: capabilities, privileges, dumps, resource limits, and the cell's namespaces.

Knows: prctl(2), capset(2), setrlimit(2), clone(2), user_namespaces(7).  Must not know: mounts or policy.
"""

from __future__ import annotations

import os
import struct

from sidewall.platforms.linux import native, syscalls
from sidewall.platforms.linux.syscalls import prctl

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_GET_SECCOMP = 21
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

# NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and KEEP_CAPS off, each locked (capabilities(7)).
_SECUREBITS = 0xEF

_RESERVED_PIDS = 300
_ALLOW = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
"""A filter of one instruction, BPF_RET: everything is allowed."""

CLONE_NEWTIME = 0x80
CLONE = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
         "pid": 0x20000000, "net": 0x40000000}
SIGCHLD = 17


_CAPABILITIES_3 = struct.pack("=Ii", 0x20080522, 0)
"""struct __user_cap_header_struct, capset(2): version 3, this thread."""


def fork_into(kinds: tuple[str, ...]) -> int:
    """clone(2) of this single-threaded process into new namespaces: 0 in the child, else its pid.  Raises OSError."""
    flags = SIGCHLD
    for kind in kinds:
        flags |= CLONE[kind]
    return syscalls.call("clone", flags, 0, 0, 0, 0)


def write_id_maps(pid: int, *, full: bool) -> None:
    """Maps ids of a child's new user namespace to themselves: all of them (root), or the user's own only."""
    user, group = os.geteuid(), os.getegid()
    maps: tuple[tuple[str, str], ...]
    if full:
        maps = (("uid_map", "0 0 4294967295"), ("gid_map", "0 0 4294967295"))
    else:
        maps = (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"))
    for name, text in maps:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def landlock_abi() -> int:
    """The Landlock ABI of the running kernel; 0 when it is absent or switched off at boot."""
    try:
        return syscalls.call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def can_notify(own_users: bool) -> bool:
    """Whether a filter of ours can hand a call to another process: the kernel knows how (seccomp(2),
    SECCOMP_GET_ACTION_AVAIL), no filter that is already in force does so, since there can be one listener only, and the
    keeper may take a program's socket.  ``own_users``: the cell has a user namespace of its own."""
    if not may_trace(_ptrace_scope(), own_users=own_users, root=os.geteuid() == 0):
        return False
    try:
        syscalls.call("seccomp", 2, 0, struct.pack("=I", 0x7FC00000))
        filtered = prctl(PR_GET_SECCOMP) == 2
    except OSError:
        return False
    return not filtered or _can_listen()


def may_trace(scope: str, *, own_users: bool, root: bool) -> bool:
    """Whether Yama (Documentation/admin-guide/LSM/Yama.rst) lets the keeper at the descriptors of the cell's programs:
    they descend from it, which 1 asks for; 2 asks for a capability, which it has over a user namespace that it made."""
    return scope in ("", "0", "1") or (scope == "2" and (own_users or root))


def _ptrace_scope() -> str:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as setting:
            return setting.read().strip()
    except OSError:
        return ""


def _can_listen() -> bool:
    """Tries it, in a child: a filter stays for good.  Only where one is in force, as in a container."""
    from sidewall.platforms.linux import seccomp

    pid = os.fork()
    if pid == 0:
        try:
            no_new_privileges()
            seccomp.install(_ALLOW, listen=True)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def die_with_parent() -> None:
    """SIGKILL when the parent's thread ends; the caller checks that it has not ended before."""
    prctl(PR_SET_PDEATHSIG, 9)


def hide_memory() -> None:
    """Not dumpable: no process of the same user may read this one's memory, environment or descriptors."""
    prctl(PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """From here on execve(2) grants nothing: set-uid bits and file capabilities are inert."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Empties the bounding, ambient, permitted, effective and inheritable sets, and locks the secure bits."""
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError:
        pass
    try:
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)
    except OSError as error:
        # EINVAL: past the last capability.  EPERM: none is held (no user namespace), so none can be gained either.
        if error.errno not in (1, 22):
            raise
    try:
        prctl(PR_SET_SECUREBITS, _SECUREBITS)
    except OSError as error:
        if error.errno != 1:
            raise
    syscalls.call("capset", _CAPABILITIES_3, bytes(24))


_RLIMIT = struct.Struct("=QQ")
"""struct rlimit64, getrlimit(2): soft and hard."""


def limit(limits: list[tuple[int, int]]) -> None:
    """setrlimit(2) for each (resource, value), soft and hard alike, never above the present hard limit."""
    for number, value in limits:
        present = native.buffer(_RLIMIT.size)
        syscalls.check(syscalls.libc.getrlimit(number, present), "getrlimit")
        bounded = min(value, _RLIMIT.unpack(present.raw)[1])
        syscalls.check(syscalls.libc.setrlimit(number, _RLIMIT.pack(bounded, bounded)), "setrlimit")


def limit_tasks(count: int) -> None:
    """Bounds this pid namespace: its pid_max counts every task, root's too (Linux 6.14 and later).  Raises OSError.

    The numbers below RESERVED_PIDS are given out once, at the beginning, and not again when numbers wrap around.  To
    begin above them takes a kernel with checkpoint/restore; without, the report says what that means.
    """
    for name, value in (("ns_last_pid", _RESERVED_PIDS), ("pid_max", count + _RESERVED_PIDS)):
        try:
            setting = os.open(f"/proc/sys/kernel/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name == "pid_max":
                raise
            continue
        os.write(setting, str(value).encode())
        os.close(setting)


def share_watches(proc: int) -> None:
    """Bounds how many files this user namespace may watch (inotify), by ``proc``, a /proc: half of what the user has in
    all, so that the user's editor is left some.  Where that cannot be set, it stays."""
    for name in ("instances", "watches"):
        try:
            with open(f"/proc/sys/fs/inotify/max_user_{name}", "rb") as whole:
                share = int(whole.read()) // 2
            setting = os.open(f"sys/user/max_inotify_{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        except OSError:
            continue
        try:
            os.write(setting, b"%d" % share)
        except OSError:
            continue
        finally:
            os.close(setting)


def loopback_up() -> None:
    """Brings up ``lo`` in this network namespace (netdevice(7))."""
    import _socket

    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC, 0)
    request = native.buffer(40, struct.pack("=16sh", b"lo", 0x1 | 0x40))
    syscalls.check(syscalls.libc.ioctl(probe.fileno(), native.ulong(0x8914), request), "ioctl SIOCSIFFLAGS")
    probe.close()
