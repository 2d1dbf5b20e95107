"""What real tools say when they are refused, and what is made of it; and that other failures are left alone.

Knows: the words of tools.  Must not know: cells.
"""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.platforms.contract import Attempt
from sidewall.policy.model import COMMAND_LINE, DENY, USER, WRITE, FileRule, HostRule, Network, Policy, Source
from sidewall.session.denials import Denial, explain, one_line

HOME = "/home/user"
PROJECT = f"{HOME}/project"
SECRET = Source(layer=USER, file="/home/user/rules.toml", key="files.deny")
POLICY = Policy(name="test", workspace=PROJECT, home=HOME, protected=(".git/hooks", ".git/config"),
                files=(FileRule(path=PROJECT, access=WRITE, source=Source(layer=COMMAND_LINE)),
                       FileRule(path=f"{HOME}/.ssh", access=DENY, source=SECRET)))

WRITES = {
    "dash": ("sh: 1: cannot create /etc/new: Read-only file system\n", "/etc/new"),
    "bash": ("bash: line 1: /etc/new: Permission denied\n", "/etc/new"),
    "zsh": ("zsh: permission denied: /etc/new\n", "/etc/new"),
    "touch": ("touch: cannot touch '/etc/new': Read-only file system\n", "/etc/new"),
    "mkdir": ("mkdir: cannot create directory ‘/etc/new’: Read-only file system\n", "/etc/new"),
    "cp": ("cp: cannot create regular file '/etc/new': Permission denied\n", "/etc/new"),
    "cp, a name with spaces": ("cp: cannot create regular file '/etc/a b: c': Permission denied\n", "/etc/a b: c"),
    "mv across": (("mv: inter-device move failed: 'x.txt' to '/etc/y.txt'; unable to remove target: "
                  "Read-only file system\n"), "/etc/y.txt"),
    "mv a protected directory": ("mv: cannot move '.git/hooks' to 'g': Device or resource busy\n",
                                 f"{PROJECT}/.git/hooks"),
    "rm": ("rm: cannot remove '/etc/passwd': Read-only file system\n", "/etc/passwd"),
    "ln": ("ln: failed to create symbolic link '/etc/ln': Read-only file system\n", "/etc/ln"),
    "tee": ("tee: /etc/new: Read-only file system\n", "/etc/new"),
    "dd": ("dd: failed to open '/etc/new': Read-only file system\n", "/etc/new"),
    "sed": ("sed: couldn't open temporary file /etc/sedOvbHUV: Read-only file system\n", "/etc/sedOvbHUV"),
    "chmod": ("chmod: changing permissions of '/etc/passwd': Operation not permitted\n", "/etc/passwd"),
    "tar": ("tar: /etc/x.txt: Cannot open: Read-only file system\n", "/etc/x.txt"),
    "python": (("Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n"
               "PermissionError: [Errno 13] Permission denied: '/etc/new'\n"), "/etc/new"),
    "python, two names": ("OSError: [Errno 30] Read-only file system: '/etc/passwd' -> '/etc/p2'\n", "/etc/passwd"),
    "venv": ("Error: [Errno 30] Read-only file system: '/etc/venv'\n", "/etc/venv"),
    "pip": (("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: "
            "'/usr/lib/python3/six.py'\nCheck the permissions.\n"), "/usr/lib/python3/six.py"),
    "perl": ("Can't open '/etc/x': Read-only file system at -e line 1.\n", "/etc/x"),
    "ruby": ("-e:1:in `initialize': Permission denied @ rb_sysopen - /etc/x (Errno::EACCES)\n", "/etc/x"),
    "node": ("Error: EROFS: read-only file system, open '/etc/x'\n    at Object.writeFileSync (node:fs:2380:20)\n",
             "/etc/x"),
    "npm": (("npm error code EACCES\nnpm error syscall mkdir\nnpm error path /usr/lib/node_modules/p\n"
            "npm error errno -13\n"), "/usr/lib/node_modules/p"),
    "git config": ("error: could not lock config file /etc/gitconfig: Read-only file system\n", "/etc/gitconfig"),
    "git config, protected": ("error: could not lock config file .git/config: Read-only file system\n",
                              f"{PROJECT}/.git/config"),
    "git clone": ("fatal: could not create work tree dir '/etc/repo': Read-only file system\n", "/etc/repo"),
    "git init": ("fatal: cannot mkdir /etc/repo: Read-only file system\n", "/etc/repo"),
    "ld": ("/usr/bin/ld: cannot open output file /etc/a.out: Permission denied\ncollect2: error: ld returned 1\n",
           "/etc/a.out"),
    "as": ("Assembler messages:\nFatal error: can't create /etc/a.o: Read-only file system\n", "/etc/a.o"),
    "make elsewhere": (("make: Entering directory '/etc'\ntouch made\ntouch: cannot touch 'made': "
                       "Read-only file system\nmake: *** [Makefile:2: all] Error 1\n"), "/etc/made"),
    "go": ("go: could not create module cache: mkdir /home/user/go: read-only file system\n", "/home/user/go"),
    "cargo": ("error: failed to create directory `/srv/target`\n\nCaused by:\n  Read-only file system (os error 30)\n",
              "/srv/target"),
    "java": ("java.io.FileNotFoundException: /etc/x (Permission denied)\n", "/etc/x"),
    "tmux": ("error creating /etc/s (Read-only file system)\n", "/etc/s"),
    "ssh-keygen": ("Saving key \"/etc/k\" failed: Read-only file system\n", "/etc/k"),
    "wget": ("/etc/x: Read-only file system\n", "/etc/x"),
    "the home directory": ("sh: 1: cannot create ~/new: Permission denied\n", "/home/user/new"),
    "a protected name that is held": ("sh: 1: cannot create .git/hooks: Is a directory\n", f"{PROJECT}/.git/hooks"),
    "a protected name, made": ("mkdir: cannot create directory ‘.git/hooks’: File exists\n", f"{PROJECT}/.git/hooks"),
    "from a subdirectory": ("touch: cannot touch '../../new': Read-only file system\n", "/home/new"),
}
READS = {
    "cat": ("cat: /home/user/.ssh/id_rsa: Permission denied\n", "/home/user/.ssh/id_rsa"),
    "ls": ("ls: cannot open directory '/home/user/.ssh': Permission denied\n", "/home/user/.ssh"),
    "hidden": ("cat: /home/user/.ssh/id_rsa: No such file or directory\n", "/home/user/.ssh/id_rsa"),
    "python": ("FileNotFoundError: [Errno 2] No such file or directory: '/home/user/.ssh/config'\n",
               "/home/user/.ssh/config"),
    "node": ("Error: ENOENT: no such file or directory, open '/home/user/.ssh/x'\n", "/home/user/.ssh/x"),
    "openssh": ("Load key \"/home/user/.ssh/id_rsa\": Permission denied\r\n", "/home/user/.ssh/id_rsa"),
}
CONNECTS = {
    "curl": ("curl: (6) Could not resolve host: api.example.org\n", "api.example.org"),
    "curl, an address": ("curl: (7) Failed to connect to 192.0.2.3 port 443 after 0 ms: Couldn't connect to server\n",
                         "192.0.2.3:443"),
    "wget": (("--2026--  https://example.org/\nResolving example.org (example.org)... failed: Temporary failure in "
              "name resolution.\nwget: unable to resolve host address ‘example.org’\n"), "example.org"),
    "wget, an address": ("--2026--\nConnecting to 192.0.2.3:8080... failed: Network is unreachable.\n",
                         "192.0.2.3:8080"),
    "git": ("fatal: unable to access 'https://git.example.org/a/b/': Could not resolve host: git.example.org\n",
            "git.example.org"),
    "git protocol": ("fatal: unable to look up git.example.org (port 9418) (Temporary failure in name resolution)\n",
                     "git.example.org:9418"),
    "ssh": (("ssh: Could not resolve hostname host.example.org: Temporary failure in name resolution\n"
            "fatal: Could not read from remote repository.\n"), "host.example.org"),
    "ssh, an address": ("ssh: connect to host 10.0.0.1 port 22: Network is unreachable\n", "10.0.0.1:22"),
    "node": ("TypeError: fetch failed\n  [cause]: Error: getaddrinfo EAI_AGAIN api.example.org\n", "api.example.org"),
    "node, an address": ("Error: connect ENETUNREACH 192.0.2.3:443 - Local (0.0.0.0:0)\n", "192.0.2.3:443"),
    "npm": (("npm error code ENOTFOUND\nnpm error network request to https://packages.example.org/left-pad failed, "
            "reason: getaddrinfo ENOTFOUND packages.example.org\n"), "packages.example.org"),
    "pip": (("Looking in indexes: https://user:pw@packages.example.org/simple\nWARNING: Retrying after connection "
             "broken by 'NewConnectionError(\"Failed to establish a new connection: [Errno -3] Temporary failure "
             "in name resolution\")': /simple/six/\nERROR: No matching distribution\n"), "packages.example.org"),
    "requests": (("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example.org', port=443): Max "
                 "retries exceeded (Caused by NameResolutionError(...))\n"), "api.example.org:443"),
    "go": (("dial tcp: lookup proxy.example.org on 127.0.0.53:53: dial udp 127.0.0.53:53: connect: network is "
           "unreachable\n"), "proxy.example.org"),
    "go, an address": ("Get \"http://192.0.2.3/\": dial tcp 192.0.2.3:80: connect: network is unreachable\n",
                       "192.0.2.3:80"),
    "cargo": (("warning: spurious network error (3 tries remaining): [6] Could not resolve hostname (Could not resolve "
              "host: index.example.org)\n"), "index.example.org"),
    "apt": ("W: Failed to fetch http://deb.example.org/d  Temporary failure resolving 'deb.example.org'\n",
            "deb.example.org"),
    "java": ("Caused by: java.net.UnknownHostException: repo.example.org\n", "repo.example.org"),
    "psql": (("psql: error: connection to server at \"db.example.org\" (192.0.2.9), port 5432 failed: Network is "
             "unreachable\n"), "db.example.org:5432"),
    "bash": ("bash: line 1: db.example.org: Temporary failure in name resolution\n", "db.example.org"),
    "python, no socket at all": (("    _socket.socket.__init__(self, family, type, proto, fileno)\n"
                                  "PermissionError: [Errno 13] Permission denied\n"), "*"),
    "python, no name": ("socket.gaierror: [Errno -3] Temporary failure in name resolution\n", "*"),
}
SOCKETS = {
    "docker": ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
               "/var/run/docker.sock"),
    "go": ("dial unix /var/run/docker.sock: connect: permission denied\n", "/var/run/docker.sock"),
    "node": ("Error: connect EACCES /run/docker.sock\n", "/run/docker.sock"),
    "psql": ("connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: Permission denied\n",
             "/run/postgresql/.s.PGSQL.5432"),
}
INNOCENT = {
    "a test fails": "E   AssertionError: assert '/etc/passwd' == 'x'\n1 failed\n",
    "a file in the workspace is missing": "cat: notes.txt: No such file or directory\n",
    "a file outside is missing": "cat: /etc/none: No such file or directory\n",
    "a script is not executable": "sh: 1: ./script.sh: Permission denied\n",
    "a file of one's own": "cat: locked: Permission denied\n",
    "a foreign file": "cat: /etc/shadow: Permission denied\n",
    "something is there": "mkdir: cannot create directory ‘/etc’: File exists\nsh: 1: /etc: Is a directory\n",
    "no such command": "sh: 1: frobnicate: not found\n",
    "a process": "kill: (1) - Operation not permitted\n",
    "prose": "The answer is `yes`, if permission is denied.\nSee https://example.org/ for more.\n",
    "numbers": "Error: 13\n",
}


