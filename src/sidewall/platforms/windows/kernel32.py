"""kernel32 as a whole: its subjects put together.

Knows: which files make it up.  Must not know: any call.
"""

from __future__ import annotations

from sidewall.platforms.windows import (
    kernel32_changes,
    kernel32_console,
    kernel32_files,
    kernel32_jobs,
    kernel32_objects,
    kernel32_pipes,
    kernel32_process,
    kernel32_threads,
)
from sidewall.platforms.windows.dll import Dll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Kernel32(
        kernel32_objects.KernelObjects, kernel32_process.KernelProcesses, kernel32_jobs.KernelJobs,
        kernel32_pipes.KernelPipes, kernel32_console.KernelConsoles, kernel32_files.KernelFiles,
        kernel32_changes.KernelChanges, kernel32_threads.KernelThreads, Protocol,
    ):
        """Objects, processes, jobs, pipes, consoles, files and their changes."""

NAME = "kernel32.dll"
PROTOTYPES = "".join([part.PROTOTYPES for part in (
    kernel32_objects, kernel32_process, kernel32_jobs, kernel32_pipes, kernel32_console, kernel32_files,
    kernel32_changes, kernel32_threads,
)])  # fmt: skip


class NativeKernel32(
    kernel32_objects.NativeObjects, kernel32_process.NativeProcesses, kernel32_jobs.NativeJobs,
    kernel32_pipes.NativePipes, kernel32_console.NativeConsoles, kernel32_files.NativeFiles,
    kernel32_changes.NativeChanges, kernel32_threads.NativeThreads,
):  # fmt: skip
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll


def native(dll: Dll) -> Kernel32:
    """kernel32 of this machine."""
    return NativeKernel32(dll)


__all__ = ["NAME", "PROTOTYPES", "NativeKernel32", "native"]
