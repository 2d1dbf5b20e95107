"""Measures on this machine what documents leave open about Windows' access check, and prints it as JSON.

    python -m scripts.windows_questions [--vectors FILE] [--answers]

Knows: a case for each open question whose answers tell its readings apart.  Must not know: plans, accounts.  It follows
docs/nt-model.md, which lists the questions.  No rights and no other account are needed; all that is made is a
directory of temporary files, which goes again.

Exit code 0 when the model's answers hold here, 1 when the kernel contradicts one, 2 when this is no Windows or the
vectors cannot be read.  A kernel without restricting SIDs (Wine's) is named as one: what rests on them is not measured.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.windows_vectors import ANOTHER, DIFFERS, LeftOut, Made, Runner, Wanted, ask, judge

from sidewall.nt import access_check_answer as questions
from sidewall.nt.access_check import access_check, write_mask
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import FILE_ALL_ACCESS, MAPPINGS, MAXIMUM_ALLOWED, READ_CONTROL
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import api as windows
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.constants_files import OPEN_EXISTING
from sidewall.platforms.windows.errors import ApiError

VECTORS = Path(__file__).resolve().parents[1] / "tests/nt/data/vectors.jsonl"
CAPABILITY = Sid("S-1-5-21-909-808-707-1")
FILE, PROCESS = MAPPINGS["file"], MAPPINGS["process"]
DUPLICATES, LINKS = "duplicate-entries", "rights-for-a-link"
NO_RESTRICTING = "not measured: this kernel does not enforce restricting SIDs"
NO_LABELS = "not measured: this kernel does not lower integrity levels"
NO_CONTAINER = "not measured: no token of an AppContainer is made here"


def write_restricted(runner: Runner) -> Made:
    """A write-restricted token of the user with one capability.  Raises LeftOut."""
    return Made(runner, Wanted(restrict=(CAPABILITY,), write_restricted=True, integrity=runner.state.integrity))


def of_user(runner: Runner, rest: str = "", rights: int = FILE_ALL_ACCESS) -> SecurityDescriptor:
    """A descriptor of somebody else's that grants the user ``rights``."""
    own = f"(A;;{rights:#x};;;{runner.state.user})" if rights else ""
    return parse(f"O:SYG:SYD:{own}{rest}")


def enforced(runner: Runner) -> tuple[bool, str]:
    """Whether the second pass happens at all: a write that no restricting SID has must be refused."""
    try:
        token = write_restricted(runner)
    except (LeftOut, ApiError) as error:
        return False, str(error)
    try:
        granted, _ = token.ask(of_user(runner), 0x2, FILE)
    finally:
        token.close()
    return not granted, "a write without a restricting SID was granted" if granted else ""


def whole_request(runner: Runner) -> dict[str, Any]:
    token = write_restricted(runner)
    try:
        sd = of_user(runner, f"(A;;0x2;;;{CAPABILITY})")
        read, write, both = [token.ask(sd, mask, FILE)[0] for mask in (0x1, 0x2, 0x3)]
    finally:
        token.close()
    if not (read and write):
        return {"holds": f"neither: reading alone is {read}, writing alone {write}"}
    return {"holds": "only the write bits" if both else "the whole request"}


def maximum(runner: Runner) -> dict[str, Any]:
    token = write_restricted(runner)
    try:
        sd = of_user(runner, f"(A;;0x2;;;{CAPABILITY})")
        _, mask = token.ask(sd, MAXIMUM_ALLOWED, FILE)
        answer = access_check(sd, token.model, MAXIMUM_ALLOWED, FILE)
    finally:
        token.close()
    bounds = {"what both passes grant": answer.lower, "all but the write bits that the second pass lacks": answer.mask}
    holds = [name for name, value in bounds.items() if value == mask]
    return {"holds": holds[0] if holds else "neither", "mask": hex(mask),
            "readings": {name: hex(value) for name, value in bounds.items()}}


def owner_reads(runner: Runner) -> dict[str, Any]:
    token = write_restricted(runner)
    try:
        sd = parse(f"O:{runner.state.user}G:SYD:(A;;0x2;;;{CAPABILITY})")
        granted, _ = token.ask(sd, READ_CONTROL, FILE)
    finally:
        token.close()
    return {"holds": "the owner keeps it" if granted else "the owner does not have it"}


