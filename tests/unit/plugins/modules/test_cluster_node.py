# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import access
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.drain import CLOSED
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.modules import cluster_node


class FakeApi:
    """The API at an address, and the Node that it knows."""

    node: t.ClassVar[dict[str, t.Any]] = {}
    asked: t.ClassVar[list[str]] = []

    def __init__(self, address: str) -> None:
        self.address = address

    def ready(self) -> bool:
        self.asked.append(self.address)
        return self.address != "192.0.2.99"

    def get(self, path: str) -> dict[str, t.Any]:
        self.asked.append(self.address)
        return {"items": []} if "pods" in path else self.node

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        assert path == "/api/v1/nodes/agent1"
        self.node["spec"] = body["spec"]
        self.node["metadata"]["annotations"] = body["metadata"]["annotations"]
        return self.node


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> type[FakeApi]:
    status = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.34.2"}}
    FakeApi.node, FakeApi.asked = {"metadata": {"annotations": {}}, "spec": {}, "status": status}, []
    monkeypatch.setattr(access, "api_of", lambda _engine, address, _port: FakeApi(address))
    monkeypatch.setattr(access, "etcd_of", lambda _engine, _port: None)
    return FakeApi


def call(capsys: pytest.CaptureFixture[str], state: str, **given: t.Any) -> dict[str, t.Any]:
    options = {"name": "agent1", "ask": "192.0.2.11", "timeout": 0, "state": state, **given}
    with patch_module_args(options), pytest.raises(SystemExit):
        cluster_node.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_a_node_is_closed_and_opened_once(api: type[FakeApi], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "drained", why="1.34.2")["changed"]
    assert api.node["metadata"]["annotations"] == {CLOSED: "1.34.2"}
    assert not call(capsys, "drained")["changed"]
    assert call(capsys, "opened")["changed"]
    assert api.node["spec"] == {"unschedulable": None}


def test_check_mode_only_says(api: type[FakeApi], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "drained", _ansible_check_mode=True)["changed"]
    assert not call(capsys, "opened", _ansible_check_mode=True)["changed"]
    assert not call(capsys, "well", _ansible_check_mode=True)["changed"]
    assert api.node["spec"] == {}


def test_a_server_is_asked_itself_too(api: type[FakeApi], capsys: pytest.CaptureFixture[str]) -> None:
    assert "failed" not in call(capsys, "well", address="192.0.2.12", version="1.34.2")
    assert set(api.asked) == {"192.0.2.11", "192.0.2.12"}
    said = call(capsys, "well", address="192.0.2.99")["msg"]
    assert "its API does not answer" in said


def test_an_agent_has_no_etcd_to_lose(capsys: pytest.CaptureFixture[str]) -> None:
    assert "failed" not in call(capsys, "bearable")


def test_kubeadm_has_certificates_and_k3s_the_administrators_file() -> None:
    assert {*access.API_CERTIFICATES, "k3s"} == set(LAYOUTS)
    assert all(path.startswith("/") for row in access.API_CERTIFICATES.values() for path in row)
