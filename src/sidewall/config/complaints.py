"""What is wrong with a file, said so that it can be put right: file, key, what was found, what to write.

Knows: the schema's names, the wording of msgspec and tomllib.  Must not know: what a policy is.
"""

from __future__ import annotations

import difflib
from typing import NoReturn

from sidewall.config.schema import SECTIONS
from sidewall.errors import ConfigError

_EXAMPLES = {
    "schema": "schema = 1",
    "extends": 'extends = ":workspace"',
    "require": 'require = ["write-outside", "network-egress"], or "all", or "none"',
    "files": "a table: [files]",
    "network": "a table: [network]",
    "env": "a table: [env]",
    "limits": "a table: [limits]",
    "protect": "a table: [protect]",
    "files.write": 'write = ["build"]',
    "files.read": 'read = ["docs"]',
    "files.deny": 'deny = ["~/private", "**/.env"]',
    "network.mode": 'mode = "off", "proxy" or "on"',
    "network.allow": 'allow = ["example.org", "*.example.org:8443"]',
    "network.deny": 'deny = ["example.org"]',
    "network.loopback_ports": "loopback_ports = [5432]",
    "network.unix_sockets": 'unix_sockets = ["/run/user/1000/bus"]',
    "env.inherit": 'inherit = "core", "all" or "none"',
    "env.allow": 'allow = ["MY_TOKEN", "AWS_*"]',
    "env.deny": 'deny = ["DEBUG"]',
    "env.set": 'set = { NAME = "value" }',
    "limits.wall": 'wall = "10m", or seconds',
    "limits.memory": 'memory = "2GiB", or bytes',
    "limits.processes": "processes = 512",
    "limits.output": 'output = "64MiB", or bytes',
    "limits.file_size": 'file_size = "1GiB", or bytes',
    "limits.open_files": "open_files = 1024",
    "protect.names": 'names = [".config"]',
    "protect.release": 'release = [".vscode"]',
    "protect.git": 'git = "commit" or "read-only"',
}
_LONGEST = 300
_WORDS = {
    "`array`": "a list", "`object`": "a table", "`str`": "a string", "`int`": "a whole number", "`float`": "a number",
    "`bool`": "true or false", "`null`": "nothing", "`datetime`": "a date", "`date`": "a date", "`time`": "a time",
}


def example(key: str) -> str:
    """What a right value of the key looks like; '' for none."""
    words = _EXAMPLES.get(key.partition("[")[0], "")
    return f"Write {words}." if words else ""


def unknown_key(file: str, section: str, key: str, *, sections: bool) -> NoReturn:
    """Refuses a key, with the nearest one that exists.  Raises ConfigError."""
    fields = list(SECTIONS[section].__struct_fields__)
    dotted = f"{section}.{key}" if section else key
    near = difflib.get_close_matches(key, fields, n=1, cutoff=0.6)
    elsewhere = [f"{name}.{key}" for name, table in SECTIONS.items() if name and key in table.__struct_fields__]
    if near:
        hint = f"Did you mean {near[0]!r}?"
    elif elsewhere:
        hint = f"Did you mean {elsewhere[0]}?"
    else:
        hint = f"The keys {'of this table' if section else 'and tables'} are: {', '.join(fields)}."
    raise ConfigError(f"there is no such {'table' if sections else 'key'}", file=file, key=dotted, hint=hint)


def wrong_value(file: str, message: str) -> NoReturn:
    """Refuses what msgspec found to be of a wrong type or out of bounds.  Raises ConfigError."""
    text, _, where = message.partition(" - at `$")
    key = where.rstrip("`").lstrip(".").replace("[...]", "")
    for name, word in _WORDS.items():
        text = text.replace(name, word)
    text = text.replace(" | ", " or ").replace("`", "'")
    if text.startswith("Object missing required field 'schema'"):
        raise ConfigError("is missing", file=file, key="schema", hint="Begin the file with the line: schema = 1")
    if key == "schema":
        text = "is not a version that this Sidewall reads"
    raise ConfigError(text[:1].lower() + text[1:], file=file, key=key, hint=example(key))


def bad_syntax(file: str, message: str) -> NoReturn:
    """Refuses what is no TOML; the message names line and column.  Raises ConfigError."""
    raise ConfigError(f"is not TOML: {message[:1].lower()}{message[1:]}", file=file,
                      hint="Strings stand in quotes, lists in brackets; the line is the first that cannot be read.")


def too_deep(file: str, key: str) -> NoReturn:
    """Refuses a key of very many parts, or brackets in brackets.  Raises ConfigError."""
    raise ConfigError("is nested too deeply", file=file, key=key,
                      hint="A table of this file holds keys, and a key a value or a list: [files], then write = [...].")


def shortened(error: ConfigError) -> ConfigError:
    """The same complaint; of what the file says at length, its beginning and its end."""
    where = error.message.removeprefix(f"{error.file}: ").removeprefix(f"{error.key}: ")
    return ConfigError(_clipped(where), file=error.file, key=_clipped(error.key), hint=_clipped(error.hint))


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST // 2]} ... {text[-_LONGEST // 3:]}"
