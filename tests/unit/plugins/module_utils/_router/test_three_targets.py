# SPDX-License-Identifier: Apache-2.0
"""Many routers with every part, the same in every run, each written for VyOS 1.4, VyOS 1.5 and FRR, and read back."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    frr,
    frr_text,
    nft,
    services,
    vyos,
    vyos_paths,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from nft_json import printed
from router_models import FULL, SERVICES, Data, all_services, routers

AT_LEAST = 80


def many() -> list[Data]:
    found: list[Data] = [{**FULL, **SERVICES}]

    @settings(max_examples=2 * AT_LEAST, database=None, derandomize=True, deadline=None)
    @given(st.tuples(routers(), all_services()))
    def collect(both: tuple[Data, Data]) -> None:
        found.append({**both[0], **both[1]})

    collect()
    return found


def different(found: list[Data]) -> list[Router]:
    return list(dict.fromkeys(parse(data)[0] for data in found))


def same(again: Router, wanted: Router) -> bool:
    """Equal, where a part without anything is not there when it is read."""
    names = [name for name, value in vars(again).items() if value is None]
    empty = {name: getattr(wanted, name) for name in names}
    blank = parse({name: {} for name in names if name not in ("bgp", "forwarding")})[0]
    assert all(value == getattr(blank, name) for name, value in empty.items() if value not in (None, True))
    return replace(again, **empty) == wanted


def through_vyos(wanted: Router, version: vyos.Version) -> Router:
    typed = "\n".join(f"set {vyos_paths.join(path)}" for path in vyos.render(wanted, version))
    found = vyos.gather(vyos_paths.parse(typed), version)
    assert found.strange == ()
    return parse(found.data, found.passwords)[0]


def through_frr(wanted: Router) -> Router:
    found = frr.gather(frr_text.parse(frr_text.write(frr.render(wanted))))
    tables = {
        part: nft.read(json.loads(json.dumps(printed(table))), table.family, table.name)
        for part, table in services.tables(wanted).items()
        if table is not None
    }
    texts = {part: text for part, text in services.texts(wanted).items() if text is not None}
    beside = services.gather(tables, texts)
    assert (found.strange, beside.strange) == ((), ())
    return parse({**found.data, **beside.data}, found.passwords)[0]


@pytest.fixture(scope="module")
def models() -> list[Router]:
    return different(many())[: AT_LEAST + 5]


def test_there_are_enough_that_differ(models: list[Router]) -> None:
    assert len(models) > AT_LEAST


@pytest.mark.parametrize("version", vyos.VERSIONS)
def test_all_are_written_for_vyos_and_read_back(models: list[Router], version: vyos.Version) -> None:
    for model in models:
        vyos.refuse(model, version)
        dhcp = model.dhcp or ()
        # Only 1.5 has a number for each network.
        numbered = dhcp if version == "1.5" else tuple(replace(network, id=None) for network in dhcp)
        assert same(through_vyos(model, version), replace(model, forwarding=None, dhcp=numbered))


def test_all_are_written_for_frr_and_read_back(models: list[Router]) -> None:
    for model in models:
        services.refuse(model)
        frr.refuse(model)
        assert same(through_frr(model), services.canonical(frr.canonical(replace(model, forwarding=None))))


def test_each_target_says_each_model_in_its_own_way(models: list[Router]) -> None:
    for target in (
        lambda model: vyos.render(model, "1.4"),
        lambda model: vyos.render(model, "1.5"),
        lambda model: (frr.render(model), repr(services.tables(model)), repr(services.texts(model))),
    ):
        said: t.Any = {target(t.cast("t.Any", model)) for model in models}  # type: ignore[no-untyped-call]
        assert len(said) > AT_LEAST
