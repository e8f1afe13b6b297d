# SPDX-License-Identifier: Apache-2.0
"""The guide says what the table of the model says, and its snippets are good inventories."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import choices
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS, Provider
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins/module_utils/_model"))
from inventories import MACHINES, good

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/choosing-a-cni.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
INVENTORIES = [text for text in SNIPPETS if yaml.safe_load(text).keys() & {"klubster_cni"}]
COMPARED = [text for text in SNIPPETS if text not in INVENTORIES]
ROWS = {
    row[0].strip("` "): [cell.strip() for cell in row]
    for row in (line.strip("|").split("|") for line in GUIDE.splitlines() if line.startswith("| `"))
    if len(row) == 8 and "klubster_cni" not in row[0]
}


@pytest.mark.parametrize("text", INVENTORIES)
def test_a_snippet_is_a_good_inventory(text: str) -> None:
    given: dict[str, t.Any] = yaml.safe_load(text)
    hosts, groups = good()
    for name in MACHINES:
        hosts[name] |= given
    cni = parse(hosts, groups, bundle_dir="/srv/bundle").spec.cni
    assert cni.provider == given["klubster_cni"]
    assert cni.values == given.get("klubster_cni_values", {})


def test_the_choices_to_compare_are_good_ones() -> None:
    (text,) = COMPARED
    found = choices.parse(yaml.safe_load(text)["compare_cni_choices"])
    assert len({choice.variables["klubster_cni"] for choice in found}) == 3


def test_each_provider_has_a_row_and_all_but_none_a_snippet() -> None:
    assert list(ROWS) == list(PROVIDERS)
    shown = {yaml.safe_load(text)["klubster_cni"] for text in INVENTORIES}
    assert shown == set(PROVIDERS) - {"none"}


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_the_table_is_the_models(row: Provider) -> None:
    _name, backends, features, policies, proxy, families, *_rest = ROWS[row.name]
    if row.backends:
        assert re.findall(r"`([^`]+)`", backends) == [backend.name for backend in row.backends]
        wanted = {*row.features, *row.proxy_features, *(one for entry in row.backends for one in entry.features)}
        assert set(re.findall(r"`([^`]+)`", features)) == wanted
        able = {backend.name for backend in row.backends if 6 in backend.families}
        assert families == (
            "yes"
            if len(able) == len(row.backends)
            else "no"
            if not able
            else "not by " + ", ".join(f"`{one.name}`" for one in row.backends if one.name not in able)
        )
    assert proxy == ("yes" if row.service_proxy else "no")
    assert (policies == "yes") is row.policies
