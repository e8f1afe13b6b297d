# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import api_address, kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import layer_looks as looks
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node import keepalived, machine
from ansible_collections.kateskit.klubster.plugins.module_utils._node import record as recording
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

MOVING = {"address": "192.0.2.10", "port": 6443, "own": "192.0.2.11", "servers": ["192.0.2.11"], "vrrp_id": 7}


def quiet(argv: t.Sequence[str], **_: t.Any) -> Result:
    if argv[0] == "ip":
        return Result(0, json.dumps([{"ifname": "eth0", "addr_info": [{"local": "192.0.2.11"}]}]), "")
    assert argv[:2] == ["systemctl", "show"], "a look changes nothing"
    return Result(0, "ActiveState=inactive\nUnitFileState=\n", "")


def test_what_cannot_be_looked_at_is_lacking_and_says_why() -> None:
    def broken(argv: t.Sequence[str], **_: t.Any) -> Result:
        raise CommandFailed(list(argv), 1, "", "no such program")

    program = keepalived.PROGRAM
    keepalived.PROGRAM = "/"
    try:
        found = looks.layer_looks({"kubeadm": {"unseen": "No bundle."}, "keepalived": MOVING}, broken)
    finally:
        keepalived.PROGRAM = program
    assert found["kubeadm"] == {"lacking": ["look"], "reason": "No bundle."}
    assert found["keepalived"]["lacking"] == ["look"]
    assert "no such program" in found["keepalived"]["reason"]


def test_an_option_that_is_missing_is_no_answer() -> None:
    given = {"cluster": "home", "node": {}, "api": {}, "programs": ["x"], "images": {}, "networks": {}}
    for engine in ("kubeadm", "k3s"):
        assert looks.layer_looks({engine: given}, quiet)[engine]["lacking"] == ["look"]


def test_a_release_that_is_not_there_yet_is_lacking() -> None:
    assert looks.layer_looks({"k3s": {"programs": []}}, quiet)["k3s"]["lacking"] == ["programs"]


def test_keepalived_is_lacking_where_it_is_not_installed_or_does_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keepalived, "PROGRAM", str(tmp_path / "keepalived"))
    assert looks.layer_looks({"keepalived": MOVING}, quiet)["keepalived"] == {"lacking": ["keepalived"]}
    (tmp_path / "keepalived").touch()
    assert looks.layer_looks({"keepalived": MOVING}, quiet)["keepalived"] == {"lacking": ["api_address"]}


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of kube-vip's pod."""
    monkeypatch.setattr(recording, "STATE_DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(kube_vip, "POD", str(tmp_path / "kube-vip.yaml"))
    return tmp_path / "kube-vip.yaml"


def test_kube_vip_is_lacking_until_its_pods_file_is_there(address: Path) -> None:
    given = {"address": "192.0.2.10", "port": 6443, "own": "192.0.2.11", "image": "kube-vip:v1"}
    assert looks.layer_looks({"kube_vip": given}, quiet)["kube_vip"] == {"lacking": ["api_address"]}
    api_address.settle(kube_vip.files(kube_vip.pod_of(given, quiet)), quiet, check=False)
    assert looks.layer_looks({"kube_vip": given}, quiet)["kube_vip"] == {"lacking": []}
    changed = {**given, "image": "kube-vip:v2"}
    assert looks.layer_looks({"kube_vip": changed}, quiet)["kube_vip"] == {"lacking": ["api_address"]}
    wrong = {**given, "own": "192.0.2.99"}
    assert looks.layer_looks({"kube_vip": wrong}, quiet)["kube_vip"]["lacking"] == ["look"]


def test_who_moved_the_address_before_is_named(address: Path) -> None:
    assert looks.layer_looks({"none": {}}, quiet)["none"] == {"lacking": []}
    pod = kube_vip.Pod("192.0.2.10", 6443, "eth0", "kube-vip:v1")
    api_address.settle(kube_vip.files(pod), quiet, check=False)
    found = looks.layer_looks({"none": {}}, quiet)["none"]
    assert found["lacking"] == ["api_address"]
    assert str(address) in found["reason"]


SETTLED = machine.MachineState(
    difference=machine.Difference(),
    files=[],
    file_changes=[],
    modules=[],
    sysctls={},
    packages=[],
    command_line=None,
    reboot_required=False,
)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [({}, []), ({"packages": ["nft"]}, ["packages"]), ({"reboot_required": True}, ["reboot"])],
)
def test_a_machine_lacks_what_the_role_would_do(change: dict[str, t.Any], wanted: list[str], tmp_path: Path) -> None:
    record = Record.load(tmp_path)
    record.firewall_tables = []
    assert machine.lacking(dataclasses.replace(SETTLED, **change), record) == wanted


def test_a_machine_of_which_nobody_wrote_down_how_it_was_is_not_settled(tmp_path: Path) -> None:
    assert machine.lacking(SETTLED, Record.load(tmp_path)) == ["record"]


def test_a_difference_is_a_lack(tmp_path: Path) -> None:
    differs = machine.Difference()
    differs.add("sysctl x", want="1", have="0")
    record = Record.load(tmp_path)
    record.firewall_tables = []
    assert machine.lacking(dataclasses.replace(SETTLED, difference=differs), record) == ["settings"]
