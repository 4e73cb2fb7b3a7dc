"""Where addresses are: GeoIP files of several publishers, broken ones, and none."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigurationError
from gatehouse.risk.geoip import Atlas, Place, Spot, place
from gatehouse.risk.network_list import Networks
from tests.conftest import environment, running
from tests.geoip import write

GERMANY = Place("DE", Spot(51.0, 10.4), 445)
RECORDS = [
    ({"country": {"iso_code": "DE"}}, GERMANY),
    ({"registered_country": {"iso_code": "DE"}}, GERMANY),
    ({"country_code": "DE"}, GERMANY),
    ({"country": "de"}, GERMANY),
    (
        {"country": {"iso_code": "DE"}, "location": {"latitude": 52.5, "longitude": 13.4}},
        Place("DE", Spot(52.5, 13.4)),
    ),
    (
        {
            "country": {"iso_code": "DE"},
            "location": {"latitude": 51.2, "longitude": 9.4, "accuracy_radius": 200},
        },
        Place("DE", Spot(51.2, 9.4), 200),
    ),
    (
        {"country": "DE", "latitude": "52.5", "longitude": "13.4"},
        Place("DE", Spot(52.5, 13.4)),
    ),
    ({"country_code": "DE", "latitude": 152.5, "longitude": 13.4}, GERMANY),
    ({"country_code": "ZZ"}, Place("ZZ")),
    ({"country_code": ""}, None),
    ({"country": {}}, None),
    ({"asn": 64500}, None),
]


@pytest.mark.parametrize(("record", "expected"), RECORDS)
def test_a_record_is_understood_whoever_published_it(record, expected):
    assert place(record) == expected


@pytest.fixture
def atlas(tmp_path):
    known = {"192.0.2.0/24": {"country_code": "FR"}, "2001:db8::/32": {"country_code": "US"}}
    return Atlas(write(tmp_path / "places.mmdb", known))


@pytest.mark.parametrize(
    ("address", "country"),
    [("192.0.2.7", "FR"), ("2001:db8::1", "US"), ("198.51.100.1", None), ("", None), ("x", None)],
)
def test_an_address_is_found_in_a_file(atlas, address, country):
    found = atlas.find(address)

    assert (found.country if found else None) == country


BROKEN = {
    "text": b"this is no database",
    "nothing": b"",
    "a mark and no more": b"\xab\xcd\xefMaxMind.com",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_stops_the_start_with_one_sentence(store, tmp_path, content):
    path = tmp_path / "places.mmdb"
    path.write_bytes(content)

    assert refused(store, GATEHOUSE_GEOIP=str(path)) == (
        "GATEHOUSE_GEOIP is no GeoIP file, or a broken one."
    )


def test_a_file_that_is_cut_short_is_found_at_the_start(store, tmp_path):
    whole = write(tmp_path / "whole.mmdb", {"8.0.0.0/8": {"country_code": "US"}}).read_bytes()
    at = whole.index(b"\x4ccountry_code")
    path = tmp_path / "cut.mmdb"
    path.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])

    assert "broken" in refused(store, GATEHOUSE_GEOIP=str(path))


def test_a_file_that_is_not_there_stops_the_start_with_one_sentence(store, tmp_path):
    told = refused(store, GATEHOUSE_GEOIP=str(tmp_path / "none.mmdb"))

    assert told == "GATEHOUSE_GEOIP must name a file that is there."


def refused(store, **chosen):
    with pytest.raises(ConfigurationError) as problem, running(environment(store) | chosen):
        pass
    return problem.value.message


# The operator's list

cidrs = st.builds(
    lambda address, length: ip_network((address, length), strict=False),
    st.ip_addresses(v=4),
    st.integers(4, 32),
)


@given(networks=st.lists(cidrs, max_size=8), address=st.ip_addresses(v=4))
def test_a_list_holds_what_its_networks_hold(networks, address):
    held = Networks(networks).holding(str(address))

    assert bool(held) is any(address in network for network in networks)
    assert not held or address in ip_network(held)


@given(networks=st.lists(cidrs, min_size=1, max_size=8), data=st.data())
def test_every_address_of_a_listed_network_is_found(networks, data):
    network = data.draw(st.sampled_from(networks))
    last = network.num_addresses - 1
    address = network[data.draw(st.integers(0, last))]

    assert address in ip_network(Networks(networks).holding(str(address)))


def test_both_kinds_of_addresses_can_be_listed():
    listed = Networks([ip_network("192.0.2.0/25"), ip_network("2001:db8::/32")])

    assert listed.holding("192.0.2.127") == "192.0.2.0/25"
    assert listed.holding("2001:db8:1::1") == "2001:db8::/32"
    assert [listed.holding(a) for a in ("192.0.2.128", "2001:db9::1", "", "x")] == [""] * 4
    assert listed.holding(str(ip_address("::c000:201"))) == ""
