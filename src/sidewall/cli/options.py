"""Options: their shape, and the two verbs that start a command.  The other verbs are in ``verbs``.

Knows: names, shapes, help texts.  Must not know: what an option does.  One table serves the quick parser, ``--help``
and completion.  Imported before the child starts, so it holds plain records and nothing is computed.
"""

from __future__ import annotations

import sys

from sidewall.record import Record

PATH, FILE, PROFILE, REQUIRE, COMMAND, TEXT = "path", "file", "profile", "require", "command", "text"
"""What a value is: completion offers fitting words."""


class Option(Record):
    """``--name``; a switch when ``metavar`` is ''; ``many`` may be given more than once.

    ``env`` names the variable that gives the value when the option is absent ('' for none); in the variable of an
    option that may be repeated, values are separated as in PATH.
    """

    name: str
    help: str
    metavar: str = ""
    many: bool = False
    short: str = ""
    env: str = ""
    kind: str = TEXT
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The option's name as a Python name."""
        return self.name.replace("-", "_")


class Operand(Record):
    """A positional word: ``count`` is ``1``, ``?`` (may be absent) or ``*``."""

    name: str
    help: str
    count: str = "1"
    kind: str = TEXT
    choices: tuple[str, ...] = ()


class Verb(Record):
    """One verb with its options and operands; ``about`` is what ``--help`` says below the usage, ``module`` the file
    that carries it out where that has another name."""

    name: str
    help: str
    options: tuple[Option, ...] = ()
    operands: tuple[Operand, ...] = ()
    about: str = ""
    module: str = ""


LINUX_TIERS = ("namespace", "landlock")
WINDOWS_TIERS = ("account", "token-strict", "token")
TIERS = ("auto", *(WINDOWS_TIERS if sys.platform == "win32" else LINUX_TIERS))
NETWORKS = ("off", "on")

RULES = (
    Option(name="profile", metavar="NAME", env="SIDEWALL_PROFILE", kind=PROFILE,
           help="policy to start from: a built-in one (:workspace, :read-only, ...) or one of the configuration"),
    Option(name="write", metavar="PATH", many=True, env="SIDEWALL_WRITE", kind=PATH,
           help="make PATH and everything below it writable"),
    Option(name="read", metavar="PATH", many=True, env="SIDEWALL_READ", kind=PATH,
           help="make PATH and everything below it readable, not writable"),
    Option(name="deny", metavar="PATH", many=True, env="SIDEWALL_DENY", kind=PATH,
           help="hide PATH and everything below it; a glob is allowed"),
    Option(name="network", metavar="MODE", env="SIDEWALL_NETWORK", choices=NETWORKS,
           help="off (default): no network but the loopback of the sandbox; on: the network of the machine"),
    Option(name="env", metavar="NAME", many=True, env="SIDEWALL_ENV",
           help="let the environment variable NAME through, or set NAME=VALUE"),
    Option(name="tier", metavar="TIER", env="SIDEWALL_TIER", choices=TIERS,
           help=f"how it is enforced: auto (default), {', '.join(TIERS[1:-1])} or {TIERS[-1]}"),
    Option(name="require", metavar="LIST", env="SIDEWALL_REQUIRE", kind=REQUIRE,
           help="guarantees that must hold in full, separated by commas; all; or none"),
)
"""What shapes the policy: the same for every verb that needs one."""

RUNNING = (
    Option(name="timeout", metavar="SECONDS", env="SIDEWALL_TIMEOUT",
           help="kill the command and all it started after so long (exit 124)"),
    Option(name="status-file", metavar="FILE", env="SIDEWALL_STATUS_FILE", kind=FILE,
           help="write one line of JSON about how it ended"),
)

LINE_SHELL, USER_SHELL = ("cmd.exe", "cmd.exe") if sys.platform == "win32" else ("/bin/sh", "$SHELL (or /bin/sh)")

ABOUT_RUN = """\
The workspace is the current directory: it is writable, except for .git/hooks, .git/config and the settings of agents
and editors. Everything else is read-only, secrets are not readable, there is no network.

Exit codes: the command's own; 2 usage or policy; 124 timed out; 125 the sandbox failed and nothing ran; 126 found but
not executable; 127 not found; 128+N ended by signal N. Each option can be given as SIDEWALL_NAME in the environment."""

RUN = Verb(
    name="run", help="run a command inside the sandbox", about=ABOUT_RUN,
    options=(*RULES, *RUNNING,
             Option(name="tty", env="SIDEWALL_TTY",
                    help="give the command a pseudo terminal even when this is not a terminal"),
             Option(name="command", short="c", metavar="LINE", help=f"run LINE by {LINE_SHELL}")),
    operands=(Operand(name="program", count="*", kind=COMMAND, help="the program and its arguments, after --"),))

SHELL = Verb(
    name="shell", help="open your shell inside the sandbox", options=(*RULES, *RUNNING),
    about=f"Starts {USER_SHELL} on a pseudo terminal, under the same policy as run.")
