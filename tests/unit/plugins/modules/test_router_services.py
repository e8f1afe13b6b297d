# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import types
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router.services_device import Places, Services
from ansible_collections.kateskit.klubster.plugins.modules import router_services

MODEL = {"nat": {"source": [{"interface": "eth1", "translation": "masquerade"}]}}


class Machine:
    """A machine that is only looked at."""

    def __init__(self, root: Path) -> None:
        self.places, self.armed, self.said = Places(root), False, t.cast("list[str]", [])
        (root / "usr/sbin").mkdir(parents=True)
        (root / "usr/sbin/nft").write_text("")

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[:2] == ["systemctl", "is-active"]:
            return Result(0 if self.armed else 3, "", "")
        if argv[0] == "systemctl" and argv[1] != "show":
            self.said.append(" ".join(argv))
        if argv[0] == "nft":
            assert "list" in argv, "it was only to look"
            return Result(1, "", "Error: No such file or directory")
        return Result(0, "ActiveState=inactive\nUnitFileState=disabled\n", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(router_services, "Services", lambda _: Services(made.run, made.places))
    return made


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> dict[str, t.Any]:
    with patch_module_args({"_ansible_check_mode": True, **given}), pytest.raises(SystemExit):
        router_services.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("machine")
def test_check_mode_says_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, router=MODEL)
    assert (result["changed"], result["missing"], result["pending"]) == (True, [], False)
    assert '"translation": "masquerade"' in result["diff"]["after"]


@pytest.mark.usefixtures("machine")
def test_what_lacks_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    vrrp = {"lan": {"interface": "eth0", "id": 1, "addresses": ["10.0.0.1/24"]}}
    assert call(capsys, router={"vrrp": vrrp})["missing"] == ["keepalived"]


@pytest.mark.usefixtures("machine")
def test_policies_may_use_names_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    neighbors = {"10.0.0.2": {"remote_as": 65001, "ipv4": {"route_map_in": "theirs"}}}
    model = {**MODEL, "route_maps": {}, "bgp": {"asn": 65010, "router_id": "10.0.0.1", "neighbors": neighbors}}
    assert "It is not in router.route_maps" in call(capsys, router=model)["msg"]
    assert call(capsys, router=model, foreign={"route_maps": ["theirs"]})["changed"]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("part", ["dhcp", "vrrp"])
def test_nothing_of_others_is_in_our_files(capsys: pytest.CaptureFixture[str], part: str) -> None:
    said = call(capsys, router=MODEL, foreign={part: ["theirs"]})["msg"]
    assert f"foreign.{part} = ['theirs']: On a machine with FRR the file of this part is ours alone" in said


def test_a_part_that_the_model_left_goes_when_that_is_wanted(
    capsys: pytest.CaptureFixture[str], machine: Machine
) -> None:
    machine.places.folder.mkdir(parents=True)
    machine.places.rules("nat").write_text("")
    assert call(capsys, router={"forwarding": True})["changed"] is False
    assert call(capsys, router={"forwarding": True}, left_out="removed")["changed"] is True


@pytest.mark.usefixtures("machine")
def test_nothing_is_gathered_from_a_machine_without_anything(capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, state="gathered")
    assert (result["gathered"], result["strange"], result["changed"]) == ({}, [], False)


@pytest.mark.usefixtures("machine")
def test_mistakes_are_told_by_the_name_of_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "router.nat.source[seq 10]" in call(capsys, router={"nat": {"source": [{"interface": "eth1"}]}})["msg"]


@pytest.mark.parametrize(("said", "looked"), [({}, True), ({"sessions": "all"}, True), ({"sessions": "none"}, False)])
def test_sessions_are_watched_unless_nobody_wants_it(
    capsys: pytest.CaptureFixture[str],
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, t.Any],
    looked: bool,
) -> None:
    made: list[t.Any] = []

    def change(planned: t.Any, device: t.Any, **given: t.Any) -> t.Any:
        assert device.places == machine.places
        made.append(given)
        return types.SimpleNamespace(apply=lambda: True)

    monkeypatch.setattr(router_services.services_apply, "Change", change)
    assert call(capsys, router=MODEL, confirm=60, timeout=9, _ansible_check_mode=False, **said)["pending"]
    assert (made[0]["sessions"] is not None, made[0]["timeout"]) == (looked, 9)


def test_rules_are_confirmed_while_they_wait(capsys: pytest.CaptureFixture[str], machine: Machine) -> None:
    machine.armed = True
    assert call(capsys, state="confirmed", _ansible_check_mode=False)["changed"]
    assert machine.said[0] == "systemctl stop klubster-router-undo.timer"
    machine.armed = False
    assert "the old rules are back" in call(capsys, state="confirmed")["msg"]
