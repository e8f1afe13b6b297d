# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.connection import ConnectionError as NotAnswered
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.modules import vyos_router

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "vyos_session"))
from api import KEY, ApiServing, Rest
from router import Console, Device

MODEL = {"bgp": {"asn": 65010, "router_id": "10.0.0.1", "neighbors": {"10.0.0.2": {"remote_as": 65001, "ipv4": {}}}}}
PASSWORDS = {"10.0.0.2": "s3cret"}
FAILED = re.compile(r"Commit failed|Set failed|Invalid command")


class Connection:
    """network_cli to a router that plays VyOS."""

    def __init__(self, device: Device) -> None:
        self._console = Console(device)

    def get(self, command: str, prompt: str = "", answer: str = "") -> str:
        said = self._console.line(command)
        if prompt and re.search(prompt, self._console.prompt):
            said += self._console.line(answer)
        if FAILED.search(said):
            raise NotAnswered(said)
        return said

    def run_commands(self, commands: t.Sequence[str], check_rc: bool) -> None:
        assert check_rc
        for command in commands:
            self.get(command)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(vyos_router, "_connection", lambda _: Connection(made))
    return made


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> tuple[dict[str, t.Any], str]:
    with patch_module_args(given), pytest.raises(SystemExit):
        vyos_router.main()
    said = capsys.readouterr().out
    return t.cast("dict[str, t.Any]", json.loads(said)), said


def test_check_mode_shows_commands_without_a_password(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    before = device.running
    result, said = call(capsys, router=MODEL, passwords=PASSWORDS, _ansible_check_mode=True)
    assert (result["changed"], result["pending"]) == (True, False)
    assert "set protocols bgp neighbor 10.0.0.2 password ********" in result["commands"]
    assert "s3cret" not in said
    assert device.running == before


def test_a_change_is_confirmed_gathered_and_then_none(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    result, said = call(capsys, router=MODEL, passwords=PASSWORDS)
    assert (result["changed"], result["pending"]) == (True, True)
    assert device.deadline == 300
    assert call(capsys, state="confirmed")[0]["changed"]
    assert (device.deadline, device.saved) == (None, device.running)
    assert call(capsys, router=MODEL, passwords=PASSWORDS)[0]["changed"] is False
    result, more = call(capsys, state="gathered")
    assert result["gathered"]["bgp"]["neighbors"] == {"10.0.0.2": {"remote_as": 65001, "ipv4": {}}}
    assert result["with_password"] == ["10.0.0.2"]
    assert "s3cret" not in said + more


def test_a_look_tells_of_sessions_and_of_no_password(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    model = {**MODEL, "interfaces": {"eth0": {"addresses": ["10.0.0.1/24"]}}}
    call(capsys, router=model, passwords=PASSWORDS)
    before = device.running
    device.down.add("10.0.0.2")
    result, said = call(capsys, state="looked")
    found = result["look"]
    assert (result["changed"], device.running) == (False, before)
    assert [(one["neighbor"], one["state"]) for one in found["sessions"]] == [("10.0.0.2", "Idle")]
    assert found["addresses"] == ["10.0.0.1/24"]
    assert found["with_password"] == ["10.0.0.2"]
    assert (found["routes"], found["reached"], found["unsigned"]) == ([], None, {})
    assert set(found["router"]) == {"bgp"}
    assert "s3cret" not in said


@pytest.mark.usefixtures("device")
def test_a_look_at_a_router_without_bgp(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, state="looked")[0]["look"]["sessions"] == []


@pytest.mark.usefixtures("device")
def test_nothing_waits_to_be_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing waits to be confirmed" in call(capsys, state="confirmed")[0]["msg"]


@pytest.mark.usefixtures("device")
def test_mistakes_are_told_by_the_name_of_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "router.bgp.asn = 0" in call(capsys, router={"bgp": {"asn": 0}})[0]["msg"]


def test_what_the_router_does_not_take_is_told(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    device.load("set interfaces ethernet eth0 address 10.0.0.2/24")
    result, said = call(capsys, router=MODEL, passwords=PASSWORDS)
    assert "The router did not take 'commit-confirm 5'" in result["msg"]
    assert "s3cret" not in said


def test_another_connection_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "ansible_connection: ansible.netcommon.network_cli" in call(capsys, router=MODEL)[0]["msg"]


@pytest.fixture
def served(tmp_path: Path) -> t.Iterator[tuple[Device, dict[str, t.Any]]]:
    made = Device()
    serving = ApiServing(Rest(made), tmp_path)
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    yield (
        made,
        {"host": "127.0.0.1", "port": serving.port, "key_file": str(key), "ca_file": str(serving.certificate)},
    )
    serving.close()


def test_by_the_api_it_is_the_same(served: tuple[Device, dict[str, t.Any]], capsys: pytest.CaptureFixture[str]) -> None:
    device, api = served
    result, said = call(capsys, router=MODEL, passwords=PASSWORDS, api=api)
    # Confirmed and saved by the same call.
    assert (result["changed"], result["pending"]) == (True, False)
    assert (device.deadline, device.saved) == (None, device.running)
    result, more = call(capsys, router=MODEL, passwords=PASSWORDS, api=api)
    assert result["changed"] is False
    found = call(capsys, state="looked", api=api)[0]["look"]
    assert [(one["neighbor"], one["established"]) for one in found["sessions"]] == [("10.0.0.2", True)]
    assert found["routes_read"] is False
    assert "s3cret" not in said + more
    assert KEY not in said + more


def test_mistakes_in_how_the_api_is_reached_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = call(capsys, state="gathered", api={"host": "r2", "port": 0})[0]["msg"]
    assert "api.port = 0" in said
    assert "api.key = None: The API wants a key, given once." in said