@pytest.mark.parametrize("name", WRITES)
def test_writes(name: str) -> None:
    output, path = WRITES[name]
    found = [denial for denial in explain(POLICY, 1, output.encode(), (), PROJECT) if denial.action == "write"]
    assert path in [denial.target for denial in found]
    assert len(found) <= 2 and all(denial.reason and denial.rule for denial in found)


@pytest.mark.parametrize("name", READS)
def test_reads(name: str) -> None:
    output, path = READS[name]
    (found,) = explain(POLICY, 1, output.encode(), (), None)
    assert (found.kind, found.action, found.target) == ("path", "read", path)
    assert (found.rule, found.source) == (f"deny {HOME}/.ssh", "/home/user/rules.toml: files.deny")


@pytest.mark.parametrize("name", CONNECTS)
def test_connects(name: str) -> None:
    output, target = CONNECTS[name]
    (found,) = explain(POLICY, 6, output.encode(), (), None)
    assert (found.kind, found.action, found.target) == ("network", "connect", target)


@pytest.mark.parametrize("name", SOCKETS)
def test_sockets(name: str) -> None:
    output, path = SOCKETS[name]
    found = [denial for denial in explain(POLICY, 1, output.encode(), (), None) if denial.kind == "unix"]
    assert [(denial.action, denial.target) for denial in found] == [("connect", path)]


