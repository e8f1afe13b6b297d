# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Folder, Frr
from ansible_collections.kateskit.klubster.plugins.modules import frr_config

RUNNING = """\
frr version 8.4.4
router bgp 65010
 bgp router-id 10.0.0.1
 no bgp default ipv4-unicast
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.2 password s3cret
 address-family ipv4 unicast
  neighbor 10.0.0.2 activate
 exit-address-family
exit
"""
NEIGHBOR = {"remote_as": 65001, "ipv4": {}}
MODEL: dict[str, t.Any] = {"bgp": {"asn": 65010, "router_id": "10.0.0.1", "neighbors": {"10.0.0.2": NEIGHBOR}}}
SAME = {"bgp": {**MODEL["bgp"], "log_neighbor_changes": False, "requires_policy": True, "network_import_check": True}}
PASSWORDS = {"10.0.0.2": "s3cret"}


class Machine:
    """FRR that runs and is only looked at."""

    def __init__(self, folder: Path) -> None:
        self.installed, self.said = True, t.cast("list[str]", [])
        (folder / "frr.conf").write_text(RUNNING)
        (folder / "daemons").write_text("bgpd=yes\n")

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "systemctl":
            assert argv[1] == "show", "it was only to look"
            return Result(0, "ActiveState=active\nUnitFileState=enabled\n", "")
        self.said.append(argv[-1])
        assert argv == ["vtysh", "-c", "show running-config"], "it was only to look"
        return Result(0, RUNNING, "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(frr_config, "Frr", lambda _: Frr(made.run, Folder(tmp_path)))
    monkeypatch.setattr(Frr, "installed", staticmethod(lambda: made.installed))
    return made


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> tuple[dict[str, t.Any], str]:
    given = {"_ansible_check_mode": True, "_ansible_diff": True, **given}
    with patch_module_args(given), pytest.raises(SystemExit):
        frr_config.main()
    said = capsys.readouterr().out
    return t.cast("dict[str, t.Any]", json.loads(said)), said


@pytest.mark.usefixtures("machine")
def test_check_mode_says_what_would_change_without_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    result, said = call(capsys, router=MODEL, passwords=PASSWORDS)
    assert (result["changed"], result["missing"]) == (True, False)
    assert " bgp log-neighbor-changes\n" in result["diff"]["after"]
    assert "s3cret" not in said


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("check", [True, False])
def test_what_runs_already_is_left_alone(capsys: pytest.CaptureFixture[str], check: bool) -> None:
    result, dummy = call(capsys, router=SAME, passwords=PASSWORDS, _ansible_check_mode=check)
    assert result["changed"] is False


@pytest.mark.usefixtures("machine")
def test_what_is_gathered_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    result, said = call(capsys, state="gathered")
    assert result["changed"] is False
    assert result["with_password"] == ["10.0.0.2"]
    assert "s3cret" not in said
    again, dummy = call(capsys, router=result["gathered"], passwords=PASSWORDS)
    assert again["changed"] is False


@pytest.mark.parametrize(("state", "changed"), [("present", True), ("gathered", False)])
def test_frr_has_to_be_installed_first(
    machine: Machine, capsys: pytest.CaptureFixture[str], state: str, changed: bool
) -> None:
    machine.installed = False
    result, dummy = call(capsys, router=MODEL, state=state)
    assert (result["changed"], result["missing"]) == (changed, True)
    assert machine.said == []


def test_mistakes_are_refused_before_anything_is_looked_at(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    result, dummy = call(capsys, router={"bgp": {"asn": 0, "router_id": "10.0.0.1"}})
    assert "router.bgp.asn = 0: The number of an autonomous system" in result["msg"]
    assert machine.said == []


def test_names_of_others_in_parts_of_other_programs_are_refused_before_anything_changes(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    result, dummy = call(capsys, router=MODEL, passwords=PASSWORDS, foreign={"vrrp": ["theirs"]})
    assert "foreign.vrrp = ['theirs']: On a machine with FRR" in result["msg"]
    assert machine.said == []


@pytest.mark.usefixtures("machine")
def test_a_password_among_the_data_is_refused_unseen(capsys: pytest.CaptureFixture[str]) -> None:
    model = {"bgp": {**MODEL["bgp"], "neighbors": {"10.0.0.2": {**NEIGHBOR, "password": "t00-early"}}}}
    result, dummy = call(capsys, router=model)
    assert "A password does not stand among other data." in result["msg"]
    assert "t00-early" not in result["msg"]
