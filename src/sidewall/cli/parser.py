"""``argparse`` from the table: for ``--help`` and for the verbs that do not hurry.

Knows: how a table becomes parsers, and which module carries out a verb.  Must not know: what verbs do.
"""

from __future__ import annotations

import argparse
import importlib

from sidewall._version import __version__
from sidewall.cli import paint
from sidewall.cli.options import Operand, Option, Verb
from sidewall.cli.verbs import VERBS
from sidewall.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

ABOUT = """\
Runs what a coding agent wrote on your own machine, inside a boundary that the operating system enforces.

  sidewall run -- npm test            run a command: this directory is writable, all else is not, no network
  sidewall check ~/.ssh               would a command get at this, and which rule says so
  sidewall doctor                     what this machine can enforce"""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(message, hint=f"see {self.prog} --help")


def build() -> tuple[Parser, dict[str, Parser]]:
    """The parser of all verbs, and each verb's own."""
    top = Parser(prog="sidewall", description=ABOUT, allow_abbrev=False,
                 formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("-V", "--version", action="version", version=f"sidewall {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    own = {}
    for verb in VERBS:
        sentence = verb.help[0].upper() + verb.help[1:] + "."
        own[verb.name] = verbs.add_parser(verb.name, help=verb.help, description=sentence, epilog=verb.about or None,
                                          allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
        _fill(own[verb.name], verb)
    return top, own


def _fill(parser: argparse.ArgumentParser, verb: Verb) -> None:
    for option in verb.options:
        _add_option(parser, option)
    for operand in verb.operands:
        _add_operand(parser, operand)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    names = ["-" + option.short] if option.short else []
    settings: dict[str, Any] = {"help": option.help.replace("%", "%%"), "dest": option.key}
    if not option.metavar:
        settings["action"] = "store_true"
    else:
        settings["metavar"] = option.metavar
        if option.many:
            settings.update(action="append", default=[])
        if option.choices:
            settings["choices"] = option.choices
    parser.add_argument(*names, "--" + option.name, **settings)


def _add_operand(parser: argparse.ArgumentParser, operand: Operand) -> None:
    settings: dict[str, Any] = {"help": operand.help, "metavar": operand.name.upper()}
    if operand.count != "1":
        settings["nargs"] = operand.count
    if operand.choices:
        settings.update(choices=operand.choices, metavar="{" + ",".join(operand.choices) + "}")
    parser.add_argument(operand.name, **settings)


def help_text(name: str) -> str:
    """What ``sidewall NAME --help`` prints."""
    return build()[1][name].format_help()


def dispatch(words: Sequence[str]) -> int:
    """Parses and carries out a verb; the exit code.  Without a verb: the help.  Raises SidewallError."""
    top, _ = build()
    arguments = top.parse_args(words)
    if not arguments.verb:
        top.print_help()
        return 2 if words else 0
    paint.prepare()
    chosen = next(verb for verb in VERBS if verb.name == arguments.verb)
    verb = importlib.import_module(f"sidewall.cli.{chosen.module or chosen.name}")
    return int(verb.main(arguments))
