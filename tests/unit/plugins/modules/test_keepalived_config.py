# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import Settled
from ansible_collections.kateskit.klubster.plugins.module_utils._node import keepalived
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import Change
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import Service, Step
from ansible_collections.kateskit.klubster.plugins.modules import keepalived_config

GIVEN: dict[str, t.Any] = {
    "address": "192.0.2.10",
    "own": "192.0.2.11",
    "servers": ["192.0.2.11", "192.0.2.12"],
    "vrrp_id": 77,
    "_ansible_check_mode": True,
    "_ansible_diff": True,
}
#: units that run
ACTIVE: set[str] = set()


def call(capsys: pytest.CaptureFixture[str], **changes: t.Any) -> dict[str, t.Any]:
    with patch_module_args({**GIVEN, **changes}), pytest.raises(SystemExit):
        keepalived_config.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    program = tmp_path / "keepalived"
    program.touch()
    ACTIVE.clear()
    monkeypatch.setattr(keepalived, "PROGRAM", str(program))

    def look_only(argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "ip":
            return Result(0, json.dumps([{"ifname": "eth0", "addr_info": [{"local": "192.0.2.11"}]}]), "")
        assert argv[:2] == ["systemctl", "show"], "check mode only looks"
        state = "active" if argv[-1] in ACTIVE else "inactive"
        return Result(0, f"ActiveState={state}\nUnitFileState=\n", "")

    monkeypatch.setattr(keepalived_config, "run", look_only)
    return program


def test_check_mode_says_what_would_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys)
    assert (result["changed"], result["missing"]) == (True, False)
    assert any(path.endswith("keepalived.conf") for path in result["paths"])


def test_it_has_to_be_installed_first(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.unlink()
    result = call(capsys)
    assert (result["changed"], result["missing"]) == (True, True)
    assert "paths" not in result


def test_it_starts_once_kube_vip_has_given_the_address_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def goes_on(address: str, *_: t.Any) -> None:
        raise kube_vip.KubeVipError(f"kube-vip goes on with {address}")

    def settle(*_: t.Any, between: t.Callable[[], None], **_options: t.Any) -> t.NoReturn:
        between()
        pytest.fail("It was not asked.")

    monkeypatch.setattr(kube_vip, "give_up", goes_on)
    monkeypatch.setattr(keepalived_config, "settle", settle)
    assert call(capsys)["msg"] == "kube-vip goes on with 192.0.2.10"


@pytest.mark.parametrize(
    ("check", "unit", "awaited"),
    [
        (True, "k3s.service", False),
        (False, "k3s.service", True),
        # A run that was cut short before k3s came: there is no API that could answer.
        (False, "", False),
    ],
)
def test_what_is_taken_from_kube_vip_is_awaited_where_the_cluster_lives(
    check: bool, unit: str, awaited: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ACTIVE.add(unit)
    changes = (Change(kube_vip.POD, "remove", "", ""),)
    step = Step(Service(keepalived.UNIT), enable=False, action="start", digest="")
    monkeypatch.setattr(keepalived_config, "settle", lambda *_, **_options: Settled(changes, step))
    assert call(capsys, _ansible_check_mode=check)["awaited"] is awaited


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"own": "192.0.2.13"}, "one of the servers' addresses"),
        ({"own": "192.0.2.12"}, "An interface of this machine has it"),
    ],
)
def test_a_wrong_address_is_refused(changes: dict[str, t.Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in call(capsys, **changes)["msg"]
