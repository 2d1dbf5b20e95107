"""Probes for Linux that are about what a command is and leaves: privileges, survivors, limits; and what must work.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks.md.
"""

from __future__ import annotations

from sidewall.policy.model import Limits
from sidewall.verify.probe import BEAT, WORKS, Probe
from sidewall.verify.probes_linux_files import SYSCALL

_STATUS = """
state = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
"""
_CAPABLE = """
held = [name for name in ("CapEff", "CapPrm", "CapInh", "CapAmb") if int(state[name], 16)]
if held or (int(state["CapBnd"], 16) and state["NoNewPrivs"].strip() == "0"):
    told()
"""
_RING = "syscall('io_uring_setup', 4, ctypes.create_string_buffer(120)); told()"
_COUNTER = """
head = (1).to_bytes(4, "little") + (112).to_bytes(4, "little") + bytes(32) + (0x60).to_bytes(8, "little")
events = ctypes.create_string_buffer(head, 112)
syscall("perf_event_open", events, 0, -1, -1, 0)
told()
"""
_CHILD = """
child = os.fork()
if not child:
    syscall("ptrace", 0, 0, 0, 0)
    os._exit(7)
told() if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7 else None
"""

PRIVILEGES = [
    Probe(id="L-103 gain", guarantee="privileges", what="run set-uid programs with their rights", effect="told",
          program=_STATUS + "told() if state['NoNewPrivs'].strip() == '0' else None"),
    Probe(id="L-103 capabilities", guarantee="privileges", what="have capabilities, or gain them later", effect="told",
          program=_STATUS + _CAPABLE),
    Probe(id="L-103 filter", guarantee="privileges", what="make any system call there is", effect="told",
          program=_STATUS + "told() if state['Seccomp'].strip() == '0' else None"),
    Probe(id="L-102 user", guarantee="privileges", what="make a user namespace", effect="told", source=SYSCALL,
          program="syscall('unshare', 0x10000000); told()"),
    Probe(id="L-102 mount", guarantee="privileges", what="mount in namespaces of one's own", effect="told",
          source=SYSCALL, program="syscall('unshare', 0x10020000); "
                                  "syscall('mount', b'none', b'/', None, 0x44000, None); told()"),
    Probe(id="L-101 ring", guarantee="privileges", what="make system calls by io_uring", effect="told", source=SYSCALL,
          program=_RING),
    Probe(id="LX-23 counter", guarantee="privileges", what="open a performance counter", effect="told",
          source=SYSCALL, program=_COUNTER),
    Probe(id="L-101 trace", guarantee="privileges", what="be traced", effect="told", source=SYSCALL, program=_CHILD),
]

CLOSED = """
def closed():
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
"""
"""``closed()``: none of the three streams is held open, so that nobody waits for their end."""

_DAEMON = """
import signal
if os.fork() == 0:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        closed()
        beat(here + "/beat")
    os._exit(0)
begun()
"""
_HOPPER = """
if os.fork() == 0:
    closed()
    for turn in range(400):
        if os.fork() or os.path.exists(base + "/stop"):
            os._exit(0)
        os.setsid()
        with open(here + "/beat", "a") as trace:
            trace.write(".")
        time.sleep(0.03)
    os._exit(0)
begun()
"""
_SHELL = """
import subprocess
line = 'i=0; while [ $i -lt 400 ]; do test -e "$0" && exit; printf . >>beat || exit; sleep 0.05; i=$((i+1)); done'
subprocess.Popen(["/bin/sh", "-c", f"nohup /bin/sh -c '{line}' '{base}/stop' >/dev/null 2>&1 &"],
                 cwd=here).wait()
begun()
"""
_LEFT = """
place = f"{os.environ.get('TMPDIR') or '/tmp'}/{unique}-{nonce}"
open(place, "w").close()
print("LEFT", place)
"""

SURVIVORS = [
    Probe(id="L-089 daemon", guarantee="survivors", what="leave a daemon that ignores signals", source=BEAT + CLOSED,
          effect="beats {here}/beat", late=True, program=_DAEMON),
    Probe(id="L-090 hopper", guarantee="survivors", what="leave processes that fork and exit all the time",
          source=BEAT + CLOSED, effect="beats {here}/beat", late=True, program=_HOPPER),
    Probe(id="L-092 job", guarantee="survivors", what="leave a background job of a shell", effect="beats {here}/beat",
          source=BEAT + CLOSED, late=True, program=_SHELL),
    Probe(id="LX-24 temporary", guarantee="survivors", what="leave a file in the temporary directory", effect="left",
          late=True, program=_LEFT),
]

