"""Probes for Windows that are about what a command is and leaves: privileges, survivors, limits; and what must work.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks-windows.md.
"""

from __future__ import annotations

from sidewall.policy.model import Limits
from sidewall.verify.probe import BEAT, WORKS, Probe
from sidewall.verify.probes_windows_files import CALL

TOKEN = CALL + """
def token(rights=0x28):
    got = ctypes.c_void_p()
    call("advapi32", "OpenProcessToken", -1, rights, ctypes.byref(got))
    return got.value
def about(kind, size=8192):
    space, used = ctypes.create_string_buffer(size), wintypes.DWORD()
    call("advapi32", "GetTokenInformation", token(), kind, space, size, ctypes.byref(used))
    return space.raw[:used.value]
"""
"""``token()``: the program's own; ``about(kind)``: what TOKEN_INFORMATION_CLASS says of it."""
_PRIVILEGES = """
count = int.from_bytes(about(3)[:4], "little")
told() if count > 1 else print(count, "privileges")
"""
_ENABLE = """
class Wanted(ctypes.Structure):
    _fields_ = [("count", wintypes.DWORD), ("luid", ctypes.c_uint64), ("attributes", wintypes.DWORD)]
    _pack_ = 4
wanted = Wanted(1, 0, 2)
luid = ctypes.c_uint64()
call("advapi32", "LookupPrivilegeValueW", None, PRIVILEGE, ctypes.byref(luid))
wanted.luid = luid.value
ctypes.set_last_error(0)
call("advapi32", "AdjustTokenPrivileges", token(), 0, ctypes.byref(wanted), 0, None, None)
told() if ctypes.get_last_error() == 0 else print("not assigned")
"""
PRIVILEGES = [
    Probe(id="W-TOK-02 list", guarantee="privileges", what="have privileges but traversing", effect="told",
          source=TOKEN, program=_PRIVILEGES),
    Probe(id="W-TOK-02 shutdown", guarantee="privileges", what="switch on the privilege to shut down", effect="told",
          source=TOKEN, program=f"PRIVILEGE = 'SeShutdownPrivilege'\n{_ENABLE}"),
    Probe(id="W-TOK-02 debug", guarantee="privileges", what="switch on the privilege to debug", effect="told",
          source=TOKEN, program=f"PRIVILEGE = 'SeDebugPrivilege'\n{_ENABLE}"),
    Probe(id="W-DEP-07 services", guarantee="privileges", what="get the right to make a service", effect="told",
          source=CALL, program="call('advapi32', 'OpenSCManagerW', None, None, 2, result=ctypes.c_void_p); told()"),
    Probe(id="W-TOK-03 administrator", guarantee="privileges", what="be an administrator", effect="told", source=CALL,
          program="call('shell32', 'IsUserAnAdmin'); told()"),
]

LEAVING = BEAT + f"""
import subprocess
CODE = {BEAT!r}
HEAD = "import os, subprocess, sys\\nbase, here, CODE = sys.argv[1:4]\\nexec(CODE)\\n"
BEATS = HEAD + "beat(here + '/beat')"
def leave(code, flags, *more):
    words = [sys.executable, "-I", "-S", "-c", code, base, here, CODE, *more]
    return subprocess.Popen(words, cwd=os.path.dirname(sys.executable), creationflags=flags, stdin=-3, stdout=-3,
                            stderr=-3)
DETACHED, BREAKAWAY = 0x208, 0x01000208
"""
"""``leave(code, flags)``: a process that is detached and holds none of our streams."""
_DETACHED = """
leave(BEATS, DETACHED)
begun()
"""
_BREAKAWAY = """
leave(BEATS, BREAKAWAY)
begun()
"""
_SUCCESSOR = """
leave(HEAD + "subprocess.Popen([sys.executable, '-I', '-S', '-c', sys.argv[4], *sys.argv[1:4]], creationflags=0x208)",
      DETACHED, BEATS)
begun()
"""
_LEFT = """
import tempfile
place = os.path.join(tempfile.gettempdir(), f"{unique}-{nonce}")
open(place, "w").close()
print("LEFT", place)
"""

