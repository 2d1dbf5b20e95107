"""The program that becomes a cell: one fresh interpreter that splits into the keeper (outside) and init (inside).

Knows: the order of the beginning: descriptors, namespaces, the report to the owner, then the plan's operations, then
the loss of all power, then commands.  Must not know: policy, sessions.  Imports the standard library and this room
only, and is started with ``-I -S`` and an empty environment, so that nothing of the caller is in its memory.

Descriptors: 3 is the administration socket (owner and keeper), 4 the control socket (owner and init); both keep
message boundaries.  Only the owner's messages are in marshal format; what init sends once commands run is of fixed
shape, because a compromised init must not be able to choose how its owner parses.
"""

from __future__ import annotations

import _socket
import gc
import marshal
import os
import posix

from sidewall.platforms.linux import build, confine, mounts, native, stage, syscalls, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from sidewall.platforms.linux.spawner import Spawner
else:
    import _signal

ADMINISTRATION, CONTROL = 3, 4
NETLINK_SOCK_DIAG = 4
NODES = ("null", "zero", "full", "random", "urandom", "tty")


def wipe_environment() -> None:
    """Overwrites the environment in this process's memory: where the kernel put it (proc(5), stat, env_start) and
    in the interpreter's own copies."""
    memset = native.function("memset", "piL", "p")
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    memset(start, 0, end - start)
    head = bytes.__basicsize__ - 1
    for copies in (os.environ._data, posix.environ):  # type: ignore[attr-defined]
        for value in copies.values():
            if isinstance(value, bytes) and len(value) > 1:
                memset(id(value) + head, 0, len(value))
        copies.clear()


def main(owner: int, wanted: str) -> None:
    """Entry: ``owner`` is the owner's pid, ``wanted`` the namespaces to make, comma-separated ('' for none)."""
    kinds = tuple(kind for kind in wanted.split(",") if kind)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > CONTROL:
            try:
                os.close(int(name))
            except OSError:
                continue
    os.setsid()
    os.chdir("/")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGPIPE):
        _signal.signal(number, _signal.SIG_IGN)
    # An owner that ignores it would keep us from ever learning how a child ended.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    syscalls.prctl(confine.PR_SET_NAME, *_name(b"sidewall"))
    syscalls.prctl(confine.PR_SET_CHILD_SUBREAPER, 1)
    for descriptor in (ADMINISTRATION, CONTROL):
        os.set_inheritable(descriptor, False)
    outside, inside = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    refused = ""
    try:
        pid = confine.fork_into(kinds)
    except OSError as error:
        refused = syscalls.errno_name(error.errno or 0)
        kinds = ()
        pid = confine.fork_into(())
    if pid == 0:
        outside.close()
        os.close(ADMINISTRATION)
        _inside(inside, kinds, refused)
    inside.close()
    os.close(CONTROL)
    status = b"ok"
    if "user" in kinds:
        try:
            confine.write_id_maps(pid, full=_may_map_all())
        except OSError as error:
            status = syscalls.errno_name(error.errno or 0).encode()
    outside.send(status)
    # Only now: init does not wait for what only the keeper needs.
    from sidewall.platforms.linux import keeper

    # While everything is imported there is nothing to collect; from here on it is a long life.
    gc.enable()
    keeper.Keeper(owner, pid, ADMINISTRATION, outside).run()


def _name(text: bytes) -> tuple[int]:
    buffer = native.buffer(len(text) + 1, text)
    _KEPT.append(buffer)
    return (native.addressof(buffer),)


_KEPT: list[object] = []


def _may_map_all() -> bool:
    """Whether this process may map every id: it is root and holds CAP_SETUID and CAP_SETGID where it lives."""
    if os.geteuid() != 0:
        return False
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                return int(line[7:], 16) & 0xC0 == 0xC0
    return False


def _inside(link: _socket.socket, kinds: tuple[str, ...], refused: str) -> None:
    """Init, from its first instruction on.  Never returns."""
    control = _socket.socket(fileno=CONTROL)
    here = stage.Stage()
    code = 1
    try:
        confine.die_with_parent()
        if "pid" not in kinds:
            # The keeper is one too, but does not wait for orphans before the end.
            syscalls.prctl(confine.PR_SET_CHILD_SUBREAPER, 1)
        ready = link.recv(64)
        if not ready or _has_ended(link):
            # The keeper ended before its end could reach us by signal.
            return
        if ready != b"ok":
            refused = refused or ready.decode() or "EIO"
        builder = build.Builder()
        report = _look_around(builder, kinds, refused)
        control.send(marshal.dumps(report))
        # While the owner makes its plan: what is needed after it.
        from sidewall.platforms.linux import landlock, seccomp, spawner  # noqa: F401

        plan, _descriptors = wire.receive_request(control)
        if plan is not None:
            _become(plan, builder, control, link, here)
            code = 0
    except build.StepFailed as failure:
        here.at(failure.operation, failure.path)
        here.tell(control, failure.error)
    except Exception as error:
        here.tell(control, error)
    finally:
        os._exit(code)


