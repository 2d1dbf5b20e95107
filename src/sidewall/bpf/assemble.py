"""A small assembler for classic BPF as seccomp takes it: labels in, an array of ``struct sock_filter`` out.

Knows: the encoding of instructions, jump ranges, the layout of ``struct seccomp_data``, the words of a verdict.
Must not know: system calls, policies, how a filter is installed.
Follows: Documentation/networking/filter.rst (the machine), Documentation/userspace-api/seccomp_filter.rst and
seccomp(2) (what of it seccomp takes).

A conditional jump reaches 255 instructions, an unconditional one any distance, and both go forward only.  A
conditional jump to a far label therefore goes over an unconditional one that is laid down right behind it.  The same
calls give the same bytes, on any machine: little-endian, which both supported architectures are.
"""

from __future__ import annotations

from sidewall.errors import InternalError

# Instruction classes and their fields (linux/bpf_common.h, linux/filter.h).
LD, LDX, ST, STX, ALU, JMP, RET, MISC = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07
W = 0x00
IMM, ABS, MEM, LEN = 0x00, 0x20, 0x60, 0x80
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0xA0
JA, JEQ, JGT, JGE, JSET = 0x00, 0x10, 0x20, 0x30, 0x40
K, X, A = 0x00, 0x08, 0x10
TAX, TXA = 0x00, 0x80

INSTRUCTION_BYTES = 8
MAX_INSTRUCTIONS = 4096
MEMORY_WORDS = 16
SHORT_JUMP = 255

# struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6].
DATA_BYTES = 64
NR, ARCH, INSTRUCTION_POINTER, ARGS = 0, 4, 8, 16

# Verdicts (linux/seccomp.h), the most severe first; the low 16 bits are data.
KILL_PROCESS = 0x80000000
KILL_THREAD = 0x00000000
TRAP = 0x00030000
ERRNO = 0x00050000
USER_NOTIF = 0x7FC00000
TRACE = 0x7FF00000
LOG = 0x7FFC0000
ALLOW = 0x7FFF0000
ACTION_MASK = 0xFFFF0000

_CONDITIONAL = (JMP | JEQ, JMP | JGT, JMP | JGE, JMP | JSET)
_ALWAYS = JMP | JA


def low(argument: int) -> int:
    """Offset of the low 32 bits of argument 0..5 in ``struct seccomp_data``."""
    return ARGS + 8 * argument


def high(argument: int) -> int:
    """Offset of the high 32 bits of argument 0..5 in ``struct seccomp_data``."""
    return ARGS + 8 * argument + 4