TIME = Limits(wall_seconds=0.5)
SMALL = Limits(processes=48, memory_bytes=128 << 20, output_bytes=1 << 16, file_bytes=1 << 20)
_MANY = """
import time
children = []
for turn in range(96):
    child = os.fork()
    if not child:
        time.sleep(5)
        os._exit(0)
    children.append(child)
    if len(children) > 72:
        told()
        break
"""
_END = """
import signal
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""

LIMITED = [
    Probe(id="L-098 time", guarantee="limits", what="run longer than it may", effect="content {here}/late",
          limits=TIME, program="import time; time.sleep(0.9); open(here + '/late', 'w').write(nonce)"),
    Probe(id="L-136 file", guarantee="limits", what="write a file larger than it may be",
          effect="larger {here}/large 1048576", limits=SMALL,
          program="open(here + '/large', 'wb').write(bytes(3 << 20))"),
    Probe(id="L-137 processes", guarantee="limits", what="start more processes than it may", effect="told",
          limits=SMALL, program=f"try:{_MANY.replace(chr(10), chr(10) + '    ')}\nfinally:"
                                f"{_END.replace(chr(10), chr(10) + '    ')}"),
    Probe(id="L-138 memory", guarantee="limits", what="take more memory than it may", effect="told", limits=SMALL,
          program="space = bytearray(256 << 20); space[::4096] = b'x' * len(space[::4096]); told()"),
    Probe(id="A-21 output", guarantee="limits", what="print more than is kept", effect="output 65536", limits=SMALL,
          program="os.write(1, b'x' * 300000)"),
]

_LOOPBACK = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), 5)
client.sendall(nonce.encode())
told() if server.accept()[0].recv(100) == nonce.encode() else None
"""
_DEVICES = """
assert os.read(os.open("/dev/zero", os.O_RDONLY), 4) == bytes(4)
assert len(os.read(os.open("/dev/urandom", os.O_RDONLY), 4)) == 4
assert os.write(os.open("/dev/null", os.O_WRONLY), b"x") == 1
told()
"""
_FILES = """
os.makedirs(here + "/a/b")
open(here + "/a/b/old", "w").write(nonce)
os.rename(here + "/a/b/old", here + "/made")
os.removedirs(here + "/a/b")
"""
_PIPES = """
import subprocess
done = subprocess.run("(echo one; echo two) | grep -c . && exit 7", shell=True, capture_output=True)
told() if (done.returncode, done.stdout) == (7, b"2\\n") else None
"""
_READING = """
def reads(path):
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except PermissionError:
        # The landlock tier lists some directories: what the host has replaced there meanwhile is not in its list.
        if os.stat(path).st_ctime < began:
            raise
        return False
files = [path for path in ("/etc/passwd", "/etc/group", "/etc/os-release", "/bin/sh") if os.path.exists(path)]
told() if os.listdir("/usr") and [path for path in files if reads(path)] else None
"""
_TEMPORARY = """
import tempfile
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
    told()
"""
_THREADS = """
import socket, threading
left, right = socket.socketpair()
thread = threading.Thread(target=left.sendall, args=(nonce.encode(),))
thread.start()
thread.join()
told() if right.recv(100) == nonce.encode() else None
"""
_COMMIT = """
import subprocess
words = ["-c", "user.name=verify", "-c", "user.email=verify@localhost", "-C", workspace]
done = subprocess.run(["git", *words, "commit", "-q", "--allow-empty", "-m", nonce])
sys.exit(done.returncode)
"""

WORKING = [
    Probe(id="L-141 commit", guarantee=WORKS, what="git commit", effect="content {workspace}/.git/logs/HEAD",
          alone=True, program=_COMMIT),
    Probe(id="L-151 files", guarantee=WORKS, what="create, rename and delete files in the workspace",
          effect="content {here}/made", program=_FILES),
    Probe(id="L-149 temporary", guarantee=WORKS, what="use the temporary directory", effect="told",
          program=_TEMPORARY),
    Probe(id="L-148 reading", guarantee=WORKS, what="read the system's files", effect="told",
          program=_READING),
    Probe(id="L-140 devices", guarantee=WORKS, what="use the common devices", effect="told", program=_DEVICES),
    Probe(id="L-146 pipes", guarantee=WORKS, what="pipes, subshells, exit codes", effect="told", program=_PIPES),
    Probe(id="L-143 threads", guarantee=WORKS, what="threads and socket pairs", effect="told", program=_THREADS),
    Probe(id="L-144 output", guarantee=WORKS, what="a megabyte of output", effect="output 1000000",
          program="sys.stdout.buffer.write(b'x' * 1000001)"),
    Probe(id="L-145 loopback", guarantee=WORKS, what="a server and its client inside", effect="told",
          tiers=("namespace", "unconfined"), program=_LOOPBACK),
]

PROBES = (*PRIVILEGES, *SURVIVORS, *LIMITED, *WORKING)