def _has_ended(link: _socket.socket) -> bool:
    try:
        return not link.recv(1, _socket.MSG_DONTWAIT | _socket.MSG_PEEK)
    except BlockingIOError:
        return False


def _look_around(builder: build.Builder, kinds: tuple[str, ...], refused: str) -> dict[str, object]:
    """What needs no plan, and what the owner wants to know before it makes one: which steps this kernel carries out."""
    report: dict[str, object] = {"kinds": kinds, "refused": refused, "landlock": confine.landlock_abi(),
                                 "notify": confine.can_notify("user" in kinds),
                                 "overlay": "none",
                                 "pid": os.getpid()}
    try:
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as score:
            score.write("300")
    except OSError:
        report["oom"] = "unchanged"
    if "mount" not in kinds or refused:
        return report
    step = "mount propagation"
    try:
        mounts.propagation(mounts.MS_PRIVATE)
        step = "mount proc"
        builder.take_proc()
        if "user" in kinds:
            confine.share_watches(builder.proc)
        step = "mount tmpfs"
        builder.take_nodes(NODES)
        builder.take_dev()
        build.prepare_void()
        if "net" in kinds:
            step = "loopback"
            confine.loopback_up()
        report["overlay"] = build.overlay_works()
    except OSError as error:
        report["refused"] = f"{step}: {syscalls.errno_name(error.errno or 0)}"
    return report


def _become(plan: dict[str, Any], builder: build.Builder, control: _socket.socket, link: _socket.socket,
            here: stage.Stage) -> None:
    """Carries out the plan, gives up every power, then serves commands until the owner is gone."""
    from sidewall.platforms.linux import landlock, seccomp, spawner

    operations: list[build.Operation] = plan["operations"]
    builder.run(operations)
    listening: list[int] = []
    if plan["ports"]:
        here.at("ports", ", ".join(map(str, plan["ports"])))
        from sidewall.platforms.linux import relay

        # Low ports need a capability that is about to go.
        listening = relay.listen(plan["ports"])
    os.umask(int(plan["umask"]))
    here.at("workspace", os.fsdecode(plan["cwd"]))
    os.chdir(plan["cwd"])
    here.at("limits")
    confine.limit(plan["limits"])
    here.at("privileges")
    if plan["privileges"]:
        confine.hide_memory()
        confine.no_new_privileges()
        confine.drop_capabilities()
    here.at("landlock")
    if plan["landlock"]:
        version, fs, net, scope, rules = plan["landlock"]
        landlock.restrict(version, fs, net, scope, rules)
    here.at("commands")
    gc.disable()
    server: Spawner = spawner.Spawner(control)
    asking: list[int] = []
    if plan["mediate"]:
        # What ``listeners.question`` makes, of this network namespace, into which the keeper cannot look.
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
        asking = [_socket.socket(_socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG).detach()]
    here.at("filter")
    listener = -1
    if plan["filter"]:
        listener = seccomp.install(plan["filter"], listen=bool(plan["mediate"]))
    here.at("answers")
    if listener >= 0 or listening:
        # An ordinary user's keeper cannot look at our namespaces any more: our memory is hidden.
        told = {"mounts": builder.open_mounts, "processes": os.readlink("/proc/self/ns/pid"),
                "network": os.readlink("/proc/self/ns/net"), "names": plan["names"], "lent": builder.lent_sockets,
                "listening": len(listening), "asks": listener >= 0}
        wire.send(link, b"L" + marshal.dumps(told), [*([listener] if listener >= 0 else ()), *asking, *listening])
        if listener >= 0:
            os.close(listener)
    link.close()
    wire.send(control, b"R", [os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), *builder.git_layers])
    # Descriptors of the host's directories, from before they were covered, end here.
    kept = {0, 1, 2, control.fileno(), server.signals}
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue
    server.serve()
