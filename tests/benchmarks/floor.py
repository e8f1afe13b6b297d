# SPDX-License-Identifier: Apache-2.0
"""The bare floor: the least that makes the same cluster of equal machines, by SSH, kubeadm and kubectl.

No checks, no repair, no checksums, no second run. Files are prepared first, which is not timed; then, timed: copy
programs and images to all machines at once, start containerd, import, kubeadm init on the server, joins in parallel,
kubectl apply of the same add-ons with the same images, and wait until all is ready. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT / "tests" / "verify")]

import yaml  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_bundle_dir  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.flannel import flannel_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.local_path import local_path_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb import metallb_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd, kubeadm_config  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, images_for  # noqa: E402
from cluster import Inventory, Machine  # noqa: E402

TOKEN = "abcdef.0123456789abcdef"
IMAGES = ("flannel", "shell", "local-path-provisioner", "metallb-controller", "metallb-speaker", "agnhost")
HERE = "/var/lib/floor"
CONTAINERD_UNIT = """\
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
LimitNOFILE=1048576
"""
KUBELET_UNIT = """\
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=1
"""
START = """\
set -e
echo {hosts} >> /etc/hosts
echo 1 > /proc/sys/net/ipv4/ip_forward
systemctl daemon-reload
systemctl start containerd
for archive in {here}/images/*.tar; do ctr -n k8s.io images import --local $archive & done >/dev/null
wait
"""
APPLY = """\
set -e
export KUBECONFIG=/etc/kubernetes/admin.conf
cd {here}
kubectl apply --server-side -f addons.yaml >/dev/null
kubectl -n metallb-system create secret generic memberlist --from-literal=secretkey=floor >/dev/null
kubectl wait --for=condition=Ready nodes --all --timeout=180s >/dev/null
for place in kube-system kube-flannel metallb-system local-path-storage; do
    for what in $(kubectl -n $place get deployments,daemonsets -o name); do
        kubectl -n $place rollout status $what --timeout=180s >/dev/null &
    done
done
wait
# The controller is ready before its webhook listens.
until kubectl apply --server-side -f pools.yaml >/dev/null 2>&1; do sleep 0.2; done
"""


class Floor:
    def __init__(self, inventory: Inventory, bundle: Manifest) -> None:
        self.inventory, self.bundle = inventory, bundle
        self.machines = inventory.machines
        self.server = next(machine for machine in self.machines if machine.group == "servers")
        self.config = Path(inventory.vars("lab_controller")["lab_state_dir"]) / "ssh" / "config"
        self.begun = threading.Event()
        self.marks: dict[str, float] = {}
        self.start = 0.0

    def mark(self, name: str) -> None:
        self.marks[name] = round(time.monotonic() - self.start, 2)

    def ssh(self, machine: Machine, script: str, stdin: t.Any = None) -> str:
        argv = ["ssh", "-F", str(self.config), machine.name, script]
        done = subprocess.run(argv, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.begun.set()
            raise SystemExit(f"{machine.name}: {script[:60]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def settings(self) -> kubeadm_config.ClusterSettings:
        get = self.inventory.get
        return kubeadm_config.ClusterSettings(
            name=get("klubster_name"),
            version=str(get("klubster_engine_version", "1.34.2")),
            api_name="api.floor.internal",
            api_port=6443,
            api_address=self.server.address,
            pod_networks=(get("klubster_pod_network", "10.244.0.0/16"),),
            service_networks=(get("klubster_service_network", "10.96.0.0/16"),),
            dns_domain="cluster.local",
            dns_address="10.96.0.10",
            image_repository=self.bundle.image("coredns").reference.rpartition("/")[0],
            etcd_tag=self.bundle.image("etcd").reference.rpartition(":")[2],
            dns_tag=self.bundle.image("coredns").reference.rpartition(":")[2],
            runtime_socket=KUBEADM.runtime_socket,
            kubelet_config=get("klubster_kubelet_config", {}),
            kube_proxy_config=get("klubster_kube_proxy_config", {}),
        )

    def prepare(self, folder: Path) -> None:
        """Everything a machine gets, as a tree with hard links to the bundle."""
        cluster = self.settings()
        for machine in self.machines:
            tree = folder / machine.name
            files = {
                "etc/systemd/system/containerd.service": CONTAINERD_UNIT,
                "etc/systemd/system/kubelet.service": KUBELET_UNIT,
                "etc/containerd/config.toml": containerd.render(
                    containerd.config(
                        sandbox_image=self.bundle.image("pause").reference,
                        systemd_cgroup=cluster.kubelet_config.get("cgroupDriver", "systemd") == "systemd",
                        lower_oom_score=bool(self.inventory.get("klubster_lower_oom_score", True)),
                    )
                ),
                f"{HERE[1:]}/kubeadm.yaml": self.kubeadm(cluster, machine),
            }
            if machine is self.server:
                files |= self.addons()
            for name, text in files.items():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(text, encoding="utf-8")
            for source, target in KUBEADM.programs.items():
                put(self.bundle.file(source).path, tree / target[1:])
            for entry in self.bundle.of_kind("cni"):
                put(entry.path, tree / "opt/cni/bin" / entry.path.name)
            role = "server" if machine is self.server else "agent"
            for name in images_for(KUBEADM, role, IMAGES):
                put(self.bundle.image(name).path, tree / HERE[1:] / "images" / f"{name}.tar")

    def kubeadm(self, cluster: kubeadm_config.ClusterSettings, machine: Machine) -> str:
        role: t.Literal["server", "agent"] = "server" if machine is self.server else "agent"
        node = kubeadm_config.NodeSettings(machine.node_name, machine.address, role)
        if machine is self.server:
            documents = kubeadm_config.init(cluster, node)
            documents[0]["bootstrapTokens"] = [{"token": TOKEN, "ttl": "15m0s"}]
        else:
            documents = kubeadm_config.join(cluster, node, kubeadm_config.Invitation(cluster.endpoint, TOKEN, ""))
            documents[0]["discovery"]["bootstrapToken"] = {
                "apiServerEndpoint": cluster.endpoint,
                "token": TOKEN,
                "unsafeSkipCAVerification": True,
            }
        return kubeadm_config.text(documents)

    def addons(self) -> dict[str, str]:
        local = (self.inventory.get("klubster_storage") or {}).get("local_path") or {}
        pools = self.inventory.get("klubster_pools") or []
        networks = [self.inventory.get("klubster_pod_network", "10.244.0.0/16")]
        sets = [
            flannel_set(self.bundle, backend=self.inventory.get("klubster_cni_backend", "vxlan"), networks=networks),
            local_path_set(self.bundle, path=local.get("path", "/var/lib/klubster/local-path")),
            metallb_set(self.bundle, pools=pools),
        ]
        objects = [entry for one in sets for entry in one["definitions"]]
        first = {"CustomResourceDefinition": 0, "Namespace": 1}
        objects.sort(key=lambda entry: first.get(entry["kind"], 2))
        late = [entry for entry in objects if entry["kind"] in {"IPAddressPool", "L2Advertisement"}]
        return {
            f"{HERE[1:]}/addons.yaml": yaml.safe_dump_all([entry for entry in objects if entry not in late]),
            f"{HERE[1:]}/pools.yaml": yaml.safe_dump_all(late),
        }

    def bring_up(self, folder: Path, machine: Machine) -> None:
        with subprocess.Popen(
            ["tar", "-C", str(folder / machine.name), "-cf", "-", "."], stdout=subprocess.PIPE
        ) as sender:
            self.ssh(machine, "tar -C / --no-same-owner -xf -", stdin=sender.stdout)
        self.mark(f"{machine.name} has its files")
        self.ssh(machine, START.format(here=HERE, hosts=f"{self.server.address} api.floor.internal"))
        self.mark(f"{machine.name} has its images")
        if machine is self.server:
            self.ssh(machine, f"kubeadm init --config {HERE}/kubeadm.yaml 2>&1")
            self.mark("control plane is up")
            self.begun.set()
            self.ssh(machine, APPLY.format(here=HERE))
        else:
            self.begun.wait()
            self.ssh(machine, f"kubeadm join --config {HERE}/kubeadm.yaml 2>&1")
            self.mark(f"{machine.name} has joined")

    def run(self) -> dict[str, t.Any]:
        with tempfile.TemporaryDirectory(prefix="floor-", dir=self.bundle.directory.parent) as name:
            folder = Path(name)
            self.prepare(folder)
            self.start = time.monotonic()
            with ThreadPoolExecutor(len(self.machines)) as pool:
                for future in [pool.submit(self.bring_up, folder, machine) for machine in self.machines]:
                    future.result()
            self.check()
            self.mark("ready")
            shutil.rmtree(folder, ignore_errors=True)
        return {"seconds": self.marks["ready"], "marks": dict(sorted(self.marks.items(), key=lambda entry: entry[1]))}

    def check(self) -> None:
        """A joined node may have come after the waiting began; all must be ready, and their pods."""
        self.ssh(
            self.server,
            "export KUBECONFIG=/etc/kubernetes/admin.conf;"
            f" test $(kubectl get nodes -o name | wc -l) = {len(self.machines)} &&"
            " kubectl wait --for=condition=Ready nodes --all --timeout=180s &&"
            " kubectl wait --for=condition=Ready pods --all -A --timeout=180s",
        )


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(source)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", default=str(ROOT / "inventories" / "lab"))
    parser.add_argument("--bundle", default=str(default_bundle_dir()))
    chosen = parser.parse_args()
    print(json.dumps(Floor(Inventory(chosen.inventory), Manifest.load(chosen.bundle)).run(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
