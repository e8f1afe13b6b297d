# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.modules import kubeadm_node_info


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        kubeadm_node_info.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


GIVEN: dict[str, t.Any] = {
    "cluster": "home",
    "version": "1.34.2",
    "node": {"node_name": "agent1", "role": "agent", "address": "192.0.2.21", "labels": {}, "taints": []},
    "api": {"name": "api.home.internal", "port": 6443, "address": "192.0.2.11"},
    "networks": {
        "pod": ["10.244.0.0/16"],
        "service": ["10.96.0.0/16"],
        "dns_domain": "cluster.local",
        "dns_address": "10.96.0.10",
    },
    "images": {"repository": "bundle.test", "etcd": "1", "coredns": "1"},
    "install_set": "engine",
    "sandbox_image": "bundle.test/pause:1",
    "archives": [{"source": "images/pause.tar", "reference": "bundle.test/pause:1", "sha256": "ab" * 32, "size": 1}],
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look_only(argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "systemctl":
            assert argv[1] == "show"
            return Result(0, "Id=some.service\nActiveState=inactive\nUnitFileState=\n", "")
        assert argv[-2:] == ["list", "--quiet"]
        raise CommandFailed(list(argv), 1, "", "no socket")

    make = kubeadm_verbs.machine_of

    def elsewhere(params: t.Mapping[str, t.Any]) -> kubeadm_verbs.Kubeadm:
        made = make(params, look_only, tmp_path / "state")
        made.root = tmp_path
        return made

    monkeypatch.setattr(kubeadm_verbs, "machine_of", elsewhere)


def test_a_bare_machine_lacks_everything_and_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"source": "bin/kubelet", "path": str(tmp_path / "kubelet"), "sha256": "00" * 32, "size": 1}
    result = run(capsys, {**GIVEN, "programs": [missing]})
    assert not result["changed"]
    assert result["lacking"] == ["programs", "containerd", "images", "kubelet", "node"]
    assert result["node"]["phase"] == "none"
    assert result["machine"]["node_name"] == "agent1"
    assert len(result["kube_proxy_wanted"]) == 16
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_filled_in_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {**GIVEN, "programs": [{"source": "bin/kubelet", "path": str(tmp_path / "kubelet")}]})
    assert "bin/kubelet: sha256 and size are missing" in result["msg"]
