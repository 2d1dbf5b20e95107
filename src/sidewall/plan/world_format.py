"""Worlds as text: one JSON object a line, so that a capture can be written while it goes on and compared by ``diff``.

Knows: the format of docs/prove.md, "Captures", schema 1, and what makes a line wrong.  Must not know: files, machines,
what a plan does with a world.

The first line is the header, then volumes and entries in any order in which a volume stands before what lies on it and
a directory before what it holds.  A capture may come from anywhere: every mistake is one ConfigError that names the
line, what is wrong with it, and a remedy.  An unknown key is a mistake too, since what it says would be lost.
"""

from __future__ import annotations

from sidewall.errors import ConfigError, SidewallError
from sidewall.plan.world import KINDS, ORIGINS, REPARSE, Accounts, Entry, Volume, World, holder, place, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, NoReturn

    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid

SCHEMA = 1
LONGEST_LINE = 1 << 20
LONGEST_PATH = 32767
"""In UTF-16 units: what the object manager takes (UNICODE_STRING)."""
DEEPEST = 400
"""Names below the root.  No program of people goes deeper, and to ask about each directory above would take hours."""

_HEADER = frozenset(("world", "origin", "about", "home", "workspace", "user", "groups", "logon", "machine", "offline",
                     "online", "group"))
_VOLUME = frozenset(("volume", "filesystem", "acls", "remote"))
_ENTRY = frozenset(("path", "kind", "sddl", "links", "identity", "reparse", "target", "problem"))
KEYS = _HEADER | _VOLUME | _ENTRY
"""Every key that a line may have."""
_AGAIN = "Capture the world again, or correct the line by docs/prove.md."


def parse(data: bytes | Iterable[bytes], *, file: str = "") -> World:
    """The world in this text; ``file`` is its name, for messages.

    ``data`` is the whole text or its lines.  Raises ConfigError, key ``line N``, for text that is not a world.
    """
    reader = _Reader(file)
    lines = data.split(b"\n") if isinstance(data, bytes) else data
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    return reader.world()


def write(world: World) -> Iterable[str]:
    """The lines of a world, without line ends; ``parse`` gives the same world again."""
    import json

    from sidewall.nt import sddl

    spell: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=True, separators=(", ", ": ")).encode
    who = world.accounts
    header: dict[str, Any] = {
        "world": SCHEMA, "origin": world.origin, "about": world.about, "home": world.home, "workspace": world.workspace,
        "user": str(who.user), "groups": [str(sid) for sid in who.groups], "logon": str(who.logon),
    }
    for name in ("machine", "offline", "online", "group"):
        if (sid := getattr(who, name)) is not None:
            header[name] = str(sid)
    yield spell(header)
    for volume in world.volumes:
        yield spell({"volume": volume.root, "filesystem": volume.filesystem, "acls": volume.acls,
                     "remote": volume.remote})
    told: dict[SecurityDescriptor, str] = {}
    for entry in world.entries:
        line: dict[str, Any] = {"path": entry.path, "kind": entry.kind}
        if entry.descriptor is not None:
            if entry.descriptor not in told:
                told[entry.descriptor] = sddl.format(entry.descriptor)
            line["sddl"] = told[entry.descriptor]
        if entry.links != 1:
            line["links"] = entry.links
        for name in ("identity", "reparse", "target", "problem"):
            if value := getattr(entry, name):
                line[name] = value
        yield spell(line)


