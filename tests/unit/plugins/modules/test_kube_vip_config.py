# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._node import record
from ansible_collections.kateskit.klubster.plugins.modules import kube_vip_config

GIVEN: dict[str, t.Any] = {
    "address": "192.0.2.10",
    "own": "192.0.2.11",
    "image": "registry.test/kube-vip:v1",
    "_ansible_diff": True,
}


def call(capsys: pytest.CaptureFixture[str], **changes: t.Any) -> dict[str, t.Any]:
    given = {name: value for name, value in {**GIVEN, **changes}.items() if value is not None}
    with patch_module_args(given), pytest.raises(SystemExit):
        kube_vip_config.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.fixture(autouse=True)
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    place = tmp_path / "pods/kube-vip.yaml"
    monkeypatch.setattr(kube_vip, "POD", str(place))
    monkeypatch.setattr(record, "STATE_DIRECTORY", tmp_path / "state")

    def look_only(argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[:2] == ["systemctl", "show"]:
            return Result(0, "ActiveState=active\n", "")
        assert argv[0] == "ip", argv
        return Result(0, json.dumps([{"ifname": "eth0", "addr_info": [{"local": "192.0.2.11"}]}]), "")

    monkeypatch.setattr(kube_vip_config, "run", look_only)
    return place


def test_it_comes_once_and_goes_once(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[tuple[dict[str, t.Any], bool, bool]] = [
        ({"_ansible_check_mode": True}, True, False),
        ({}, True, True),
        ({"_ansible_check_mode": True}, False, True),
        ({}, False, True),
        ({"state": "absent", "_ansible_check_mode": True}, True, True),
        ({"state": "absent"}, True, False),
        ({"state": "absent"}, False, False),
    ]
    for changes, changed, there in steps:
        result = call(capsys, **changes)
        assert (result["changed"], pod.exists()) == (changed, there), changes
        assert result["paths"] == ([str(pod)] if changed else [])
        assert result["awaited"] == (changed and changes == {})


def test_the_interface_is_that_of_the_servers_own_address(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys)
    assert kube_vip.held() == kube_vip.Held("192.0.2.10", "eth0")
    assert "An interface of this machine has it" in call(capsys, own="192.0.2.99")["msg"]


@pytest.mark.parametrize("name", ["address", "own", "image"])
def test_what_it_cannot_do_without(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert name in call(capsys, **{name: None})["msg"]
