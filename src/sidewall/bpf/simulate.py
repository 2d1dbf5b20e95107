"""Classic BPF as seccomp runs it: the kernel's check of a program, and the verdict for one system call.

Knows: which programs seccomp takes, and what each instruction does to A, X and the sixteen words of memory.
Must not know: what a filter is for, or how the assembler came to it.
Follows: Documentation/networking/filter.rst, Documentation/userspace-api/seccomp_filter.rst; the check takes and
refuses what Linux takes and refuses (the tests ask the running kernel).
"""

from __future__ import annotations

from sidewall.bpf.assemble import (
    ABS,
    ADD,
    ALU,
    AND,
    DATA_BYTES,
    DIV,
    IMM,
    INSTRUCTION_BYTES,
    JA,
    JEQ,
    JGE,
    JGT,
    JMP,
    JSET,
    KILL_THREAD,
    LD,
    LDX,
    LEN,
    LSH,
    MAX_INSTRUCTIONS,
    MEM,
    MEMORY_WORDS,
    MISC,
    MUL,
    NEG,
    OR,
    RET,
    RSH,
    ST,
    STX,
    SUB,
    TAX,
    TXA,
    XOR,
    A,
    K,
    W,
    X,
)
from sidewall.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Instruction = tuple[int, int, int, int]  # code, jt, jf, k

_WORD = 0xFFFFFFFF
_ALL_STORED = 0xFFFF

_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    ADD: lambda a, b: a + b,
    SUB: lambda a, b: a - b,
    MUL: lambda a, b: a * b,
    DIV: lambda a, b: a // b,
    OR: lambda a, b: a | b,
    AND: lambda a, b: a & b,
    XOR: lambda a, b: a ^ b,
    # Linux runs classic BPF as 32-bit eBPF, where a shift counts modulo 32.
    LSH: lambda a, b: a << (b & 31),
    RSH: lambda a, b: a >> (b & 31),
}
_TESTS: dict[int, Callable[[int, int], bool]] = {
    JEQ: lambda a, b: a == b,
    JGT: lambda a, b: a > b,
    JGE: lambda a, b: a >= b,
    JSET: lambda a, b: a & b != 0,
}
_MEMORY_READS = (LD | MEM, LDX | MEM)
_MEMORY_WRITES = (ST, STX)
_JUMPS = frozenset(JMP | test | source for test in _TESTS for source in (K, X))
# No bytes or half-words, no indirect loads, no remainder: seccomp refuses what a packet filter may do.
_TAKEN = frozenset(
    (
        LD | W | ABS, LD | W | LEN, LDX | W | LEN, LD | IMM, LDX | IMM, *_MEMORY_READS, *_MEMORY_WRITES,
        ALU | NEG, MISC | TAX, MISC | TXA, RET | K, RET | A, JMP | JA,
        *_JUMPS, *(ALU | operation | source for operation in _ARITHMETIC for source in (K, X)),
    )
)  # fmt: skip


def check(program: bytes) -> tuple[Instruction, ...]:
    """The instructions (code, jt, jf, k) of a program that Linux takes as a seccomp filter.

    Raises:
        InternalError: Linux would answer EINVAL; the message names the instruction and the reason.
    """
    count, odd = divmod(len(program), INSTRUCTION_BYTES)
    if odd or not 0 < count <= MAX_INSTRUCTIONS:
        raise InternalError(
            f"seccomp filter: {len(program)} bytes are not 1 to {MAX_INSTRUCTIONS} instructions"
        )
    instructions = []
    for start in range(0, len(program), INSTRUCTION_BYTES):
        word = int.from_bytes(program[start : start + INSTRUCTION_BYTES], "little")
        instructions.append((word & 0xFFFF, word >> 16 & 0xFF, word >> 24 & 0xFF, word >> 32))
    for index, instruction in enumerate(instructions):
        fault = _fault(instruction, count - index - 1)
        if fault:
            raise InternalError(f"seccomp filter: instruction {index}, code {instruction[0]:#x}: {fault}")
    if instructions[-1][0] not in (RET | K, RET | A):
        raise InternalError("seccomp filter: the last instruction is not a verdict")
    _check_memory(instructions)
    return tuple(instructions)


