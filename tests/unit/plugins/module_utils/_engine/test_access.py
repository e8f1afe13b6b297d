# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import access, etcd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import EtcdError, Member

MEMBERS = [
    Member(str(number), f"server{number}-0000000{number}", (f"https://192.0.2.1{number}:2379",)) for number in (1, 2)
]


class FakeApi:
    """APIs by address; each works with the etcd of its own machine."""

    well: t.ClassVar[set[str]] = set()
    asked: t.ClassVar[list[tuple[str, int, str]]] = []

    def __init__(self, address: str, port: int) -> None:
        self.address, self.port = address, port

    def passes(self, check: str) -> bool:
        self.asked.append((self.address, self.port, check))
        return self.address in self.well


class FakeConnection:
    """etcd: who was connected to; only the JSON gateways of ``listening`` take anything."""

    listening: t.ClassVar[set[tuple[str, int]]] = set()
    connected: t.ClassVar[list[tuple[str, int]]] = []
    status = 200

    def __init__(self, host: str, port: int, **_: t.Any) -> None:
        self.place = (host, port)
        self.connected.append(self.place)

    def request(self, *_: t.Any) -> None:
        if self.place not in self.listening:
            # What Go's gRPC server does with a request that is no HTTP/2.
            raise ConnectionResetError

    def getresponse(self) -> FakeConnection:
        return self

    def read(self) -> bytes:
        return json.dumps({"members": []}).encode()

    def close(self) -> None:
        """Nothing to do."""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    FakeApi.well, FakeApi.asked, FakeConnection.listening, FakeConnection.connected = set(), [], set(), []
    (tmp_path / "etcd").mkdir()
    monkeypatch.setattr(access, "api_of", lambda _engine, address, port: FakeApi(address, port))
    monkeypatch.setattr(access, "K3S", dataclasses.replace(access.K3S, etcd_data=str(tmp_path / "etcd")))
    context = type("Context", (), {"load_cert_chain": lambda *_: None})
    monkeypatch.setattr(etcd.ssl, "create_default_context", lambda **_: context())
    monkeypatch.setattr(etcd.http.client, "HTTPSConnection", FakeConnection)
    return tmp_path


def test_k3s_answers_in_json_on_loopback_only() -> None:
    FakeConnection.listening = {("127.0.0.1", 2382)}
    FakeApi.well = {"192.0.2.11"}
    service = access.etcd_of("k3s", 8443)
    assert service is not None
    assert service.members() == []
    assert [service.healthy(member) for member in MEMBERS] == [True, False]
    assert FakeApi.asked == [(f"192.0.2.1{number}", 8443, "/livez/etcd") for number in (1, 2)]
    assert FakeConnection.connected == [("127.0.0.1", 2382)]


def test_a_member_that_has_not_started_is_not_healthy() -> None:
    service = access.etcd_of("k3s", 6443)
    assert service is not None
    assert not service.healthy(Member("9", "", ()))


def test_kubeadm_answers_where_its_members_say() -> None:
    FakeConnection.listening = {("127.0.0.1", 2379), ("192.0.2.11", 2379)}
    service = access.etcd_of("kubeadm", 6443)
    assert service is not None
    assert service.members() == []
    assert [service.healthy(member) for member in MEMBERS] == [True, False]
    assert FakeApi.asked == []


def test_without_a_gateway_it_says_where_it_asked() -> None:
    service = access.etcd_of("k3s", 6443)
    assert service is not None
    with pytest.raises(EtcdError, match=r"127\.0\.0\.1:2382 does not answer"):
        service.members()


def test_k3s_with_its_data_elsewhere_has_no_etcd_though_it_has_the_certificates(machine: Path) -> None:
    (machine / "etcd").rmdir()
    assert access.etcd_of("k3s", 6443) is None
