# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import access, etcd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Member
from ansible_collections.kateskit.klubster.plugins.modules import etcd_member


class FakeEtcd:
    """Three members, of which some are down."""

    down: t.ClassVar[set[str]] = set()
    removed: t.ClassVar[list[str]] = []

    def __init__(self, *_: t.Any) -> None: ...

    def members(self) -> list[Member]:
        return [Member(str(number), f"server{number}") for number in (1, 2, 3)]

    def healthy(self, member: Member) -> bool:
        return member.name not in self.down

    def remove(self, member: Member) -> None:
        self.removed.append(member.name)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> type[FakeEtcd]:
    FakeEtcd.down, FakeEtcd.removed = set(), []
    monkeypatch.setattr(access, "Etcd", FakeEtcd)
    monkeypatch.setattr(access, "is_server", lambda _engine: True)
    return FakeEtcd


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> dict[str, t.Any]:
    with patch_module_args(given), pytest.raises(SystemExit):
        etcd_member.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_a_member_leaves(service: type[FakeEtcd], capsys: pytest.CaptureFixture[str]) -> None:
    service.down = {"server3"}
    result = call(capsys, name="server3")
    assert result["changed"]
    assert result["diff"]["after"]["members"] == ["server1", "server2"]
    assert service.removed == ["server3"]


@pytest.mark.parametrize(("given", "changed"), [({"state": "removable"}, False), ({"_ansible_check_mode": True}, True)])
def test_it_is_only_looked_at(
    service: type[FakeEtcd], given: dict[str, t.Any], changed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, name="server3", **given)["changed"] is changed
    assert service.removed == []


def test_nobody_of_that_name(service: type[FakeEtcd], capsys: pytest.CaptureFixture[str]) -> None:
    result = call(capsys, name="agent1")
    assert (result["changed"], result["members"]) == (False, ["server1", "server2", "server3"])
    assert service.removed == []


@pytest.mark.parametrize("state", ["removable", "absent"])
def test_the_quorum_is_kept(service: type[FakeEtcd], state: str, capsys: pytest.CaptureFixture[str]) -> None:
    service.down = {"server2"}
    assert "Start server2 first" in call(capsys, name="server3", state=state)["msg"]
    assert service.removed == []


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_a_machine_that_is_no_server_any_more_knows_of_no_members(
    monkeypatch: pytest.MonkeyPatch, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that its answer does not count as that of a server."""
    monkeypatch.undo()
    result = call(capsys, name="server3", engine=engine)
    assert (result["changed"], "members" in result, "failed" in result) == (False, False, False)


def test_k3s_without_an_etcd_of_its_own_has_no_member(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, name="server3", engine="k3s")["members"] == []


def test_a_server_whose_etcd_does_not_run_says_nothing_of_members(
    service: type[FakeEtcd], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not joined yet; another server may know."""

    def refused(_self: FakeEtcd) -> list[Member]:
        raise etcd.EtcdStopped("etcd at https://127.0.0.1:2379 does not answer: [Errno 111] Connection refused")

    monkeypatch.setattr(service, "members", refused)
    result = call(capsys, name="server3")
    assert "members" not in result
    assert not result.get("failed")
    assert result["changed"] is False
