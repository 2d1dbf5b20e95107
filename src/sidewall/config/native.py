"""``sidewall.toml`` and ``config.toml``: text becomes one layer.

Knows: TOML, the schema, how paths are written in a file.  Must not know: where the file lies beyond the name it is
given; whether it is trusted is told.

Paths may begin with ``~`` (the home directory), ``:workspace``, or ``:tmp`` (the sandbox's own temporary directory,
only in ``files.write``, where it says what holds anyway); others are relative to the directory of the file.  What
stands in ``files.deny`` is a pattern if it holds ``*``, ``?`` or ``[``; brackets then also stand for themselves.
"""

from __future__ import annotations

import tomllib

import msgspec

from sidewall.config import complaints, nesting, units
from sidewall.config.schema import SECTIONS, Document
from sidewall.config.schema import Limits as LimitsTable
from sidewall.errors import ConfigError, PolicyError
from sidewall.policy import globs, hosts, paths, profiles, protect
from sidewall.policy.merge import Overlay, apply
from sidewall.policy.model import (
    DENY,
    GUARANTEES,
    NETWORK_ON,
    NETWORK_PROXY,
    PROJECT,
    READ,
    WRITE,
    FileRule,
    HostRule,
    Policy,
    Source,
)

MOST_BYTES = 1 << 18
"""Longer files are refused."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file's paths count from; all absolute, real, in ``flavour``.

    ``base`` is the directory that holds the file, ``workspace`` and ``home`` those of the session.
    """

    base: str
    workspace: str
    home: str
    flavour: str = paths.POSIX


def parse(text: str | bytes, place: Place, *, file: str, layer: str = PROJECT, trusted: bool = True) -> Overlay:
    """One layer out of the text of a file; ``file`` is its name in messages and in the sources of rules.

    Raises ConfigError that names the file, the key (or the line, where the text is no TOML) and a remedy.
    """
    try:
        overlay = _overlay(_document(text, file), place, file, layer)
    except ConfigError as error:
        raise complaints.shortened(error) from None
    return overlay if trusted else overlay.replace(trusted=False)


def policy(text: str | bytes, place: Place, *, file: str, layer: str = PROJECT) -> Policy:
    """The policy that the text alone makes, on top of the profile that it extends.  Raises ConfigError, PolicyError."""
    overlay = parse(text, place, file=file, layer=layer)
    base = profiles.build(overlay.extends or profiles.DEFAULT, workspace=place.workspace, home=place.home,
                          flavour=place.flavour)
    return apply(base, overlay)


def _document(text: str | bytes, file: str) -> Document:
    if len(text) > MOST_BYTES:
        raise ConfigError(f"is longer than {MOST_BYTES} bytes", file=file, hint="Is this the right file?")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"is not UTF-8 (byte {error.start})", file=file, hint="Save it as UTF-8.") from None
    deep = nesting.too_deep(text)
    if deep is not None:
        complaints.too_deep(file, deep)
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        complaints.bad_syntax(file, str(error))
    except RecursionError:
        complaints.bad_syntax(file, "it is nested too deeply")
    except ValueError as error:  # what tomllib lets through from int() and datetime
        complaints.bad_syntax(file, str(error))
    _refuse_unknown(data, file)
    try:
        return msgspec.convert(data, Document)
    except msgspec.ValidationError as error:
        complaints.wrong_value(file, str(error))
    except RecursionError:
        complaints.bad_syntax(file, "it is nested too deeply")


def _refuse_unknown(data: dict[str, object], file: str) -> None:
    for key, value in data.items():
        if key not in SECTIONS[""].__struct_fields__:
            complaints.unknown_key(file, "", key, sections=isinstance(value, dict))
        if key in SECTIONS and isinstance(value, dict):
            for inner in value:
                if inner not in SECTIONS[key].__struct_fields__:
                    complaints.unknown_key(file, key, inner, sections=False)


