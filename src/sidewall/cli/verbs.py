"""The table of all verbs: one place for ``argparse``, for ``--help`` and for completion.

Knows: names, shapes, help texts.  Must not know: what a verb does.
"""

from __future__ import annotations

from sidewall.cli.options import (
    FILE,
    LINUX_TIERS,
    PATH,
    PROFILE,
    RULES,
    RUN,
    SHELL,
    WINDOWS_TIERS,
    Operand,
    Option,
    Verb,
)
from sidewall.policy.model import GUARANTEES

SHELLS = ("bash", "zsh", "fish", "powershell")

JSON = Option(name="json", help="print JSON")

PLATFORMS = ("linux", "windows")
EXPLAINED = (
    *(option for option in RULES if option.name != "tier"),
    Option(name="tier", metavar="TIER", env="SIDEWALL_TIER", choices=("auto", *LINUX_TIERS, *WINDOWS_TIERS),
           help="how it is enforced: auto (default), namespace or landlock on Linux; account, token-strict or token "
                "on Windows"),
    Option(name="platform", metavar="NAME", choices=PLATFORMS,
           help="explain for another platform than this machine's; windows needs --world"),
    Option(name="world", metavar="FILE", kind=FILE,
           help="the files of a Windows machine with their permissions, as a capture or model (see docs/prove.md)"),
    Option(name="workspace", metavar="PATH", help="with --world: the workspace there (default: the one FILE names)"),
    JSON,
)
ABOUT_EXPLAIN = """\
With --platform windows --world FILE the plan is made for the machine in FILE and proved on its files; with PATH it says
why that path is or is not readable, writable, deletable, movable there. All of it works on any machine; settings of
this one (configuration files, SIDEWALL_ variables) are not about that one, and are not read.

Exit code 125 when a required guarantee cannot be enforced."""

ABOUT_VERIFY = """\
Attacks a sandbox of the policy that `sidewall run` would have here, with files, servers and processes that are made for
it, and looks from outside at what came of it. Each attack is tried without a sandbox too: where it has no effect then,
it shows nothing. Nothing of yours is touched and nothing leaves the machine.

Exit codes: 0 everything that was promised held; 1 something did not, or what must work does not; 2 usage or policy;
125 no sandbox could be made."""

FOR_USER = Option(name="for-user", metavar="SID",
                  help="for another user of this Windows machine, without a prompt; needs an administrator's rights")
ABOUT_SETUP = """\
On Windows an administrator agrees once; two hidden local accounts, a group and network filters are made for you alone.
Nobody is asked where all is as it should be. On Linux nothing has to be set up.

Exit codes: 0 ready; 1 the administrator's prompt was refused; 2 usage; 125 it failed, and what
was made is gone again."""

VERBS = (
    RUN,
    SHELL,
    Verb(name="check", help="say whether a path or host is allowed, and by which rule",
         options=(Option(name="read", help="ask about reading only"),
                  Option(name="write", help="ask about writing only"),
                  *(option for option in RULES if option.name in ("profile", "network")), JSON),
         operands=(Operand(name="target", help="a path, or a host with an optional :port", kind=PATH),),
         about="Exit code 0 when everything that was asked is allowed, 1 when not."),
    Verb(name="explain", help="show the plan and the guarantees for this workspace", options=EXPLAINED,
         operands=(Operand(name="path", count="?", help="with --world: a path of that machine"),), about=ABOUT_EXPLAIN),
    Verb(name="doctor", help="say what this machine can enforce, and how to get more", options=(JSON,),
         about="Exit code 0 when the default policy can be enforced here, 1 when not."),
    Verb(name="verify", help="attack the real sandbox of this machine, and say what held", about=ABOUT_VERIFY,
         options=(*RULES, Option(name="guarantee", metavar="NAME", many=True, choices=GUARANTEES,
                                 help="try only what is about this guarantee, and what must work"),
                  Option(name="list", help="print what would be tried, and try nothing"), JSON)),
    Verb(name="setup", help="make this machine ready for the strongest tier, once; repair what is not as it should be",
         options=(FOR_USER, JSON), about=ABOUT_SETUP),
    Verb(name="status", module="traces", help="list everything of Sidewall that is on this machine", options=(JSON,),
         about="Changes nothing. Exit code 1 when what was set up is not fit for use."),
    Verb(name="uninstall", help="remove everything that set-up and sessions made on this machine",
         options=(FOR_USER, Option(name="keep-log", help="leave the audit log"), JSON),
         about="The program itself stays. Exit code 1 when something could not be removed; it is named, and what\n"
               "`sidewall status` still lists the next uninstall tries again."),
    Verb(name="profile", help="list and show profiles, print the schema, validate a file", options=(JSON,),
         operands=(Operand(name="action", choices=("list", "show", "schema", "validate"),
                           help="list; show [NAME]; schema; validate [FILE]"),
                   Operand(name="name", count="?", kind=PROFILE, help="a profile (show) or a file (validate)"))),
    Verb(name="trust", help="let a project's own configuration widen the policy",
         options=(Option(name="remove", help="trust it no longer"), Option(name="list", help="print what is trusted"),
                  JSON),
         operands=(Operand(name="path", count="?", kind=PATH, help="the project (default: the current directory)"),)),
    Verb(name="log", help="read, filter and verify the audit log",
         options=(Option(name="verify", help="follow the chain of hashes and name the first broken line"),
                  Option(name="session", metavar="ID", help="only this session (the start of its name is enough)"),
                  Option(name="denied", help="only commands that were denied something"),
                  Option(name="tail", metavar="N", help="only the last N events"), JSON)),
    Verb(name="completion", help="print a completion script for a shell",
         operands=(Operand(name="shell", choices=SHELLS, help="bash, zsh, fish or powershell"),)),
)
