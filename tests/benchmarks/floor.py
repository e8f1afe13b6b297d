# SPDX-License-Identifier: Apache-2.0
"""The bare floor: the least that makes the same cluster of equal machines, by SSH and the engine's own programs.

No checks, no repair, no checksums, no second run. Files are prepared first, which is not timed; then, timed: copy
programs, images and configuration to all machines at once, start the first server, let the other servers join one after
the other and the agents at the same time, kubectl apply of the same add-ons with the same images, and wait until all is
ready. With kubeadm that is containerd, imports, kubeadm init and join; with k3s it is the start of its service. Nothing
moves an address between the servers. Prints JSON.
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
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.flannel import flannel_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.local_path import local_path_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb import metallb_set  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd, k3s_units, kubeadm_config  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, images_for  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release  # noqa: E402
from cluster import Inventory, Machine, ansible  # noqa: E402

TOKEN = "abcdef.0123456789abcdef"
CERTIFICATE_KEY = "0123456789abcdef" * 4
IMAGES = ("flannel", "shell", "local-path-provisioner", "metallb-controller", "metallb-speaker", "agnhost")
HERE = "/var/lib/floor"
API = "api.floor.internal"
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
BEFORE = """\
set -e
echo {hosts} >> /etc/hosts
echo 1 > /proc/sys/net/ipv4/ip_forward
systemctl daemon-reload
"""
IMPORT = """\
systemctl start containerd
for archive in {here}/images/*.tar; do ctr -n k8s.io images import --local $archive & done >/dev/null
wait
"""
APPLY = """\
set -e
export KUBECONFIG={kubeconfig}
cd {here}
kubectl apply --server-side -f addons.yaml >/dev/null
kubectl -n metallb-system create secret generic memberlist --from-literal=secretkey=floor >/dev/null
kubectl wait --for=condition=Ready nodes --all --timeout=180s >/dev/null
for place in kube-system kube-flannel metallb-system local-path-storage; do
    for what in $(kubectl -n $place get deployments,daemonsets -o name 2>/dev/null); do
        kubectl -n $place rollout status $what --timeout=180s >/dev/null &
    done
done
wait
# The controller is ready before its webhook listens.
until kubectl apply --server-side -f pools.yaml >/dev/null 2>&1; do sleep 0.2; done
"""


class Floor:
    """What both engines have in common."""

    kubeconfig = ""

    def __init__(self, inventory: Inventory, plan: dict[str, t.Any]) -> None:
        self.inventory, self.plan = inventory, plan
        self.bundle = Manifest.load(plan["engine"]["bundle_dir"])
        self.machines = inventory.machines
        self.servers = [machine for machine in self.machines if machine.group == "servers"]
        self.first = self.servers[0]
        self.config = Path(inventory.vars("lab_controller")["lab_state_dir"]) / "ssh" / "config"
        self.begun = threading.Event()
        #: servers join one after the other, for etcd takes in one member at a time
        self.joining = threading.Lock()
        self.marks: dict[str, float] = {}
        self.start = 0.0

    def tree(self, machine: Machine) -> tuple[dict[str, str], dict[str, Path]]:
        """Files of a machine, as text and as copies; paths without the leading slash."""
        raise NotImplementedError

    def begin(self, machine: Machine) -> None:
        raise NotImplementedError

    def join(self, machine: Machine) -> None:
        raise NotImplementedError

    def mark(self, name: str) -> None:
        self.marks[name] = round(time.monotonic() - self.start, 2)

    def ssh(self, machine: Machine, script: str, stdin: t.Any = None) -> str:
        argv = ["ssh", "-F", str(self.config), machine.name, script]
        done = subprocess.run(argv, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.begun.set()
            raise SystemExit(f"{machine.name}: {script[:60]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def prepare(self, folder: Path) -> None:
        """Everything a machine gets, as a tree with hard links to what is copied."""
        for machine in self.machines:
            texts, copies = self.tree(machine)
            if machine is self.first:
                texts |= self.addons()
            for name, text in texts.items():
                (folder / machine.name / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / machine.name / name).write_text(text, encoding="utf-8")
            for name, source in copies.items():
                (folder / machine.name / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / machine.name / name).hardlink_to(source)

    def sets(self) -> list[t.Any]:
        """Cluster objects besides the network."""
        local, pools = self.plan["storage"]["local_path"], self.plan["load_balancer"]["pools"]
        return [local_path_set(self.bundle, path=local["path"]), metallb_set(self.bundle, pools=pools)]

    def addons(self) -> dict[str, str]:
        objects = [entry for one in self.sets() for entry in one["definitions"]]
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
        self.ssh(machine, BEFORE.format(hosts=f"{self.first.address} {API}"))
        self.before(machine)
        if machine is self.first:
            self.begin(machine)
            self.mark("control plane is up")
            self.begun.set()
            self.ssh(machine, APPLY.format(here=HERE, kubeconfig=self.kubeconfig))
            return
        self.begun.wait()
        if machine in self.servers:
            with self.joining:
                self.join(machine)
        else:
            self.join(machine)
        self.mark(f"{machine.name} has joined")

    def before(self, machine: Machine) -> None:
        """What needs no cluster."""

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
            self.first,
            f"export KUBECONFIG={self.kubeconfig};"
            f" test $(kubectl get nodes -o name | wc -l) = {len(self.machines)} &&"
            " kubectl wait --for=condition=Ready nodes --all --timeout=180s &&"
            " kubectl wait --for=condition=Ready pods --all -A --timeout=180s",
        )


class KubeadmFloor(Floor):
    kubeconfig = "/etc/kubernetes/admin.conf"

    def settings(self) -> kubeadm_config.ClusterSettings:
        engine, networks = self.plan["engine"], self.plan["networks"]
        return kubeadm_config.ClusterSettings(
            name=self.plan["name"],
            version=engine["version"],
            api_name=API,
            api_port=6443,
            api_address=self.first.address,
            pod_networks=tuple(networks["pod"]),
            service_networks=tuple(networks["service"]),
            dns_domain=networks["dns_domain"],
            dns_address=networks["dns_address"],
            image_repository=self.bundle.image("coredns").reference.rpartition("/")[0],
            etcd_tag=self.bundle.image("etcd").reference.rpartition(":")[2],
            dns_tag=self.bundle.image("coredns").reference.rpartition(":")[2],
            runtime_socket=KUBEADM.runtime_socket,
            kubelet_config=engine["kubelet_config"],
            kube_proxy_config=engine["kube_proxy_config"],
        )

    def tree(self, machine: Machine) -> tuple[dict[str, str], dict[str, Path]]:
        cluster = self.settings()
        runtime = containerd.config(
            sandbox_image=self.bundle.image("pause").reference,
            systemd_cgroup=cluster.kubelet_config.get("cgroupDriver", "systemd") == "systemd",
            lower_oom_score=self.plan["engine"]["lower_oom_score"],
        )
        texts = {
            "etc/systemd/system/containerd.service": CONTAINERD_UNIT,
            "etc/systemd/system/kubelet.service": KUBELET_UNIT,
            "etc/containerd/config.toml": containerd.render(runtime),
            f"{HERE[1:]}/kubeadm.yaml": self.kubeadm(cluster, machine),
        }
        copies = {target[1:]: self.bundle.file(source).path for source, target in KUBEADM.programs.items()}
        copies |= {f"opt/cni/bin/{entry.path.name}": entry.path for entry in self.bundle.of_kind("cni")}
        role = "server" if machine in self.servers else "agent"
        for name in images_for(KUBEADM, role, IMAGES):
            copies[f"{HERE[1:]}/images/{name}.tar"] = self.bundle.image(name).path
        return texts, copies

    def kubeadm(self, cluster: kubeadm_config.ClusterSettings, machine: Machine) -> str:
        role: t.Literal["server", "agent"] = "server" if machine in self.servers else "agent"
        node = NodeSettings(machine.node_name, machine.address, role)
        if machine is self.first:
            documents = kubeadm_config.init(cluster, node)
            documents[0]["bootstrapTokens"] = [{"token": TOKEN, "ttl": "15m0s"}]
            documents[0]["certificateKey"] = CERTIFICATE_KEY
        else:
            invitation = kubeadm_config.Invitation(cluster.endpoint, TOKEN, "", CERTIFICATE_KEY)
            documents = kubeadm_config.join(cluster, node, invitation)
            documents[0]["discovery"]["bootstrapToken"] = {
                "apiServerEndpoint": cluster.endpoint,
                "token": TOKEN,
                "unsafeSkipCAVerification": True,
            }
        return kubeadm_config.text(documents)

    def sets(self) -> list[t.Any]:
        cni = self.plan["cni"]
        return [
            flannel_set(self.bundle, backend=cni["backend"], networks=self.plan["networks"]["pod"]),
            *super().sets(),
        ]

    def before(self, machine: Machine) -> None:
        self.ssh(machine, IMPORT.format(here=HERE))
        self.mark(f"{machine.name} has its images")

    def begin(self, machine: Machine) -> None:
        share = "--upload-certs" if len(self.servers) > 1 else ""
        self.ssh(machine, f"kubeadm init {share} --config {HERE}/kubeadm.yaml 2>&1")

    def join(self, machine: Machine) -> None:
        self.ssh(machine, f"kubeadm join --config {HERE}/kubeadm.yaml 2>&1")


class K3sFloor(Floor):
    """k3s starts all by itself; what it reads is what the plan says, so that it is the same cluster."""

    kubeconfig = K3S.kubeconfig

    def tree(self, machine: Machine) -> tuple[dict[str, str], dict[str, Path]]:
        role: t.Literal["server", "agent"] = "server" if machine in self.servers else "agent"
        begins = machine is self.first
        texts = {name[1:]: text for name, text in self.plan["files"][machine.name].items()}
        texts |= {
            f"etc/systemd/system/{K3S.unit(role)}": k3s_units.unit(K3S, role),
            K3S.join_drop_in[1:]: "cluster-init: true\n" if begins else f"server: https://{self.first.address}:6443\n",
            K3S.token[1:]: f"{CERTIFICATE_KEY}\n",
            K3S.agent_token[1:]: f"{CERTIFICATE_KEY}\n",
        }
        release = _release.load(self.plan["engine"]["release_dir"], "amd64")
        copies = {place["path"][1:]: release.file(place["source"]).path for place in _release.places(release)}
        for place in _release.archive_places(self.bundle, self.plan["images"]):
            copies[place["path"][1:]] = self.bundle.directory / place["source"]
        return texts, copies

    def before(self, machine: Machine) -> None:
        self.ssh(machine, f"chmod 755 {K3S.program} && ln -s {K3S.program} /usr/local/bin/kubectl")

    def begin(self, machine: Machine) -> None:
        self.ssh(machine, f"systemctl start {K3S.unit('server')}")

    def join(self, machine: Machine) -> None:
        self.ssh(machine, f"systemctl start {K3S.unit('server' if machine in self.servers else 'agent')}")


def plan_of(inventory: Inventory) -> dict[str, t.Any]:
    """The same plan that site.yml works from."""
    done = ansible(inventory.source, "ansible", inventory.machines[0].name, "-m", "kateskit.klubster.cluster_plan")
    if done.returncode != 0:
        raise SystemExit(f"The inventory gives no plan: {done.stdout}{done.stderr}")
    return t.cast("dict[str, t.Any]", yaml.safe_load(done.stdout.partition("=>")[2]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", default=str(ROOT / "inventories" / "lab"))
    chosen = parser.parse_args()
    inventory = Inventory(chosen.inventory)
    plan = plan_of(inventory)
    engines: dict[str, type[Floor]] = {"kubeadm": KubeadmFloor, "k3s": K3sFloor}
    print(json.dumps(engines[plan["engine"]["name"]](inventory, plan).run(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
