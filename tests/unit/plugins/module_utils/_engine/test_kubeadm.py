# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import cni_match
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import (
    CertificateError,
    public_key_hash,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import EtcdError, Member
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import (
    Kubeadm,
    reset_arguments,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_config import Invitation
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, EngineError
from settings import agent, cluster, server

INVITATION = Invitation("api.home.internal:6443", "abcdef.0123456789abcdef", "sha256:00")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA as kubeadm makes one."""
    folder = tmp_path_factory.mktemp("ca")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kubernetes", "-days", "3650"),
            *("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "ca.crt"


def test_the_hash_is_what_openssl_says(ca: Path) -> None:
    key = subprocess.run(
        ["openssl", "x509", "-in", str(ca), "-pubkey", "-noout"], check=True, capture_output=True
    ).stdout
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "der"], check=True, capture_output=True, input=key
    ).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], check=True, capture_output=True, input=der).stdout
    assert public_key_hash(ca.read_text()) == "sha256:" + digest.decode().split()[0]


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(text: str) -> None:
    with pytest.raises(CertificateError):
        public_key_hash(text)


class FakeApi:
    """The API with its objects by path."""

    def __init__(self, objects: dict[str, t.Any], ready: bool = True) -> None:
        self.objects, self.is_ready, self.patches, self.deleted = objects, ready, list[tuple[str, t.Any]](), list[str]()

    def ready(self) -> bool:
        return self.is_ready

    def get(self, path: str) -> dict[str, t.Any]:
        if path not in self.objects:
            raise ApiError("not found", 404)
        return t.cast("dict[str, t.Any]", self.objects[path])

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        self.patches.append((path, body))
        return {}

    def post(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        raise AssertionError(f"nothing is created: {path} {body}")

    def delete(self, path: str) -> None:
        self.deleted.append(path)


class Members:
    """etcd with a server that lives, and one that lost its power while it learnt."""

    def __init__(self) -> None:
        self.known = [
            Member("1", "server1", (), ("https://192.0.2.11:2380",)),
            Member("2", "", (), ("https://192.0.2.12:2380",), learner=True),
        ]
        self.silent: set[str] = set()

    def members(self) -> list[Member]:
        return list(self.known)

    def healthy(self, member: Member) -> bool:
        return member.id not in self.silent

    def remove(self, member: Member) -> None:
        self.known.remove(member)


class Node:
    """A machine in a folder, a kubeadm that does what the real one leaves behind, and what was asked of it."""

    def __init__(self, folder: Path, ca: Path, node: NodeSettings, fails: str = "") -> None:
        self.root, self.ca, self.fails = folder / "root", ca, fails
        self.etcd, self.journal = "", "kubelet: no space left on device\n"
        self.calls: list[list[str]] = []
        self.windows: list[str] = []
        self.documents: list[dict[str, t.Any]] = []
        self.api, self.members = FakeApi({f"/api/v1/nodes/{node.name}": {"metadata": {}}}), Members()
        (self.root / "run").mkdir(parents=True, exist_ok=True)
        self.machine = Kubeadm(
            KUBEADM,
            cluster(),
            node,
            self.run,
            folder / "state",
            self.root,
            0.0,
            lambda *_: self.api,
            lambda: self.etcd,
            lambda _layout: t.cast("t.Any", self.members),
        )

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "journalctl":
            self.windows.append(argv[argv.index("--since") + 1] if "--since" in argv else "")
            return Result(0, self.journal, "")
        self.calls.append(list(argv))
        assert "abcdef.0123456789abcdef" not in " ".join(argv)
        if "--config" in argv:
            path = Path(argv[argv.index("--config") + 1])
            assert path.stat().st_mode & 0o777 == 0o600
            self.documents = list(yaml.safe_load_all(path.read_text()))
        verb = argv[1]
        if verb == self.fails:
            raise CommandFailed(argv, 1, "", "it broke")
        if verb in {"init", "join"} and "phase" not in argv:
            for name, text in (("kubelet.conf", ""), ("pki/ca.crt", self.ca.read_text())):
                path = self.root / "etc/kubernetes" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return Result(0, "warning\nabcdef.0123456789abcdef\n" if verb == "token" else "", "")


SETTINGS = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
PROXY = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"


def running(
    tmp_path: Path, ca: Path, node: NodeSettings, settings: str, server_version: str, *, fails: str = ""
) -> Node:
    """A node of a running cluster whose kubelet is 1.34.1."""
    found = Node(tmp_path, ca, node, fails)
    found.machine.state_directory.mkdir()
    found.api.objects[f"/api/v1/nodes/{node.name}"] = {"status": {"nodeInfo": {"kubeletVersion": "v1.34.1"}}}
    found.api.objects[SETTINGS] = {"data": {"ClusterConfiguration": f"kind: x\nkubernetesVersion: v{settings}\n"}}
    found.api.objects[PROXY] = {"metadata": {"annotations": {"klubster.kateskit.dev/config-digest": "abc"}}}
    manifests = found.root / "etc/kubernetes/manifests"
    manifests.mkdir(parents=True)
    if node.role == "server":
        (manifests / "kube-apiserver.yaml").write_text(f"    image: bundle.test/kube-apiserver:v{server_version}\n")
        (manifests / "etcd.yaml").write_text("    image: bundle.test/etcd:3.6.5-0\n")
    return found


def verbs(node: Node) -> list[list[str]]:
    return [call[1 : call.index("--config")] for call in node.calls]


def test_the_first_server_brings_the_settings_and_the_version(tmp_path: Path, ca: Path) -> None:
    node = running(tmp_path, ca, server(), "1.34.1", "1.34.1")
    assert node.machine.control_plane_differs()
    assert node.machine.upgrade() is True
    assert verbs(node) == [["init", "phase", "upload-config", "kubeadm"], ["upgrade", "apply", "--yes"]]
    assert node.documents[0]["kind"] == "UpgradeConfiguration"
    assert node.documents[0]["apply"] == {"kubernetesVersion": "v1.34.2", "imagePullPolicy": "Never"}
    note = {"metadata": {"annotations": {"klubster.kateskit.dev/config-digest": "abc"}}}
    assert node.api.patches == [(PROXY, note)]
    assert not (node.machine.state_directory / "upgrade.json").exists()


def test_the_settings_go_up_with_the_version_that_runs(tmp_path: Path, ca: Path) -> None:
    node = running(tmp_path, ca, server(), "1.34.1", "1.34.1", fails="init")
    with pytest.raises(EngineError):
        node.machine.upgrade()
    settings = next(entry for entry in node.documents if entry["kind"] == "ClusterConfiguration")
    assert settings["kubernetesVersion"] == "v1.34.1"
    assert settings["etcd"] == {"local": {"imageTag": "3.6.5-0"}}


def test_the_other_servers_and_agents_follow(tmp_path: Path, ca: Path) -> None:
    for name, machine in (("second", server()), ("agent", agent())):
        folder = tmp_path / name
        folder.mkdir()
        node = running(folder, ca, machine, "1.34.2", "1.34.1")
        assert node.machine.upgrade() is True
        assert verbs(node) == [["upgrade", "node"]]


def test_an_upgrade_that_was_cut_short_is_seen_and_repeated(tmp_path: Path, ca: Path) -> None:
    node = running(tmp_path, ca, server(), "1.34.2", "1.34.2", fails="upgrade")
    node.api.objects["/api/v1/nodes/server1"] = {"status": {"nodeInfo": {"kubeletVersion": "v1.34.2"}}}
    assert not node.machine.control_plane_differs()
    assert node.machine.upgrade() is False
    assert node.calls == []
    (node.machine.state_directory / "upgrade.json").write_text("{}")
    assert node.machine.control_plane_differs()
    with pytest.raises(EngineError, match="disk is full"):
        node.machine.upgrade()
    assert node.machine.control_plane_differs()


def test_another_etcd_is_a_change_of_the_control_plane(tmp_path: Path, ca: Path) -> None:
    node = running(tmp_path, ca, server(), "1.34.2", "1.34.2")
    assert not node.machine.control_plane_differs()
    (node.root / "etc/kubernetes/manifests/etcd.yaml").write_text("    image: bundle.test/etcd:3.6.4-0\n")
    assert node.machine.control_plane_differs()


def test_begin_leaves_a_complete_node_and_no_secret_behind(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    assert node.machine.phase() == "none"
    node.machine.begin()
    assert node.machine.phase() == "complete"
    assert [document["kind"] for document in node.documents][:2] == ["InitConfiguration", "ClusterConfiguration"]
    assert "--skip-token-print" in node.calls[0]
    assert not (node.root / "run/klubster").exists()
    state = node.machine.state()
    assert state.api_ready
    assert state.ca_hash.startswith("sha256:")
    assert any("config-digest" in str(body) for dummy, body in node.api.patches)


@pytest.mark.parametrize(("verb", "node"), [("init", server()), ("join", agent())])
def test_what_is_cut_short_is_half_is_cleaned_and_repeated(
    tmp_path: Path, ca: Path, verb: str, node: NodeSettings
) -> None:
    broken = Node(tmp_path, ca, node, fails=verb)
    act = broken.machine.begin if verb == "init" else lambda: broken.machine.join(INVITATION)
    with pytest.raises(EngineError, match=rf"^The disk is full.*\nkubeadm {verb} failed \(exit status 1\)\.\nit broke"):
        act()
    assert broken.machine.phase() == "half"
    assert not (broken.root / "run/klubster").exists()
    (broken.root / "etc/kubernetes/manifests").mkdir(parents=True)
    again = Node(tmp_path, ca, node)
    again.machine.clean()
    assert again.calls[0][1:3] == ["reset", "--force"]
    assert list((again.root / "etc/kubernetes").iterdir()) == []
    assert again.machine.phase() == "none"
    again.machine.begin() if verb == "init" else again.machine.join(INVITATION)
    assert again.machine.phase() == "complete"


def test_a_complete_node_is_never_cleaned(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, agent())
    node.machine.join(INVITATION)
    with pytest.raises(EngineError, match="no half-finished state"):
        node.machine.clean()
    assert node.machine.phase() == "complete"
    assert all(call[1] != "reset" for call in node.calls)


def test_strangers_are_left_alone(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, agent())
    (node.root / "etc/kubernetes").mkdir(parents=True)
    (node.root / "etc/kubernetes/kubelet.conf").write_text("")
    with pytest.raises(EngineError, match="this collection did not make it"):
        node.machine.phase()
    node.machine.state_directory.mkdir()
    marker = {"cluster": "other", "action": "join", "complete": True}
    (node.machine.state_directory / "kubeadm.json").write_text(json.dumps(marker))
    with pytest.raises(EngineError, match="belongs to the cluster 'other', not to 'home'"):
        node.machine.phase()


def test_a_server_that_lost_its_files_but_not_its_data_is_left_alone(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    (node.root / "etc/kubernetes/kubelet.conf").unlink()
    assert node.machine.phase() == "none"
    (node.root / "var/lib/etcd/member").mkdir(parents=True)
    with pytest.raises(EngineError, match="etcd's data is not"):
        node.machine.phase()


def test_an_invitation(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    half = {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}}
    node.api.objects |= {"/api/v1/nodes/agent8": half, "/api/v1/nodes/agent9": half}
    forget = [{"name": "agent9", "address": "192.0.2.9"}, {"name": "agent7", "address": "192.0.2.7"}]
    # Another machine lives under the name that the third one wanted to have.
    forget.append({"name": "agent8", "address": "192.0.2.8"})
    found = node.machine.invite(servers=True, forget=forget)
    assert (found.endpoint, found.token) == ("api.home.internal:6443", "abcdef.0123456789abcdef")
    assert found.ca_hash == public_key_hash(ca.read_text())
    assert len(found.certificate_key) == 64
    assert node.api.deleted == ["/api/v1/nodes/agent9"]
    assert all(found.certificate_key not in " ".join(call) for call in node.calls)
    assert node.documents[0]["certificateKey"] == found.certificate_key
    assert node.machine.invite(servers=False).certificate_key == ""


def test_a_server_whose_join_is_undone_is_no_member_any_more(tmp_path: Path, ca: Path) -> None:
    """It comes back with nothing of what it had told etcd, which would end with an error."""
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    node.machine.invite(servers=True, forget=[{"name": "agent9", "address": "192.0.2.9"}])
    assert len(node.members.known) == 2
    node.machine.invite(servers=True, forget=[{"name": "server2", "address": "192.0.2.12"}])
    assert [member.name for member in node.members.known] == ["server1"]


def test_a_member_that_the_quorum_needs_stays(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    node.members.known = [
        Member(str(number), f"server{number}", (), (f"https://192.0.2.1{number}:2380",)) for number in (1, 2, 3)
    ]
    node.members.silent = {"3"}
    with pytest.raises(EtcdError, match="Start server3 first"):
        node.machine.invite(servers=True, forget=[{"name": "server2", "address": "192.0.2.12"}])
    assert len(node.members.known) == 3


def test_an_api_that_does_not_come_is_explained(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.api.is_ready = False
    with pytest.raises(EngineError, match=r"^The disk is full.*\nThe API of this server did not get ready"):
        node.machine.begin()
    assert node.machine.phase() == "half"


def test_a_node_that_does_not_register_is_explained(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, agent())
    node.api.objects.clear()
    with pytest.raises(EngineError, match="Node agent1 did not register"):
        node.machine.join(INVITATION)
    assert node.machine.is_forgotten()


def test_kube_proxy_is_rolled_and_noted(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    node.api.patches.clear()
    node.machine.configure_proxy()
    assert node.calls[-1][1:5] == ["init", "phase", "addon", "kube-proxy"]
    assert [path.split("/")[-2] for path, dummy in node.api.patches] == ["daemonsets", "configmaps"]


def test_a_cluster_without_kube_proxy_begins_and_asks_for_none(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.cluster = cluster(has_kube_proxy=False)
    node.machine.begin()
    assert "KubeProxyConfiguration" not in [document["kind"] for document in node.documents]
    assert not [path for path, _body in node.api.patches if "kube-proxy" in path]
    assert (node.machine.proxy_wanted(), node.machine.state().kube_proxy) == ("", "")


def test_another_pod_network_than_the_living_one_is_refused(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.machine.begin()
    node.api.objects[cni_match.RECORD] = {"data": {"fixed": '{"provider": "flannel", "backend": "vxlan"}'}}
    node.machine.cluster = cluster(kept={"provider": "cilium", "backend": "vxlan"})
    (found,) = node.machine.state().refused
    assert (found["variable"], found["value"]) == ("klubster_cni", "cilium")
    node.machine.cluster = cluster(kept={"provider": "flannel", "backend": "vxlan"})
    assert node.machine.state().refused == ()


def test_labels_are_given_once(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    assert node.machine.reconcile(server(labels={"zone": "attic"}))
    body = node.api.patches[-1][1]
    node.api.objects["/api/v1/nodes/server1"] = body
    assert not node.machine.reconcile(server(labels={"zone": "attic"}))


def test_leaving_tells_etcd_only_when_somebody_stays() -> None:
    assert "remove-etcd-member" in reset_arguments(KUBEADM, leave=False)
    assert "remove-etcd-member" not in reset_arguments(KUBEADM, leave=True)


def test_a_server_whose_etcd_has_no_leader_says_so_first(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, server())
    node.api.is_ready, node.etcd, node.journal = False, '{"health":"false","reason":"RAFT NO LEADER"}', "refused\n"
    with pytest.raises(EngineError, match=r"^etcd has no quorum"):
        node.machine.wait_ready()
    assert node.windows == ["", ""]


def test_only_what_was_said_since_the_join_began_explains_it(tmp_path: Path, ca: Path) -> None:
    node = Node(tmp_path, ca, agent(), fails="join")
    before = time.time()
    with pytest.raises(EngineError, match=r"^The disk is full"):
        node.machine.join(INVITATION)
    assert all(int(window.lstrip("@")) >= int(before) for window in node.windows)
    assert node.documents[0]["timeouts"] == {"discovery": "0s", "tlsBootstrap": "0s"}
