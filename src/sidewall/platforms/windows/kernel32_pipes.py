"""kernel32: anonymous and named pipes, reading and writing, at once or overlapped.

Knows: the calls of "Pipe Functions" and of overlapped input and output.  Must not know: what goes through a pipe.

A handle that is not overlapped serialises its calls: a thread that waits in ``ReadFile`` keeps every other thread from
writing.  Two directions over one handle therefore need ``StartRead`` and ``StartWrite``.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import OVERLAPPED
from sidewall.platforms.windows.startup import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL CreatePipe(HANDLE* hReadPipe, HANDLE* hWritePipe, SECURITY_ATTRIBUTES* lpPipeAttributes, DWORD nSize);
FILE_HANDLE CreateNamedPipeW(PWSTR lpName, FLAGS dwOpenMode, FLAGS dwPipeMode, DWORD nMaxInstances,
    DWORD nOutBufferSize, DWORD nInBufferSize, DWORD nDefaultTimeOut, SECURITY_ATTRIBUTES* lpSecurityAttributes);
BOOL ConnectNamedPipe(HANDLE hNamedPipe, OVERLAPPED* lpOverlapped);
BOOL DisconnectNamedPipe(HANDLE hNamedPipe);
BOOL WaitNamedPipeW(PWSTR lpNamedPipeName, DWORD nTimeOut);
BOOL SetNamedPipeHandleState(HANDLE hNamedPipe, DWORD* lpMode, DWORD* lpMaxCollectionCount,
    DWORD* lpCollectDataTimeout);
BOOL PeekNamedPipe(HANDLE hNamedPipe, PVOID lpBuffer, DWORD nBufferSize, DWORD* lpBytesRead,
    DWORD* lpTotalBytesAvail, DWORD* lpBytesLeftThisMessage);
BOOL GetNamedPipeClientProcessId(HANDLE Pipe, DWORD* ClientProcessId);
BOOL GetNamedPipeServerProcessId(HANDLE Pipe, DWORD* ServerProcessId);
BOOL GetNamedPipeClientSessionId(HANDLE Pipe, DWORD* ClientSessionId);
BOOL GetNamedPipeInfo(HANDLE hNamedPipe, FLAGS* lpFlags, DWORD* lpOutBufferSize, DWORD* lpInBufferSize,
    DWORD* lpMaxInstances);
BOOL ReadFile(HANDLE hFile, BYTE* lpBuffer, DWORD nNumberOfBytesToRead, DWORD* lpNumberOfBytesRead,
    OVERLAPPED* lpOverlapped);
BOOL WriteFile(HANDLE hFile, BYTE* lpBuffer, DWORD nNumberOfBytesToWrite, DWORD* lpNumberOfBytesWritten,
    OVERLAPPED* lpOverlapped);
BOOL FlushFileBuffers(HANDLE hFile);
BOOL CancelIoEx(HANDLE hFile, OVERLAPPED* lpOverlapped);
BOOL GetOverlappedResult(HANDLE hFile, OVERLAPPED* lpOverlapped, DWORD* lpNumberOfBytesTransferred, BOOL bWait);
"""

HANDLE_EOF, BROKEN_PIPE, PIPE_NOT_CONNECTED, PIPE_CONNECTED, OPERATION_ABORTED, IO_INCOMPLETE, IO_PENDING = (
    38, 109, 233, 535, 995, 996, 997
)  # fmt: skip
ENDS = (HANDLE_EOF, BROKEN_PIPE, PIPE_NOT_CONNECTED)
"""Errors of a read that mean that nothing more comes."""


