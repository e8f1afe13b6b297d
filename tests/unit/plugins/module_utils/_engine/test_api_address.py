# SPDX-License-Identifier: Apache-2.0
"""One provider of the API's address takes the other's place, in a folder that plays the machine."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import api_address, kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import settle as settle_service
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import Service

POD = kube_vip.Pod("192.0.2.10", 6443, "eth0", "registry.test/kube-vip:v1")


class Machine:
    """Files, what was run, and which files stood there then."""

    def __init__(self, folder: Path) -> None:
        self.state, self.pod = folder / "state", folder / "pods/kube-vip.yaml"
        self.config, self.unit = folder / "keepalived.conf", folder / "klubster-api-address.service"
        self.runs: list[tuple[str, bool, bool]] = []
        #: units that run
        self.active: list[str] = []

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[:2] == ["systemctl", "show"]:
            state = "active" if argv[-1] in self.active else "inactive"
            return Result(0, f"ActiveState={state}\nUnitFileState=\n", "")
        self.runs.append((" ".join(argv[:3]), self.pod.exists(), self.unit.exists()))
        if argv[:2] == ["systemctl", "disable"] and not self.unit.exists():
            raise CommandFailed(argv, 1, "", "Unit file klubster-api-address.service does not exist.")
        return Result(0, "", "")

    def keepalived(self) -> None:
        files = [WantedFile(str(self.config), "x"), WantedFile(str(self.unit), "y")]
        service = Service("klubster-api-address.service")
        free = api_address.freed(POD.address, self.run)
        settle_service(api_address.NAME, files, service, self.run, check=False, directory=self.state, between=free)

    def kube_vip(self, *, check: bool = False, **changes: t.Any) -> api_address.Moved:
        pod = kube_vip.Pod(**{**vars(POD), **changes})
        return api_address.settle(kube_vip.files(pod), self.run, check=check, directory=self.state)

    def nobody(self) -> api_address.Moved:
        return api_address.settle([], self.run, check=False, directory=self.state)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(kube_vip, "POD", str(made.pod))
    monkeypatch.setattr(kube_vip, "running", lambda *_: False)
    monkeypatch.setattr(api_address, "_UNIT_FILE", str(made.unit))
    return made


def test_check_mode_only_says_what_would_be_done(machine: Machine) -> None:
    result = machine.kube_vip(check=True).as_result()
    assert (result["changed"], result["paths"], result["service"]) == (True, [str(machine.pod)], "")
    assert POD.image in result["diff"][0]["after"]
    assert not machine.pod.exists()
    assert not machine.state.exists()


def test_it_changes_once_and_then_nothing(machine: Machine) -> None:
    assert machine.kube_vip().as_result()["changed"]
    assert machine.pod.stat().st_mode & 0o777 == 0o600
    assert not machine.kube_vip().as_result()["changed"]
    assert machine.runs == [], "the kubelet looks itself"
    assert machine.kube_vip(image="registry.test/kube-vip:v2").as_result()["changed"]
    assert kube_vip.text(POD).replace("kube-vip:v1", "kube-vip:v2") == machine.pod.read_text()


def test_the_address_is_awaited_where_the_cluster_lives_and_something_changed(machine: Machine) -> None:
    assert not machine.kube_vip(image="kube-vip:v0").as_result()["awaited"], "its first server waits"
    machine.active = ["k3s.service"]
    assert not machine.kube_vip(check=True).as_result()["awaited"]
    assert machine.kube_vip().as_result()["awaited"]
    assert not machine.kube_vip().as_result()["awaited"]
    assert not machine.nobody().as_result()["awaited"], "nobody brings it"


def test_a_reset_knows_the_folders_of_k3s_though_the_pod_comes_first(machine: Machine) -> None:
    machine.kube_vip()
    record = Record.load(machine.state)
    assert record.data is not None
    assert str(machine.pod) in record.entries


def test_without_a_pod_nothing_is_noted_of_k3s(machine: Machine) -> None:
    assert not machine.nobody().changes
    assert Record.load(machine.state).data is None


def test_keepalived_has_stopped_before_the_pod_comes(machine: Machine) -> None:
    machine.keepalived()
    machine.runs.clear()
    seen = machine.kube_vip(check=True).as_result()
    assert seen["service"] == "stop"
    assert machine.kube_vip().as_result() == seen
    assert machine.runs == [("systemctl disable --now", False, True), ("systemctl daemon-reload", True, False)]
    assert not machine.config.exists()
    assert "klubster-api-address.service" not in Record.load(machine.state).services
    assert not machine.kube_vip().changes


@pytest.mark.parametrize("provider", ["kube_vip", "nobody"])
def test_a_unit_that_somebody_removed_is_no_obstacle(provider: str, machine: Machine) -> None:
    machine.keepalived()
    machine.unit.unlink()
    machine.runs.clear()
    assert getattr(machine, provider)().stops
    done = [words for words, _pod, _unit in machine.runs]
    assert done == ["systemctl stop klubster-api-address.service", "systemctl daemon-reload"], "it may run on"
    assert not getattr(machine, provider)().changes


def test_a_pod_has_gone_before_keepalived_starts(machine: Machine) -> None:
    machine.kube_vip()
    machine.keepalived()
    words = [entry[0] for entry in machine.runs]
    assert words.index("ip address delete") < words.index("systemctl start klubster-api-address.service")
    assert not any(pod for _words, pod, _unit in machine.runs)
    machine.runs.clear()
    machine.keepalived()
    assert not any(words.startswith("ip") for words, _pod, _unit in machine.runs), "it is keepalived's now"


@pytest.mark.parametrize("provider", ["keepalived", "kube_vip"])
def test_without_a_provider_everything_goes(provider: str, machine: Machine) -> None:
    getattr(machine, provider)()
    machine.runs.clear()
    assert machine.nobody().as_result()["changed"]
    assert not any(path.exists() for path in (machine.pod, machine.config, machine.unit))
    done = [words for words, _pod, _unit in machine.runs]
    wanted = {"keepalived": ["systemctl disable --now", "systemctl daemon-reload"], "kube_vip": ["ip address delete"]}
    assert done == wanted[provider]
    assert not machine.nobody().as_result()["changed"]


def test_a_pod_that_goes_on_keeps_keepalived_from_starting(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.kube_vip()
    monkeypatch.setattr(kube_vip, "running", lambda *_: True)
    machine.active.append("k3s.service")
    times = iter([0.0, 1000.0])
    monkeypatch.setattr(kube_vip.time, "monotonic", lambda: next(times))
    with pytest.raises(kube_vip.KubeVipError, match="goes on"):
        machine.keepalived()
    assert not any(words.startswith("systemctl start") for words, _pod, _unit in machine.runs)
