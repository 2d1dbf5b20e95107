"""Init's work once the cell stands: start commands, reap everything, report ends, deliver signals.

Knows: posix_spawn, descriptors over a socket, /proc of its own cell.  Must not know: why a command runs.
Everything here runs confined like the commands themselves: this process has the same filters and no capability.
"""

from __future__ import annotations

import _socket
import os
import select
import struct

from sidewall.platforms.linux import syscalls, terminals, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any
else:
    import _signal

_DEFAULTED = [_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT]
_ALL = [number for number in range(1, 65) if number not in (9, 19, 32, 33)]
"""All that can be set but the C library's own two.  It asks after each one that is not named (and then sets it): naming
them saves sixty system calls a command."""
_STAYING = (_signal.SIGKILL, _signal.SIGSTOP, _signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)
EINVAL = 22
_HEADROOM = 8
"""Descriptors kept free: a request must always arrive whole."""


class Spawner:
    """Serves requests from the control socket until it closes; then returns, and the cell ends with the process."""

    def __init__(self, control: _socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[int, int, int]] = {}
        self._channels: dict[int, int] = {}
        self._by_token: dict[int, int] = {}
        self._environment: dict[bytes, bytes] = {}
        self.signals = child_signals()
        # wait4's first result imports this module; afterwards nothing may need the disk.
        import resource

        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def serve(self) -> None:
        """The loop.  Returns when the owner's side of the control socket is gone."""
        poll = select.poll()
        control = self._control.fileno()
        poll.register(control, select.POLLIN)
        poll.register(self.signals, select.POLLIN)
        while True:
            for descriptor, _events in poll.poll():
                if descriptor == self.signals:
                    self._reap()
                elif not self._request():
                    self._end_everything()
                    return

    def _request(self) -> bool:
        request, descriptors = wire.receive_request(self._control)
        if request is None:
            return False
        name, *arguments = request
        if name == "start":
            self._start(descriptors, *arguments)
        elif name == "signal":
            self._signal(*arguments)
        elif name == "calm":
            self._calm(descriptors[0])
        return True

    def _start(self, descriptors: list[int], token: int, channel: int, argv: list[bytes],
               known: dict[bytes, bytes] | None, cwd: bytes, size: tuple[int, int] | None, confirm: bool) -> None:
        stdio = 3 if size is None else 0
        status = descriptors[stdio] if len(descriptors) > stdio else self._channels[channel]
        if channel >= 0:
            self._open_channel(channel, status)
        env = self._environment = self._environment if known is None else known
        master = -1
        which = wire.OF_PROGRAM
        try:
            if 0 <= self._most < status + _HEADROOM:
                raise OSError(wire.EMFILE, "too many commands at once")
            which = wire.OF_DIRECTORY
            os.chdir(cwd)
            which = wire.OF_PROGRAM
            program = _find(argv[0], env)
            if channel < 0 and size is None:
                pid = terminals.start_on(descriptors[0], program, argv, env, _DEFAULTED)
            else:
                if size is None:
                    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, descriptor, number)
                                                      for number, descriptor in enumerate(descriptors[:3])]
                else:
                    master, terminal = terminals.open_terminal(size)
                    actions = [(os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0), (os.POSIX_SPAWN_DUP2, 0, 1),
                               (os.POSIX_SPAWN_DUP2, 0, 2)]
                pid = os.posix_spawn(program, argv, env, file_actions=actions, setsid=True, setsigmask=[],
                                     setsigdef=_ALL)
        except (OSError, ValueError) as error:
            errno = (error.errno or 5) if isinstance(error, OSError) else EINVAL
            if errno == wire.EMFILE:
                # The owner does not use this channel again.
                self._channels.pop(channel, None)
            self._tell_end(channel, status, wire.REPLY.pack(wire.FAILED, errno, which, 0, 0, 0))
        else:
            self._running[pid] = (token, channel, status)
            self._by_token[token] = pid
            if channel < 0:
                terminals.send_master(status, wire.REPLY.pack(wire.STARTED, pid, 0, 0, 0, 0), master)
            elif confirm:
                _tell(status, wire.REPLY.pack(wire.STARTED, pid, 0, 0, 0, 0))
        finally:
            if master >= 0:
                os.close(master)
            for descriptor in descriptors[:stdio]:
                os.close(descriptor)

    def _open_channel(self, channel: int, status: int) -> None:
        """The owner numbers channels by its own descriptors: a number that comes again means the old one is closed
        there.  Here a command that still runs closes it at its end."""
        before = self._channels.get(channel, status)
        self._channels[channel] = status
        if before != status and all(entry[2] != before for entry in self._running.values()):
            os.close(before)

    def _tell_end(self, channel: int, status: int, reply: bytes) -> None:
        """The last word on a status descriptor for this command; it stays open while its channel may serve another."""
        heard = _tell(status, reply)
        if self._channels.get(channel) != status:
            os.close(status)
        elif not heard:
            del self._channels[channel]
            os.close(status)

    def _reap(self) -> None:
        """Everything that has ended; the first end is told before the signal is read, since its owner waits."""
        unread = True
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                if not unread:
                    return
                try:
                    os.read(self.signals, 1024)
                except BlockingIOError:
                    # It was read on another occasion.
                    pass
                unread = False
                continue
            entry = self._running.pop(pid, None)
            if entry is None:
                continue
            token, channel, status_channel = entry
            self._by_token.pop(token, None)
            user, system = int(usage.ru_utime * 1e6), int(usage.ru_stime * 1e6)
            self._tell_end(channel, status_channel,
                           wire.REPLY.pack(wire.ENDED, pid, status, user, system, usage.ru_maxrss))

    def _calm(self, status: int) -> None:
        """Says whether nothing runs in the cell but this process.  What was asked for before has been started by now,
        and without children there is nobody: a process whose parent ends becomes our child."""
        # No directory of a command's is held meanwhile.
        os.chdir("/")
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._reap()
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            children = 1
        except ChildProcessError:
            children = 0
        _tell(status, wire.REPLY.pack(wire.CALM, children, 0, 0, 0, 0))
        os.close(status)

    def _signal(self, token: int, number: int, tree: bool) -> None:
        pid = self._by_token.get(token)
        if pid is None:
            return
        # The child is ours and not reaped yet, so its number cannot have been given to another process.
        # Orphans are told apart by their age, which says nothing of who started them while several commands run.
        orphans = number == _signal.SIGKILL and len(self._running) == 1
        targets = _tree(pid, orphans_of=os.getpid() if orphans else 0) if tree else [pid]
        for target in targets:
            try:
                os.kill(target, number)
                if tree and number not in _STAYING:
                    # It was stopped to be counted.
                    os.kill(target, _signal.SIGCONT)
            except OSError:
                continue

    def _end_everything(self) -> None:
        """Kills all descendants.  In a pid namespace the kernel does it when this process ends; elsewhere orphans
        become our children (PR_SET_CHILD_SUBREAPER), so killing children until there is none reaches all."""
        while has_children():
            for pid in children_of(os.getpid()):
                try:
                    os.kill(pid, _signal.SIGKILL)
                except OSError:
                    continue
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def child_signals() -> int:
    """A descriptor that tells of children that ended or were stopped (signalfd(2)); SIGCHLD is blocked from now on."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
    mask = struct.pack("=Q", 1 << (_signal.SIGCHLD - 1))
    return syscalls.call("signalfd4", -1, mask, len(mask), os.O_CLOEXEC | os.O_NONBLOCK)


def _tell(status: int, reply: bytes) -> bool:
    """Whether somebody could hear it: the owner may have closed its side, and the command went on without it."""
    try:
        os.write(status, reply)
    except OSError:
        return False
    return True


def _find(program: bytes, env: dict[bytes, bytes]) -> bytes:
    """execvp(3)'s search with the command's own PATH.  Raises FileNotFoundError or PermissionError."""
    if not program:
        raise FileNotFoundError(2, "empty program name")
    if b"/" in program:
        return program
    paths = [(directory or b".") + b"/" + program
             for directory in env.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin").split(b":")]
    for path in paths:
        # access(2) first: it tells without raising, and most directories do not have the program.
        if os.access(path, os.X_OK) and os.stat(path).st_mode & 0o170000 == 0o100000:
            return path
    for path in paths:
        if os.access(path, os.F_OK) and not os.access(path, os.X_OK):
            raise PermissionError(13, "found, not executable")
    raise FileNotFoundError(2, "not found in PATH")


def _processes() -> list[tuple[int, int, int, int]]:
    """(pid, parent, session, start in clock ticks) of every process that /proc shows (proc(5), stat)."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found.append((int(name), int(fields[1]), int(fields[3]), int(fields[19])))
    return found


def has_children() -> bool:
    """Whether this process has any, ended ones included: one call, where ``children_of`` reads all of /proc."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children_of(parent: int) -> list[int]:
    """Direct children of a process, as /proc shows them."""
    return [pid for pid, its_parent, _session, _start in _processes() if its_parent == parent]


def _tree(root: int, orphans_of: int = 0) -> list[int]:
    """``root``, its descendants, and its session's members, stopped first so that none escapes by forking.

    ``orphans_of``: also what became a child of this process and is younger than ``root``, as a daemon of it does.
    """
    known: list[int] = []
    since = next(((start, pid) for pid, _parent, _session, start in _processes() if pid == root), None)
    for _round in range(64):
        members = {root}
        processes = _processes()
        grown = True
        while grown:
            grown = False
            for pid, parent, session, start in processes:
                late = since is not None and 0 < orphans_of == parent and (start, pid) > since
                if pid not in members and (parent in members or session == root or late):
                    members.add(pid)
                    grown = True
        fresh = [pid for pid in members if pid not in known]
        if not fresh:
            break
        for pid in fresh:
            known.append(pid)
            try:
                os.kill(pid, _signal.SIGSTOP)
            except OSError:
                continue
    return known
