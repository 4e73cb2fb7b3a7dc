"""Which addresses are public: somebody else's machine, and never this one or its neighbours."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
UNICAST = IPv6Network("2000::/3")  # all that IANA gives out
NEVER = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host, RFC 1122
        "100.64.0.0/10",  # behind a provider's NAT, RFC 6598
        "168.63.129.16/32",  # a cloud's metadata on a public address
        "192.0.0.0/24",  # assignments of the IETF, RFC 6890
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "2001::/32",  # Teredo: an IPv4 address is inside, RFC 4380
        "2002::/16",  # 6to4: an IPv4 address is inside, RFC 3056
        "3fff::/20",  # documentation, RFC 9637
    )
)


def parse(text: str) -> Address:
    """Return the address that is meant: an IPv4 address that is wrapped in IPv6 is itself."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def is_public(address: Address) -> bool:
    """Tell whether anybody on the internet would meet the same machine there."""
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    named = any(address in network for network in NEVER)
    special = address.is_multicast or address.is_reserved or address.is_private
    return address.is_global and not special and not named


def is_within(address: Address, network: IPv4Network | IPv6Network) -> bool:
    """Tell whether an address belongs to a network, which may be of the other kind."""
    return address.version == network.version and address in network
