"""Sidewall: run what a coding agent wrote on your own machine, inside a boundary that the operating system enforces.

    import sidewall

    sidewall.run(["npm", "test"], check=True)

    with sidewall.Sandbox() as sandbox:
        sandbox.run(["make"])
        server = sandbox.start(["npm", "run", "dev"])

Public names are these and no others.  Importing this package imports nothing else of it: each name brings its own
module at its first use.
"""

from __future__ import annotations

from sidewall._version import __version__ as __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import Any

    from sidewall.errors import CellGone as CellGone
    from sidewall.errors import ConfigError as ConfigError
    from sidewall.errors import GuaranteeError as GuaranteeError
    from sidewall.errors import InternalError as InternalError
    from sidewall.errors import MachineError as MachineError
    from sidewall.errors import PolicyError as PolicyError
    from sidewall.errors import SidewallError as SidewallError
    from sidewall.errors import SystemCallError as SystemCallError
    from sidewall.errors import UsageError as UsageError
    from sidewall.plan.guarantees import Guarantee as Guarantee
    from sidewall.platforms.contract import Exit as Exit
    from sidewall.policy.model import Decision as Decision
    from sidewall.policy.model import Limits as Limits
    from sidewall.policy.model import Policy as Policy
    from sidewall.session.aio import AsyncProcess as AsyncProcess
    from sidewall.session.aio import AsyncSandbox as AsyncSandbox
    from sidewall.session.changes import Change as Change
    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.denials import Denial as Denial
    from sidewall.session.files import FileStatus as FileStatus
    from sidewall.session.opening import Opener
    from sidewall.session.process import Popen as Popen
    from sidewall.session.process import Process as Process
    from sidewall.session.sandbox import Sandbox as Sandbox
    from sidewall.session.streams import Stream
    from sidewall.session.types import AccessDenied as AccessDenied
    from sidewall.session.types import CalledProcessError as CalledProcessError
    from sidewall.session.types import Completed as Completed
    from sidewall.session.types import TimeoutExpired as TimeoutExpired

PIPE, STDOUT, DEVNULL = -1, -2, -3
"""What ``subprocess`` calls these, with its numbers."""

_HOMES = {
    "sidewall.errors": ("CellGone", "ConfigError", "GuaranteeError", "InternalError", "MachineError", "PolicyError",
                        "SidewallError", "SystemCallError", "UsageError"),
    "sidewall.plan.guarantees": ("Guarantee",),
    "sidewall.platforms.contract": ("Exit",),
    "sidewall.policy.model": ("Decision", "Limits", "Policy"),
    "sidewall.session.aio": ("AsyncProcess", "AsyncSandbox"),
    "sidewall.session.changes": ("Change",),
    "sidewall.session.denials": ("Denial",),
    "sidewall.session.files": ("FileStatus",),
    "sidewall.session.process": ("Popen", "Process"),
    "sidewall.session.sandbox": ("Sandbox",),
    "sidewall.session.types": ("AccessDenied", "CalledProcessError", "Completed", "TimeoutExpired"),
}

__all__ = [  # noqa: PLE0604 - the names come from the table above
    "run", "prepare", "PIPE", "STDOUT", "DEVNULL", "__version__",
    *[name for names in _HOMES.values() for name in names]]


def run(args: Arguments, policy: Policy | str | os.PathLike[str] | None = None, *, cwd: PathLike | None = None,
        env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, input: Any = None, stdin: Stream = None,
        stdout: Stream = None, stderr: Stream = None, capture_output: bool = False, text: bool | None = None,
        encoding: str | None = None, errors: str | None = None, timeout: float | None = None, check: bool = False,
        output_limit: int | None = None, shell: bool = False, track_changes: bool = False,
        workspace: str | os.PathLike[str] | None = None, profile: str | None = None,
        write: Iterable[str | os.PathLike[str]] = (), read: Iterable[str | os.PathLike[str]] = (),
        deny: Iterable[str | os.PathLike[str]] = (), require: str | Iterable[str] | None = None,
        network: str | None = None,
        environ: Mapping[str, str] | None = None, limits: Limits | None = None, tier: str = "auto",
        audit: bool | str | os.PathLike[str] = False, opener: Opener | None = None) -> Completed:
    """Runs one command in a sandbox of its own: ``subprocess.run``, confined.

    The arguments are those of ``Sandbox.run`` and, after them, of ``Sandbox``.  What the command left running ends
    with the call.

    Raises:
        GuaranteeError: what the policy requires cannot be enforced here; nothing was run.
        PolicyError, MachineError: as ``Sandbox`` does.
        FileNotFoundError, PermissionError, NotADirectoryError, OSError: the command could not be started.
        TimeoutExpired: with the output so far.  CalledProcessError: with ``check``.
    """
    from sidewall.session.sandbox import Sandbox

    with Sandbox(policy, workspace=workspace, profile=profile, write=write, read=read, deny=deny, require=require,
                 network=network, environ=environ, limits=limits, tier=tier, audit=audit,
                 opener=opener) as sandbox:
        return sandbox.run(args, cwd=cwd, env=env, input=input, stdin=stdin, stdout=stdout, stderr=stderr,
                           capture_output=capture_output, text=text, encoding=encoding, errors=errors,
                           timeout=timeout, check=check, output_limit=output_limit, shell=shell,
                           track_changes=track_changes)


def prepare() -> None:
    """Starts the process that the next sandbox of this process will be made of, and returns at once.

    For programs that open a sandbox now and then and want it sooner: call it once at the start, and again after each
    opening.  One such process is kept, whatever the number of calls; it holds nothing of the caller's, waits without
    using the processor, and ends with this process.  It is of use to sandboxes with the usual namespaces (the namespace
    tier, network off); others start one of their own, and so do all after the machine's mounts have changed.

    Raises:
        MachineError: no process can be started, or this platform has no sandbox.
    """
    from sidewall.platforms import detect

    detect.backend().prepare()


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            import sys

            __import__(home)
            value = globals()[name] = getattr(sys.modules[home], name)
            return value
    raise AttributeError(f"module 'sidewall' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


run.__module__ = prepare.__module__ = "sidewall"