class _Reader:
    """Lines in, a world out."""

    def __init__(self, file: str) -> None:
        import json

        self._decode = json.JSONDecoder(object_pairs_hook=self._object).decode
        self._file = file
        self._number = 0
        self._header: dict[str, Any] | None = None
        self._volumes: dict[str, Volume] = {}
        self._entries: list[Entry] = []
        self._kinds: dict[str, str] = {}
        self._files: dict[str, Entry] = {}
        self._descriptors: dict[str, SecurityDescriptor] = {}
        self._accounts: Accounts | None = None

    def take(self, number: int, line: bytes) -> None:
        """Reads one line; an empty one says nothing."""
        self._number = number
        if len(line) > LONGEST_LINE:
            self._fail(f"is longer than {LONGEST_LINE} bytes", "No path and no descriptor is that long.")
        if not line.strip():
            return
        fields = self._fields(line)
        if self._header is None:
            self._begin(fields)
        elif "volume" in fields:
            self._volume(fields)
        elif "path" in fields:
            self._entry(fields)
        else:
            self._fail("is neither a volume nor an entry", "Each line after the first has 'volume' or 'path'.")

    def world(self) -> World:
        """What was read.  Raises ConfigError when that is no world yet."""
        if self._header is None or self._accounts is None:
            self._number = 1
            self._fail("is missing: there is no header", f'Begin with {{"world": {SCHEMA}, ...}}, see docs/prove.md.')
        if not self._entries:
            self._fail("is the last, and there is no entry", "A world has a volume's root at least.")
        head = self._header
        return World(origin=head["origin"], about=head["about"], home=head["home"], workspace=head["workspace"],
                     accounts=self._accounts, volumes=tuple(self._volumes.values()), entries=tuple(self._entries))

    def _fields(self, line: bytes) -> dict[str, Any]:
        try:
            found = self._decode(line.decode("utf-8-sig" if self._number == 1 else "utf-8"))
        except UnicodeDecodeError:
            self._fail("is not UTF-8", "Write the capture as UTF-8, one JSON object a line.")
        except (ValueError, RecursionError):
            self._fail("is not JSON", "Write one JSON object a line, all of it on that line.")
        if not isinstance(found, dict):
            self._fail("is not a JSON object", "Write one JSON object a line.")
        return found

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self._fail(f"says {_shown(twice)} twice", "Keep one of them.")
        return found

    def _begin(self, fields: dict[str, Any]) -> None:
        schema = fields.get("world")
        if type(schema) is not int:
            self._fail("is not the header of a world", f'Begin with {{"world": {SCHEMA}, ...}}, see docs/prove.md.')
        if schema != SCHEMA:
            self._fail(f"says schema {str(schema)[:20]}, and this Sidewall reads schema {SCHEMA}",
                       "Use the Sidewall that wrote the capture, or capture the world again.")
        self._known(fields, _HEADER)
        head = {"origin": self._word(fields, "origin", ORIGINS), "about": self._text(fields, "about", ""),
                "home": self._path(fields, "home"),
                "workspace": self._path(fields, "workspace") if fields.get("workspace") else ""}
        groups = fields.get("groups")
        if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
            self._fail("has no list of SIDs in 'groups'", _AGAIN)
        user, logon = self._sid(fields.get("user"), "user"), self._sid(fields.get("logon"), "logon")
        optional = {name: self._sid(fields[name], name) if name in fields else None
                    for name in ("machine", "offline", "online", "group")}
        self._accounts = Accounts(user=user, logon=logon, groups=tuple(self._sid(each, "groups") for each in groups),
                                  **optional)
        self._header = head

    def _volume(self, fields: dict[str, Any]) -> None:
        self._known(fields, _VOLUME)
        name = self._path(fields, "volume")
        if name != root(name):
            self._fail(f"names {_shown(name)}, which is not the root of a volume", "Write C:\\ or \\\\server\\share\\.")
        if place(name) in self._volumes:
            self._fail(f"names the volume {_shown(name)} a second time", "Keep one of them.")
        self._volumes[place(name)] = Volume(
            root=name, filesystem=self._text(fields, "filesystem", "NTFS"), acls=self._flag(fields, "acls", True),
            remote=self._flag(fields, "remote", False))

    def _entry(self, fields: dict[str, Any]) -> None:
        self._known(fields, _ENTRY)
        path = self._path(fields, "path")
        volume = self._volumes.get(place(root(path)))
        if volume is None:
            self._fail(f"lies on {_shown(root(path))}, which no line before it names as a volume",
                       "Put the volume's line before its entries.")
        kind = self._word(fields, "kind", KINDS)
        key, above = place(path), holder(path)
        if key in self._kinds:
            self._fail(f"names {_shown(path)} a second time (letter case does not count)",
                       "Keep one of them; directories that tell letter case apart cannot be judged.")
        if above and self._kinds.get(place(above)) != "directory":
            self._fail(f"has {_shown(path)} before its directory {_shown(above)}",
                       "List every directory before what it holds, from the root on.")
        entry = Entry(
            path=path, kind=kind, descriptor=self._descriptor(fields, volume),
            links=self._count(fields), identity=self._text(fields, "identity", ""),
            reparse=self._word(fields, "reparse", REPARSE) if fields.get("reparse") else "",
            target=self._text(fields, "target", ""), problem=self._text(fields, "problem", ""))
        if not above and kind != "directory":
            self._fail(f"says that {_shown(path)} is a file", "The root of a volume is a directory.")
        if entry.identity:
            self._same(entry)
        self._kinds[key] = "" if entry.reparse in ("symlink", "junction") else kind
        self._entries.append(entry)

    def _same(self, entry: Entry) -> None:
        """Names of one file have one descriptor, whichever of them was read."""
        other = self._files.setdefault(f"{place(root(entry.path))} {entry.identity}", entry)
        if other is entry:
            return
        if entry.links < 2:
            self._fail(f"says that {_shown(entry.path)} is {_shown(other.path)} too, and has one name",
                       "Give the number of its names in 'links'.")
        if (other.descriptor, other.kind, other.links) != (entry.descriptor, entry.kind, entry.links):
            self._fail(f"says that {_shown(entry.path)} and {_shown(other.path)} are one file, and not in one way",
                       "Give both the same kind, descriptor and number of links.")

    def _descriptor(self, fields: dict[str, Any], volume: Volume) -> SecurityDescriptor | None:
        text = fields.get("sddl")
        if text is None:
            if volume.acls and not fields.get("problem"):
                self._fail("has no 'sddl'", "Where a descriptor could not be read, say why in 'problem'.")
            return None
        if not isinstance(text, str):
            self._fail("has an 'sddl' that is no text", _AGAIN)
        if not volume.acls:
            self._fail("has an 'sddl' on a volume without descriptors", "Leave it out, or correct the volume's line.")
        known = self._descriptors.get(text)
        if known is None:
            from sidewall.nt import sddl

            machine = self._accounts.machine if self._accounts is not None else None
            try:
                known = self._descriptors[text] = sddl.parse(text, domain=machine, machine=machine)
            except SidewallError as error:
                self._fail(f"has an 'sddl' that cannot be read: {_plain(error.message)}", error.hint or _AGAIN)
        return known

    def _sid(self, text: object, name: str) -> Sid:
        from sidewall.nt.sid import Sid

        if not isinstance(text, str):
            self._fail(f"has no SID in {name!r}", _AGAIN)
        try:
            return Sid.parse(text)
        except SidewallError as error:
            self._fail(f"has no SID in {name!r}: {_plain(error.message)}", error.hint or _AGAIN)

    def _path(self, fields: Mapping[str, Any], name: str) -> str:
        path = self._text(fields, name, "")
        wrong = wrong_with(path)
        if wrong:
            self._fail(f"has {_shown(path)} as {name!r}: it {wrong}",
                       "Write the full path from the drive on, as C:\\Users, without a separator at the end.")
        return path

    def _text(self, fields: Mapping[str, Any], name: str, default: str) -> str:
        value = fields.get(name, default)
        if not isinstance(value, str):
            self._fail(f"has a {name!r} that is no text", _AGAIN)
        return value

    def _flag(self, fields: Mapping[str, Any], name: str, default: bool) -> bool:
        value = fields.get(name, default)
        if not isinstance(value, bool):
            self._fail(f"has a {name!r} that is neither true nor false", _AGAIN)
        return value

    def _word(self, fields: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str:
        value = fields.get(name)
        if not isinstance(value, str) or value not in words:
            self._fail(f"has a {name!r} that is none of {', '.join(words)}", _AGAIN)
        return value

    def _count(self, fields: Mapping[str, Any]) -> int:
        value = fields.get("links", 1)
        if type(value) is not int or not 0 < value <= 1024:
            self._fail("has a number of 'links' that no file has", "NTFS allows 1 to 1024 names of a file.")
        return value

    def _known(self, fields: Mapping[str, Any], names: frozenset[str]) -> None:
        for name in fields:
            if name not in names:
                self._fail(f"has the key {_shown(name)}, which schema {SCHEMA} does not know", _AGAIN)

    def _fail(self, message: str, hint: str) -> NoReturn:
        raise ConfigError(message, file=self._file or "the world", key=f"line {self._number}", hint=hint)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")


def _plain(message: str) -> str:
    """A message of another room, which may repeat what is in the line."""
    return "".join([letter if letter.isprintable() else "?" for letter in message[:300]])


def wrong_with(path: str) -> str:
    """Why this text is not a path that a capture can hold, as a phrase; '' when it is one.

    Names that Win32 cannot spell (``aux``, a trailing dot) are allowed: such files exist.
    """
    if len(path.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_PATH:
        return "is longer than a path can be"
    if "/" in path or "\0" in path:
        return "holds a character that no path has"
    if path.startswith("\\\\"):
        names = path[2:].split("\\")
        if len(names) < 3 or not names[0] or not names[1] or names[0] in (".", "?") or names[1] in (".", ".."):
            return "is not a complete network path"
        rest = names[2:]
    elif path[1:3] == ":\\" and path[0].isascii() and path[0].isupper():
        rest = path[3:].split("\\")
    else:
        return "does not begin with a drive"
    if len(rest) > DEEPEST:
        return f"has more than {DEEPEST} names"
    if rest != [""] and ("" in rest or "." in rest or ".." in rest):
        return "has an empty name, or a dot for a name"
    return ""
