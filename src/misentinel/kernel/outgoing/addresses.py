"""Which addresses are of the public internet. Whatever is not known to be public is not.

Sources: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates, as of 2026), RFC 6052 and 8215
(NAT64), RFC 5214 (ISATAP), and the metadata services of clouds that sit at addresses which look public.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's platform services, metadata among them
    )
)  # fmt: skip
# Global unicast is all that was ever given out. It leaves out loopback, link-local, unique local (AWS's metadata
# fd00:ec2::254 with it), multicast, IPv4-mapped and -compatible addresses and both prefixes of NAT64.
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4 carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
    )
)  # fmt: skip
_ISATAP = (0x00005EFE, 0x02005EFE)  # the upper half of an interface id that carries an IPv4 address

# What an operator may name a host for: private use, unique local, shared (CGNAT) space and this machine itself.
_PRIVATE = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128",
    )
)  # fmt: skip
_METADATA = frozenset(
    (IPv4Address("100.100.100.200"), IPv6Address("fd00:ec2::254"), IPv6Address("fd20:ce::254"))
)  # Alibaba, AWS and Google: private by network, and never an identity provider


def is_public(address: Address) -> bool:
    """Whether `address` is one that the whole internet may reach."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address not in _UNICAST_6 or address.scope_id or any(address in network for network in _NOT_PUBLIC_6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def is_private(address: Address) -> bool:
    """Whether `address` is one that a host named by the operator may have. Link-local, multicast, metadata: never."""
    if address in _METADATA or getattr(address, "scope_id", None):
        return False
    return any(address in network for network in _PRIVATE if network.version == address.version)
