"""Writes small GeoIP files: the MaxMind DB format, version 2.0, with 24-bit records."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

MARK = b"\xab\xcd\xefMaxMind.com"
Node = list[Any]
"""Two of: a node, a record, nothing."""


class Long(int):
    """A number of 32 bits, where others have 16."""


class Longest(int):
    """A number of 64 bits."""


def write(path: Path, records: dict[str, Any]) -> Path:
    """Write a file that knows these networks."""
    root: Node = [None, None]
    for network, record in records.items():
        _insert(root, network, record)
    nodes = _all(root)
    number = {id(node): place for place, node in enumerate(nodes)}
    data, tree = b"", b""
    for node in nodes:
        for side in node:
            if isinstance(side, dict):
                tree += (len(nodes) + 16 + len(data)).to_bytes(3, "big")
                data += _encode(side)
            else:
                tree += (number[id(side)] if side else len(nodes)).to_bytes(3, "big")
    about: dict[str, Any] = {"binary_format_major_version": 2, "binary_format_minor_version": 0}
    about |= {"record_size": 24, "ip_version": 6, "database_type": "Test", "languages": []}
    about |= {"description": {}, "node_count": Long(len(nodes)), "build_epoch": Longest(1)}
    path.write_bytes(tree + bytes(16) + data + MARK + _encode(about))
    return path


def _insert(root: Node, text: str, record: Any) -> None:
    network = ip_network(text)
    is_four = isinstance(network, IPv4Network)
    bits = f"{int(network.network_address):0128b}"[: network.prefixlen + (96 if is_four else 0)]
    node = root
    for bit in bits[:-1]:
        if node[int(bit)] is None:
            node[int(bit)] = [None, None]
        node = node[int(bit)]
    node[int(bits[-1])] = record


def _all(root: Node) -> list[Node]:
    found = [root]
    for node in found:
        found += [side for side in node if isinstance(side, list)]
    return found


def _encode(value: Any) -> bytes:
    if isinstance(value, dict):
        pairs = b"".join(_encode(key) + _encode(one) for key, one in value.items())
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
    if isinstance(value, Longest):
        return bytes([8, 2]) + value.to_bytes(8, "big")
    if isinstance(value, Long):
        return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")
    return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")
