"""The keeper: a small process outside the cell that ends it, cleans up after it, and answers for unix sockets.

Knows: the owner (by pidfd and by its socket), init's pid, what to remove at the end.  Must not know: policy.
It outlives an owner that was killed, so that nothing of the cell does: no process, no placeholder, no cgroup.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select

from sidewall.platforms.linux import confine, lease, mediator, spawner, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


class Keeper:
    """Runs until the owner or init is gone, or the owner says so; then nothing of the cell is left."""

    def __init__(self, owner: int, init: int, administration: int, link: _socket.socket) -> None:
        self._administration = _socket.socket(fileno=administration)
        self._init = init
        self._link: _socket.socket | None = link
        self._mediator: mediator.Mediator | None = None
        self._leases: list[tuple[int, int, str]] = []
        self._cgroup = ""
        self._ending = False
        self._asked = False
        self._init_status: int | None = None
        self._temporary = ""
        try:
            self._owner = os.pidfd_open(owner)
        except OSError:
            self._owner = -1
        confine.hide_memory()

    def run(self) -> None:
        """The loop, then the end.  Never returns."""
        try:
            if self._owner >= 0:
                self._watch()
        finally:
            try:
                self._end()
            finally:
                os._exit(0)

    def _watch(self) -> None:
        poll = select.poll()
        init = os.pidfd_open(self._init)
        administration = self._administration.fileno()
        link = self._link.fileno() if self._link else -1
        children = spawner.child_signals()
        self._go_on()
        for descriptor in (self._owner, init, administration, link, children):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, events in poll.poll():
                if descriptor in (self._owner, init):
                    self._asked = descriptor == self._owner
                    return
                if descriptor == administration:
                    if self._told() in (b"", b"end"):
                        self._asked = True
                        return
                elif descriptor == link:
                    poll.unregister(link)
                    listener = self._linked()
                    if listener >= 0:
                        poll.register(listener, select.POLLIN)
                elif descriptor == children:
                    os.read(children, 1024)
                    self._go_on()
                elif self._mediator is not None:
                    if events & select.POLLIN:
                        self._mediator.serve()
                    else:
                        # Nobody is left who could ask.
                        poll.unregister(descriptor)

    def _go_on(self) -> None:
        """Continues init when it was stopped: without a pid namespace a command can do that, and nothing would end
        any more, whatever its time."""
        if os.waitid(os.P_PID, self._init, os.WSTOPPED | os.WNOHANG) is not None:
            os.kill(self._init, _signal.SIGCONT)

    def _told(self) -> bytes:
        """A message of the owner; b'' when it has closed its side.  What is to be cleaned up is remembered."""
        data, descriptors = wire.receive(self._administration)
        if data not in (b"", b"end", b"settled"):
            task = marshal.loads(data)
            if "group" in task:
                self._make_group(*task["group"])
                return data
            self._temporary = task["temporary"]
            for index, journal in enumerate(task["leases"]):
                self._leases.append((descriptors[2 * index], descriptors[2 * index + 1], journal))
            # The rest are locks to be held until we end.
        return data

    def _make_group(self, parent: str, settings: tuple[tuple[str, str], ...]) -> None:
        """A control group with init in it, and so all that it starts; tells the owner how that went."""
        from sidewall.platforms.linux import cgroups

        if self._ending:
            return
        self._cgroup = f"{parent}/{cgroups.PREFIX}{os.getpid()}"
        try:
            cgroups.make(self._cgroup, settings)
            cgroups.enter(self._cgroup, self._init)
        except OSError as error:
            self._tell(b"refused %d" % (error.errno or 0))
        else:
            self._tell(b"grouped")

    def _hear_the_rest(self) -> None:
        """What the owner said before it, or init, ended: it may be what to clean up."""
        self._administration.setblocking(False)
        try:
            while self._told():
                continue
        except OSError:
            return
        finally:
            self._administration.setblocking(True)

    def _linked(self) -> int:
        """Init's last words: the notification descriptor and the mounts of the cell where sockets may be."""
        assert self._link is not None
        data, descriptors = wire.receive(self._link)
        self._link.close()
        self._link = None
        if not data or not descriptors:
            return -1
        told = marshal.loads(data[1:])
        lent_part = relay_part = None
        if told["names"] or told["lent"]:
            from sidewall.platforms.linux import lent

            lent_part = lent.Lent(told["names"], told["lent"])
        if told["listening"]:
            from sidewall.platforms.linux import relay

            mediator.raise_open_files()
            relay_part = relay.Relay(descriptors[-told["listening"]:])
        if not told["asks"]:
            return -1
        self._mediator = mediator.Mediator(
            descriptors[0], descriptors[1], told["mounts"], told["processes"], told["network"], self._administration,
            lent_part, relay_part)
        return descriptors[0]

    def _end(self) -> None:
        self._ending = True
        try:
            os.kill(self._init, _signal.SIGKILL)
        except OSError:
            pass
        self._reap_all()
        self._hear_the_rest()
        self._await_owner()
        for held in self._leases:
            try:
                lease.end_lease(*held)
            except OSError:
                # The journal stays, and with it the knowledge of what is to be removed.
                continue
        if self._temporary:
            lease.end_temporary(self._temporary)
        if self._cgroup:
            from sidewall.platforms.linux import cgroups

            try:
                cgroups.remove(self._cgroup)
            except OSError:
                # ``recover`` finds it by its name.
                pass
        self._tell(b"clean")

    def _tell(self, word: bytes) -> None:
        try:
            self._administration.send(word, _socket.MSG_DONTWAIT)
        except OSError:
            # The owner is gone, or does not listen: what is to be done is done all the same.
            return

    def _await_owner(self) -> None:
        """Tells the owner that all is dead, and lets it look at what was left before that is removed."""
        if self._owner < 0:
            return
        try:
            if not self._asked and self._init_status is not None:
                self._tell(b"init %d" % self._init_status)
            self._tell(b"dead")
            poll = select.poll()
            poll.register(self._owner, select.POLLIN)
            poll.register(self._administration.fileno(), select.POLLIN)
            while True:
                for descriptor, _events in poll.poll():
                    if descriptor == self._owner or self._told() in (b"", b"settled"):
                        return
        except OSError:
            return

    def _reap_all(self) -> None:
        """Waits for init, and without a pid namespace for the orphans that it leaves to us."""
        while True:
            try:
                ended, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if ended == self._init:
                self._init_status = status
            # Orphans became our children before their parent could be waited for.
            if not spawner.has_children():
                return
            for pid in spawner.children_of(os.getpid()):
                try:
                    os.kill(pid, _signal.SIGKILL)
                except OSError:
                    continue
