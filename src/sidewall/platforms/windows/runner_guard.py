"""What keeps the commands of an account from taking over the runner, which has the account's whole token.

Knows: which objects of the runner could be opened by name or number (process, threads, the hosts of consoles), what an
object gets that is made without a list of its own.  Must not know: commands, the pipe.  Follows "Security Descriptors
for New Objects" and "Process Security and Access Rights" of the Win32 reference.

A command is of the same account, and the account is one of its restricting SIDs: whatever is open to the account is
open to it.  So these objects are for the system and for the owner's user; as their owner the account may read the
descriptor and no more.  Both ends do their part: the owner before the first instruction, the runner before its first
command.

A drive letter is a name in a directory of the logon session, which belongs to the account too and comes before the
machine's own: whoever could make one there would say from which file the next runner loads its interpreter.  So the
process from which runners are made takes that from the account, while no command of it runs; each runner looks.

Objects that are made while a command starts (its process, thread and token) are the command's own, which must be able
to open its token: for that moment the list for new objects is the command's.  No thread is made then.
"""

from __future__ import annotations

import _thread
import os

from sidewall.errors import MachineError
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import DELETE, READ_CONTROL, WRITE_DAC, WRITE_OWNER
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import tokens
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sidewall.platforms.windows.api import Api

DENIED, NO_SUCH_THREAD = 5, 87
EVERY = 0x1FFFFF
"""Every right on a process or on a thread."""
RIGHTS = tuple([1 << bit for bit in range(21) if 1 << bit != READ_CONTROL])
"""Each by itself but reading the list, which is of no use to a command."""
DRIVES = "\\??"
"""The directory of drive letters of the caller's logon session ("Local and Global MS-DOS Device Names")."""
CHANGING = (0x4, 0x8, DELETE, WRITE_DAC, WRITE_OWNER)
"""DIRECTORY_CREATE_OBJECT, DIRECTORY_CREATE_SUBDIRECTORY, and what leads to either."""
ACCESS_DENIED = 0xC0000022
OPEN = 67
"""Exit code of a runner that could not close itself again; everything in its job ends with it."""


def guarded(owner: Sid) -> str:
    """SDDL of the runner's process and of its threads."""
    return f"D:P(A;;{EVERY:#x};;;SY)(A;;{EVERY:#x};;;{owner})(A;;RC;;;OW)"


def default_for(owner: Sid) -> str:
    """The same for objects of any kind, as a default list."""
    return f"D:(A;;GA;;;SY)(A;;GA;;;{owner})(A;;RC;;;OW)"


def drives(owner: Sid, account: Sid) -> str:
    """SDDL of the directory of drive letters: the account may look names up there, and no more."""
    return f"D:P(A;;0xf000f;;;SY)(A;;0xf000f;;;{owner})(A;;0x20003;;;{account})(A;;RC;;;OW)"


class Guard:
    """The runner's own: made once, before anything else; ``close`` at the end."""

    def __init__(self, api: Api, owner: Sid) -> None:
        """Closes what there is and what will be made.  The owner has closed process and first thread.

        The loader makes threads before a program comes to its first line.  They are closed by then in a runner whose
        parent has closed itself, since it starts with that one's default list.  Raises MachineError.
        """
        self._api = api
        self.opened = 0
        """How many threads were open until now: a command of another cell could have taken one of them."""
        self._own = parse(default_for(owner)).dacl or Acl()
        self._token = tokens.own(api)
        try:
            self._set(self._own)
            if tokens.read(api, self._token).dacl != self._own:
                raise MachineError("the runner's own token keeps another default access list than it was given")
            self._threads(owner)
            self.redirectable = self._redirectable()
            """Whether commands can say what a drive letter stands for."""
        except BaseException:
            self._token.close()
            raise

    def _set(self, dacl: Acl) -> None:
        self._api.advapi32.SetTokenDefaultDacl(self._token, dacl.to_bytes())

    def _threads(self, owner: Sid) -> None:
        meant = parse(guarded(owner))
        for number in self._api.kernel32.Threads(os.getpid()):
            if number == _thread.get_native_id():
                continue
            try:
                self._close_thread(number, meant)
            except ApiError as error:
                if error.code != NO_SUCH_THREAD:
                    raise

    def _close_thread(self, number: int, meant: SecurityDescriptor) -> None:
        """Raises MachineError for one that stays open."""
        kernel, advapi = self._api.kernel32, self._api.advapi32
        try:
            thread = kernel.OpenThread(READ_CONTROL | WRITE_DAC, number)
        except ApiError as error:
            if error.code != DENIED:
                raise
            self._closed_already(number)
            return
        with thread:
            self.opened += 1
            advapi.SetKernelObjectSecurity(thread, DACL_SECURITY_INFORMATION, meant.to_bytes())
            dacl = SecurityDescriptor.from_bytes(advapi.GetKernelObjectSecurity(thread, DACL_SECURITY_INFORMATION)).dacl
        if dacl is None or meant.dacl is None or dacl.aces != meant.dacl.aces:
            raise MachineError(f"thread {number} of the runner keeps another access list than it was given: commands "
                               "of the sandbox could take it over")

    def _closed_already(self, number: int) -> None:
        """Asks the kernel for each right by itself: what the whole token is denied no restricted copy of it is granted.

        So it is with the loader's threads where the owner could set this token's list before the first instruction,
        and with a thread that the system or a virus scanner made.  Raises MachineError for one that is open.
        """
        for right in RIGHTS:
            try:
                self._api.kernel32.OpenThread(right, number).close()
            except ApiError as error:
                if error.code != DENIED:
                    raise
            else:
                raise MachineError(f"thread {number} of the runner cannot be closed, and is open for {right:#x}: "
                                   "commands of the sandbox could take it over")

    def close_drives(self, owner: Sid) -> None:
        """Takes from the account that it makes names of drives; where it may not do that, each runner sees it.

        Raises Win32Error.
        """
        meant = parse(drives(owner, tokens.read(self._api, self._token).user)).to_bytes()
        try:
            directory = self._api.ntdll.NtOpenDirectoryObject(DRIVES, READ_CONTROL | WRITE_DAC)
        except ApiError as error:
            if error.code != ACCESS_DENIED:
                raise
            return
        with directory:
            self._api.advapi32.SetKernelObjectSecurity(directory, DACL_SECURITY_INFORMATION, meant)

    def _redirectable(self) -> bool:
        """Asks the kernel for each right by itself, as of threads.  Raises StatusError."""
        for right in CHANGING:
            try:
                self._api.ntdll.NtOpenDirectoryObject(DRIVES, right).close()
            except ApiError as error:
                if error.code != ACCESS_DENIED:
                    raise
            else:
                return True
        return False

    def lifted(self, sddl: str) -> Lifted:
        """A context in which new objects get this default list instead."""
        return Lifted(self, parse(sddl).dacl or self._own)

    def close(self) -> None:
        """Gives back what it holds.  Idempotent."""
        if not self._token.closed:
            self._token.close()


class Lifted:
    """See ``Guard.lifted``.  A runner that cannot be closed again ends there and then."""

    def __init__(self, guard: Guard, dacl: Acl) -> None:
        self._guard = guard
        self._dacl = dacl

    def __enter__(self) -> Self:
        self._guard._set(self._dacl)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self._guard._set(self._guard._own)
        except ApiError:
            os._exit(OPEN)


__all__ = ["Guard", "Lifted", "default_for", "guarded"]
