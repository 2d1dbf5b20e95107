"""``Sandbox``: the host's handle on one cell, for code that blocks.

Knows: the public call signatures.  Must not know: any platform.
Follows: the documentation of ``subprocess.run`` and ``subprocess.Popen``, whose arguments mean the same here.
"""

from __future__ import annotations

import os
import time

from sidewall.session import streams
from sidewall.session.calls import GRACE, Call
from sidewall.session.files import FileOperations
from sidewall.session.opening import Opening
from sidewall.session.process import Popen, Process
from sidewall.session.request import policy_resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from sidewall.plan.guarantees import Guarantee
    from sidewall.policy.model import Limits, Policy
    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.opening import Opener
    from sidewall.session.streams import Stream
    from sidewall.session.types import Completed


class Sandbox(FileOperations):
    """A place where commands run confined.  Making one does nothing; the first use opens it, ``close`` ends it.

    ``policy`` is a ``Policy``, a profile's name (``":workspace"``), the path of a ``sidewall.toml``, or None: the
    policy that ``sidewall run`` would have in this directory.  The other arguments narrow or widen it as the options
    of that command do: ``workspace`` (a directory; default: the current one), ``profile``, ``write``, ``read`` and
    ``deny`` (paths), ``require`` (guarantees that must be enforced, or ``all``, ``none``), ``network`` (``off``,
    ``proxy``, ``on``), ``environ`` (variables to set), ``limits``.  ``tier`` is ``auto`` or a mechanism's name.
    ``audit`` True logs each command to the user's audit log, a path to the log in that directory.  ``opener`` makes the
    cell in place of this machine's backend.

    Every method may be called from several threads; the first of them opens the one cell that all share.  All that was
    started in it, background processes too, ends when it is closed or when this process ends, whatever way it ends.

    Methods that use the cell raise GuaranteeError (what is required cannot be enforced here; nothing was run),
    PolicyError, MachineError, and CellGone after ``close``.
    """

    def __init__(self, policy: Policy | str | os.PathLike[str] | None = None, *,
                 workspace: str | os.PathLike[str] | None = None, profile: str | None = None,
                 write: Iterable[str | os.PathLike[str]] = (), read: Iterable[str | os.PathLike[str]] = (),
                 deny: Iterable[str | os.PathLike[str]] = (), require: str | Iterable[str] | None = None,
                 network: str | None = None, environ: Mapping[str, str] | None = None, limits: Limits | None = None,
                 tier: str = "auto", audit: bool | str | os.PathLike[str] = False,
                 opener: Opener | None = None) -> None:
        resolve = policy_resolver(policy, workspace=workspace, profile=profile, write=write, read=read, deny=deny,
                                  require=require, network=network, environ=environ, limits=limits)
        self._opening = Opening(resolve, tier, opener, audit)

    @property
    def policy(self) -> Policy:
        """The policy in force.  Raises PolicyError."""
        return self._opening.policy

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """What this sandbox promises on this machine; opens it."""
        self._opening.ready()
        return self._opening.guarantees

    @property
    def environment(self) -> dict[str, str]:
        """A copy of the variables that a command without ``env`` gets; opens the sandbox."""
        self._opening.ready()
        return {os.fsdecode(name): os.fsdecode(value) for name, value in self._opening.environment.items()}

    @property
    def session_id(self) -> str:
        """This sandbox's identity in results and in the audit log; opens it."""
        self._opening.ready()
        return self._opening.session_id

    def describe(self) -> dict[str, Any]:
        """What this place is, in plain values, for prompts and logs: ``session``, ``platform``, ``tier``, ``plan`` (its
        digest), ``workspace``, ``network`` (mode), ``guarantees`` (name -> level); opens it."""
        plan = self._opening.ready().plan
        return {"session": self.session_id, "platform": plan.platform, "tier": plan.tier, "plan": plan.digest,
                "workspace": self.policy.workspace, "network": self.policy.network.mode,
                "guarantees": {line.name: line.level for line in self.guarantees}}

    def run(self, args: Arguments, *, cwd: PathLike | None = None,
            env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, input: Any = None, stdin: Stream = None,
            stdout: Stream = None, stderr: Stream = None, capture_output: bool = False, text: bool | None = None,
            encoding: str | None = None, errors: str | None = None, timeout: float | None = None, check: bool = False,
            output_limit: int | None = None, shell: bool = False, track_changes: bool = False) -> Completed:
        """Runs a command to its end; arguments and result as with ``subprocess.run``, and beyond that:

        * ``stdin`` None is an empty input, not the caller's: a command never eats what is typed at the caller.
        * ``cwd`` None is the workspace, and a relative one counts from it.
        * ``env`` None is what the policy lets through of the environment at the sandbox's opening (``environment``);
          a mapping is the whole environment.
        * Text that cannot be decoded as ``encoding`` (UTF-8) becomes U+FFFD unless ``errors`` says otherwise.
        * ``timeout`` (seconds), an exception or Ctrl-C in the caller end the command and all that it has started.
        * The call returns when the command itself has ended and its output is read, though a background process holds
          the pipe; that one lives on.
        * ``output_limit``: bytes kept of each captured stream, at most the policy's; the rest is dropped, and the
          result is ``truncated``.
        * ``track_changes``: the result lists what changed in the workspace.

        Raises:
            FileNotFoundError, PermissionError, NotADirectoryError, OSError: the command could not be started.
            TimeoutExpired: with the output so far.  CalledProcessError: with ``check``.
        """
        call = Call(self._opening, args, cwd=cwd, env=env, input=input, stdin=stdin, stdout=stdout, stderr=stderr,
                    capture_output=capture_output, text=text, encoding=encoding, errors=errors, timeout=timeout,
                    output_limit=output_limit, shell=shell, track_changes=track_changes, confirm=False)
        child = call.child
        try:
            if call.sinks or call.feed is not None:
                if not streams.pump(child, call.sinks, call.feed, call.deadline):
                    call.expired = True
                    call.kill()
                    streams.pump(child, call.sinks, None, time.monotonic() + GRACE)
                end = child.wait(GRACE if call.expired else None)
            else:
                end = child.wait(None if call.deadline is None else max(0.0, call.deadline - time.monotonic()))
                if end is None:
                    call.expired = True
                    call.kill()
                    end = child.wait(GRACE)
        except BaseException:
            call.kill()
            call.reap(GRACE)
            raise
        finally:
            call.release()
        return call.finish(end, check=check)

    def start(self, args: Arguments, *, cwd: PathLike | None = None,
              env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, stdin: Stream = None,
              stdout: Stream = streams.PIPE, stderr: Stream = streams.PIPE, text: bool | None = None,
              encoding: str | None = None, errors: str | None = None, bufsize: int = -1, shell: bool = False,
              tty: bool | tuple[int, int] = False) -> Process:
        """Starts a command and returns while it runs; its output comes as it is written.

        ``stdout`` and ``stderr`` are pipes unless said otherwise, ``stdin`` is empty.  ``tty`` gives it a terminal of
        24 rows and 80 columns, or of the (rows, columns) given: ``stdin`` and ``stdout`` of the process are then the
        terminal, and ``resize`` works.

        Raises:
            FileNotFoundError, PermissionError, NotADirectoryError, OSError: the command could not be started.
        """
        return Process(self._opening, args, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, text=text,
                       encoding=encoding, errors=errors, bufsize=bufsize, shell=shell, tty=tty)

    def popen(self, args: Arguments, bufsize: int = -1, *, stdin: Stream = None, stdout: Stream = None,
              stderr: Stream = None, close_fds: bool = True, shell: bool = False, cwd: PathLike | None = None,
              env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, universal_newlines: bool | None = None,
              text: bool | None = None, encoding: str | None = None, errors: str | None = None,
              start_new_session: bool = True) -> Popen:
        """``subprocess.Popen`` in the sandbox, for code that was written for that; arguments as there, by keyword.

        ``close_fds`` and ``start_new_session`` are always in force: no other descriptor is inherited, and each command
        has a session of its own.

        Raises:
            FileNotFoundError, PermissionError, NotADirectoryError, OSError: the command could not be started.
        """
        return Popen(self._opening, args, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr,
                     text=text or universal_newlines, encoding=encoding, errors=errors, bufsize=bufsize, shell=shell,
                     tty=False)

    def kill(self) -> None:
        """Ends every process in the sandbox now.  The sandbox stays usable: its next use opens a new cell."""
        self._opening.kill()

    def close(self) -> None:
        """Ends every process in the sandbox and undoes what was done to the machine for it.  Idempotent."""
        self._opening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


Sandbox.__module__ = "sidewall"
