"""``sidewall trust``: lets a project's own ``sidewall.toml``, as it is now, widen the policy.

Knows: how the list of trusted files is shown and changed.  Must not know: where it lies, or what trust means.
"""

from __future__ import annotations

from sidewall.cli import paint
from sidewall.cli.choice import workspace
from sidewall.errors import UsageError
from sidewall.session import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def main(arguments: Namespace) -> int:
    """Trusts, trusts no longer, or lists.  Raises SidewallError."""
    if arguments.list:
        if arguments.path or arguments.remove:
            raise UsageError("--list takes no path and nothing else beside it")
        return _list(as_json=arguments.json)
    directory = arguments.path or workspace()
    if arguments.remove:
        known = layers.untrust(directory)
        _tell({"directory": directory, "trusted": False, "was_trusted": known},
              f"no longer trusted: {directory}" if known else f"was not trusted: {directory}", as_json=arguments.json)
        return 0
    file = layers.trust(directory)
    _tell({"directory": directory, "trusted": True, "file": file},
          f"trusted, as it is now: {file}", as_json=arguments.json)
    return 0


def _tell(data: dict[str, object], line: str, *, as_json: bool) -> None:
    if as_json:
        paint.print_json({"schema": 1, **data})
    else:
        paint.print_lines([line])


def _list(*, as_json: bool) -> int:
    known = layers.trust_list()
    if as_json:
        paint.print_json({"schema": 1, "trusted": [{"file": file, "sha256": known[file]} for file in sorted(known)]})
    else:
        paint.print_lines(f"{known[file][:12]}  {file}" for file in sorted(known))
    return 0
