"""GeoIP databases of several publishers, invalid ones, and the list of bad networks."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigurationError
from gatehouse.risk.geoip import Coordinates, GeoIpDatabase, GeoLocation, parse_location
from gatehouse.risk.network_list import IpNetworkSet
from tests.conftest import environment, running
from tests.geoip import write_geoip_file

GERMANY = GeoLocation("DE", Coordinates(51.0, 10.4), 445)
RECORDS = [
    ({"country": {"iso_code": "DE"}}, GERMANY),
    ({"registered_country": {"iso_code": "DE"}}, GERMANY),
    ({"country_code": "DE"}, GERMANY),
    ({"country": "de"}, GERMANY),
    (
        {"country": {"iso_code": "DE"}, "location": {"latitude": 52.5, "longitude": 13.4}},
        GeoLocation("DE", Coordinates(52.5, 13.4)),
    ),
    (
        {
            "country": {"iso_code": "DE"},
            "location": {"latitude": 51.2, "longitude": 9.4, "accuracy_radius": 200},
        },
        GeoLocation("DE", Coordinates(51.2, 9.4), 200),
    ),
    (
        {"country": "DE", "latitude": "52.5", "longitude": "13.4"},
        GeoLocation("DE", Coordinates(52.5, 13.4)),
    ),
    ({"country_code": "DE", "latitude": 152.5, "longitude": 13.4}, GERMANY),
    ({"country_code": "ZZ"}, GeoLocation("ZZ")),
    ({"country_code": ""}, None),
    ({"country": {}}, None),
    ({"asn": 64500}, None),
]


def test_geoip_records_of_all_publishers_are_parsed():
    for record, expected in RECORDS:
        assert parse_location(record) == expected, record


@pytest.fixture
def geoip(tmp_path):
    records = {"192.0.2.0/24": {"country_code": "FR"}, "2001:db8::/32": {"country_code": "US"}}
    return GeoIpDatabase(write_geoip_file(tmp_path / "places.mmdb", records))


COUNTRIES = {
    "192.0.2.7": "FR",
    "2001:db8::1": "US",
    "198.51.100.1": None,
    "": None,
    "not an IP address": None,
}


def test_geoip_database_locates_ip_addresses(geoip):
    for ip, country in COUNTRIES.items():
        location = geoip.locate(ip)

        assert (location.country if location else None) == country, ip


NOT_A_DATABASE = [b"this is no database", b"", b"\xab\xcd\xefMaxMind.com"]


def test_geoip_file_that_is_invalid_stops_the_start(store, tmp_path):
    path = tmp_path / "places.mmdb"
    for content in NOT_A_DATABASE:
        path.write_bytes(content)

        assert start_error(store, GATEHOUSE_GEOIP=str(path)) == (
            "GATEHOUSE_GEOIP is no GeoIP file, or a broken one."
        ), content


def test_geoip_file_that_is_damaged_stops_the_start(store, tmp_path):
    whole = write_geoip_file(
        tmp_path / "whole.mmdb", {"8.0.0.0/8": {"country_code": "US"}}
    ).read_bytes()
    at = whole.index(b"\x4ccountry_code")
    path = tmp_path / "cut.mmdb"
    path.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])

    assert "broken" in start_error(store, GATEHOUSE_GEOIP=str(path))


def test_geoip_file_that_is_missing_stops_the_start(store, tmp_path):
    error = start_error(store, GATEHOUSE_GEOIP=str(tmp_path / "none.mmdb"))

    assert error == "GATEHOUSE_GEOIP must be a file that exists."


def start_error(store, **settings):
    """Return the message with which the start fails."""
    with pytest.raises(ConfigurationError) as error, running(environment(store) | settings):
        pass
    return error.value.message


# The list of bad networks

cidrs = st.builds(
    lambda ip, length: ip_network((ip, length), strict=False),
    st.ip_addresses(v=4),
    st.integers(4, 32),
)


@given(networks=st.lists(cidrs, max_size=8), ip=st.ip_addresses(v=4))
def test_network_set_matches_the_ip_addresses_of_its_networks(networks, ip):
    matched = IpNetworkSet(networks).match(str(ip))

    assert bool(matched) is any(ip in network for network in networks)
    assert not matched or ip in ip_network(matched)


@given(networks=st.lists(cidrs, min_size=1, max_size=8), data=st.data())
def test_network_set_matches_every_ip_address_of_a_network(networks, data):
    network = data.draw(st.sampled_from(networks))
    last = network.num_addresses - 1
    ip = network[data.draw(st.integers(0, last))]

    assert ip in ip_network(IpNetworkSet(networks).match(str(ip)))


def test_network_set_has_ipv4_and_ipv6_networks():
    listed = IpNetworkSet([ip_network("192.0.2.0/25"), ip_network("2001:db8::/32")])

    assert listed.match("192.0.2.127") == "192.0.2.0/25"
    assert listed.match("2001:db8:1::1") == "2001:db8::/32"
    assert [listed.match(ip) for ip in ("192.0.2.128", "2001:db9::1", "", "x")] == [""] * 4
    assert listed.match(str(ip_address("::c000:201"))) == ""