class Pending:
    """An operation under way.  Its memory belongs to the kernel until it ends, so closing cancels it and waits.

    ``wait`` until it has ended, then ``result``.  ``event`` can be waited for together with other handles; one that
    the caller gave stays the caller's.
    """

    def __init__(self, dll: Dll, handle: Handle, event: Handle, buffer: ctypes.Array[ctypes.c_char] | None,
                 *, reading: bool, lent: bool = False) -> None:
        self.event = event
        self._lent = lent
        self.overlapped = OVERLAPPED(hEvent=event.value)
        self._dll = dll
        self._handle = handle
        self.buffer = buffer
        self._reading = reading
        self.ended = False
        self._code = 0
        self._transferred = 0

    def begun(self, function: Any, values: tuple[Any, ...]) -> None:
        """Notes how the first call went.  Raises Win32Error when it failed."""
        code = function.code(*values)
        if code not in (0, IO_PENDING, PIPE_CONNECTED) and not (self._reading and code in ENDS):
            self.ended = True
            self._drop_event()
            raise function.error(code, *values)
        if code in ENDS or code == PIPE_CONNECTED:
            self.ended, self._code = True, code

    def wait(self, milliseconds: int) -> bool:
        """Whether it ended within the time."""
        if not self.ended and self._dll.WaitForSingleObject(self.event, milliseconds) == 0:
            self._finish(wait=False)
        return self.ended

    def cancel(self) -> None:
        """Ends it; what was transferred until then counts."""
        if not self.ended:
            # It may just have ended by itself: then there is nothing to cancel, which is no error here.
            self._dll.CancelIoEx.code(self._handle, ctypes.byref(self.overlapped))
            self._finish(wait=True)

    def _finish(self, *, wait: bool) -> None:
        number = ctypes.c_uint32()
        result = self._dll.GetOverlappedResult
        code = result.code(self._handle, ctypes.byref(self.overlapped), ctypes.byref(number), wait)
        if code != IO_INCOMPLETE:
            self.ended, self._code, self._transferred = True, code, number.value

    def result(self) -> bytes | int:
        """What was read (b'' at the end of a pipe), or how many bytes were written.  Raises Win32Error."""
        if self._code and self._code not in (*ENDS, PIPE_CONNECTED, OPERATION_ABORTED):
            raise self._dll.GetOverlappedResult.error(self._code, self._handle, None, None, False)
        if self._reading and self.buffer is not None:
            return self.buffer.raw[: self._transferred]
        return self._transferred

    def close(self) -> None:
        """Cancels what is not over and gives the event back."""
        self.cancel()
        self._drop_event()

    def _drop_event(self) -> None:
        if not self._lent and not self.event.closed:
            self.event.close()

    def __del__(self) -> None:
        if getattr(self, "ended", True) is False:
            self.cancel()  # else the kernel would write into memory that is somebody else's by then

    def __enter__(self) -> Pending:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KernelPipes(Protocol):
    """Pipes.  Every call raises Win32Error."""

    def CreatePipe(self, *, size: int = 0, inherit: bool = False) -> tuple[Handle, Handle]:
        """An anonymous pipe: the end to read from, the end to write to."""

    def CreateNamedPipeW(self, name: str, open_mode: int, pipe_mode: int, *, instances: int = 1, size: int = 65536,
                         security: bytes | None = None) -> Handle:
        """One instance of a named pipe, its server's end; with FILE_FLAG_FIRST_PIPE_INSTANCE nobody was before us."""

    def ConnectNamedPipe(self, pipe: Handle) -> None:
        """Waits for a client (a handle that is not overlapped)."""

    def StartConnect(self, pipe: Handle) -> Pending:
        """... overlapped."""

    def DisconnectNamedPipe(self, pipe: Handle) -> None:
        """Sends the client away; what it has not read is lost."""

    def WaitNamedPipeW(self, name: str, milliseconds: int) -> None:
        """Waits until an instance of the pipe is free."""

    def GetNamedPipeClientProcessId(self, pipe: Handle) -> int:
        """The number of the process at the client's end, for a server."""

    def GetNamedPipeServerProcessId(self, pipe: Handle) -> int:
        """The number of the process that made the pipe, for a client."""

    def GetNamedPipeClientSessionId(self, pipe: Handle) -> int:
        """The client's session, for a server."""

    def GetNamedPipeInfo(self, pipe: Handle) -> tuple[int, int]:
        """PIPE_SERVER_END or not, and PIPE_TYPE_MESSAGE or not; how many instances there may be."""

    def SetNamedPipeHandleState(self, pipe: Handle, mode: int) -> None:
        """How this end reads."""

    def PeekNamedPipe(self, pipe: Handle) -> int:
        """How many bytes can be read now."""

    def ReadFile(self, handle: Handle, size: int) -> bytes:
        """At most ``size`` bytes; b'' when the other end is closed."""

    def WriteFile(self, handle: Handle, data: bytes) -> int:
        """How many bytes were written."""

    def StartRead(self, handle: Handle, size: int, *, event: Handle | None = None) -> Pending:
        """``ReadFile``, overlapped.  ``event``, if given, serves one operation after another."""

    def StartWrite(self, handle: Handle, data: bytes, *, event: Handle | None = None) -> Pending:
        """``WriteFile``, overlapped, likewise."""

    def FlushFileBuffers(self, handle: Handle) -> None:
        """Waits until the other end has read all (a pipe), or until all is on the disk (a file)."""


