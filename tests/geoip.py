"""Write small GeoIP files: the MaxMind DB format, version 2.0, with 24-bit records."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
Node = list[Any]
"""Two sides, each of them a node, a record, or None."""


class Uint32(int):
    """A number that is written with 32 bits instead of 16."""


class Uint64(int):
    """A number that is written with 64 bits."""


def write_geoip_file(path: Path, records: dict[str, Any]) -> Path:
    """Write a file with these records by network."""
    root: Node = [None, None]
    for network, record in records.items():
        _insert(root, network, record)
    nodes = _list_nodes(root)
    numbers = {id(node): number for number, node in enumerate(nodes)}
    data, tree = b"", b""
    for node in nodes:
        for side in node:
            if isinstance(side, dict):
                tree += (len(nodes) + 16 + len(data)).to_bytes(3, "big")
                data += _encode(side)
            else:
                tree += (numbers[id(side)] if side else len(nodes)).to_bytes(3, "big")
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "record_size": 24,
        "ip_version": 6,
        "database_type": "Test",
        "languages": [],
        "description": {},
        "node_count": Uint32(len(nodes)),
        "build_epoch": Uint64(1),
    }
    path.write_bytes(tree + bytes(16) + data + METADATA_MARKER + _encode(metadata))
    return path


def _insert(root: Node, text: str, record: Any) -> None:
    network = ip_network(text)
    is_ipv4 = isinstance(network, IPv4Network)
    bits = f"{int(network.network_address):0128b}"[: network.prefixlen + (96 if is_ipv4 else 0)]
    node = root
    for bit in bits[:-1]:
        if node[int(bit)] is None:
            node[int(bit)] = [None, None]
        node = node[int(bit)]
    node[int(bits[-1])] = record


def _list_nodes(root: Node) -> list[Node]:
    nodes = [root]
    for node in nodes:
        nodes += [side for side in node if isinstance(side, list)]
    return nodes


def _encode(value: Any) -> bytes:
    if isinstance(value, dict):
        pairs = b"".join(_encode(key) + _encode(item) for key, item in value.items())
        return bytes([7 << 5 | len(value)]) + pairs
    if isinstance(value, float):
        return bytes([3 << 5 | 8]) + struct.pack(">d", value)
    if isinstance(value, list):
        return bytes([0, 4])
    if isinstance(value, int):
        return _encode_number(value)
    text = str(value).encode()
    assert len(text) < 29
    return bytes([2 << 5 | len(text)]) + text


def _encode_number(value: int) -> bytes:
    if isinstance(value, Uint64):
        return bytes([8, 2]) + value.to_bytes(8, "big")
    if isinstance(value, Uint32):
        return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")
    return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")