@pytest.mark.parametrize("name", INNOCENT)
def test_other_failures_are_left_alone(name: str) -> None:
    code = 126 if "executable" in name else 1
    assert explain(POLICY, code, INNOCENT[name].encode(), (), None) == ()


def test_a_success_explains_nothing() -> None:
    attempt = Attempt(kind="connect", target="example.org:443")
    assert explain(POLICY, 0, b"touch: cannot touch '/etc/x': Permission denied\n", (attempt,), None) == ()


def test_an_allowed_network_is_no_reason() -> None:
    open_policy = POLICY.replace(network=Network(mode="on"))
    for output, _ in CONNECTS.values():
        assert explain(open_policy, 1, output.encode(), (), None) == ()
    some = POLICY.replace(network=Network(mode="proxy", hosts=(HostRule(pattern="api.example.org", allow=True),)))
    assert explain(some, 1, CONNECTS["curl"][0].encode(), (), None) == ()
    assert explain(some, 1, CONNECTS["git"][0].encode(), (), None) != ()


def test_relative_names_count_from_where_it_started() -> None:
    output = b"touch: cannot touch 'x': Read-only file system\n"
    assert explain(POLICY, 1, output, (), "/etc")[0].target == "/etc/x"
    assert explain(POLICY, 1, output, (), b"/etc")[0].target == "/etc/x"
    assert explain(POLICY, 1, output, (), None) == ()


