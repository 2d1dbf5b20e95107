"""What only a scene on Windows has: victims, what listens there, secrets that Windows keeps.

Knows: Windows, by the functions that Python has and by ctypes.  Must not know: what a probe does with them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading

from sidewall.errors import MachineError
from sidewall.verify import leftovers
from sidewall.verify import scene_windows_objects as objects
from sidewall.verify.scene import Scene

if sys.platform == "win32":
    import ctypes
    import winreg
    from ctypes import wintypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sidewall.verify.stage import Stage

_VICTIM = """
import ctypes, msvcrt, os, sys
space = ctypes.create_string_buffer(sys.argv[1].encode(), 64)
held = os.open(sys.argv[2], os.O_RDONLY)
kernel = ctypes.WinDLL("kernel32")
kernel.GetCurrentProcess.restype = ctypes.c_void_p
print(os.getpid(), ctypes.addressof(space), msvcrt.get_osfhandle(held), flush=True)
for line in sys.stdin:
    print(space.value.decode(), kernel.GetPriorityClass(ctypes.c_void_p(kernel.GetCurrentProcess())), flush=True)
"""

if sys.platform == "win32":

    class Blob(ctypes.Structure):
        """DATA_BLOB."""

        _fields_ = [("size", wintypes.DWORD), ("data", ctypes.c_void_p)]

    class Credential(ctypes.Structure):
        """CREDENTIALW."""

        _fields_ = [("flags", wintypes.DWORD), ("kind", wintypes.DWORD), ("target", wintypes.LPWSTR),
                    ("comment", wintypes.LPWSTR), ("written", ctypes.c_uint64), ("size", wintypes.DWORD),
                    ("data", ctypes.c_void_p), ("persist", wintypes.DWORD), ("count", wintypes.DWORD),
                    ("attributes", ctypes.c_void_p), ("alias", wintypes.LPWSTR), ("user", wintypes.LPWSTR)]

    def protected(text: str) -> str:
        """``text`` as only this user can decrypt it, in hexadecimal.  Raises OSError."""
        library = ctypes.WinDLL("crypt32", use_last_error=True)
        data = ctypes.create_string_buffer(text.encode())
        given, got = Blob(len(text), ctypes.addressof(data)), Blob()
        if not library.CryptProtectData(ctypes.byref(given), None, None, None, None, 1, ctypes.byref(got)):
            raise ctypes.WinError(ctypes.get_last_error())
        found = ctypes.string_at(got.data, got.size).hex()
        ctypes.WinDLL("kernel32").LocalFree(ctypes.c_void_p(got.data))
        return found

    def store(name: str, text: str) -> str:
        """A credential of this logon session's; its name.  Raises OSError."""
        library = ctypes.WinDLL("advapi32", use_last_error=True)
        data = ctypes.create_string_buffer(text.encode())
        made = Credential(kind=1, target=name, size=len(text), data=ctypes.addressof(data), persist=1, user="verify")
        if not library.CredWriteW(ctypes.byref(made), 0):
            raise ctypes.WinError(ctypes.get_last_error())
        return name

    def forget(unique: str) -> None:
        """Takes away the key, the credential and the tasks of a scene."""
        ctypes.WinDLL("advapi32").CredDeleteW(unique, 1, 0)
        _forget_tasks(unique)
        for path in objects.keys_below(rf"Software\{unique}"):
            try:
                winreg.DeleteKey(winreg.HKEY_CURRENT_USER, path)
            except OSError:
                pass

    def _forget_tasks(unique: str) -> None:
        """The tasks that are called after the scene."""
        # By its path: the current directory is the user's workspace, where a command may have put one of that name.
        program = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "schtasks.exe")
        try:
            done = subprocess.run([program, "/query", "/fo", "csv", "/nh"], check=False, timeout=60,
                                  capture_output=True)
            for line in done.stdout.decode("mbcs", "replace").splitlines():
                name = line.partition(",")[0].strip('"')
                if name.startswith("\\" + unique):
                    subprocess.run([program, "/delete", "/tn", name, "/f"], check=False, timeout=60,
                                   capture_output=True)
        except (OSError, subprocess.TimeoutExpired):
            return

    class WindowsScene(Scene):
        """The scene on Windows."""

        def _more(self) -> None:
            self._victims: dict[int, tuple[subprocess.Popen[str], int, int]] = {}
            self._lock = threading.Lock()
            unique = self.targets["unique"]
            makers: dict[str, Callable[[], Any]] = {
                "registry": lambda: objects.RegistryKey(unique), "mapping": lambda: objects.Mapping(unique),
                "pipe": lambda: objects.Pipe(unique), "mailslot": lambda: objects.Mailslot(unique),
                "window": lambda: objects.Window(self.secret("title"), lambda number: self.stages[number].nonce),
            }
            for name, make in makers.items():
                try:
                    made = make()
                except OSError as error:
                    self.absent[name] = f"there is no {name} to be had here: {error}"
                    continue
                self._listeners[name] = made
                self.targets[name] = getattr(made, "name", name)
            self.targets["title"] = self.secret("title")
            self.targets["desktop"] = objects.desktop()
            if not self.targets["desktop"]:
                self.absent["desktop"] = "this session has no desktop"
            self.targets["root"] = leftovers.ROOT + unique
            preparing: dict[str, Callable[[], str]] = {
                "protected": lambda: protected(self.secret("protected")),
                "credential": lambda: store(unique, self.secret("credential")),
            }
            for name, prepare in preparing.items():
                try:
                    self.targets[name] = prepare()
                except OSError as error:
                    self.absent[name] = f"Windows keeps no secrets for this user: {error}"
            self.targets["shared"] = os.path.join(tempfile.gettempdir(), unique)
            self._write(self.targets["shared"], "# made up\n")

        def victims(self, count: int) -> list[int]:
            held = os.path.join(self.base, "held")
            self._write(held, self.secret("held"))
            words = [sys.executable, "-I", "-S", "-c", _VICTIM, self.secret("victim"), held]
            started = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=os.path.dirname(sys.executable)) for _ in range(count)]
            for process in started:
                line = process.stdout.readline().split() if process.stdout else []
                if len(line) != 3:
                    for each in started:
                        each.kill()
                    raise MachineError("the processes that are to be attacked did not start")
                self._victims[int(line[0])] = (process, int(line[1]), int(line[2]))
            return list(self._victims)

        def particular(self, stage: Stage) -> dict[str, Any]:
            if stage.victim not in self._victims:
                return {}
            _, place, held = self._victims[stage.victim]
            return {"place": place, "held": held}

        def _ask(self, stage: Stage) -> list[str]:
            """Memory and priority of the stage's victim, in its own words; nothing when it is gone."""
            process, _, _ = self._victims[stage.victim]
            with self._lock:
                try:
                    if process.stdin is None or process.stdout is None:
                        return []
                    process.stdin.write("show\n")
                    process.stdin.flush()
                    return process.stdout.readline().split()
                except OSError:
                    return []

        def lives(self, stage: Stage) -> bool:
            return bool(self._ask(stage))

        def written_into(self, stage: Stage) -> bool:
            return stage.nonce in "".join(self._ask(stage)[:1])

        def tuning(self, stage: Stage) -> tuple[Any, ...]:
            return tuple(self._ask(stage)[1:]) if stage.victim in self._victims else ()

        def close(self) -> None:
            for process, _, _ in getattr(self, "_victims", {}).values():
                process.kill()
                process.communicate()
            self._victims = {}
            super().close()
