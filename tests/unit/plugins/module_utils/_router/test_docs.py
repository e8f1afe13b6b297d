# SPDX-License-Identifier: Apache-2.0
"""What stands in the pages on routers is a model, and the lines that are made of it."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr, frr_text, services, vyos
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign, parse

DOCS = Path(__file__).resolve().parents[5] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("routers.md", "bgp-with-vyos.md")


def blocks(page: str, kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall((DOCS / page).read_text()) if found == kind]


def models(data: t.Any) -> t.Iterator[t.Any]:
    """All models somewhere in a document."""
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from models(value)
    if isinstance(data, dict) and "router_model" in data:
        yield data["router_model"]


def guide() -> Router:
    """The model of the page on VyOS, with a password of its group."""
    found = [one for text in blocks(PAGES[1], "yaml") for one in models(yaml.safe_load(text))]
    assert len(found) == 1
    return parse(found[0], {"nodes": "any"})[0]


@pytest.mark.parametrize(("page", "count"), [("routers.md", 2), ("bgp-with-vyos.md", 1)])
def test_models_hold_for_every_router(page: str, count: int) -> None:
    found = [one for text in blocks(page, "yaml") for one in models(yaml.safe_load(text))]
    assert len(found) == count
    for data in found:
        router = parse(data)[0]
        for version in vyos.VERSIONS:
            vyos.refuse(router, version)
        frr.refuse(router)
        services.refuse(router)


@pytest.mark.parametrize("version", vyos.VERSIONS)
def test_the_commands_for_vyos_are_those_of_the_model(version: vyos.Version) -> None:
    typed = blocks(PAGES[1], "")[0].splitlines()
    assert typed == list(vyos.difference([], guide(), Foreign(), version).shown())


def test_the_lines_for_frr_are_those_of_the_model() -> None:
    entries = [entry for entry in frr.render(guide()) if entry.text.startswith("router bgp")]
    lines = [line for line in frr_text.write(entries).splitlines() if line != "!"]
    assert blocks(PAGES[1], "")[1].splitlines() == [line.replace("password any", "password ********") for line in lines]


def test_the_settings_for_other_routers_are_those_of_the_model() -> None:
    section = (DOCS / PAGES[1]).read_text().partition("## pfSense")[2]
    rows = dict(re.findall(r"^\| ([^|]+) \| [^|]* \| ([^|]+) \|$", section, re.MULTILINE))
    router = guide()
    bgp = router.bgp
    assert bgp is not None
    group, listen = bgp.peer_groups[0], bgp.listen[0]
    assert group.ipv4 is not None
    services_list, nothing = (
        next(one.rules[0] for one in router.prefix_lists or () if one.name == name)
        for name in (group.ipv4.prefix_list_in, group.ipv4.prefix_list_out)
    )
    profile = (router.bfd_profiles or ())[0]
    assert {name: rows[name] for name in rows if name not in ("setting", "---", "firewall", "neighbour: password")} == {
        "local AS": str(bgp.asn),
        "router ID": bgp.router_id,
        "keepalive, hold time": f"{bgp.keepalive}, {bgp.hold_time}",
        "neighbour: each node's address": listen.range,
        "neighbour: remote AS": str(group.remote_as),
        "neighbour: BFD": f"on, {profile.receive} ms, {profile.multiplier} times",
        "neighbour: prefix list in": f"permit {services_list.prefix} ge {services_list.ge} le {services_list.le}",
        "neighbour: prefix list out": f"deny {nothing.prefix} le {nothing.le}",
        "neighbour: maximum prefixes": str(group.ipv4.maximum_prefix),
        "maximum paths": str(bgp.ipv4.paths),
        "eBGP requires policy": "on" if bgp.requires_policy else "off",
    }
