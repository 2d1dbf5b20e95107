"""``sidewall profile``: the built-in policies, what one of them says here, the schema of files, and a file's faults.

Knows: how a policy and a schema are printed.  Must not know: what rules mean.
"""

from __future__ import annotations

import os

from sidewall.cli import paint
from sidewall.cli.choice import workspace
from sidewall.errors import UsageError
from sidewall.policy import decide, profiles
from sidewall.policy.model import ACCESS
from sidewall.session import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from sidewall.policy.model import Policy

SCHEMA = 1


def main(arguments: Namespace) -> int:
    """Carries out one of the four actions.  Raises SidewallError."""
    action = {"list": _list, "show": _show, "schema": _schema, "validate": _validate}[arguments.action]
    return action(arguments)


def _without_name(arguments: Namespace) -> None:
    if arguments.name:
        raise UsageError(f"profile {arguments.action} takes no name: {arguments.name}")


def _list(arguments: Namespace) -> int:
    _without_name(arguments)
    known = {name: profiles.meaning(name) for name in profiles.names()}
    if arguments.json:
        paint.print_json({"schema": SCHEMA,
                          "profiles": [{"name": name, "meaning": what} for name, what in known.items()]})
        return 0
    if paint.painted():
        table = paint.table("profile", "means")
        for name, what in known.items():
            table.add_row(paint.styled(name, "bold"), paint.styled(what))
        paint.console().print(table)
        return 0
    width = max(map(len, known))
    paint.print_lines(f"{name:{width}}  {what}" for name, what in known.items())
    return 0


def _show(arguments: Namespace) -> int:
    policy = layers.load(workspace(), profile=arguments.name or None)
    if arguments.json:
        paint.print_json({"schema": SCHEMA, "policy": policy.to_dict()})
    elif paint.painted():
        console = paint.console()
        for line in text(policy):
            console.print(paint.styled(line, "" if line.startswith(" ") else "bold"), soft_wrap=True)
    else:
        paint.print_lines(text(policy))
    return 0


def text(policy: Policy) -> list[str]:
    """A policy in lines: headings, and below each the rules with where they come from."""
    network, environ, limits = policy.network, policy.environ, policy.limits
    lines = [f"{policy.name} for {policy.workspace}"]
    for access in ACCESS:
        rules = sorted((rule for rule in policy.files if rule.access == access), key=lambda rule: rule.path)
        lines += [access, *(f"  {rule.path}  ({decide.describe(rule.source)})" for rule in rules)] if rules else []
    for heading, values in (
            ("protected below every writable directory", policy.protected),
            ("private, empty, writable", policy.private),
            ("git", (policy.git, *policy.gitdirs)),
            ("network", (network.mode,
                         *(f"{'allow' if host.allow else 'deny'} {host.pattern}" for host in network.hosts),
                         *(f"loopback port {port}" for port in network.loopback_ports), *network.unix_sockets)),
            ("environment", (f"inherit {environ.inherit}", *(f"allow {name}" for name in environ.allow),
                             *(f"deny {name}" for name in environ.deny), *(f"set {name}" for name, _ in environ.set))),
            ("limits", tuple(f"{name} {value}" for name, value in limits.to_dict().items() if value)),
            ("required", policy.require)):
        lines += [heading, *(f"  {value}" for value in values)] if values else []
    return lines


def _schema(arguments: Namespace) -> int:
    from sidewall.config.jsonschema import json_schema

    _without_name(arguments)
    paint.print_json(json_schema())
    return 0


def _validate(arguments: Namespace) -> int:
    """Parses a file (default: ``sidewall.toml`` here) as the project's.  Raises ConfigError."""
    from sidewall.config import native
    from sidewall.session import configfiles

    here = workspace()
    name = os.path.join(here, arguments.name or layers.PROJECT_FILE)
    content = configfiles.read(name, must=True, anyone=True)
    place = native.Place(base=os.path.dirname(os.path.realpath(name)), workspace=here,
                         home=os.path.realpath(configfiles.home(os.environ)))
    overlay = native.parse(content or b"", place, file=name)
    if arguments.json:
        paint.print_json({"schema": SCHEMA, "file": name, "valid": True, "extends": overlay.extends})
    else:
        paint.print_lines([f"valid: {name}"])
    return 0