def write_bits(runner: Runner) -> dict[str, Any]:
    """Which rights are refused without a restricting SID, right by right; and each type's own mapping."""
    found: dict[str, Any] = {}
    token = write_restricted(runner)
    try:
        for name in ("file", "process", "thread", "key"):
            mapping = MAPPINGS[name]
            sd = of_user(runner, rights=mapping.all)
            each = [1 << bit for bit in range(21) if mapping.all >> bit & 1]
            refused = sum(bit for bit in each if not token.ask(sd, bit, mapping)[0])
            found[name] = {"refused": hex(refused), "model": hex(write_mask(mapping) & mapping.all)}
    finally:
        token.close()
    same = all(one["refused"] == one["model"] for one in found.values())
    return {"holds": "the model's write mask" if same else "another write mask", "types": found,
            "mappings": type_mappings(runner)}


def type_mappings(runner: Runner) -> dict[str, Any]:
    """What the kernel itself says that generic rights mean, for types of which this process has an object."""
    kernel, dll = runner.api.kernel32, windows.NativeApi().dll("ntdll")
    found: dict[str, Any] = {}
    with kernel.CreateEventW() as event:
        for name, handle in (("process", kernel.GetCurrentProcess()), ("thread", kernel.GetCurrentThread()),
                             ("event", event), ("token", runner.token)):
            buffer = ctypes.create_string_buffer(4096)
            try:
                # OBJECT_TYPE_INFORMATION: a counted text, twelve counters, invalid attributes, then the mapping.
                dll.NtQueryObject(handle, 2, buffer, len(buffer), ctypes.byref(ctypes.c_uint32()))
            except ApiError as error:
                found[name] = {"error": error.name or str(error)}
                continue
            got = [int.from_bytes(buffer.raw[at: at + 4], "little") for at in range(68, 84, 4)]
            own = MAPPINGS[name]
            wanted = [own.read, own.write, own.execute, own.all]
            found[name] = {"kernel": [hex(mask) for mask in got], "model": [hex(mask) for mask in wanted],
                           "same": got == wanted}
    return found


def labels(runner: Runner) -> dict[str, Any]:
    """What NO_READ_UP and NO_EXECUTE_UP of a file take from a token of a lower level, right by right."""
    try:
        token = Made(runner, Wanted(integrity=0x1000))
    except LeftOut:
        return {"holds": NO_LABELS}
    try:
        found = {}
        for policy in ("NW", "NR", "NX", "NRNX"):
            sd = parse(f"O:SYG:SYD:(A;;{FILE_ALL_ACCESS:#x};;;{runner.state.user})S:(ML;;{policy};;;ME)")
            each = [1 << bit for bit in range(21) if FILE_ALL_ACCESS >> bit & 1]
            found[policy] = hex(sum(bit for bit in each if not token.ask(sd, bit, FILE)[0]))
    finally:
        token.close()
    return {"holds": "as told for each policy", "refused": found}


def duplicates(runner: Runner) -> dict[str, Any]:
    """Whether SetNamedSecurityInfoW keeps an entry that is given twice, on a directory and on what inherits it."""
    advapi, what = runner.api.advapi32, constants.DACL_SECURITY_INFORMATION
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "child").write_bytes(b"")
        twice = parse(f"D:(A;OICI;FA;;;{runner.state.user})" + f"(A;OICI;0x1200a9;;;{CAPABILITY})" * 2).dacl
        assert twice is not None
        advapi.SetNamedSecurityInfoW(directory, what, dacl=twice.to_bytes())
        counts = {}
        for name, path in (("directory", directory), ("child", str(Path(directory, "child")))):
            dacl = SecurityDescriptor.from_bytes(advapi.GetNamedSecurityInfoW(path, what)).dacl or Acl()
            counts[name] = sum(one.sid == CAPABILITY for one in dacl.aces)
    words = {0: "lost", 1: "kept once", 2: "kept twice"}
    return {"holds": ", ".join(f"{name}: {words.get(count, count)}" for name, count in counts.items())}


def links(runner: Runner) -> dict[str, Any]:
    """The least right of a handle by which NtSetInformationFile makes another name of the file."""
    kernel = runner.api.kernel32
    library = ctypes.WinDLL("ntdll")  # type: ignore[attr-defined,unused-ignore]
    found = {}
    # CreateFileW adds these two to whatever is asked for.
    rights = {"SYNCHRONIZE and FILE_READ_ATTRIBUTES": 0x100080, "FILE_READ_DATA": 0x100001,
              "FILE_WRITE_ATTRIBUTES": 0x100100, "FILE_WRITE_DATA": 0x100002, "DELETE": 0x110000}
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "file")
        Path(path).write_bytes(b"")
        for name, access in rights.items():
            text = ("\\??\\" + os.path.join(directory, name)).encode("utf-16-le")
            # FILE_LINK_INFORMATION: a truth, a directory, the length of the name, the name.
            given = b"\0" * 16 + len(text).to_bytes(4, "little") + text
            with kernel.CreateFileW(path, access, OPEN_EXISTING) as file:
                block = ctypes.create_string_buffer(16)
                status = library.NtSetInformationFile(ctypes.c_void_p(file.value), block, given, len(given), 11)
            made = os.path.exists(os.path.join(directory, name))
            found[name] = "made" if made else f"refused: {status & 0xFFFFFFFF:#x}"
    made_by = [name for name, said in found.items() if said == "made"]
    return {"holds": f"enough: {made_by[0]}" if made_by else "none of these is enough", "rights": found}


