"""A list of networks, in which an address is found quickly however long it is."""

from bisect import bisect_right
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address

Network = IPv4Network | IPv6Network


class Networks:
    """Finds the network that an address belongs to."""

    def __init__(self, networks: Sequence[Network]) -> None:
        four = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
        six = collapse_addresses(n for n in networks if isinstance(n, IPv6Network))
        self._sorted: dict[int, list[Network]] = {4: sorted(four), 6: sorted(six)}
        self._starts = {
            version: [int(network.network_address) for network in found]
            for version, found in self._sorted.items()
        }

    def holding(self, address: str) -> str:
        """Return the network of an address in its canonical form, or nothing."""
        try:
            wanted = ip_address(address)
        except ValueError:
            return ""
        place = bisect_right(self._starts[wanted.version], int(wanted)) - 1
        network = self._sorted[wanted.version][place] if place >= 0 else None
        return str(network) if network and wanted in network else ""