def _overlay(document: Document, place: Place, file: str, layer: str) -> Overlay:
    def source(key: str) -> Source:
        return Source(layer=layer, file=file, key=key)

    network, env, limits, guard = document.network, document.env, document.limits, document.protect
    rules: list[FileRule] = []
    for access, entries in ((WRITE, document.files.write), (READ, document.files.read), (DENY, document.files.deny)):
        key = f"files.{access}"
        for text in entries:
            rules += _rules(text, access, place, file, source(key))
    if network.mode == "off" and network.allow:
        raise ConfigError('hosts are allowed, but mode is "off"', file=file, key="network.allow",
                          hint=f'Use mode = "{NETWORK_PROXY}", or remove the list.')
    required = document.require
    return Overlay(
        source=source(""),
        extends=_profile(document.extends or "", file),
        files=tuple(rules),
        mode=network.mode or "",
        hosts=tuple(
            [HostRule(pattern=_host(text, file, "network.allow", network.mode or ""), allow=True,
                      source=source("network.allow")) for text in network.allow]
            + [HostRule(pattern=_host(text, file, "network.deny", NETWORK_ON), allow=False,
                        source=source("network.deny")) for text in network.deny]
        ),
        loopback_ports=tuple(network.loopback_ports),
        unix_sockets=tuple([_socket(text, place, file) for text in network.unix_sockets]),
        inherit=env.inherit or "",
        env_allow=tuple([_variables(text, file, "env.allow") for text in env.allow]),
        env_deny=tuple([_variables(text, file, "env.deny") for text in env.deny]),
        env_set=tuple([_variable(name, value, file) for name, value in env.set.items()]),
        limits=_limits(limits, file),
        protect=tuple([_name(text, place, file, "protect.names") for text in guard.names]),
        release=tuple([_name(text, place, file, "protect.release") for text in guard.release]),
        git=guard.git or "",
        require=None if required is msgspec.UNSET else GUARANTEES if required == "all"
        else () if required == "none" else tuple(required),
    )


def _rules(text: str, access: str, place: Place, file: str, source: Source) -> list[FileRule]:
    """The rules that one entry means: none for the sandbox's own temporary directory, two for brackets."""
    flavour = place.flavour
    if text == ":tmp" or text.startswith((":tmp/", ":tmp\\")):
        if access != WRITE:
            raise ConfigError(f"{text!r}: the sandbox's own temporary directory is empty and writable", file=file,
                              key=source.key, hint="Remove it here; it may only stand in files.write.")
        return []
    if access != DENY:
        if "*" in text or "?" in text:
            raise ConfigError(f"the pattern {text!r} can only deny", file=file, key=source.key,
                              hint="Name the directory itself.")
        return [FileRule(path=_path(text, place, file, source.key), access=access, source=source)]
    if not globs.has_magic(text, flavour):
        plain = globs.unescape(text, flavour)
        return [FileRule(path=_path(plain, place, file, source.key), access=DENY, source=source)]
    if text.startswith("**") and source.layer != PROJECT:
        raise ConfigError(f"the pattern {text!r} does not say where it begins", file=file, key=source.key,
                          hint=f"Write :workspace/{text}, or an absolute path.")
    readings = [text]
    if "[" in text and flavour == paths.POSIX:
        # A directory that is really called "[id]" must not stay open because the brackets were read as a set.
        readings.append(_with_plain_brackets(text))
    found = []
    for reading in readings:
        if not globs.has_magic(reading, flavour):
            found += _rules(reading, access, place, file, source)
            continue
        try:
            pattern = globs.Pattern(_expanded(reading, place, pattern=True), flavour)
        except PolicyError as error:
            raise ConfigError(error.message, file=file, key=source.key, hint=error.hint) from None
        found.append(FileRule(path=pattern.text, access=DENY, source=source, glob=True))
    return found


