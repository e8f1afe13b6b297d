# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible_collections.kateskit.klubster.plugins.action.cluster_plan import ActionModule

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_model"))
sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
from own_archives import NAME, oci

from inventories import BAD, good


class Failing(dict[str, t.Any]):
    """Variables of which one cannot be computed."""

    def __getitem__(self, name: str) -> t.Any:
        if name == "klubster_dns_domain":
            raise AnsibleUndefinedVariable("'house' is undefined")
        return super().__getitem__(name)


def plan(task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    task = MagicMock(async_val=0, check_mode=False, args={})
    action = ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    return t.cast("dict[str, t.Any]", action.run(task_vars=task_vars))


def inventory() -> dict[str, t.Any]:
    hosts, groups = good()
    return {"hostvars": hosts, "groups": groups}


def test_the_cluster_as_plain_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = plan(inventory())
    assert result["changed"] is False
    assert (result["name"], result["servers"], result["agents"]) == ("home", ["node1"], ["node2", "node3"])
    assert result["engine"]["bundle_dir"].startswith(f"{tmp_path}/klubster/bundles/")
    assert result["notes"] == []
    assert list(tmp_path.iterdir()) == []


def test_other_variables_are_not_even_computed() -> None:
    task_vars = inventory()
    task_vars["hostvars"]["node1"] = Failing(task_vars["hostvars"]["node1"] | {"house": 1})
    assert "failed" not in plan(task_vars)


def test_a_refusal_carries_each_problem() -> None:
    task_vars = inventory()
    task_vars["hostvars"]["node2"]["klubster_adress"] = "10.0.0.1"
    result = plan(task_vars)
    assert result["failed"]
    assert "nothing was changed" in result["msg"]
    assert result["problems"] == [
        {
            "variable": "klubster_adress of node2",
            "value": "10.0.0.1",
            "rule": "There is no such variable.",
            "remedy": "Did you mean 'klubster_address'?",
        }
    ]


def test_what_cannot_be_computed_is_a_problem() -> None:
    task_vars = inventory()
    for name in ("node1", "node2", "node3"):
        task_vars["hostvars"][name] = Failing(task_vars["hostvars"][name] | {"klubster_dns_domain": "{{ house }}"})
    result = plan(task_vars)
    assert [problem["variable"] for problem in result["problems"]] == ["klubster_dns_domain"]
    assert "'house' is undefined" in result["msg"]


def test_at_least_150_bad_inventories_are_refused_by_what_site_calls_first() -> None:
    """Each in words of its own that name variable, value, rule and remedy, before anything is changed."""
    refusals: dict[str, str] = {}
    for name, bad in BAD.items():
        hosts, groups = bad.inventory()
        result = plan({"hostvars": hosts, "groups": groups})
        assert result.get("failed"), name
        assert not result.get("changed"), name
        assert "in the input; nothing was changed." in result["msg"], name
        for problem in result["problems"]:
            assert problem["variable"], name
            assert problem["rule"], name
            assert problem["remedy"], name
            assert (
                f"{problem['variable']} = {problem['value']!r}: {problem['rule']} {problem['remedy']}" in result["msg"]
            )
        refusals.setdefault(result["msg"], name)
    print(f"{len(refusals)} different refusals of {len(BAD)} bad inventories")
    assert len(refusals) >= 150


def test_archives_of_images_are_read_once_for_all_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    oci(tmp_path / "shop.tar")
    task_vars = inventory()
    for name in ("node1", "node2", "node3"):
        task_vars["hostvars"][name]["klubster_image_archives"] = ["~/shop.tar", "/nowhere/gone.tar"]
    result = plan(task_vars)
    assert "failed" not in result, "who only looks or removes needs no archive; preflight refuses"
    shop, gone = result["archives"]
    assert (shop["path"], list(shop["images"]), shop["rule"]) == (str(tmp_path / "shop.tar"), [NAME], "")
    assert (gone["sha256"], gone["rule"]) == ("", "There is no such file on the controller.")
    assert (tmp_path / "cache/klubster/archives.json").stat().st_size > 0
