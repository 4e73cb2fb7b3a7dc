"""Which IP addresses are public: never this machine, its network or a cloud's metadata."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA allocates
NON_PUBLIC_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host, RFC 1122
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "168.63.129.16/32",  # Azure's metadata service
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "2001::/32",  # Teredo: contains an IPv4 address, RFC 4380
        "2002::/16",  # 6to4: contains an IPv4 address, RFC 3056
        "3fff::/20",  # documentation, RFC 9637
    )
)


def parse_ip_address(text: str) -> IpAddress:
    """Parse an IP address; an IPv4 address embedded in IPv6 becomes IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def is_public(ip: IpAddress) -> bool:
    """Return whether an IP address is the same machine from everywhere on the internet."""
    if isinstance(ip, IPv6Address) and ip not in GLOBAL_UNICAST:
        return False
    excluded = any(ip in network for network in NON_PUBLIC_NETWORKS)
    special = ip.is_multicast or ip.is_reserved or ip.is_private
    return ip.is_global and not special and not excluded


def is_in_network(ip: IpAddress, network: IPv4Network | IPv6Network) -> bool:
    """Return whether an IP address is in a network, which may be of the other IP version."""
    return ip.version == network.version and ip in network
