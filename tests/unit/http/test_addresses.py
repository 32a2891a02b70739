from ipaddress import ip_address, ip_network

import pytest

from common.http.addresses import client_address, network_of

GATEWAYS = (ip_network("10.0.3.0/24"), ip_network("fd00::/8"))


def asked_by(peer: str | None, *forwarded: str) -> dict:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"client": peer and (peer, 4711), "headers": headers}


class TestTheCaller:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "address"),
        [
            ("203.0.113.9", [], "203.0.113.9"),
            # who is no gateway may claim what it likes
            ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
            ("10.0.3.7", ["198.51.100.1"], "198.51.100.1"),
            ("10.0.3.7", [], "10.0.3.7"),
            # the nearest hop that is no gateway; whatever stands before it was claimed by that hop
            ("10.0.3.7", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.3.7", ["1.1.1.1, 198.51.100.1, 10.0.3.8"], "198.51.100.1"),
            ("10.0.3.7", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.3.7", ["10.0.3.8, 10.0.3.9"], "10.0.3.8"),
            ("10.0.3.7", ["unknown"], "10.0.3.7"),
            ("10.0.3.7", ["198.51.100.1, ,"], "10.0.3.7"),
            ("10.0.3.7", ["' or 1=1 --"], "10.0.3.7"),
            ("fd00::7", ["2001:db8::1"], "2001:db8::1"),
            # a socket for both families writes IPv4 this way
            ("::ffff:10.0.3.7", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ],
    )
    def test_is_the_last_hop_that_no_trusted_proxy_stands_for(
        self, peer: str, forwarded: list[str], address: str
    ):
        assert client_address(asked_by(peer, *forwarded), trusted=GATEWAYS) == ip_address(address)

    def test_is_whoever_connects_where_nobody_is_trusted(self):
        asked = asked_by("10.0.3.7", "198.51.100.1")

        assert client_address(asked, trusted=()) == ip_address("10.0.3.7")

    @pytest.mark.parametrize("peer", [None, "testclient", ""])
    def test_is_nobody_without_an_address(self, peer: str | None):
        assert client_address(asked_by(peer, "198.51.100.1"), trusted=GATEWAYS) is None


class TestAnAddress:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("198.51.100.1", "198.51.100.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ],
    )
    def test_shares_its_limit_with_its_network(self, address: str, network: str):
        assert network_of(ip_address(address)) == network