def test_what_the_enforcement_saw() -> None:
    seen = (Attempt(kind="unix", target="/run/nscd/socket"), Attempt(kind="connect", target="192.0.2.53:53"),
            Attempt(kind="connect", target="192.0.2.3:443"),
            Attempt(kind="unix", target="/run/docker.sock", reason="not in the list"),
            Attempt(kind="write", target="/etc/x"), Attempt(kind="write", target=f"{PROJECT}/fine"))
    found = explain(POLICY, 1, b"", seen, None)
    assert [(denial.kind, denial.target) for denial in found] == [
        ("network", "192.0.2.3:443"), ("unix", "/run/docker.sock"), ("path", "/etc/x")]
    assert "not in the list" in found[1].reason
    (found,) = explain(POLICY, 1, b"", seen[1:2], None)
    assert found.target == "*"
    (found,) = explain(POLICY, 1, CONNECTS["curl"][0].encode(), seen[1:2], None)
    assert found.target == "api.example.org"


def test_a_socket_of_the_hosts_is_listed_to_allow_it() -> None:
    """Whether it was refused, is hidden by a directory of the sandbox's own, or was only in the output."""
    for path in ("/run/docker.sock", "/tmp/agent/x.sock", f"{PROJECT}/host.sock", "@abstract"):
        policy = POLICY.replace(network=Network(mode="on")) if path.startswith("@") else POLICY
        (found,) = explain(policy, 1, b"", (Attempt(kind="unix", target=path),), None)
        assert (found.kind, found.target, found.suggestion) == ("unix", path, f'network.unix_sockets = ["{path}"]')
        assert "named one by one" in found.reason or "abstract" in found.reason
        listed = policy.replace(network=policy.network.replace(unix_sockets=(path,)))
        assert explain(listed, 1, b"", (Attempt(kind="unix", target=path),), None) == ()
    for output, path in SOCKETS.values():
        found = explain(POLICY, 1, output.encode(), (), None)[0]
        assert found.suggestion == f'network.unix_sockets = ["{path}"]'
    # Not the file, though the words are those of a file that cannot be written.
    (found,) = explain(POLICY, 2, b'psql: error: connection to server on socket "/run/postgresql/.s.PGSQL.1" failed: '
                       b"could not create socket: Permission denied\n", (), None)
    assert found.kind == "unix"


