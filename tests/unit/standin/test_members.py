# SPDX-License-Identifier: Apache-2.0
"""Who may join, and who is taken out of etcd again (k3s.md A.12, C.3)."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from k3s_standin import node
from k3s_standin.controllers import Controllers
from k3s_standin.etcd import Etcd
from k3s_standin.join import Join
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths

OURS = {"cluster-cidr": "10.42.0.0/16", "flannel-backend": "vxlan", "secrets-encryption": True}
MEMBER, REMOVE = "etcd.k3s.cattle.io/node-name", "etcd.k3s.cattle.io/remove"


class Compared(Join):
    """Only the comparison."""

    def __init__(self) -> None:
        """No servers are asked."""

    def __call__(self, theirs: t.Mapping[str, t.Any]) -> None:
        self._compare(theirs, OURS)


def test_other_critical_values_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Fatal, match="critical configuration value mismatch between servers"):
        Compared()({**OURS, "flannel-backend": "host-gw", "secrets-encryption": False})
    said = capfd.readouterr()
    assert [name for name in OURS if f"mismatched: {name}" in said.out + said.err] == [
        "flannel-backend",
        "secrets-encryption",
    ]


def test_the_same_values_may_join() -> None:
    Compared()({**OURS, "of a newer server": 1})


def test_a_member_that_lost_its_power_before_its_log_was_whole_joins_anew(tmp_path: Path) -> None:
    etcd = Etcd(Paths(tmp_path), tmp_path / "etcd", "192.0.2.12", "s2")
    (tmp_path / "etcd/member/snap").mkdir(parents=True)
    assert not etcd.exists
    (tmp_path / "etcd/member/wal").mkdir()
    assert etcd.exists


class Cluster:
    """Nodes, what etcd lists, and what was asked of both."""

    def __init__(self) -> None:
        self.nodes = {name: {"metadata": {"name": name, "annotations": {MEMBER: f"{name}-1"}}} for name in ("s1", "s2")}
        self.nodes["a1"] = {"metadata": {"name": "a1"}}
        self.removed: list[str] = []
        self.deleted: list[str] = []
        self.patched: list[tuple[str, t.Any]] = []
        etcd = SimpleNamespace(name="s1-1", members=self.members, remove=self.removed.append)
        api = SimpleNamespace(delete=self.deleted.append, patch=lambda *words: self.patched.append(words))
        nothing: t.Any = None
        self.controllers = Controllers(t.cast(t.Any, api), nothing, nothing, t.cast(t.Any, etcd), 6443)

    def members(self) -> list[dict[str, str]]:
        return [{"name": f"{name}-1", "ID": name} for name in ("s1", "s2", "s3")]

    def look(self) -> None:
        self.controllers._gone(self.nodes)


def test_a_deleted_node_takes_its_member_and_its_password_along() -> None:
    cluster = Cluster()
    cluster.look()
    assert (cluster.removed, cluster.deleted) == ([], [])
    del cluster.nodes["s2"], cluster.nodes["a1"]
    cluster.look()
    cluster.look()
    assert cluster.removed == ["s2"]
    assert sorted(path.rpartition("/")[2] for path in cluster.deleted) == [
        "a1.node-password.k3s",
        "s2.node-password.k3s",
    ]


def test_no_server_removes_itself() -> None:
    cluster = Cluster()
    cluster.look()
    del cluster.nodes["s1"]
    cluster.look()
    assert cluster.removed == []


def test_the_annotation_removes_only_the_member() -> None:
    cluster = Cluster()
    cluster.nodes["s2"]["metadata"]["annotations"][REMOVE] = "true"
    cluster.look()
    assert (cluster.removed, cluster.deleted) == (["s2"], [])
    assert cluster.patched[0][1]["metadata"]["annotations"]["etcd.k3s.cattle.io/removed-node-name"] == "s2-1"


def test_a_node_says_with_what_it_was_started_without_secrets() -> None:
    words = ["--token=hush", "--token-file=/t", "--secrets-encryption=true", "-t", "hush", "--datastore-endpoint=hush"]
    said = node._masked(words)
    assert "hush" not in said
    assert said[said.index("--secrets-encryption") + 1] == "true"
    assert said[said.index("--token-file") + 1] == "/t"
