"""Plans in words and as data: every step of the vocabulary has a sentence of its own that names its objects.

Knows: ``sidewall.plan``.  Must not know: any machine.
"""

from __future__ import annotations

import json

import pytest

from sidewall.plan import explain, steps
from sidewall.plan.guarantees import Guarantee
from sidewall.policy.model import Policy

POLICY = Policy(name=":workspace", workspace="/w", home="/h")
EVERY_STEP = (
    steps.Unshare(kinds=("user", "mount", "net")),
    steps.ReadOnlyRoot(),
    steps.PrivateTmpfs(path="/tmp", size_bytes=64 << 20),
    steps.Show(path="/run/shown"),
    steps.Writable(path="/w", device=1, inode=2),
    steps.Hide(parent="/h", names=tuple(f".secret{number}" for number in range(20))),
    steps.Mask(path="/h/.netrc"),
    steps.Pin(path="/w/lib"),
    steps.Protect(path="/w/.git/hooks"),
    steps.Placeholder(root="/w", name=".claude"),
    steps.GitOverlay(path="/w/.git", roots=("/w",)),
    steps.Proc(masked=("kcore",)),
    steps.Devices(shm_bytes=1 << 30),
    steps.Loopback(),
    steps.Landlock(abi=6, fs=0x1FFF, net=3, scope=3, rules=(("/w", 0xFF), ("/tmp", 0xFF))),
    steps.Seccomp(arch="x86_64", inet=True, unix="mediated", mediate_unix=True),
    steps.Privileges(),
    steps.HostSocket(path="/var/run/db.sock", real="/run/db.sock"),
    steps.HostPorts(ports=(22, 5432)),
    steps.ResourceLimits(rlimits=(("core", 0),), tasks=400, cgroup="/sys/fs/cgroup/x", settings=(("pids.max", "9"),)),
    steps.PrivateDirectory(),
    steps.Watch(roots=("/w",), names=(".envrc",), held=("/w/.git/hooks",), each=True),
)
PLAN = steps.Plan(
    platform="linux", tier="namespace", policy=POLICY, steps=EVERY_STEP, digest="ab" * 32, notes=("a note",),
    guarantees=(
        Guarantee(name="limits", level="partial", mechanism="rlimits", reason="no control group",
                  remedy="delegate one"),
        Guarantee(name="write-outside", level="enforced", mechanism="mounts", required=True),
    ))


def named_steps() -> list[type[steps.Step]]:
    return [kind for kind in vars(steps).values()
            if isinstance(kind, type) and issubclass(kind, steps.Step) and kind is not steps.Step]


def test_the_list_above_is_complete() -> None:
    assert {type(step) for step in EVERY_STEP} == set(named_steps())


@pytest.mark.parametrize("step", EVERY_STEP, ids=lambda step: type(step).__name__)
def test_each_step_has_its_own_sentence_and_names_its_object(step: steps.Step) -> None:
    entry = explain.entry(step)
    told = "\n".join((entry.title, *entry.details))
    assert entry.title and "=" not in entry.title and "\n" not in entry.title
    for field in ("path", "root", "name", "parent"):
        assert step.to_dict().get(field, "") in told


def test_a_step_from_elsewhere_is_shown_by_its_fields() -> None:
    class GrantAce(steps.Step):
        path: str
        mask: int
        note: str = ""

    assert explain.entry(GrantAce(path="C:\\w", mask=7)).title == "grant ace: path=C:\\w, mask=7"


def test_neighbours_of_one_kind_share_an_entry() -> None:
    same = (steps.Protect(path="/w/a"), steps.Protect(path="/w/b"), steps.Protect(path="/w/c"))
    plan = PLAN.replace(steps=(steps.Mask(path="/m"), *same, steps.Mask(path="/n"), steps.Privileges()))
    told = explain.entries(plan)
    assert [entry.title for entry in told[:3]] == ["unreadable: /m", "protected, read-only", "unreadable: /n"]
    assert told[1].details == ("/w/a, /w/b, /w/c",)
    assert [entry.title for entry in explain.entries(PLAN)] == [explain.entry(step).title for step in EVERY_STEP]


def test_long_lists_are_cut_and_say_so() -> None:
    details = explain.entry(EVERY_STEP[5]).details
    assert len(details) == 7 and details[-1] == "and 14 more"


def test_text_holds_steps_guarantees_and_notes_in_order() -> None:
    lines = explain.text(PLAN)
    text = "\n".join(lines)
    assert text.index("own namespaces") < text.index("guarantees") < text.index("a note")
    assert f"{len(EVERY_STEP):4}  " in text and PLAN.digest in text
    table = explain.guarantee_lines(PLAN.guarantees)
    assert table[0].split() == ["write-outside", "*", "enforced", "mounts"]
    assert table[1].split()[:2] == ["limits", "partial"]
    assert [line.strip() for line in table[2:]] == ["no control group", "delegate one"]


def test_data_survives_json_and_keeps_every_field() -> None:
    data = json.loads(json.dumps(explain.to_dict(PLAN)))
    assert data["schema"] == 1 and data["tier"] == "namespace" and data["policy"]["workspace"] == "/w"
    assert [step["step"] for step in data["steps"]] == [type(step).__name__ for step in EVERY_STEP]
    assert data["steps"][4]["inode"] == 2
    assert data["guarantees"][0]["required"] is True and data["guarantees"][1]["remedy"] == "delegate one"


@pytest.mark.parametrize(("count", "shown"), [
    (0, "0 bytes"), (1023, "1023 bytes"), (4096, "4 KiB"), (64 << 20, "64 MiB"), (3 << 30, "3 GiB"),
    ((1 << 30) + 1024, "1048577 KiB")])
def test_sizes(count: int, shown: str) -> None:
    assert explain.size(count) == shown
