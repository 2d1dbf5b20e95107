"""L-136 to L-138, A-21: limits on space, processes and memory; floods of output.

Knows: how to exhaust a machine, a little.  Must not know: how limits are set.  Follows `docs/attacks.md`, group L9.
Limits are a policy's choice: each test sets one, and the same probe without it goes through.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import subprocess
import sys

import pytest

from .guards import LANDLOCK, NAMESPACE, Guard, Outcome, environment, guards
from .probes import command
from .world import World

LIMITED = """
import sys, sidewall
tier, limits, argv = sys.argv[1], eval(sys.argv[2]), sys.argv[3:]
with sidewall.Sandbox(tier=tier, limits=sidewall.Limits(**limits)) as box:
    done = box.run(argv, capture_output=True, timeout=60)
    report = {line.name: line.level for line in box.guarantees}
sys.stdout.buffer.write(done.stdout)
sys.stderr.buffer.write(done.stderr)
print("TRUNCATED", done.truncated, "LIMITS", report["limits"], "STATUS", done.returncode)
"""


def limited(world: World, tier: str, inner: list[str], **limits: int) -> Outcome:
    """Run a command under limits, by the library."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LIMITED, tier, repr(limits), *inner],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )
    return Outcome(world.nonce, done.stdout, done.stderr, done.returncode)


def probe_fill():
    block = b"x" * (1 << 20)
    for place in (os.getcwd(), os.environ.get("TMPDIR", "/tmp")):
        path = f"{place}/filler-{NONCE}"
        attempt("fill " + place, lambda: [os.write(os.open(path, 65 | os.O_APPEND, 0o600), block) for _ in range(64)])
        print("SIZE", os.path.getsize(path) if os.path.exists(path) else 0)
        attempt("remove", os.unlink, path)


def probe_processes():
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    children = []
    for _ in range(700):
        try:
            child = os.fork()
        except OSError as error:
            print("REFUSED", errno.errorcode[error.errno])
            break
        if child == 0:
            signal.pause()
        children.append(child)
    print("CHILDREN", len(children), flush=True)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def probe_memory():
    size = 0
    blocks = []
    try:
        while size < 600:
            blocks.append(bytearray(b"m" * (50 << 20)))
            size += 50
            print("MEMORY", size, flush=True)
    except MemoryError:
        print("REFUSED memory")


PROBES = {
    "L-136": (probe_fill, "SIZE", {"file_bytes": 8 << 20}, 64 << 20, 8 << 20),
    "L-137": (probe_processes, "CHILDREN", {"processes": 60}, 700, 60),
    "L-138": (probe_memory, "MEMORY", {"memory_bytes": 256 << 20}, 600, 300),
}


@pytest.mark.parametrize("guard", [NAMESPACE, LANDLOCK], indirect=True)
@pytest.mark.parametrize("row", PROBES)
def test_limits(guard: Guard, world: World, row: str) -> None:
    probe, word, limits, free, bound = PROBES[row]
    inner = command(probe, world.nonce)
    control = guard.run(world, inner)
    outcome = limited(world, guard.name, inner, **limits)
    got = [int(line.split()[1]) for line in outcome.text.splitlines() if line.startswith(word)]
    control_got = [int(line.split()[1]) for line in control.text.splitlines() if line.startswith(word)]
    assert control_got and max(control_got) >= free, f"without the limit nothing may refuse: {control}"
    level = outcome.text.split("LIMITS ")[1].split()[0] if "LIMITS " in outcome.text else "none"
    assert outcome.started, str(outcome)
    if level == "enforced" or row == "L-136":
        assert max(got, default=0) <= bound, str(outcome)
    else:
        assert level in ("partial", "advisory"), f"a limit that is not kept must be told: {outcome}"


@guards("write-outside", control=False)
@pytest.mark.parametrize("size", [50 << 20], ids=["50 MiB"])
def test_A21_flood_of_output(guard: Guard, world: World, size: int) -> None:
    """All of it, byte for byte, through the command line; no newline, no valid UTF-8, NUL bytes."""
    outcome = guard.run(world, ["sh", "-c", f"head -c {size} /dev/zero | tr '\\0' '\\377'; printf '\\0end'"])
    assert len(outcome.stdout) == size + 4
    assert outcome.stdout[:3] == b"\xff\xff\xff" and outcome.stdout[-4:] == b"\0end"


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
def test_A21_bounded_memory_of_the_caller(guard: Guard, world: World) -> None:
    """The library keeps what the policy allows, says that it cut, and does not hang on the rest."""
    outcome = limited(world, guard.name, ["head", "-c", str(30 << 20), "/dev/zero"], output_bytes=1 << 20)
    assert "TRUNCATED True" in outcome.text, str(outcome)[-500:]
    assert (1 << 20) <= len(outcome.stdout) < (1 << 20) + 4096


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
def test_A21_output_after_the_end(guard: Guard, world: World) -> None:
    """A background process that holds the pipe and floods it does not keep the call from returning."""
    script = f"(while :; do printf '{world.nonce}'; done) & echo ATTACK-START {world.nonce}"
    outcome = limited(world, guard.name, ["sh", "-c", script], output_bytes=1 << 20)
    assert "STATUS 0" in outcome.text, str(outcome)[-500:]
