# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S

POD = kube_vip.Pod("192.0.2.10", 8443, "eth0", "registry.test/kube-vip:v1")
SIX = kube_vip.Pod("2001:db8::10", 6443, "eth0", "registry.test/kube-vip:v1")
HELD = kube_vip.Held("192.0.2.10", "eth0")


class Runs(list[list[str]]):
    """Remembers what was run, looks left out."""

    k3s = "active"

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[:2] == ["systemctl", "show"]:
            assert argv[-1] == "k3s.service"
            return Result(0, f"ActiveState={self.k3s}\n", "")
        self.append(list(argv))
        return Result(0, "", "")


def spec(pod: kube_vip.Pod) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(kube_vip.text(pod))["spec"])


def told(pod: kube_vip.Pod) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in spec(pod)["containers"][0]["env"]}


def process(proc: Path, number: int, name: str, *environment: str) -> Path:
    folder = proc / str(number)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "environ").write_bytes("\0".join([*environment, ""]).encode())
    return folder


def test_the_pod_moves_the_apis_address_and_nothing_else() -> None:
    assert told(POD) == {
        "vip_arp": "true",
        "cp_enable": "true",
        "cp_namespace": "kube-system",
        "svc_enable": "false",
        "address": "192.0.2.10",
        "port": "8443",
        "vip_interface": "eth0",
        "vip_subnet": "32",
        "vip_leaderelection": "true",
        "vip_leaseduration": "5",
        "vip_renewdeadline": "3",
        "vip_retryperiod": "1",
        # Any that is free: another exporter of the node may have 2112.
        "prometheus_server": "127.0.0.1:0",
        "vip_nodename": "",
    }
    # Kubernetes takes texts only.
    assert all(isinstance(value, str) for value in told(POD).values())


def test_it_asks_the_api_of_its_own_machine() -> None:
    pod = spec(POD)
    assert pod["hostNetwork"]
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["kubernetes"]}]
    (volume,), (container,) = pod["volumes"], pod["containers"]
    assert volume["hostPath"] == {"path": K3S.kubeconfig, "type": "File"}
    assert container["volumeMounts"] == [
        {"name": volume["name"], "mountPath": "/etc/kubernetes/admin.conf", "readOnly": True}
    ]
    assert container["image"] == POD.image
    assert container["securityContext"]["capabilities"]["add"] == ["NET_ADMIN", "NET_RAW"]


def test_the_other_address_family() -> None:
    assert told(SIX)["vip_subnet"] == "128"
    assert spec(SIX)["hostAliases"][0]["ip"] == "::1"


def test_a_pod_that_no_api_knows_yet_names_nothing_that_an_api_has() -> None:
    """A kubelet runs no pod from a file that needs a service account, a ConfigMap or a Secret."""
    text = kube_vip.text(POD)
    for word in ("serviceAccount", "configMap", "secret", "envFrom"):
        assert word not in text


def test_the_file_lies_where_the_kubelet_of_k3s_looks_and_only_root_reads_it() -> None:
    (file,) = kube_vip.files(POD)
    assert (file.path, file.mode) == ("/var/lib/rancher/k3s/agent/pod-manifests/kube-vip.yaml", 0o600)


@pytest.mark.parametrize("text", [kube_vip.text(POD), kube_vip.text(SIX), "", "{}", "apiVersion: v1\n", "[]"])
def test_a_file_of_ours_says_what_the_pod_was_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_vip, "POD", str(tmp_path / "kube-vip.yaml"))
    assert kube_vip.held() is None
    (tmp_path / "kube-vip.yaml").write_text(text)
    found = kube_vip.held()
    wanted = {kube_vip.text(pod): kube_vip.Held(pod.address, pod.interface) for pod in (POD, SIX)}
    assert found == wanted.get(text)


def test_only_a_kube_vip_with_this_address_has_it(tmp_path: Path) -> None:
    process(tmp_path, 1, "systemd", "address=192.0.2.10")
    process(tmp_path, 2, "kube-vip", "svc_enable=true")
    process(tmp_path, 3, "kube-vip", "address=192.0.2.100")
    (tmp_path / "self").mkdir()
    assert not kube_vip.running("192.0.2.10", tmp_path)
    process(tmp_path, 4, "kube-vip", "cp_enable=true", "address=192.0.2.10")
    assert kube_vip.running("192.0.2.10", tmp_path)


def test_the_address_is_free_once_the_process_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, runs = process(tmp_path, 4, "kube-vip", "address=192.0.2.10"), Runs()
    monkeypatch.setattr(kube_vip.time, "sleep", lambda _: (folder / "comm").unlink())
    kube_vip.give_up("192.0.2.10", HELD, runs, proc=tmp_path)
    assert runs == [["ip", "address", "delete", "192.0.2.10/32", "dev", "eth0"]]
    runs.clear()
    kube_vip.give_up("192.0.2.10", None, runs, proc=tmp_path)
    assert not runs, "somebody else may have it by now"


def test_a_kube_vip_that_goes_on_is_named_with_the_remedy(tmp_path: Path) -> None:
    process(tmp_path, 4, "kube-vip", "address=192.0.2.10")
    with pytest.raises(kube_vip.KubeVipError, match=r"192\.0\.2\.10.*systemctl status k3s"):
        kube_vip.give_up("192.0.2.10", HELD, Runs(), proc=tmp_path, patience=0)


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_nobody_waits_for_a_k3s_that_is_stopped(state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_vip.time, "sleep", lambda _: pytest.fail("It waits."))
    runs = Runs()
    runs.k3s = state
    process(tmp_path, 4, "kube-vip", "address=192.0.2.10")
    with pytest.raises(
        kube_vip.KubeVipError, match=r"k3s, which would end it, is stopped\..*'systemctl start k3s\.service'"
    ):
        kube_vip.give_up("192.0.2.10", HELD, runs, proc=tmp_path)
    assert not runs, "it has the address still"
    kube_vip.give_up("192.0.2.10", HELD, runs, proc=tmp_path / "none")
    assert runs == [["ip", "address", "delete", "192.0.2.10/32", "dev", "eth0"]]


def test_an_address_of_the_other_family_is_released() -> None:
    runs = Runs()
    kube_vip.release(kube_vip.Held("2001:db8::10", "eth1"), runs)
    assert runs == [["ip", "address", "delete", "2001:db8::10/128", "dev", "eth1"]]