SURVIVORS = [
    Probe(id="W-PRC-08 outlive", guarantee="survivors", what="leave a process that is detached", source=LEAVING,
          effect="beats {here}/beat", late=True, program=_DETACHED),
    Probe(id="W-PRC-06 break", guarantee="survivors", what="leave a process that broke away from the job",
          source=LEAVING, effect="beats {here}/beat", late=True, program=_BREAKAWAY),
    Probe(id="W-PRC-09 successor", guarantee="survivors", what="leave the child of a process that is gone",
          source=LEAVING, effect="beats {here}/beat", late=True, program=_SUCCESSOR),
    Probe(id="W-WWR-04 left", guarantee="survivors", what="leave a file in the temporary directory", effect="left",
          late=True, program=_LEFT),
]

TIME = Limits(wall_seconds=2)
SMALL = Limits(processes=12, memory_bytes=192 << 20, output_bytes=1 << 16)
_MANY = """
import subprocess
children = []
try:
    for turn in range(24):
        children.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE))
        if len(children) > 16:
            told()
            break
finally:
    for child in children:
        child.kill()
        child.wait()
"""

LIMITED = [
    Probe(id="W-PRC-11 time", guarantee="limits", what="run longer than it may", effect="content {here}/late",
          limits=TIME, program="import time; time.sleep(4); open(here + '/late', 'w').write(nonce)"),
    Probe(id="W-PRC-11 processes", guarantee="limits", what="start more processes than it may", effect="told",
          limits=SMALL, program=_MANY),
    Probe(id="W-PRC-11 memory", guarantee="limits", what="take more memory than it may", effect="told", limits=SMALL,
          program="space = bytearray(400 << 20); space[::4096] = b'x' * len(space[::4096]); told()"),
    Probe(id="W-IPC-09 output", guarantee="limits", what="print more than is kept", effect="output 65536",
          limits=SMALL, program="os.write(1, b'x' * 300000)"),
]

_FILES = """
os.makedirs(here + "/a/b")
open(here + "/a/b/old", "w").write(nonce)
os.rename(here + "/a/b/old", here + "/made")
os.removedirs(here + "/a/b")
"""
_NAMES = """
path = here + "/\\ud30c\\uc77c \\U0001f5c2 a name with spaces"
open(path, "w").write(nonce)
os.rename(path, here + "/made")
"""
_SHELL = """
import subprocess
done = subprocess.run(["cmd", "/d", "/c", "echo one& exit 7"], capture_output=True)
told() if (done.returncode, done.stdout.split()) == (7, [b"one"]) else print(done)
"""
_TEMPORARY = """
import tempfile
with tempfile.TemporaryFile() as file:
    file.write(b"x")
    told()
"""
_THREADS = """
import threading
reading, writing = os.pipe()
thread = threading.Thread(target=os.write, args=(writing, nonce.encode()))
thread.start()
thread.join()
told() if os.read(reading, 100) == nonce.encode() else None
"""

WORKING = [
    Probe(id="W-FSN-01 workspace", guarantee=WORKS, what="create, rename and delete files in the workspace",
          effect="content {here}/made", program=_FILES),
    Probe(id="W-FSN-08 names", guarantee=WORKS, what="long and odd names in the workspace",
          effect="content {here}/made", program=_NAMES),
    Probe(id="W-WWR-04 own", guarantee=WORKS, what="use the temporary directory", effect="told", program=_TEMPORARY),
    Probe(id="W-FSN-01 reading", guarantee=WORKS, what="read the system's files", effect="told",
          program="told() if open(os.environ['SystemRoot'] + '/win.ini').read() is not None else None"),
    Probe(id="W-LAU-04 shell", guarantee=WORKS, what="a shell and its exit code", effect="told", program=_SHELL),
    Probe(id="W-IPC-09 bytes", guarantee=WORKS, what="a megabyte of output", effect="output 1000000",
          program="sys.stdout.buffer.write(b'x' * 1000001)"),
    Probe(id="W-TOK-06 objects", guarantee=WORKS, what="threads and pipes", effect="told", program=_THREADS),
]

PROBES = (*PRIVILEGES, *SURVIVORS, *LIMITED, *WORKING)
