# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._model import addresses
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from hypothesis import given
from hypothesis import strategies as st

SMALL = st.integers(min_value=0, max_value=255)
ANY = st.ip_addresses()


@given(ANY)
def test_an_address_reads_as_the_standard_library_reads_it(
    value: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    span = addresses.address(str(value))
    assert (span.family, span.first, span.size) == (value.version, int(value), 1)
    assert addresses.address(span.text) == span


@given(ANY, st.integers(min_value=0, max_value=32))
def test_a_network_reads_as_the_standard_library_reads_it(
    value: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int
) -> None:
    wanted = ipaddress.ip_network(f"{value}/{prefix}", strict=False)
    span = addresses.network(str(wanted))
    assert (span.first, span.last) == (int(wanted.network_address), int(wanted.broadcast_address))
    assert (span.text, span.prefix, span.size) == (str(wanted), prefix, wanted.num_addresses)


@given(ANY, st.integers(min_value=1, max_value=31))
def test_host_bits_are_refused_with_the_network_as_remedy(
    value: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int
) -> None:
    wanted = ipaddress.ip_network(f"{value}/{prefix}", strict=False)
    if value == wanted.network_address:
        return
    with pytest.raises(Refused) as caught:
        addresses.network(f"{value}/{prefix}")
    assert str(wanted) in caught.value.remedy


@given(st.tuples(SMALL, SMALL), st.tuples(SMALL, SMALL))
def test_spans_overlap_where_they_share_an_address(one: tuple[int, int], other: tuple[int, int]) -> None:
    spans = [addresses.span(f"10.0.0.{min(ends)}-10.0.0.{max(ends)}") for ends in (one, other)]
    numbers = [set(range(min(ends), max(ends) + 1)) for ends in (one, other)]
    assert spans[0].overlaps(spans[1]) == bool(numbers[0] & numbers[1])
    assert spans[0].contains(spans[1]) == (numbers[1] <= numbers[0])
    assert spans[0].overlaps(spans[1]) == spans[1].overlaps(spans[0])


@given(st.text(max_size=40))
def test_no_text_makes_the_parsers_fall_over(text: str) -> None:
    """Whatever is written is read or refused with rule and remedy, never an exception of a library."""
    for parser in (addresses.address, addresses.network, addresses.span, addresses.networks, addresses.usable_span):
        try:
            parser(text)
        except Refused as exc:
            assert exc.rule
            assert exc.remedy


@given(st.text(alphabet="0123456789abcdef.:/-, ", max_size=40))
def test_no_text_like_addresses_makes_the_parsers_fall_over(text: str) -> None:
    for parser in (addresses.address, addresses.network, addresses.span, addresses.networks, addresses.node_address):
        try:
            parser(text)
        except Refused as exc:
            assert exc.remedy


def test_families_do_not_overlap() -> None:
    assert not addresses.span("0.0.0.0/0").overlaps(addresses.span("::/0"))


def test_the_tenth_address_is_the_dns() -> None:
    assert addresses.nth(addresses.network("10.96.0.0/16"), 10) == "10.96.0.10"
    assert addresses.nth(addresses.network("fd00:10:96::/112"), 10) == "fd00:10:96::a"
