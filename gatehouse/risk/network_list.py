"""A set of IP networks with a fast lookup, whatever its size."""

from bisect import bisect_right
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address

IpNetwork = IPv4Network | IPv6Network


class IpNetworkSet:
    """Finds the network that contains an IP address."""

    def __init__(self, networks: Sequence[IpNetwork]) -> None:
        four = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
        six = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
        self._sorted: dict[int, list[IpNetwork]] = {4: sorted(four), 6: sorted(six)}
        self._starts = {
            version: [int(network.network_address) for network in found]
            for version, found in self._sorted.items()
        }

    def match(self, ip: str) -> str:
        """Return the network that contains an IP address, in CIDR notation, or an empty string."""
        try:
            wanted = ip_address(ip)
        except ValueError:
            return ""
        index = bisect_right(self._starts[wanted.version], int(wanted)) - 1
        network = self._sorted[wanted.version][index] if index >= 0 else None
        return str(network) if network and wanted in network else ""
