# SPDX-License-Identifier: Apache-2.0
"""What the modules of both engines are given in tests, and a bare machine for them."""

from __future__ import annotations

import json
import types
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result

CHECKED = {"_ansible_check_mode": True, "_ansible_diff": True}
COMMON: dict[str, t.Any] = {
    "cluster": "home",
    "node": {"node_name": "agent1", "role": "agent", "address": "192.0.2.21", "labels": {}, "taints": []},
    "api": {"name": "api.home.internal", "port": 6443, "address": "192.0.2.11", "url": "https://192.0.2.11:6443"},
}
K3S: dict[str, t.Any] = {
    **COMMON,
    "files": {"/etc/rancher/k3s/config.yaml": "node-name: agent1\n"},
    "registries": {"configs": {"registry.example.org": {"auth": {"username": "puller", "password": "hunter2hunter2"}}}},
    "environment": {"further": {"K3S_X": "hunter3hunter3"}},
    **CHECKED,
}
KUBEADM: dict[str, t.Any] = {
    **COMMON,
    "version": "1.34.2",
    "networks": {
        "pod": ["10.244.0.0/16"],
        "service": ["10.96.0.0/16"],
        "dns_domain": "cluster.local",
        "dns_address": "10.96.0.10",
    },
    "images": {"repository": "bundle.test", "etcd": "1", "coredns": "1"},
}


def only_looked_at(argv: t.Sequence[str], **_: t.Any) -> Result:
    """A machine on which no service of a cluster runs, and nothing may be started."""
    assert argv[:2] == ["systemctl", "show"], "check mode only looks"
    return Result(0, "Id=some.service\nActiveState=inactive\nUnitFileState=\n", "")


def put_in_place(
    monkeypatch: pytest.MonkeyPatch, verbs: types.ModuleType, root: Path, runner: t.Callable[..., Result]
) -> None:
    """Let the modules of an engine find a machine below ``root``."""
    make = verbs.machine_of

    def elsewhere(params: t.Mapping[str, t.Any]) -> t.Any:
        made = make(params, runner, root / "state")
        made.root = root
        return made

    monkeypatch.setattr(verbs, "machine_of", elsewhere)


def result_of(
    module: types.ModuleType, capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]
) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))
