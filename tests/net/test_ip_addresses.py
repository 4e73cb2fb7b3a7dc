"""Which IP addresses are public."""

import pytest

from gatehouse.net.ip_addresses import is_public, parse_ip_address

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "223.255.255.254", "100.63.255.255", "100.128.0.1"),
    *("2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"),
]
NON_PUBLIC = [
    # this machine and its networks
    *("127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192"),
    # reserved and unassigned
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    # the same in IPv6
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("2001:db8::1", "3fff::1", "100::1", "4000::1"),
    # IPv4 inside
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0", "::127.0.0.1", "::7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::"),
    *("2002:808:808::", "2001:0:7f00:1::", "2001:0:808:808::f7f7:f7f7"),
]


@pytest.mark.requirement("RP-08")
def test_non_public_ip_address_is_not_public():
    public = [text for text in NON_PUBLIC if is_public(parse_ip_address(text))]

    assert public == []


def test_public_ip_address_is_public():
    not_public = [text for text in PUBLIC if not is_public(parse_ip_address(text))]

    assert not_public == []