class NativePipes:
    """Those calls on the real DLL."""

    _dll: Dll

    def CreatePipe(self, *, size: int = 0, inherit: bool = False) -> tuple[Handle, Handle]:
        reading, writing = ctypes.c_void_p(), ctypes.c_void_p()
        self._dll.CreatePipe(ctypes.byref(reading), ctypes.byref(writing), Security(None, inherit).argument, size)
        close = self._dll.CloseHandle
        return (Handle(reading.value or 0, close, "a pipe's end to read from"),
                Handle(writing.value or 0, close, "a pipe's end to write to"))

    def CreateNamedPipeW(self, name: str, open_mode: int, pipe_mode: int, *, instances: int = 1, size: int = 65536,
                         security: bytes | None = None) -> Handle:
        value = self._dll.CreateNamedPipeW(name, open_mode, pipe_mode, instances, size, size, 0,
                                           Security(security).argument)
        return Handle(value, self._dll.CloseHandle, f"pipe {name}")

    def ConnectNamedPipe(self, pipe: Handle) -> None:
        code = self._dll.ConnectNamedPipe.code(pipe, None)
        if code not in (0, PIPE_CONNECTED):
            raise self._dll.ConnectNamedPipe.error(code, pipe, None)

    def _pending(self, handle: Handle, buffer: ctypes.Array[ctypes.c_char] | None, event: Handle | None = None, *,
                 reading: bool) -> Pending:
        lent = event is not None
        if event is None:
            value = self._dll.CreateEventW(None, True, False, None)
            event = Handle(value, self._dll.CloseHandle, "an operation's event")
        return Pending(self._dll, handle, event, buffer, reading=reading, lent=lent)

    def StartConnect(self, pipe: Handle) -> Pending:
        pending = self._pending(pipe, None, reading=False)
        pending.begun(self._dll.ConnectNamedPipe, (pipe, ctypes.byref(pending.overlapped)))
        return pending

    def DisconnectNamedPipe(self, pipe: Handle) -> None:
        self._dll.DisconnectNamedPipe(pipe)

    def WaitNamedPipeW(self, name: str, milliseconds: int) -> None:
        self._dll.WaitNamedPipeW(name, milliseconds)

    def _number(self, function: Any, pipe: Handle) -> int:
        number = ctypes.c_uint32()
        function(pipe, ctypes.byref(number))
        return number.value

    def GetNamedPipeClientProcessId(self, pipe: Handle) -> int:
        return self._number(self._dll.GetNamedPipeClientProcessId, pipe)

    def GetNamedPipeServerProcessId(self, pipe: Handle) -> int:
        return self._number(self._dll.GetNamedPipeServerProcessId, pipe)

    def GetNamedPipeClientSessionId(self, pipe: Handle) -> int:
        return self._number(self._dll.GetNamedPipeClientSessionId, pipe)

    def GetNamedPipeInfo(self, pipe: Handle) -> tuple[int, int]:
        flags, instances = ctypes.c_uint32(), ctypes.c_uint32()
        self._dll.GetNamedPipeInfo(pipe, ctypes.byref(flags), None, None, ctypes.byref(instances))
        return flags.value, instances.value

    def SetNamedPipeHandleState(self, pipe: Handle, mode: int) -> None:
        self._dll.SetNamedPipeHandleState(pipe, ctypes.byref(ctypes.c_uint32(mode)), None, None)

    def PeekNamedPipe(self, pipe: Handle) -> int:
        number = ctypes.c_uint32()
        self._dll.PeekNamedPipe(pipe, None, 0, None, ctypes.byref(number), None)
        return number.value

    def ReadFile(self, handle: Handle, size: int) -> bytes:
        buffer = (ctypes.c_uint8 * max(size, 1))()
        number = ctypes.c_uint32()
        values = (handle, buffer, size, ctypes.byref(number), None)
        code = self._dll.ReadFile.code(*values)
        if code and code not in ENDS:
            raise self._dll.ReadFile.error(code, *values)
        return bytes(buffer[: number.value]) if not code else b""

    def WriteFile(self, handle: Handle, data: bytes) -> int:
        buffer = (ctypes.c_uint8 * max(len(data), 1)).from_buffer_copy(data or b"\0")
        number = ctypes.c_uint32()
        self._dll.WriteFile(handle, buffer, len(data), ctypes.byref(number), None)
        return number.value

    def StartRead(self, handle: Handle, size: int, *, event: Handle | None = None) -> Pending:
        pending = self._pending(handle, ctypes.create_string_buffer(max(size, 1)), event, reading=True)
        place = ctypes.cast(pending.buffer, ctypes.POINTER(ctypes.c_uint8))  # type: ignore[arg-type]
        pending.begun(self._dll.ReadFile, (handle, place, size, None, ctypes.byref(pending.overlapped)))
        return pending

    def StartWrite(self, handle: Handle, data: bytes, *, event: Handle | None = None) -> Pending:
        pending = self._pending(handle, ctypes.create_string_buffer(data, max(len(data), 1)), event, reading=False)
        place = ctypes.cast(pending.buffer, ctypes.POINTER(ctypes.c_uint8))  # type: ignore[arg-type]
        pending.begun(self._dll.WriteFile, (handle, place, len(data), None, ctypes.byref(pending.overlapped)))
        return pending

    def FlushFileBuffers(self, handle: Handle) -> None:
        self._dll.FlushFileBuffers(handle)


__all__ = ["PROTOTYPES", "KernelPipes", "NativePipes", "Pending"]