def _with_plain_brackets(text: str) -> str:
    plain = []
    skip = False
    for char in text:
        plain.append("\\" + char if char in "[]" and not skip else char)
        skip = char == "\\" and not skip
    return "".join(plain)


def _path(text: str, place: Place, file: str, key: str) -> str:
    try:
        return paths.validate(_expanded(text, place), place.flavour)
    except PolicyError as error:
        raise ConfigError(error.message, file=file, key=key, hint=error.hint) from None


def _expanded(text: str, place: Place, *, pattern: bool = False) -> str:
    """The path with ``~`` and ``:workspace`` put in and made absolute; in a pattern what is put in is escaped.

    Raises PolicyError.
    """
    flavour = place.flavour
    separators = "/" if flavour == paths.POSIX else "/\\"

    def plain(directory: str) -> str:
        return globs.escape(directory) if pattern and flavour == paths.POSIX else directory

    for mark, directory in (("~", place.home), (":workspace", place.workspace)):
        if text == mark:
            return plain(directory)
        if text.startswith(mark) and text[len(mark)] in separators:
            return _below(plain(directory), text[len(mark) + 1 :], flavour, pattern=pattern)
    if text.startswith("~"):
        raise PolicyError(f"{text!r}: homes of other users are not looked up", hint="Write the whole path.")
    if text.startswith(":"):
        raise PolicyError(f"{text!r} begins with ':'", hint="Only :workspace and :tmp do; write ./ before a file name.")
    if paths.is_absolute(text, flavour):
        return text
    return _below(plain(place.base), text, flavour, pattern=pattern)


def _below(directory: str, rest: str, flavour: str, *, pattern: bool) -> str:
    if pattern:
        return directory + ("/" if flavour == paths.POSIX else "\\") + rest
    return paths.join(directory, rest or ".", flavour)


def _profile(text: str, file: str) -> str:
    if text:
        try:
            profiles.known(text)
        except PolicyError as error:
            raise ConfigError(error.message, file=file, key="extends", hint=error.hint) from None
    return text


def _host(text: str, file: str, key: str, mode: str) -> str:
    try:
        hosts.parse(text, mode=mode)
    except PolicyError as error:
        raise ConfigError(error.message, file=file, key=key, hint=error.hint) from None
    return text


def _socket(text: str, place: Place, file: str) -> str:
    if text.startswith("@") or text.lower().startswith("\\\\.\\pipe\\"):
        return text
    return _path(text, place, file, "network.unix_sockets")


def _variables(text: str, file: str, key: str) -> str:
    try:
        globs.matches_name(text, "")
    except PolicyError as error:
        raise ConfigError(error.message, file=file, key=key, hint=error.hint) from None
    if "=" in text or "\0" in text:
        raise ConfigError(f"{text!r} is not the name of a variable", file=file, key=key, hint=complaints.example(key))
    return text


def _variable(name: str, value: str, file: str) -> tuple[str, str]:
    if "=" in name or "\0" in name or "\0" in value:
        raise ConfigError(f"{name!r} is not the name of a variable, or its value holds a NUL", file=file, key="env.set",
                          hint=complaints.example("env.set"))
    return name, value


def _name(text: str, place: Place, file: str, key: str) -> str:
    try:
        return protect.validate(text, place.flavour)
    except PolicyError as error:
        raise ConfigError(error.message, file=file, key=key, hint=error.hint) from None


def _limits(table: LimitsTable, file: str) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    for key, field, convert in (("wall", "wall_seconds", units.seconds), ("memory", "memory_bytes", units.size),
                                ("output", "output_bytes", units.size), ("file_size", "file_bytes", units.size),
                                ("processes", "processes", int), ("open_files", "open_files", int)):
        value = getattr(table, key)
        if value is not msgspec.UNSET:
            try:
                found.append((field, convert(value)))
            except ValueError as error:
                raise ConfigError(f"{value!r} {error}", file=file, key=f"limits.{key}",
                                  hint=complaints.example(f"limits.{key}")) from None
    return tuple(found)