def test_a_request_over_a_socket_names_no_host() -> None:
    output = b"curl: (7) Failed to connect to x port 80 after 0 ms: Couldn't connect to server\n"
    seen = Attempt(kind="unix", target="/run/docker.sock")
    found = explain(POLICY, 7, output, (seen,), None)
    assert [denial.target for denial in found] == ["/run/docker.sock", "x:80"]
    found = explain(POLICY, 7, output, (seen, Attempt(kind="connect", target="192.0.2.3:80")), None)
    assert found[0].target == "x:80"


def test_a_port_of_the_hosts_is_listed_to_allow_it() -> None:
    (found,) = explain(POLICY, 1, b"", (Attempt(kind="loopback", target="127.0.0.1:5432"),), None)
    assert found.suggestion == "network.loopback_ports = [5432]"
    output = b"curl: (7) Failed to connect to localhost port 5432 after 0 ms: Couldn't connect to server\n"
    assert explain(POLICY, 7, output, (), None) == ()
    (found,) = explain(POLICY, 7, output, (), None, loopback=False)
    assert (found.target, found.rule) == ("localhost:5432", "loopback")
    assert found.suggestion == "the tier 'namespace' and network.loopback_ports = [5432]"


def test_one_of_each_and_not_too_many() -> None:
    lines = "".join(f"touch: cannot touch '/etc/{n % 20}': Read-only file system\n" for n in range(1000))
    found = explain(POLICY, 1, lines.encode(), (), None)
    assert [denial.target for denial in found] == [f"/etc/{n}" for n in range(8)]


def test_one_line_for_people() -> None:
    found = explain(POLICY, 1, (WRITES["touch"][0] + CONNECTS["curl"][0]).encode(), (), None)
    line = one_line(found)
    assert "\n" not in line and "/etc/new" in line and line.endswith("(and 1 more)")
    assert one_line(()) == ""
    assert found[0].suggestion in line
    secret = explain(POLICY, 1, READS["cat"][0].encode(), (), None)
    assert "rules.toml" in one_line(secret)


def test_a_denial_travels() -> None:
    found = explain(POLICY, 1, READS["cat"][0].encode(), (), None)[0]
    assert pickle.loads(pickle.dumps(found)) == found
    assert set(found.to_dict()) == {"kind", "action", "target", "rule", "source", "reason", "suggestion"}
    assert Denial.__module__ == "sidewall"


@given(st.lists(st.sampled_from([text for text, _ in (*WRITES.values(), *CONNECTS.values(), *SOCKETS.values())])
                | st.text() | st.sampled_from(["'", '"', "Permission denied", ": ", "\0", "(os error 13)", "/", "~"])))
def test_no_output_breaks_it(parts: list[str]) -> None:
    output = "".join(parts).encode("utf-8", "surrogatepass")
    for denial in explain(POLICY, 1, output, (), None):
        assert denial.target and "\0" not in denial.target


def test_much_output_takes_no_time_to_speak_of() -> None:
    """Linear, not quadratic: a megabyte of quotes, slashes and phrases."""
    for junk in (b"'" * 300_000, b"/" * 300_000, b"a: " * 100_000, b"Permission denied" * 17_000, b"https://" * 40_000,
                 b"connect E" * 30_000, b"host='" * 50_000):
        explain(POLICY, 1, junk[-65536:], (), None)


def test_the_hosts_loopback() -> None:
    seen = (Attempt(kind="loopback", target="127.0.0.1:5432"), Attempt(kind="loopback", target="[::1]:5432"))
    found = explain(POLICY, 1, b"", seen, None)
    assert [(each.kind, each.target, each.suggestion) for each in found] == [
        ("network", "127.0.0.1:5432", "network.loopback_ports = [5432]"),
        ("network", "[::1]:5432", "network.loopback_ports = [5432]")]  # fmt: skip
    assert "sandbox's own" in one_line(found)
    lent = POLICY.replace(network=Network(loopback_ports=(5432,)))
    assert explain(lent, 1, b"", seen, None) == ()
    assert explain(POLICY.replace(network=Network(mode="on")), 1, b"", seen, None) == ()