def _fault(instruction: Instruction, left: int) -> str:
    """What is wrong with one instruction that ``left`` others follow; '' if nothing is."""
    code, jt, jf, k = instruction
    if code not in _TAKEN:
        return "not an instruction that seccomp takes"
    if code == LD | W | ABS and (k >= DATA_BYTES or k & 3):
        return f"offset {k} is not a word of struct seccomp_data"
    if code == ALU | DIV | K and k == 0:
        return "division by zero"
    if code in (ALU | LSH | K, ALU | RSH | K) and k >= 32:
        return f"shift by {k}"
    if code in (*_MEMORY_READS, *_MEMORY_WRITES) and k >= MEMORY_WORDS:
        return f"memory word {k} of {MEMORY_WORDS}"
    if code == JMP | JA and k >= left:
        return "jump beyond the end"
    if code in _JUMPS and max(jt, jf) >= left:
        return "jump beyond the end"
    return ""


def _check_memory(instructions: list[Instruction]) -> None:
    """Refuses a read of a memory word that some way to it did not write.

    As in the kernel, code behind a verdict counts as reached from there: only jumps cut the way.
    """
    stored_at = [_ALL_STORED] * len(instructions)
    stored = 0
    for index, (code, jt, jf, k) in enumerate(instructions):
        stored &= stored_at[index]
        if code in _MEMORY_WRITES:
            stored |= 1 << k
        elif code in _MEMORY_READS:
            if not stored & 1 << k:
                raise InternalError(
                    f"seccomp filter: instruction {index} reads memory word {k} before it is written"
                )
        elif code == JMP | JA:
            stored_at[index + 1 + k] &= stored
            stored = _ALL_STORED
        elif code in _JUMPS:
            stored_at[index + 1 + jt] &= stored
            stored_at[index + 1 + jf] &= stored
            stored = _ALL_STORED


def run(instructions: Sequence[Instruction], data: bytes) -> int:
    """The verdict of checked instructions on a ``struct seccomp_data`` of 64 bytes: action and data, 32 bits."""
    a = x = 0
    memory = [0] * MEMORY_WORDS
    here = 0
    while True:
        code, jt, jf, k = instructions[here]
        here += 1
        kind = code & 0x07
        operand = x if code & X else k
        if kind == RET:
            return a if code & A else k
        if kind == JMP:
            if code == JMP | JA:
                here += k
            else:
                here += jt if _TESTS[code & 0xF0](a, operand) else jf
        elif kind == ALU:
            if code == ALU | NEG:
                a = -a & _WORD
            elif code == ALU | DIV | X and x == 0:
                return KILL_THREAD  # a filter that divides by zero ends with verdict 0
            else:
                a = _ARITHMETIC[code & 0xF0](a, operand) & _WORD
        elif kind == LD:
            a = _loaded(code, k, data, memory)
        elif kind == LDX:
            x = _loaded(code, k, data, memory)
        elif kind == ST:
            memory[k] = a
        elif kind == STX:
            memory[k] = x
        elif code == MISC | TAX:
            x = a
        else:
            a = x


def _loaded(code: int, k: int, data: bytes, memory: list[int]) -> int:
    mode = code & 0xE0
    if mode == ABS:
        return int.from_bytes(data[k : k + 4], "little")
    if mode == MEM:
        return memory[k]
    return DATA_BYTES if mode == LEN else k


def seccomp_data(arch: int, nr: int, args: Sequence[int], instruction_pointer: int = 0) -> bytes:
    """``struct seccomp_data`` for one call: up to six arguments, each cut to 64 bits; missing ones are 0."""
    words = [*args, 0, 0, 0, 0, 0, 0][:6]
    return b"".join(
        (
            (nr & _WORD).to_bytes(4, "little"),
            (arch & _WORD).to_bytes(4, "little"),
            *((word & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little") for word in (instruction_pointer, *words)),
        )
    )


def simulate(program: bytes, arch: int, nr: int, args: Sequence[int], instruction_pointer: int = 0) -> int:
    """The verdict of ``program`` on call ``nr``, made through the entry of ``arch`` (an AUDIT_ARCH_* constant).

    Raises:
        InternalError: Linux would not take the program.
    """
    return run(check(program), seccomp_data(arch, nr, args, instruction_pointer))
