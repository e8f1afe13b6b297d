# SPDX-License-Identifier: Apache-2.0
"""What the guides on addresses show is taken by the model, so that it cannot rot."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.filter.bgp_router import FilterModule
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import metallb_objects, openelb_objects
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import Parsed
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse as read_inventory
from ansible_collections.kateskit.klubster.plugins.module_utils._router import frr
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import parse as read_router

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "plugins" / "module_utils" / "_model"))
from inventories import MACHINES, good  # noqa: E402 - needs the path

GUIDES = ("load-balancer-l2", "bgp-with-frr")


def snippets(guide: str) -> list[t.Any]:
    text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


VARIABLES = [
    (f"{guide} {index}", one) for guide in GUIDES for index, one in enumerate(snippets(guide)) if isinstance(one, dict)
]


def read(variables: dict[str, t.Any]) -> Parsed:
    hosts, groups = good()
    # What stands in a vault is not in a guide.
    words = dict.fromkeys(variables.get("klubster_bgp_passwords", {}), "s3cret-word")
    for name in MACHINES:
        hosts[name] |= {**variables, **({"klubster_bgp_passwords": words} if words else {})}
    return read_inventory(hosts, groups, bundle_dir="/b")


def test_the_guides_have_snippets() -> None:
    assert len(VARIABLES) >= 6


@pytest.mark.parametrize("variables", [row[1] for row in VARIABLES], ids=[row[0] for row in VARIABLES])
def test_the_model_takes_what_a_guide_shows(variables: dict[str, t.Any]) -> None:
    balancer = read(variables).spec.as_dict()["load_balancer"]
    assert [pool["name"] for pool in balancer["pools"]] == [pool["name"] for pool in variables["klubster_pools"]]
    if balancer["provider"] == "openelb":
        assert "Eip" in {obj["kind"] for obj in openelb_objects.custom_resources(balancer)}
        return
    kinds = {obj["kind"] for obj in metallb_objects.custom_resources(balancer)}
    assert kinds & {"L2Advertisement", "BGPAdvertisement"}


def test_the_router_of_the_guide_hears_the_cluster_of_the_guide() -> None:
    found = snippets("bgp-with-frr")
    plan = read(found[0]).spec.as_dict()
    (play,) = [play for one in found if isinstance(one, list) for play in one if "roles" in play]
    variables = play["roles"][0]["vars"]
    data = FilterModule().filters()["bgp_router"](plan, peer="router2", over=variables["router_rest"])
    router, _foreign = read_router(data, dict.fromkeys(variables["router_passwords"], "s3cret-word"))
    frr.refuse(router)
    assert router.bgp is not None
    assert {neighbor.name for neighbor in router.bgp.neighbors} >= {node["address"] for node in plan["machines"]}
    assert "bgp_router(peer=inventory_hostname, over=router_rest)" in variables["router_model"]
