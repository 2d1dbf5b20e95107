"""Listed unix sockets and loopback ports: what each tier carries, and what it refuses to pretend.

Knows: host facts as data.  Must not know: this machine.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall import plan as planning
from sidewall.errors import ConfigError, MachineError, SidewallError
from sidewall.plan import explain
from sidewall.plan import facts as fact
from sidewall.plan.facts import PathFact, SocketFact
from sidewall.plan.guarantees import ENFORCED
from sidewall.plan.steps import Hide, HostPorts, HostSocket, Mask, Pin, Plan, Protect, Seccomp, Writable
from sidewall.policy.model import DENY, FileRule, Network, Source

from .machines import HOME, WORK, line, machine, of, policy, refused

RUN = "/run/service.sock"


def compiled(network: Network, *sockets: SocketFact, tier: str = "auto", rules: tuple[FileRule, ...] = (),
             **changes: Any) -> Plan:  # fmt: skip
    about = policy(":workspace", *rules, network=network)
    return planning.compile(about, machine(about, sockets=sockets, **changes), tier=tier)


def there(path: str, **changes: Any) -> SocketFact:
    return SocketFact(**{"path": path, "real": path, "kind": fact.SOCKET, "device": 7, "inode": 11, **changes})


def names(*paths: str, **changes: Any) -> Network:
    return Network(unix_sockets=paths, **changes)


def test_nothing_is_lent_unless_it_is_named() -> None:
    for tier in ("namespace", "landlock"):
        plan = compiled(Network(), tier=tier)
        assert not of(plan, HostSocket) and not of(plan, HostPorts)
    (filtered,) = of(plan, Seccomp)
    assert (filtered.unix, filtered.mediate_unix) == ("none", False)


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
@pytest.mark.parametrize("mode", ["off", "on"])
def test_a_socket_that_is_there(tier: str, mode: str) -> None:
    plan = compiled(names(RUN, mode=mode), there(RUN), tier=tier)
    assert of(plan, HostSocket) == [HostSocket(path=RUN, real=RUN)]
    (filtered,) = of(plan, Seccomp)
    assert (filtered.unix, filtered.mediate_unix) == ("mediated", True)
    told = line(plan, "unix-sockets-and-pipes")
    assert told.level == ENFORCED and f"the policy allows {RUN}" in told.reason
    assert f"can be connected to: {RUN}" in "\n".join(explain.text(plan))


def test_every_listed_name_is_in_the_report() -> None:
    paths = [f"/run/{number}.sock" for number in range(9)]
    told = line(compiled(names(*paths), *map(there, paths)), "unix-sockets-and-pipes").reason
    assert all(path in told for path in paths)


def test_a_socket_that_is_not_there_yet() -> None:
    plan = compiled(names(RUN), SocketFact(path=RUN, real=RUN))
    assert of(plan, HostSocket) == [HostSocket(path=RUN, real=RUN, present=False)]
    assert any(RUN in note and "does not exist now" in note for note in plan.notes)


def test_a_link_of_the_systems_is_followed_once() -> None:
    found = there("/var/run/service.sock", real=RUN, through=("/var",))
    assert of(compiled(names("/var/run/service.sock"), found), HostSocket)[0].real == RUN


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
@pytest.mark.parametrize("through", [WORK, f"{WORK}/deep/er"])
@pytest.mark.parametrize("kind", [fact.SOCKET, fact.MISSING])
def test_a_link_that_a_command_could_have_made_is_not_followed(tier: str, through: str, kind: str) -> None:
    found = there(f"{HOME}/s", kind=kind, real="/run/docker.sock", through=(HOME, through))
    with pytest.raises(ConfigError) as caught:
        compiled(names(f"{HOME}/s"), found, tier=tier)
    assert caught.value.key == "network.unix_sockets" and caught.value.exit_code == 2
    assert through in str(caught.value) and "/run/docker.sock" in caught.value.hint


@pytest.mark.parametrize(
    "found", [there(RUN, kind=fact.OTHER), there(RUN, kind=fact.DIRECTORY), there(RUN, datagram=True)],
    ids=["file", "directory", "datagrams"],
)  # fmt: skip
def test_what_is_no_stream_socket(found: SocketFact) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(names(RUN), found)
    assert RUN in str(caught.value) and "network.unix_sockets" in str(caught.value) and caught.value.hint


def test_in_a_writable_root_it_is_held_in_place() -> None:
    inside = f"{WORK}/run/app.sock"
    plan = compiled(names(inside), there(inside))
    kinds = [type(step) for step in plan.steps]
    assert of(plan, HostSocket) == [HostSocket(path=inside, real=inside, device=7, inode=11, held=True)]
    assert Pin(path=f"{WORK}/run") in plan.steps
    assert kinds.index(Writable) < kinds.index(Pin) < kinds.index(HostSocket)


def test_in_a_writable_root_the_landlock_tier_cannot_hold_it() -> None:
    inside = f"{WORK}/app.sock"
    with pytest.raises(MachineError, match="replacing") as caught:
        compiled(names(inside), there(inside), tier="landlock")
    assert inside in str(caught.value) and "namespace tier" in caught.value.hint
    assert caught.value.exit_code == 125


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_in_a_writable_root_what_comes_later_is_nobodys(tier: str) -> None:
    inside = f"{WORK}/app.sock"
    plan = compiled(names(inside), SocketFact(path=inside, real=inside), tier=tier)
    assert not of(plan, HostSocket)
    assert any(inside in note for note in plan.notes)


def test_in_a_denied_part_of_a_writable_root() -> None:
    inside = f"{WORK}/secret/app.sock"
    deny = FileRule(path=f"{WORK}/secret", access=DENY, source=Source(layer="user"))
    about = policy(":workspace", deny, network=names(inside))
    seen = machine(about, sockets=(there(inside),))
    seen = seen.replace(paths=(*seen.paths, PathFact(path=f"{WORK}/secret", kind=fact.DIRECTORY,
                                                     real=f"{WORK}/secret")))  # fmt: skip
    with pytest.raises(ConfigError, match="denied part"):
        planning.compile(about, seen, tier="auto")


def test_denied_and_listed_at_once() -> None:
    deny = FileRule(path=RUN, access=DENY, source=Source(layer="user"))
    with pytest.raises(ConfigError, match="denied by a rule"):
        compiled(names(RUN), there(RUN), rules=(deny,))


def test_below_a_denied_directory_it_is_shown_after_that_was_hidden() -> None:
    agent = f"{HOME}/.gnupg/S.gpg-agent"
    plan = compiled(names(agent), there(agent))
    (hide,) = [step for step in of(plan, Hide) if ".gnupg" in step.names]
    assert plan.steps.index(hide) < plan.steps.index(of(plan, HostSocket)[0])
    assert not [step for step in of(plan, Mask) if agent.startswith(step.path)]
    assert not [step for step in of(plan, Protect) if step.path == agent]


def test_abstract_names() -> None:
    with pytest.raises(ConfigError, match="abstract") as caught:
        compiled(names("@session"))
    assert 'network.mode = "on"' in caught.value.hint
    for tier in ("namespace", "landlock"):
        plan = compiled(names("@session", mode="on"), tier=tier)
        assert of(plan, HostSocket) == [HostSocket(path="@session", real="@session")]


def test_a_kernel_that_cannot_ask() -> None:
    for tier in ("namespace", "landlock"):
        with pytest.raises(MachineError, match=r"network\.unix_sockets"):
            compiled(names(RUN), there(RUN), tier=tier, notify=False)
    assert of(compiled(Network(loopback_ports=(1,)), notify=False), HostPorts)


def test_ports() -> None:
    plan = compiled(Network(loopback_ports=(8000, 22, 8000)))
    assert of(plan, HostPorts) == [HostPorts(ports=(22, 8000))]
    told = line(plan, "network-host-loopback")
    assert (told.level, told.reason) == (ENFORCED, "the policy allows the host's TCP ports 22, 8000")
    assert "22, 8000" in "\n".join(explain.text(plan))


@pytest.mark.parametrize("options", [{"tier": "landlock"}, refused("EPERM")], ids=["asked for", "all there is"])
def test_ports_without_a_network_of_ones_own(options: dict[str, Any]) -> None:
    with pytest.raises(SidewallError, match=r"network\.loopback_ports") as caught:
        compiled(Network(loopback_ports=(8000,)), **options)
    assert caught.value.hint and caught.value.exit_code == 125


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_ports_of_a_shared_network_need_no_step(tier: str) -> None:
    plan = compiled(Network(mode="on", loopback_ports=(8000,)), tier=tier)
    assert not of(plan, HostPorts)
