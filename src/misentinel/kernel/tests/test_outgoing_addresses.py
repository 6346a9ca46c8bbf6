"""No address of this machine or its networks is reached, however it is spelt and whatever a name resolves to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from misentinel.kernel.outgoing import NotReachable, Outgoing, parse_url
from misentinel.kernel.outgoing.addresses import is_private, is_public

INSIDE = [
    ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
inside = st.sampled_from(INSIDE).flatmap(
    lambda network: st.integers(int(network[0]), int(network[-1])).map(IPv4Address)
)


@given(inside)
def test_no_ipv4_address_inside_is_public(address: IPv4Address) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_what_python_calls_not_global_is_not_public(address: IPv4Address) -> None:
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=6))
@example(IPv6Address("::1"))
@example(IPv6Address("fe80::1"))
@example(IPv6Address("fd00:ec2::254"))
def test_what_python_calls_not_global_is_not_public_in_ipv6(address: IPv6Address) -> None:
    assert address.is_global or not is_public(address)


@given(inside, st.sampled_from(("::ffff:0:0", "::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2002::", "2001:0::")))
def test_no_ipv6_address_that_carries_an_inside_one_is_public(address: IPv4Address, prefix: str) -> None:
    shift = 80 if prefix == "2002::" else 0
    assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(address) << shift))


@given(inside)
def test_no_isatap_address_is_public(address: IPv4Address) -> None:
    assert not is_public(IPv6Address(int(IPv6Address("2606:4700::5efe:0:0")) | int(address)))


@pytest.mark.parametrize("address", ["9.9.9.9", "93.184.215.14", "2606:4700::1111", "2a00:1450:4009::200e"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "192.0.0.192", "fe80::1%eth0", "ff02::1"],
)
def test_metadata_and_link_local_addresses_are_never_reached_not_even_by_a_named_host(address: str) -> None:
    named = Outgoing(frozenset({"idp.example.com"}), resolver=lambda host, port: [address])

    with pytest.raises(NotReachable):
        named.addresses(parse_url("https://idp.example.com/", named.private_hosts))
    assert not is_public(ip_address(address)) and not is_private(ip_address(address))


def spellings(address: IPv4Address) -> list[str]:
    """What the C library, browsers or careless parsers read as `address`."""
    number, octets = int(address), list(address.packed)
    return [
        str(number), hex(number), f"0{number:o}", ".".join(f"0{octet:03o}" for octet in octets),
        ".".join(hex(octet) for octet in octets), f"{octets[0]}.{number & 0xFFFFFF}",
        f"{octets[0]}.{octets[1]}.{number & 0xFFFF}", ".".join(f"{octet:03d}" for octet in octets),
        f"{address}.", f"[::ffff:{address}]", f"[::{address}]", f"user@{address}", f"example.com@{address}",
        f"{octets[0]}%2e{octets[1]}.{octets[2]}.{octets[3]}", str(address).replace(".", "。"),
        "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in str(address)), f"{address}\\@example.com",
        f"{address}#@example.com", f"{address}\t", f" {address}", f"0x{number:x}.", str(address),
    ]  # fmt: skip


@given(inside)
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("169.254.169.254"))
def test_no_spelling_of_an_inside_address_is_reached(address: IPv4Address) -> None:
    for spelling in spellings(address):
        with pytest.raises(NotReachable):
            reachable(f"https://{spelling}/latest/meta-data")


def reachable(url: str) -> list[object]:
    """Where `url` leads with the C library's own, generous reading of numbers in place of a name server."""

    def generous(host: str, port: int) -> list[str]:
        return [socket.inet_ntoa(socket.inet_aton(host))]

    return list(Outgoing(resolver=generous).addresses(parse_url(url)))


def test_the_generous_resolver_would_be_reached_if_spellings_were_not_refused() -> None:
    """Shows that the test above can fail: the C library does read these as an address."""
    assert socket.inet_ntoa(socket.inet_aton("0x5db8d70e")) == "93.184.215.14"
    assert [str(address) for address in reachable("https://93.184.215.14/")] == ["93.184.215.14"]


@given(inside, st.integers(0, 2))
def test_one_inside_address_among_public_ones_is_enough_to_refuse(address: IPv4Address, position: int) -> None:
    answers = ["9.9.9.9", "2606:4700::1111"]
    answers.insert(position, str(address))
    mixed = Outgoing(resolver=lambda host, port: answers)

    with pytest.raises(NotReachable):
        mixed.addresses(parse_url("https://rebind.example.com/"))


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/", "ftp://id.example.com/", "file:///etc/passwd", "gopher://id.example.com/",
        "//id.example.com/", "https://", "https:///path", "https://id.example.com:0/", "https://id.example.com:99999/",
        "https://id.example.com:/", "https://id.example.com./", "https://id..example.com/", "https://-id.example.com/",
        "https://localhost/", "https://intranet/", "https://münchen.example.com/", "https://ⓛocalhost.example.com/",
        "https://id.example.com/#part", "https://user:secret@id.example.com/", "https://id.example.com\r\nX: 1/",
        "https://id.example.com\\@evil.example.com/", "https://[fe80::1%25eth0]/", "https://[::1]/", "https://[v1.x]/",
        "https://[2606:4700:0::1111]/", "https://a.0x7f/", "https://id.example.com/a b", "https://1.2.3/",
        "https://" + "a" * 64 + ".example.com/", "https://e.com/" + "a" * 2048,
    ],
)  # fmt: skip
def test_what_is_not_plainly_a_url_of_one_host_is_refused(url: str) -> None:
    with pytest.raises(NotReachable):
        reachable(url)


def test_an_international_name_in_its_ascii_form_is_a_name_like_any() -> None:
    assert parse_url("https://XN--Mnchen-3ya.example.com/a?b=1").host == "xn--mnchen-3ya.example.com"


def test_what_does_not_exist_and_what_is_inside_are_told_alike() -> None:
    def missing(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    told = []
    for resolver in (missing, lambda host, port: ["10.0.0.7"]):
        with pytest.raises(NotReachable) as refused:
            Outgoing(resolver=resolver).addresses(parse_url("https://db.example.com/"))
        told.append(refused.value.message)
    assert told[0] == told[1]


@given(inside, st.sampled_from((443, 8443)), st.sampled_from(("idp.example.com", "idp.example.com:8443")))
def test_a_named_host_is_reached_in_private_networks_at_its_port_alone(
    address: IPv4Address, port: int, entry: str
) -> None:
    outgoing = Outgoing(frozenset({entry}), resolver=lambda host, port: [str(address)])
    vouched = is_private(address) and (port == 443) == (":" not in entry)
    try:
        outgoing.addresses(parse_url(f"https://idp.example.com:{port}/", outgoing.private_hosts))
        reached = True
    except NotReachable:
        reached = False
    assert reached is vouched
