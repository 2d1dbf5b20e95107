"""Windows as one object: a facade a DLL, each made when it is first asked for.

Knows: which facades there are.  Must not know: any call.  Whatever takes an ``Api`` can be given a Windows in memory.
"""

from __future__ import annotations

from sidewall.platforms.windows.dll import Dll, SystemLibrary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from sidewall.platforms.windows.advapi32 import Advapi32
    from sidewall.platforms.windows.crypt32 import Crypt32
    from sidewall.platforms.windows.dll import Library
    from sidewall.platforms.windows.fwpuclnt import Fwpuclnt
    from sidewall.platforms.windows.kernel32 import Kernel32
    from sidewall.platforms.windows.kernelbase import Kernelbase
    from sidewall.platforms.windows.netapi32 import Netapi32
    from sidewall.platforms.windows.ntdll import Ntdll
    from sidewall.platforms.windows.shell32 import Shell32
    from sidewall.platforms.windows.user32 import User32
    from sidewall.platforms.windows.userenv import Userenv
else:
    Protocol = object


class Api(Protocol):
    """The functions of Windows that Sidewall calls."""

    @property
    def kernel32(self) -> Kernel32:
        """Objects, processes, jobs, pipes, consoles, files."""

    @property
    def kernelbase(self) -> Kernelbase:
        """What kernel32 does not pass on."""

    @property
    def advapi32(self) -> Advapi32:
        """Tokens, descriptors, accounts' names and rights, logging on."""

    @property
    def netapi32(self) -> Netapi32:
        """Accounts and groups."""

    @property
    def userenv(self) -> Userenv:
        """Profiles."""

    @property
    def crypt32(self) -> Crypt32:
        """Protected data."""

    @property
    def fwpuclnt(self) -> Fwpuclnt:
        """The filtering platform."""

    @property
    def user32(self) -> User32:
        """Window stations and desktops."""

    @property
    def ntdll(self) -> Ntdll:
        """The kernel's own calls."""

    @property
    def shell32(self) -> Shell32:
        """The prompt for an administrator."""


WITH_KERNEL = ("advapi32", "crypt32", "ntdll", "shell32")
"""Facades that close or free by kernel32."""

NAMES = ("kernel32", "kernelbase", *WITH_KERNEL, "netapi32", "userenv", "fwpuclnt", "user32")


class NativeApi:
    """This machine's.  A module is imported, and a DLL loaded, when a call needs it and not before."""

    if TYPE_CHECKING:
        kernel32: Kernel32
        kernelbase: Kernelbase
        advapi32: Advapi32
        netapi32: Netapi32
        userenv: Userenv
        crypt32: Crypt32
        fwpuclnt: Fwpuclnt
        user32: User32
        ntdll: Ntdll
        shell32: Shell32

    def __init__(self, load: Callable[[str], Library] = SystemLibrary) -> None:
        self._load = load
        self._dlls: dict[str, Dll] = {}

    def dll(self, name: str) -> Dll:
        """The DLL below a facade, for a test."""
        import sys

        found = self._dlls.get(name)
        if found is None:
            full = f"sidewall.platforms.windows.{name}"
            __import__(full)
            module = sys.modules[full]
            found = self._dlls[name] = Dll(module.NAME, module.PROTOTYPES, self._load)
        return found

    def __getattr__(self, name: str) -> object:
        import sys

        if name not in NAMES:
            raise AttributeError(name)
        dlls = (self.dll(name), self.dll("kernel32")) if name in WITH_KERNEL else (self.dll(name),)
        facade = self.__dict__[name] = sys.modules[f"sidewall.platforms.windows.{name}"].native(*dlls)
        return facade


def native() -> Api:
    """This machine's Windows.  Nothing is loaded yet."""
    return NativeApi()


__all__ = ["NAMES", "Api", "NativeApi", "native"]
