# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.action.node_probe import ActionModule
from ansible_collections.kateskit.klubster.plugins.modules import node_probe

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_model"))
from machines import plan


def module(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        node_probe.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_it_changes_nothing_and_tells_what_it_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"paths": ["/var"], "ports": [1], "address": "127.0.0.1", "_ansible_check_mode": True}
    result = module(capsys, arguments)
    assert result["changed"] is False
    assert [entry["path"] for entry in result["file_systems"]] == ["/var"]
    assert result["ports"] == []
    assert result["address_local"]


def test_a_peer_without_an_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    result = module(capsys, {"peers": [{"name": "a", "ports": [1]}]})
    assert result["failed"]
    assert "address" in result["msg"]


def test_the_action_makes_the_options_of_the_plan_and_reads_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, t.Any] = {}

    def execute(module_name: str, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        given.update(module_args, name=module_name)
        return {"time": times[0] + 3600.5}

    times = [1000.0, 1001.0]
    moments = iter(times)
    monkeypatch.setattr(
        "ansible_collections.kateskit.klubster.plugins.action.node_probe.time.time", lambda: next(moments)
    )
    task = MagicMock(async_val=0, check_mode=False, args={"plan": plan(), "paths": ["/etc", "/var/lib/etcd"]})
    action = ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", execute)
    result = action.run(task_vars={"inventory_hostname": "node3"})
    assert given["name"] == "kateskit.klubster.node_probe"
    assert given["address"] == "192.168.1.13"
    assert given["paths"] == ["/etc", "/srv/volumes"], "an agent has no etcd"
    assert "plan" not in given
    assert result["clock"] == {"offset": 3600.0, "uncertainty": 0.5}


def test_with_layers_it_tells_what_they_lack_and_hides_only_the_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret that looks like a number must not blacken every number of the answer."""
    secrets = {"registries": {}, "environment": {"further": {"A": "1"}, "nodes": []}}
    layers = {"k3s": {"unseen": "There is no release 1."}}
    result = module(capsys, {"layers": layers, "secrets": json.dumps(secrets), "paths": ["/"]})
    assert result["layers"] == {"k3s": {"lacking": ["look"], "reason": "There is no release 1."}}
    assert result["file_systems"][0]["size_mib"] > 0
    assert "further" not in json.dumps(result)


def test_an_option_that_the_engine_does_not_know_is_no_look_at_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = module(capsys, {"layers": {"kubeadm": {"cluster": "home", "colour": "blue"}}})["layers"]["kubeadm"]
    assert found["lacking"] == ["look"]
    assert "missing required arguments" in found["reason"]


def test_a_file_of_somebody_else_is_warned_of_where_nothing_else_is_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = "/etc/rancher/k3s/config.yaml.d/90-mine.yaml"
    monkeypatch.setattr(node_probe, "layer_looks", lambda _layers, _run: {"k3s": {"lacking": [], "strangers": [mine]}})
    said: list[str] = []
    monkeypatch.setattr(node_probe.AnsibleModule, "warn", lambda _self, text: said.append(text))
    module(capsys, {"layers": {"k3s": {"unseen": "x"}}, "paths": ["/"]})
    assert [text.partition(" was not written by")[0] for text in said] == [mine]


def test_the_action_asks_for_the_layers_and_sends_what_is_secret_as_one_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: dict[str, t.Any] = {}

    def execute(module_name: str, module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        given.update(module_args)
        return {"time": 0.0, "looked": 0.0}

    wanted = plan()
    wanted["engine"]["bundle_dir"] = str(tmp_path)
    secrets = {"registries": {}, "environment": {"further": {"A": "hunter2"}}}
    args = {"plan": wanted, "paths": [], "machine": {"packages": ["nft"]}, "secrets": secrets}
    task = MagicMock(async_val=0, check_mode=False, args=args)
    action = ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(action, "_execute_module", execute)
    result = action.run(task_vars={"inventory_hostname": "node3"})
    assert "looked" not in result
    assert given["layers"]["machine"]["packages"] == ["nft"]
    assert "No bundle" in given["layers"]["kubeadm"]["unseen"]
    assert isinstance(given["secrets"], str)
    sent = json.loads(given["secrets"])["environment"]
    assert sent["further"] == {"A": "hunter2"}
    assert "192.168.1.13" in sent["nodes"]
    assert not {"plan", "machine"} & set(given)
