# SPDX-License-Identifier: Apache-2.0
"""What the CIS profile wants of a server beside its configuration."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_cis, k3s_plan
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s import K3s, K3sSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_hardening import Hardening
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.marker import Marker, write_marker
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import EngineError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record


class FakeApi:
    """Service accounts by namespace; ``late`` ones come after some looks."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, t.Any]] = {name: {} for name in k3s_cis.WITHOUT_TOKENS}
        self.late: dict[str, int] = {}

    def ready(self) -> bool:
        return True

    def get(self, path: str) -> dict[str, t.Any]:
        namespace = path.split("/")[4]
        if self.late.get(namespace, 0):
            self.late[namespace] -= 1
            raise ApiError("not found", 404)
        return self.accounts[namespace]

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        self.accounts[path.split("/")[4]].update(body)
        return {}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def hardening(folder: Path, api: FakeApi, role: str = "server", *, wanted: bool = True) -> Hardening:
    cluster = K3sSettings("home", "api.home.internal", 6443, "192.0.2.10")
    node = NodeSettings("server1", "192.0.2.11", t.cast(t.Any, role))
    made = K3s(
        K3S,
        cluster,
        node,
        lambda *_, **__: Result(0, "", ""),
        folder / "state",
        folder,
        0.0,
        lambda _: t.cast(t.Any, api),
    )
    return Hardening(made, wanted)


def lives(folder: Path) -> None:
    """k3s has started here: certificates for everybody to read."""
    for name in ("server-ca.crt", "client-admin.crt", "client-admin.key"):
        place = folder / "var/lib/rancher/k3s/server/tls" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
        place.chmod(0o644 if place.suffix == ".crt" else 0o600)
    password = folder / K3S.node_password.lstrip("/")
    password.parent.mkdir(parents=True, exist_ok=True)
    password.write_text("x")
    (folder / "state").mkdir(exist_ok=True)
    write_marker(folder / "state", K3S.marker, Marker("home", "init", complete=True))


def modes(folder: Path) -> dict[str, int]:
    server = folder / "var/lib/rancher/k3s/server"
    return {path.name: path.stat().st_mode & 0o7777 for path in (server, *server.rglob("*"))}


def test_folders_are_there_before_the_first_start(tmp_path: Path, api: FakeApi) -> None:
    machine = hardening(tmp_path, api)
    assert [entry.rpartition("/")[2] for entry in machine.lacking()] == ["server: mode 0700", "logs: mode 0700"]
    machine.prepare(Record(tmp_path / "state"))
    assert machine.lacking() == []
    assert modes(tmp_path) == {"server": 0o700, "logs": 0o700}
    assert (tmp_path / "var/lib/rancher/k3s").stat().st_mode & 0o777 == 0o755


def test_a_living_server_is_tightened_once(tmp_path: Path, api: FakeApi) -> None:
    lives(tmp_path)
    machine = hardening(tmp_path, api)
    machine.prepare(Record(tmp_path / "state"))
    said = machine.lacking()
    assert len([entry for entry in said if entry.endswith(".crt: mode 0600")]) == 2
    assert len([entry for entry in said if entry.startswith("ServiceAccount")]) == 3
    machine.tighten()
    assert machine.lacking() == []
    assert modes(tmp_path)["server-ca.crt"] == 0o600
    assert all(account["automountServiceAccountToken"] is False for account in api.accounts.values())


@pytest.mark.parametrize("broken", ["folder", "certificate", "account"])
def test_what_somebody_loosens_is_seen(tmp_path: Path, api: FakeApi, broken: str) -> None:
    lives(tmp_path)
    machine = hardening(tmp_path, api)
    machine.prepare(Record(tmp_path / "state"))
    machine.tighten()
    if broken == "folder":
        (tmp_path / k3s_cis.LOGS.lstrip("/")).chmod(0o755)
    elif broken == "certificate":
        (tmp_path / "var/lib/rancher/k3s/server/tls/server-ca.crt").chmod(0o644)
    else:
        api.accounts["default"]["automountServiceAccountToken"] = True
    assert len(machine.lacking()) == 1


def test_an_account_that_comes_late_is_waited_for(
    tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    lives(tmp_path)
    machine = hardening(tmp_path, api)
    api.late = {"kube-public": 1}
    with pytest.raises(EngineError, match="kube-public did not come"):
        machine.tighten()
    machine.machine.timeout = 60.0
    api.late = {"kube-public": 3}
    machine.tighten()
    assert api.accounts["kube-public"] == {"automountServiceAccountToken": False}


@pytest.mark.parametrize(("role", "wanted"), [("agent", True), ("server", False)])
def test_agents_and_others_are_left_alone(tmp_path: Path, api: FakeApi, role: str, wanted: bool) -> None:
    lives(tmp_path)
    machine = hardening(tmp_path, api, role, wanted=wanted)
    assert machine.lacking() == []
    machine.prepare(Record(tmp_path / "state"))
    machine.tighten()
    assert modes(tmp_path)["server-ca.crt"] == 0o644
    assert api.accounts["default"] == {}


def test_the_plan_has_kernel_settings_with_the_profile_only() -> None:
    assert k3s_plan.sysctls({"engine": {"profile": "none"}}) == {}
    assert k3s_plan.sysctls({"engine": {"profile": "cis"}})["vm.panic_on_oom"] == "0"