class Assembler:
    """Instructions in the order of their calls; ``assemble()`` resolves the labels.

    A label is any non-empty string; the empty string as a jump's target means the next instruction.  Every method
    but ``assemble`` only records, so a mistake shows there, as an InternalError.
    """

    def __init__(self) -> None:
        self._items: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def op(self, code: int, k: int = 0) -> None:
        """One instruction that is not a jump, by its operation code and its constant."""
        self._items.append((code, k, "", ""))

    def load(self, offset: int) -> None:
        """A <- the 32-bit word at ``offset`` of ``struct seccomp_data``."""
        self._items.append((LD | W | ABS, offset, "", ""))

    def mask(self, bits: int) -> None:
        """A <- A and ``bits``."""
        self._items.append((ALU | AND | K, bits, "", ""))

    def ret(self, verdict: int) -> None:
        """Ends the filter with ``verdict``, an action with its data."""
        self._items.append((RET | K, verdict, "", ""))

    def branch(self, test: int, k: int, then: str = "", otherwise: str = "", source: int = K) -> None:
        """Compares A with ``k`` (or with X) by ``test``: JEQ, JGT, JGE (both unsigned) or JSET (any common bit)."""
        self._items.append((JMP | test | source, k, then, otherwise))

    def jump(self, label: str) -> None:
        """Goes to ``label`` in any case."""
        self._items.append((_ALWAYS, 0, label, ""))

    def label(self, name: str) -> None:
        """Names the next instruction.

        Raises:
            InternalError: the name is empty or taken.
        """
        if not name or name in self._labels:
            raise InternalError(f"seccomp filter: label {name!r} is empty or defined twice")
        self._labels[name] = len(self._items)

    def assemble(self) -> bytes:
        """The program: 8 bytes an instruction.

        Raises:
            InternalError: an undefined label, a jump backward, a constant beyond 32 bits, an end that is not a
                verdict, or no instruction or more than 4096.
        """
        items = self._items
        if not items or items[-1][0] & 0x07 != RET:
            raise InternalError("seccomp filter: the last instruction is not a verdict")
        targets = [self._targets(index) for index in range(len(items))]
        far = self._far(targets)
        words: list[int] = []
        position = self._positions(far)
        if position[-1] > MAX_INSTRUCTIONS:
            raise InternalError(f"seccomp filter: {position[-1]} instructions, more than {MAX_INSTRUCTIONS}")
        for index, (code, k, _, _) in enumerate(items):
            if not 0 <= k <= 0xFFFFFFFF:
                raise InternalError(f"seccomp filter: constant {k:#x} is not of 32 bits")
            after = position[index] + 1
            then, otherwise = (position[target] - after for target in targets[index])
            if code == _ALWAYS:
                words.append(code | then << 32)
            elif code & ~X not in _CONDITIONAL:
                words.append(code | k << 32)
            else:
                far_then, far_otherwise = far.get(index, (False, False))
                hops = []
                if far_then:
                    hops.append(_ALWAYS | (then - 1) << 32)
                    then = 0
                if far_otherwise:
                    hops.append(_ALWAYS | (otherwise - 1 - len(hops)) << 32)
                    otherwise = len(hops) - 1
                words.append(code | then << 16 | otherwise << 24 | k << 32)
                words.extend(hops)
        return b"".join([word.to_bytes(INSTRUCTION_BYTES, "little") for word in words])

    def _targets(self, index: int) -> tuple[int, int]:
        """The items that a jump goes to; the next item for what is no jump."""
        _, _, then, otherwise = self._items[index]
        following = index + 1
        if not then and not otherwise:
            return following, following
        labels = self._labels
        try:
            found = (labels[then] if then else following, labels[otherwise] if otherwise else following)
        except KeyError as missing:
            raise InternalError(f"seccomp filter: label {missing.args[0]!r} is not defined") from None
        if min(found) < following:
            raise InternalError(f"seccomp filter: a jump backward, to {then!r} or {otherwise!r}")
        if max(found) >= len(self._items):
            raise InternalError(f"seccomp filter: a jump to the end, to {then!r} or {otherwise!r}")
        return found

    def _positions(self, far: dict[int, tuple[bool, bool]]) -> list[int]:
        """Where each item starts, with the hops of ``far`` laid down; the last entry is the program's length."""
        if not far:
            return list(range(len(self._items) + 1))
        positions, here = [], 0
        for index in range(len(self._items)):
            positions.append(here)
            here += 1 + sum(far.get(index, ()))
        positions.append(here)
        return positions

    def _far(self, targets: list[tuple[int, int]]) -> dict[int, tuple[bool, bool]]:
        """Which sides of which conditional jumps need a hop.

        Each hop moves what follows, which may put another label out of reach but brings none nearer, so the rounds
        end.
        """
        far: dict[int, tuple[bool, bool]] = {}
        while True:
            positions = self._positions(far)
            found = {}
            for index, (then, otherwise) in enumerate(targets):
                if self._items[index][0] & ~X in _CONDITIONAL:
                    reach = positions[index] + 1 + SHORT_JUMP
                    if positions[then] > reach or positions[otherwise] > reach:
                        found[index] = (positions[then] > reach, positions[otherwise] > reach)
            if found == far:
                return far
            far = found
