"""Probes for Windows that have somebody else do it: another process's token, services, the user's own keys.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks-windows.md.

A task or a credential that a probe makes is called after its scene, and goes with it.
"""

from __future__ import annotations

from sidewall.verify.probe import Probe
from sidewall.verify.probes_windows_files import CALL
from sidewall.verify.probes_windows_reach import OPEN

ARRIVES = "arrives {outside}/canary"

_WEAR = """
own, worn = ctypes.c_void_p(), ctypes.c_void_p()
call("advapi32", "OpenProcessToken", process(0x1000), 0xE, ctypes.byref(own))
call("advapi32", "DuplicateTokenEx", own.value, 0xC, None, 2, 2, ctypes.byref(worn))
call("advapi32", "SetThreadToken", None, worn.value)
open(outside + "/canary", "w").write(nonce)
"""
_PARENT = """
class StartUp(ctypes.Structure):
    _fields_ = [("size", wintypes.DWORD), ("texts", ctypes.c_void_p * 3), ("numbers", wintypes.DWORD * 8),
                ("words", wintypes.WORD * 2), ("reserved", ctypes.c_void_p), ("streams", ctypes.c_void_p * 3),
                ("attributes", ctypes.c_void_p)]
class Made(ctypes.Structure):
    _fields_ = [("process", ctypes.c_void_p), ("thread", ctypes.c_void_p), ("ids", wintypes.DWORD * 2)]
size = ctypes.c_size_t()
kernel = ctypes.WinDLL("kernel32")
kernel.InitializeProcThreadAttributeList(None, 1, 0, ctypes.byref(size))
space = ctypes.create_string_buffer(size.value)
call("kernel32", "InitializeProcThreadAttributeList", space, 1, 0, ctypes.byref(size))
parent = ctypes.c_void_p(process(0x80))
call("kernel32", "UpdateProcThreadAttribute", space, 0, 0x20000, ctypes.byref(parent), ctypes.sizeof(parent), None,
     None)
start, made = StartUp(), Made()
start.size, start.attributes = ctypes.sizeof(start), ctypes.addressof(space)
code = f"open({outside + '/canary'!r}, 'w').write({nonce!r})"
line = ctypes.create_unicode_buffer(f'"{sys.executable}" -I -S -c "{code}"')
call("kernel32", "CreateProcessW", None, line, None, None, 0, 0x08080000, None, None, ctypes.byref(start),
     ctypes.byref(made))
call("kernel32", "CloseHandle", made.process)
"""
_TASK = """
import subprocess
line = f'cmd /d /c echo {nonce}>"{outside}\\\\canary"'
task = unique + "-" + nonce
for words in (["/create", "/tn", task, "/tr", line, "/sc", "once", "/st", "00:00", "/f"], ["/run", "/tn", task]):
    done = subprocess.run(["schtasks", *words], capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode("mbcs", "replace").strip() or "schtasks refused")
"""
_MANAGEMENT = """
import subprocess
line = f'cmd /d /c echo {nonce}>"{outside}\\\\canary"'
given = f"@{{CommandLine='{line}'}}"
code = f"(Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments {given}).ReturnValue"
done = subprocess.run(["powershell", "-NoProfile", "-NonInteractive", "-Command", code], capture_output=True)
if done.stdout.strip() != b"0":
    sys.exit(done.stderr.decode("mbcs", "replace").strip()[-200:] or "no process was made")
"""
_DECRYPT = """
class Blob(ctypes.Structure):
    _fields_ = [("size", wintypes.DWORD), ("data", ctypes.c_void_p)]
data = ctypes.create_string_buffer(bytes.fromhex(protected))
given, got = Blob(len(data) - 1, ctypes.addressof(data)), Blob()
call("crypt32", "CryptUnprotectData", ctypes.byref(given), None, None, None, None, 1, ctypes.byref(got))
print(ctypes.string_at(got.data, got.size).decode())
"""
_CREDENTIAL = """
class Credential(ctypes.Structure):
    _fields_ = [("flags", wintypes.DWORD), ("kind", wintypes.DWORD), ("target", wintypes.LPWSTR),
                ("comment", wintypes.LPWSTR), ("written", ctypes.c_uint64), ("size", wintypes.DWORD),
                ("data", ctypes.c_void_p)]
found = ctypes.POINTER(Credential)()
call("advapi32", "CredReadW", credential, 1, 0, ctypes.byref(found))
print(ctypes.string_at(found.contents.data, found.contents.size).decode())
"""
_ECHO = """
library = ctypes.WinDLL("iphlpapi", use_last_error=True)
library.IcmpCreateFile.restype = ctypes.c_void_p
handle = library.IcmpCreateFile()
place = int.from_bytes(bytes(map(int, address.split("."))), "little")
space = ctypes.create_string_buffer(512)
library.IcmpSendEcho.argtypes = [ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p, wintypes.WORD, ctypes.c_void_p,
                                 ctypes.c_void_p, wintypes.DWORD, wintypes.DWORD]
answers = library.IcmpSendEcho(handle, place, nonce.encode(), len(nonce), None, space, 512, 1000)
told() if answers and nonce.encode() in space.raw else print("no answer", ctypes.get_last_error())
"""

PROBES = (
    Probe(id="W-TOK-04 wear", guarantee="outside-processes", what="write outside with another process's token",
          effect="content {outside}/canary", source=CALL + OPEN, program=_WEAR),
    Probe(id="W-PRC-03 parent", guarantee="outside-processes", what="write outside by a child of another process",
          effect=ARRIVES, source=CALL + OPEN, program=_PARENT),
    Probe(id="W-DEP-01 task", guarantee="write-outside", what="have the task scheduler write outside", effect=ARRIVES,
          program=_TASK),
    Probe(id="W-DEP-02 management", guarantee="write-outside", what="have the management service write outside",
          effect=ARRIVES, program=_MANAGEMENT),
    Probe(id="W-WWR-01 root", guarantee="write-outside", what="make a directory at the root of the system's drive",
          effect="exists {root}-{nonce}", program="os.mkdir(f'{root}-{nonce}')"),
    Probe(id="W-SEC-02 decrypt", guarantee="read-secrets", what="decrypt what the user has protected",
          effect="printed protected", source=CALL, program=_DECRYPT),
    Probe(id="W-SEC-03 credential", guarantee="read-secrets", what="read a credential that the user has stored",
          effect="printed credential", source=CALL, program=_CREDENTIAL),
    Probe(id="W-NET-03 echo", guarantee="network-egress", what="ask for an echo at the machine's own address",
          effect="told", source=CALL, program=_ECHO),
)
