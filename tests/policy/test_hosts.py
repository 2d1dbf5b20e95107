"""Hosts: spellings of one host, what a rule matches, what is refused; agreement with two other implementations.

Knows: names, addresses, ports.  Must not know: the network.
"""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.errors import PolicyError
from sidewall.policy import addresses, hosts

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@given(st.text(alphabet="0123456789abcdefx.", max_size=14))
@settings(max_examples=300, deadline=None)
def test_ipv4_spellings_are_those_of_the_c_library(text: str) -> None:
    # inet_aton of the C library takes what follows a space; such texts never come here.
    try:
        expected: int | None = int.from_bytes(socket.inet_aton(text), "big")
    except OSError:
        expected = None
    found = addresses.parse(text)
    assert (found[1] if found else None) == expected


@given(st.one_of(st.ip_addresses(v=6).map(str), st.text(alphabet="0123:f.", min_size=2, max_size=16)))
@settings(max_examples=300, deadline=None)
def test_ipv6_spellings_are_those_of_the_standard_library(text: str) -> None:
    if ":" not in text:
        return
    try:
        expected = ipaddress.IPv6Address(text)
    except ValueError:
        assert addresses.parse(text) is None
        return
    mapped = expected.ipv4_mapped
    assert addresses.parse(text) == ((4, int(mapped)) if mapped else (6, int(expected)))


@given(st.ip_addresses())
@settings(max_examples=300, deadline=None)
def test_an_address_is_shown_as_the_standard_library_shows_it(address: Address) -> None:
    shown = addresses.show((address.version, int(address)))
    assert ipaddress.ip_address(shown) == address
    if getattr(address, "ipv4_mapped", None) is None:
        assert shown == str(address)


@given(st.ip_addresses(v=4), st.integers(0, 32))
@settings(max_examples=200, deadline=None)
def test_blocks_are_those_of_the_standard_library(address: ipaddress.IPv4Address, prefix: int) -> None:
    block = ipaddress.ip_network((int(address) >> (32 - prefix) << (32 - prefix), prefix))
    version, number, length = addresses.network(str(block.network_address), str(prefix))
    assert (version, number, length) == (4, int(block.network_address), prefix)
    pattern = hosts.parse(str(block), mode="on")
    assert hosts.match(pattern, str(address), 443)


LOOPBACK = ("127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "127.0.0.1.", "::1", "[::1]", "0",
            "::ffff:127.0.0.1", "[::ffff:7f00:1]", "0:0:0:0:0:0:0:1", "0.0.0.0", "::", "localhost", "LOCALHOST.",
            "a.localhost")


@pytest.mark.parametrize("text", LOOPBACK)
def test_every_spelling_of_loopback(text: str) -> None:
    assert hosts.is_loopback(hosts.host(text))


@pytest.mark.parametrize("text", ["localhost.evil.org", "notlocalhost", "128.0.0.1", "::2", "127.evil.org"])
def test_what_only_looks_like_loopback(text: str) -> None:
    assert not hosts.is_loopback(hosts.host(text))


@pytest.mark.parametrize(("pattern", "host", "port"), [
    ("example.org", "example.org", 443), ("example.org", "EXAMPLE.org.", 80), ("Example.ORG.", "example.org", 443),
    ("example.org:22", "example.org", 22), ("*.example.org", "a.example.org", 443),
    ("*.example.org", "a.b.example.org", 80), ("10.0.0.0/8", "10.1.2.3", 443), ("10.0.0.0/8:8080", "10.1.2.3", 8080),
    ("127.1", "0x7f000001", 443), ("[2001:db8::1]:8443", "2001:0DB8::0001", 8443),
    ("2001:db8::/32", "[2001:db8::5]", 443),
    ("192.0.2.1", "::ffff:192.0.2.1", 443), ("::ffff:10.0.0.0/104", "10.2.3.4", 443),
    ("xn--bcher-kva.example", "XN--BCHER-KVA.example", 443),
    ("a_b.example", "a_b.example", 443),
])
def test_matches(pattern: str, host: str, port: int) -> None:
    assert hosts.match(pattern, host, port)


@pytest.mark.parametrize(("pattern", "host", "port"), [
    ("example.org", "example.org", 22), ("example.org:443", "example.org", 80), ("example.org", "a.example.org", 443),
    ("*.example.org", "example.org", 443), ("*.example.org", "evil-example.org", 443),
    ("*.example.org", "example.org.evil.test", 443), ("example.org", "example.org.evil.test", 443),
    ("10.0.0.0/8", "11.0.0.1", 443), ("10.0.0.0/8", "10.example.org", 443), ("2001:db8::/32", "2001:db9::1", 443),
    ("*.example.org", "10.0.0.1", 443), ("192.0.2.1", "2001:db8::1", 443), ("::/16", "10.0.0.1", 443),
])
def test_does_not_match(pattern: str, host: str, port: int) -> None:
    assert not hosts.match(pattern, host, port)


def test_a_denial_without_a_port_is_about_every_port() -> None:
    assert hosts.match("example.org", "example.org", 6379, any_port=True)
    assert not hosts.match("example.org:443", "example.org", 6379, any_port=True)


@pytest.mark.parametrize("text", [
    "", " ", "a b", "a\0.example.org", "attacker\0.example.org", "a\n.org", "a\x7f.org",
    "bücher.example", "１２７.0.0.1",
    "http://example.org", "example.org/path", "user@example.org", "example.org:", "example.org:0", "example.org:65536",
    "example.org:x", "a..org", ".org", "-a.org", "a-.org", "a" * 64 + ".org", "x." * 130 + "org", "foo.*.org",
    "*foo.org", "*.*.org",
    "256.1.1.1", "1.2.3.4.5", "foo.1", "0x1g.1", "1::2::3", "[::1", "[1.2.3.4]:80", "fe80::1%eth0", ":::", "10.0.0.1/8",
    "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "host/8", "[::1]x",
])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        hosts.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", [
    "*", "*.com", "*.org.", "*.co.uk", "*:443", "0.0.0.0/0", "::/0", "10.0.0.0/7", "2000::/3",
])
def test_broad_patterns_are_refused_unless_everything_is_open(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        hosts.parse(text)
    assert "almost everything" in caught.value.message
    assert hosts.parse(text, mode="on")


@given(st.text(max_size=24))
@settings(max_examples=500, deadline=None)
def test_every_text_is_a_host_or_refused_and_what_is_shown_is_the_same_host(text: str) -> None:
    try:
        found = hosts.host(text)
    except PolicyError:
        return
    assert hosts.host(hosts.show(found)) == found
    assert text.isascii()
