"""What a failed command's output names: paths it could not use, hosts and sockets it could not reach.

Knows: how shells, coreutils, interpreters, package managers and compilers word a refusal.  Must not know: policies.
Pure text.  It may well name too much; ``denials`` keeps only what the policy really denies.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

READ, WRITE, EITHER, TAKEN = "read", "write", "either", "taken"
"""``taken``: something else is there already, as it is where a protected name is held."""
MOST, NEAR = 200, 1024
"""Refusals looked at; characters to either side of one: a flood of them costs no more than that."""
LOOK_BACK = 6
"""Lines before an ``os error`` line in which the path may stand: Rust programs print the chain of causes."""

_PHRASE = re.compile(
    r"(?P<write>read-only file system|operation not permitted|device or resource busy|\bEROFS\b|\bEPERM\b|\bEBUSY\b)"
    r"|(?P<either>permission denied|\bEACCES\b|access is denied|access to the path .{1,400} is denied)"
    r"|(?P<read>no such file or directory|\bENOENT\b)"
    r"|(?P<taken>is a directory|file exists|directory not empty|\bEISDIR\b|\bEEXIST\b|\bENOTEMPTY\b)", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)(?:'([^']+)'|\"([^\"]+)\"|`([^`']+)[`']|‘([^’]+)’|“([^”]+)”)(?!\w)")
_ABSOLUTE = re.compile(r"(?<![\w./~:])(~?/[^\s'\"`’”,;()]+)")
_READER = re.compile(r"^(?:cat|head|tail|less|more|grep|rg|ls|find|wc|sort|diff|awk|sed|source)\b|for reading|"
                     r"open directory|cannot access|can't read|could not read|cannot open .* for read", re.IGNORECASE)
_NPM_PATH = re.compile(r"^npm (?:ERR!|error) (?:path|dest) (/.+?)\s*$", re.MULTILINE)
_NPM_CODE = re.compile(r"^npm (?:ERR!|error) code (?:EACCES|EROFS|EPERM)", re.MULTILINE)
_MAKE = re.compile(r"^g?make(?:\[\d+\])?: (?:Entering directory ['`](/.*)'|Leaving directory )")
_TO_THE_END = re.compile(r"(?:^|\s)((?:~?/|[A-Za-z]:[\\/]).*)$")
_CAUSE = re.compile(r"\(os error \d+\)")

_HOST = r"\[?([A-Za-z0-9_](?:[A-Za-z0-9_.:-]*[A-Za-z0-9_])?)\]?"
_NAME = r"([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
_HOSTS = tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in (
    rf"could not resolve (?:host(?:name)?|proxy)(?:: *| +){_NAME}()",
    rf"could not translate host name \"{_NAME}\"()",
    rf"unable to look up {_NAME} \(port (\d+)\)",
    rf"(?:^|: ){_NAME}: (?:temporary failure in name resolution|name or service not known)()",
    rf"unable to resolve host(?: address)? [‘'\"]?{_NAME}()",
    rf"temporary failure resolving [‘'\"]?{_NAME}()",
    rf"^Resolving {_NAME} \([^)]*\)\.\.\. failed()",
    rf"getaddrinfo E[A-Z_]+ {_NAME}(?::(\d+))?",
    rf"\blookup {_NAME}(?: on \S+)?: ()",
    rf"UnknownHostException: {_NAME}()",
    rf"host='{_NAME}', port=(\d+)",
    rf"failed to connect to {_NAME} port (\d+)",
    rf"connect to (?:host |address )?{_NAME} port (\d+)",
    rf"connection to server at \"{_NAME}\"(?: \([^)]*\))?, port (\d+) failed",
    rf"^Connecting to {_NAME}(?: \([^)]*\))?(?:\|[^|]*\|)?:(\d+)\.\.\. failed",
    rf"connect E[A-Z]+ {_HOST}:(\d+)",
    rf"dial (?:tcp|udp)[46]? {_HOST}:(\d+): ",
))
_UNREACHED = re.compile(
    r"temporary failure in name resolution|name or service not known|network is unreachable|no route to host|"
    r"could not resolve|no address associated with hostname|nodename nor servname|network is down|no such host|"
    r"\bsocket(?:\(\))?: (?:permission denied|operation not permitted)|_socket\.socket\.__init__|"
    r"failed to resolve|\bUnknownHostException|unable to resolve|\b(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)\b",
    re.IGNORECASE)
_URL = re.compile(rf"\b(?:https?|git|ssh|ftp|wss?)://(?:[^@/\s]*@)?{_NAME}(?::(\d+))?")
_SOCKETS = tuple(re.compile(pattern) for pattern in (
    r"\bunix:/{0,2}(/[^\s:'\",]+)",
    r"\bdial unix (/[^\s:]+):",
    r"\bconnect E[A-Z]+ (/[^\s'\"]+)",
    r"(?:through|on) socket ['\"](/[^'\"]+)['\"]",
))


def paths(text: str) -> Iterator[tuple[str, str]]:
    """(``read``, ``write``, ``either`` or ``taken``; the path as it is written) of each refusal, in order."""
    lines = text.splitlines()
    places: list[str] = []
    left = MOST
    for number, line in enumerate(lines):
        moved = _MAKE.search(line)
        if moved:
            if moved[1]:
                places.append(moved[1])
            elif places:
                places.pop()
        for found in _PHRASE.finditer(line):
            left -= 1
            if left < 0:
                return
            start = max(0, found.start() - NEAR)
            near = line[start:found.end() + NEAR]
            kind = found.lastgroup or EITHER
            if kind == EITHER and _READER.search(near):
                kind = READ
            for path in _named(near, found.start() - start, found.end() - start):
                yield kind, path if not places or path.startswith(("/", "~")) else f"{places[-1]}/{path}"
            if _CAUSE.match(line, min(found.end() + 1, len(line))):
                for earlier in lines[max(0, number - LOOK_BACK):number]:
                    for path in _anywhere(earlier[:NEAR]):
                        yield kind, path
    if _NPM_CODE.search(text):
        for found in _NPM_PATH.finditer(text):
            yield WRITE, found[1]


def _named(line: str, start: int, end: int) -> Iterator[str]:
    quoted = list(_anywhere(line))
    yield from quoted
    segments = [segment.strip() for segment in line[:start].rstrip(" :-([").split(": ")]
    absolute = [found[1] for segment in segments if (found := _TO_THE_END.search(segment))]
    yield from absolute
    if segments[-1] and not segments[-1].startswith("[") and not quoted and not absolute:
        yield segments[-1].split()[-1]  # `[Errno 13] Permission denied` has its path after it
    for found in _ABSOLUTE.finditer(line, end):
        yield found[1].rstrip(".:")


def _anywhere(line: str) -> Iterator[str]:
    for found in _QUOTED.finditer(line):
        yield next(group for group in found.groups() if group)
    for found in re.finditer(r": (/[^\s'\"`:]+)$", line):
        yield found[1]


def hosts(text: str) -> Iterator[tuple[str, int]]:
    """(host, port or 0) of each that could not be reached, in order of appearance; ('', 0): some host, unnamed."""
    named = [(found.start(), found[1], int(found[2] or 0)) for pattern in _HOSTS for found in pattern.finditer(text)]
    resolvers = {entry for entry in named if entry[2] == 53}
    if len(resolvers) < len(named):
        named = [entry for entry in named if entry not in resolvers]
    if not named and _UNREACHED.search(text):
        named = [(found.start(), found[1], int(found[2] or 0)) for found in _URL.finditer(text)] or [(0, "", 0)]
    for _, host, port in sorted(named):
        yield host, port


def sockets(text: str) -> Iterator[str]:
    """Paths of the unix sockets that could not be reached."""
    for pattern in _SOCKETS:
        for found in pattern.finditer(text):
            yield found[1].rstrip(".")