RESTRICTED: dict[str, Callable[[Runner], dict[str, Any]]] = {
    questions.WHOLE_REQUEST: whole_request, questions.MAXIMUM_WRITE_RESTRICTED: maximum,
    questions.OWNER_READ_CONTROL: owner_reads, questions.PROCESS_WRITE_MASK: write_bits,
}
OTHERS: dict[str, Callable[[Runner], dict[str, Any]]] = {
    questions.LABEL_READ_EXECUTE: labels, DUPLICATES: duplicates, LINKS: links,
}
ASKED = {**questions.QUESTIONS, DUPLICATES: "whether SetNamedSecurityInfo keeps an entry that is there twice",
         LINKS: "which right on the file FileLinkInformation needs"}


def measure(runner: Runner, restricting: bool) -> dict[str, dict[str, Any]]:
    """Every open question by name: what it asks, and which reading holds here."""
    found: dict[str, dict[str, Any]] = {questions.APPCONTAINER_LABEL: {"holds": NO_CONTAINER}}
    for name, case in {**RESTRICTED, **OTHERS}.items():
        if name in RESTRICTED and not restricting:
            found[name] = {"holds": NO_RESTRICTING}
            continue
        try:
            found[name] = case(runner)
        except (ApiError, LeftOut) as error:
            found[name] = {"holds": f"not measured: {error}"}
    return {name: {"question": ASKED[name], **found[name]} for name in ASKED}


def judged(runner: Runner, lines: list[str]) -> dict[str, Any]:
    """All access vectors: how many agree, which do not, which cannot be asked here and why."""
    answers, left = [], Counter[str]()
    for line in lines:
        vector = json.loads(line)
        if vector["kind"] != "access":
            continue
        try:
            answers.append(judge(runner, vector))
        except LeftOut as why:
            left[str(why)] += 1
    return {"verdicts": dict(Counter(each["verdict"] for each in answers)), "left out": dict(left),
            "differ": [each for each in answers if each["verdict"] == DIFFERS],
            "another reading": [each for each in answers if each["verdict"] == ANOTHER],
            "not as the vector expects": [each["id"] for each in answers if not each["expected"]], "answers": answers}


def controls(runner: Runner) -> dict[str, bool]:
    """That the kernel's AccessCheck decides at all: without these no answer means anything."""
    with runner.api.advapi32.DuplicateTokenEx(
        runner.token, constants.TOKEN_ALL_ACCESS, level=constants.SecurityIdentification,
        kind=constants.TokenImpersonation,
    ) as own:
        granted, _ = ask(runner.api, own, of_user(runner), 0x1, FILE)
        refused, _ = ask(runner.api, own, parse(f"O:SYG:SYD:(A;;FA;;;{CAPABILITY})"), 0x1, FILE)
    return {"grants what is granted": granted, "refuses what is not": not refused}


def main(words: list[str]) -> int:
    """The command.  Prints one JSON object."""
    parser = argparse.ArgumentParser(prog="windows_questions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=VECTORS, help="vectors, one JSON object a line")
    parser.add_argument("--answers", action="store_true", help="print the answer to every vector too")
    given = parser.parse_args(words)
    if sys.platform != "win32":
        print("windows_questions: this is no Windows", file=sys.stderr)
        return 2
    try:
        lines = given.vectors.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        print(f"windows_questions: {error}", file=sys.stderr)
        return 2
    runner = Runner(windows.native())
    try:
        told = report(runner, [line for line in lines if line.strip()])
    finally:
        runner.close()
    if not given.answers:
        del told["vectors"]["answers"]
    print(json.dumps(told, indent=1))
    sound = all(told["controls"].values())
    return 0 if sound and not told["vectors"]["differ"] else 1


def report(runner: Runner, lines: list[str]) -> dict[str, Any]:
    """All that is measured, as it is printed."""
    works, why = enforced(runner)
    version = ".".join(str(part) for part in runner.api.ntdll.RtlGetVersion())
    machine = {"windows": version, "wine": hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"),
               "python": sys.version.split()[0], "integrity": hex(runner.state.integrity),
               "elevated": runner.state.elevated}
    return {"machine": machine, "restricting SIDs enforced": works, "why not": why, "controls": controls(runner),
            "questions": measure(runner, works), "vectors": judged(runner, lines)}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
