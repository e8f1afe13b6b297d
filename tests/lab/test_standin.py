# SPDX-License-Identifier: Apache-2.0
"""The stand-in for k3s on real machines: one server, a second one, an agent, and what k3s would refuse.

Comments name the line of the contract that a test is about.
"""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import ipaddress
import json
import re
import shutil
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_config, k3s_units
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_config import K3sCluster, K3sMachine
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import ControlGroups
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder

BUNDLE = catalogue.default_bundle_dir()
VERSION = f"v{catalogue.versions()[0]}+k3s1"
NAME = "standin"
ADDRESSES = {"s1": "10.86.0.11", "s2": "10.86.0.12", "a1": "10.86.0.21"}
PASSWORD = "a-password-of-the-test"
ROOT = Path(__file__).resolve().parents[2]
#: machines of the lab are containers on a host with version 1 control groups
KUBELET = {
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    "evictionHard": {"imagefs.available": "1Gi", "memory.available": "100Mi", "nodefs.available": "1Gi"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
}
CLUSTER = K3sCluster(
    version=VERSION,
    pod_networks=("10.42.0.0/16",),
    service_networks=("10.43.0.0/16",),
    dns_domain="cluster.local",
    dns_addresses=("10.43.0.10",),
    registration=ADDRESSES["s1"],
    disabled=("traefik", "metrics-server", "servicelb", "local-storage"),
    secrets_encryption=True,
    kubelet_config=KUBELET,
)
AGNHOST = f"bundle.klubster.internal/agnhost:{VERSION.partition('+')[0]}"
#: what Debian writes by itself
SYSTEM = re.compile(r"/(etc/(machine-id|resolv|hosts|mtab|ssh)|var/(lib/(systemd|dbus)|cache|tmp))")
TOLERANT = {"spec": {"tolerations": [{"operator": "Exists"}]}}
PODS = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers:
      - name: web
        image: IMAGE
        args: [netexec, --http-port=8080]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


#: a registry that nobody has, with a mirror that another machine plays
REGISTRY, MIRROR = "registry.lab", f"http://{ADDRESSES['a1']}:5005"
REGISTRIES = f"""\
mirrors:
  {REGISTRY}:
    endpoint: ["{MIRROR}"]
    rewrite: {{"^(.*)$": "copies/$1"}}
configs:
  {MIRROR.partition("//")[2]}:
    auth: {{username: reader, password: of the test}}
  other.lab:
    tls: {{insecure_skip_verify: true}}
"""
#: stands in for a registry: says what it was asked for
LISTENER = """\
import http.server


class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        known = self.headers.get("Authorization", "")
        with open("/run/asked", "a") as file:
            file.write(self.path + " " + known + chr(10))
        self.send_response(404 if known else 401)
        self.send_header("WWW-Authenticate", "Basic realm=lab")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD


http.server.HTTPServer(("", 5005), Answer).serve_forever()
"""


@dataclass(frozen=True)
class Machines:
    """The lab, and the stand-in on it."""

    backend: ContainerBackend
    paths: LabPaths
    release: Path

    def ssh(self, machine: str, command: str, *, check: bool = True, timeout: float = 90) -> Result:
        line = f"export KUBECACHEDIR=/run/kubectl; {command}"
        return run(["ssh", "-F", str(self.paths.ssh_config), machine, line], check=check, timeout=timeout)

    def root(self, machine: str) -> Path:
        """The machine's files, seen from the host."""
        return Path(f"/proc/{ControlGroups().init_of(NAME, machine)}/root")

    def put(self, machine: str, path: str, text: str, mode: int = 0o644) -> None:
        place = self.root(machine) / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def read(self, machine: str, path: str) -> str:
        return (self.root(machine) / path.lstrip("/")).read_text()

    def install(self, machine: str) -> None:
        """As from an airgap directory."""
        root = self.root(machine)
        images = root / K3S.images.lstrip("/")
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.release / "k3s-airgap-images-amd64.tar", images)
        shutil.copy(self.release / "k3s", root / K3S.program.lstrip("/"))
        for link in K3S.commands:
            (root / K3S.program.lstrip("/")).with_name(link).symlink_to("k3s")
        role = role_of(machine)
        self.put(machine, f"/etc/systemd/system/{K3S.unit(role)}", k3s_units.unit(K3S, role))
        self.ssh(machine, "systemctl daemon-reload")

    def configure(
        self, machine: str, token: str, cluster: K3sCluster = CLUSTER, *, join: str = "s1", **more: t.Any
    ) -> None:
        """:param join: the server that it joins; itself to begin a cluster."""
        node = K3sMachine(machine, machine, role_of(machine), (ADDRESSES[machine],))
        config = {**k3s_config.ours(cluster, node), **more}
        for path, text in k3s_config.files(cluster, config).items():
            self.put(machine, path, text, 0o600)
        entry = f"server: https://{ADDRESSES[join]}:6443\n" if join != machine else "cluster-init: true\n"
        self.put(machine, K3S.join_drop_in, entry, 0o600)
        self.put(machine, K3S.token, f"{token}\n", 0o600)

    def start(self, machine: str) -> None:
        """Wait until the unit says that it is ready."""
        self.ssh(machine, f"systemctl restart {self.unit(machine)}")

    def refused(self, machine: str, said: str) -> None:
        """Start it, and see it say this and not become ready."""
        unit = self.unit(machine)
        self.ssh(
            machine, f"journalctl --rotate -q; journalctl --vacuum-time=1s -q; systemctl restart --no-block {unit}"
        )
        self.wait(lambda: said in self.journal(machine), f"{machine} to say {said!r}")
        state = self.ssh(machine, f"systemctl is-active {unit}", check=False).stdout.strip()
        self.ssh(machine, f"systemctl stop {unit}; systemctl reset-failed {unit}", check=False)
        assert state != "active"

    def journal(self, machine: str) -> str:
        return self.ssh(machine, f"journalctl -q -o cat -u {self.unit(machine)}").stdout

    def unit(self, machine: str) -> str:
        return K3S.unit(role_of(machine))

    def kubectl(self, arguments: str, machine: str = "s1") -> t.Any:
        return json.loads(self.ssh(machine, f"kubectl {arguments} -o json").stdout)

    def wait(self, done: t.Callable[[], t.Any], what: str, seconds: float = 60) -> t.Any:
        deadline = time.monotonic() + seconds
        while True:
            found = done()
            if found:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds:g} s for {what}")
            time.sleep(0.3)

    def ready_nodes(self, machine: str = "s1") -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.kubectl("get nodes", machine)["items"]
            for condition in node["status"]["conditions"]
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def record(self, machine: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.read(machine, f"{K3S.data_dir}/standin/record.jsonl").splitlines()]


def at_once(action: t.Callable[[str], object], names: t.Iterable[str]) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(action, names))


def role_of(machine: str) -> t.Literal["server", "agent"]:
    return "server" if machine.startswith("s") else "agent"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Machines]:
    if not (BUNDLE / "manifest.json").is_file():
        pytest.skip("no source bundle has been built on this host")
    arguments = [sys.executable, ROOT / "tests/standin/build.py", "--bundle", BUNDLE, "--version", VERSION]
    release = Path(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip())
    cache = tmp_path_factory.mktemp("cache")
    backend = ContainerBackend(cache, base=BaseRoot(cache_folder() / "lab", run))
    lab = parse_lab(
        {
            "name": NAME,
            "segments": {"lan": {"network": "10.86.0.0/24"}},
            "machines": {
                name: {
                    "addresses": {"lan": address},
                    "disks": [{"name": "rancher", "kind": "folder", "path": "/var/lib/rancher"}],
                }
                for name, address in ADDRESSES.items()
            },
        }
    )
    try:
        backend.up(lab)
        found = Machines(backend, LabPaths(NAME, cache), release)
        at_once(found.install, ADDRESSES)
        yield found
    finally:
        backend.down(NAME)
    assert backend.leftovers(NAME) == []


@pytest.fixture(scope="module")
def first(machines: Machines) -> Machines:
    """One server."""
    machines.configure("s1", PASSWORD, **{"tls-san": ("api.lab", ADDRESSES["s1"])})
    machines.put("s1", "/etc/rancher/k3s/config.yaml.d/90-mine.yaml", "klbelet-arg: [v=9]\nselinux: true\n")
    machines.put("s1", K3S.registries, REGISTRIES)
    machines.start("s1")
    machines.wait(lambda: machines.ready_nodes() == {"s1"}, "s1 to be ready")
    return machines


@pytest.fixture(scope="module")
def token(first: Machines) -> str:
    return first.read("s1", K3S.server_token).strip()


@pytest.fixture(scope="module")
def all_joined(first: Machines, token: str) -> Machines:
    """Two servers and an agent, with an image that answers."""
    for name in ("s2", "a1"):
        first.configure(name, token)
    at_once(first.start, ("s2", "a1"))
    for name in ADDRESSES:  # k3s.md B.5: archives are taken while k3s runs
        shutil.copy(BUNDLE / "images/agnhost.tar", first.root(name) / K3S.images.lstrip("/"))
    first.wait(lambda: first.ready_nodes() == set(ADDRESSES), "all to be ready")
    for name in ADDRESSES:
        first.wait(lambda name=name: AGNHOST in first.ssh(name, "ctr images ls -q").stdout, f"the image on {name}")
    return first


def test_a_server_has_its_files(first: Machines) -> None:
    # k3s.md B.3, B.4, C.1
    digest = hashlib.sha256(first.read("s1", K3S.server_ca).encode()).hexdigest()
    assert first.read("s1", K3S.server_token) == f"K10{digest}::server:{PASSWORD}\n"
    kubeconfig = first.root("s1") / K3S.kubeconfig.lstrip("/")
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert "server: https://127.0.0.1:6443" in kubeconfig.read_text()
    config = first.read("s1", K3S.runtime_config)
    assert f'bin_dirs = ["{K3S.data_dir}/data/cni"]' in config
    assert json.loads(first.read("s1", K3S.encryption))["kind"] == "EncryptionConfiguration"
    assert first.ssh("s1", "k3s --version").stdout.splitlines()[0].split()[:3] == ["k3s", "version", VERSION]


def test_a_node_says_how_it_was_started(first: Machines) -> None:
    # k3s.md C.3: the parts of a server; A.9: its name
    metadata = first.kubectl("get node s1")["metadata"]
    assert metadata["labels"]["node-role.kubernetes.io/control-plane"] == "true"
    assert metadata["labels"]["node-role.kubernetes.io/etcd"] == "true"
    assert metadata["labels"]["node.kubernetes.io/instance-type"] == "k3s"
    assert PASSWORD not in json.dumps(metadata)
    assert json.loads(metadata["annotations"]["k3s.io/node-args"])[0] == "server"


def test_secrets_are_encrypted(first: Machines) -> None:
    # k3s.md A.7, B.4
    key = "/registry/secrets/kube-system/s1.node-password.k3s"
    said = etcdctl(first, f"get {key} --print-value-only | head -c 30 | base64")
    assert base64.b64decode(said).startswith(b"k8s:enc:aescbc:v1:aescbckey:")


def test_what_k3s_ignores_is_recorded(first: Machines) -> None:
    # k3s.md A.10: unknown keys are skipped with a warning
    entries = {(entry["kind"], entry["subject"]) for entry in first.record("s1")}
    assert ("unknown-key", "klbelet-arg") in entries
    assert ("not-covered", "selinux") in entries
    assert "Unknown flag --klbelet-arg found in config.yaml, skipping" in first.journal("s1")


def test_a_node_has_one_range_of_its_own(first: Machines) -> None:
    # k3s.md A.3, cluster-cidr. Kubernetes' allocator may take two at once when a Node changes right after it came; the
    # API refuses the second one then. What counts is the Node.
    spec = first.kubectl("get node s1")["spec"]
    assert spec["podCIDRs"] == [spec["podCIDR"]]
    assert ipaddress.ip_network(spec["podCIDR"]).subnet_of(ipaddress.ip_network(CLUSTER.pod_networks[0]))
    given = re.findall(r'"Set node PodCIDR" .*node="s1" podCIDRs=\["([^"]+)"\]', first.journal("s1"))
    assert given == [spec["podCIDR"]]


def test_registries_become_containerd_s(first: Machines) -> None:
    # k3s.md B.7
    folder = f"{K3S.data_dir}/agent/etc/containerd/certs.d"
    assert first.ssh("s1", f"ls {folder}").stdout.split() == [MIRROR.partition("//")[2], "other.lab", REGISTRY]
    hosts = first.read("s1", f"{folder}/{REGISTRY}/hosts.toml")
    assert hosts.splitlines()[0] == f'server = "https://{REGISTRY}/v2"'
    assert "skip_verify = true" in first.read("s1", f"{folder}/other.lab/hosts.toml")
    first.put("a1", "/run/listener.py", LISTENER)
    first.ssh("a1", "systemd-run -q --unit=listener python3 /run/listener.py")
    first.wait(lambda: "5005" in first.ssh("a1", "ss -ltn").stdout, "the mirror to listen")
    first.ssh("s1", f"kubectl run pull --image={REGISTRY}/a/b:1 --restart=Never --overrides='{json.dumps(TOLERANT)}'")
    asked = first.root("a1") / "run/asked"
    known = base64.b64encode(b"reader:of the test").decode()
    # k3s's own containerd would ask for copies/a/b; that one the stand-in has not.
    expected = f"/v2/a/b/manifests/1?ns={REGISTRY} Basic {known}"
    first.wait(lambda: asked.exists() and expected in asked.read_text().splitlines(), "containerd to ask the mirror")
    assert ("not-covered", "rewrite") in {(entry["kind"], entry["subject"]) for entry in first.record("s1")}
    first.ssh("s1", "kubectl delete pod pull --now --wait=false")
    first.ssh("a1", "systemctl stop listener")


def test_snapshots(first: Machines) -> None:
    # k3s.md C.5
    first.ssh("s1", "k3s etcd-snapshot save --name test")
    first.ssh("s1", "k3s etcd-snapshot save --name small --etcd-snapshot-compress")
    found = {row["name"]: row for row in json.loads(first.ssh("s1", "k3s etcd-snapshot ls -o json").stdout)}
    plain, packed = (next(name for name in found if name.startswith(stem)) for stem in ("test", "small"))
    assert re.fullmatch(r"test-s1-\d{10}", plain)
    assert re.fullmatch(r"small-s1-\d{10}\.zip", packed)
    place = f"{K3S.data_dir}/server/db/snapshots/{plain}"
    assert found[plain]["location"] == f"file://{place}"
    assert (first.root("s1") / place.lstrip("/")).stat().st_mode & 0o777 == 0o600
    assert found[packed]["size"] < found[plain]["size"]
    argv = [BUNDLE / "bin/etcdutl", "snapshot", "status", first.root("s1") / place.lstrip("/"), "-w", "json"]
    status = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(status.stdout)["totalKey"] > 100
    first.ssh("s1", f"k3s etcd-snapshot delete {packed}")
    assert packed not in first.ssh("s1", "k3s etcd-snapshot ls").stdout


def test_the_port_answers_as_k3s(first: Machines) -> None:
    # k3s.md C.1: unauthenticated endpoints
    ask = "import ssl,urllib.request as u;print(u.urlopen('https://10.86.0.11:6443/{}',context=ssl._create_unverified_context()).read().decode())"
    assert first.ssh("a1", f'python3 -c "{ask.format("ping")}"').stdout.strip() == "pong"
    assert (
        first.ssh("a1", f'python3 -c "{ask.format("cacerts")}"').stdout.strip()
        == first.read("s1", K3S.server_ca).strip()
    )


def test_a_token_of_another_cluster_is_refused(first: Machines) -> None:
    # k3s.md C.1: the CA's hash is compared before anything is told
    for machine in ("s2", "a1"):
        first.configure(machine, f"K10{'0' * 64}::server:{PASSWORD}")
    said = f"token CA hash does not match the Cluster CA certificate hash: {'0' * 64} != "
    at_once(lambda machine: first.refused(machine, said), ("s2", "a1"))


def test_a_wrong_password_is_refused(first: Machines, token: str) -> None:
    # k3s.md C.1: authenticate last
    first.configure("s2", "wrong")
    first.refused("s2", "/v1-k3s/server-bootstrap: 401 Unauthorized")
    first.configure("a1", re.sub("::.*", "::node:wrong", token))
    first.refused("a1", "Waiting to retrieve agent configuration; server is not ready: ")
    assert "401" in first.journal("a1")


def test_other_critical_values_are_refused(first: Machines, token: str) -> None:
    # k3s.md A.12
    first.configure("s2", token, replace(CLUSTER, flannel_backend="host-gw", secrets_encryption=False))
    first.refused("s2", "critical configuration value mismatch between servers")
    journal = first.journal("s2")
    for name in ("flannel-backend", "secrets-encryption"):
        assert f"critical configuration mismatched: {name}" in journal
    assert "mismatched: cluster-cidr" not in journal


def test_what_the_stand_in_lacks_it_refuses(first: Machines, token: str) -> None:
    first.configure("s2", token, replace(CLUSTER, disabled=("traefik",)))
    first.refused("s2", "not in the stand-in: metrics-server")
    done = first.ssh("s1", "k3s certificate rotate", check=False)
    assert (done.rc, "not in the stand-in" in done.stderr) == (1, True)


def test_servers_and_agents_join(all_joined: Machines) -> None:
    # k3s.md C.3
    members = etcd_members(all_joined)
    assert [member["name"].partition("-")[0] for member in members] == ["s1", "s2"]
    assert all("isLearner" not in member for member in members)
    secrets = {one["metadata"]["name"] for one in all_joined.kubectl("-n kube-system get secrets")["items"]}
    assert {f"{name}.node-password.k3s" for name in ADDRESSES} <= secrets
    slices = all_joined.wait(
        lambda: len(all_joined.kubectl("get endpointslice kubernetes")["endpoints"]) == 2, "both servers' endpoints"
    )
    assert slices


def test_pods_reach_one_another_and_outlive_a_restart(all_joined: Machines) -> None:
    # k3s.md B.2: KillMode=process, a restart leaves pods alone
    all_joined.put("s1", f"{K3S.manifests}/web.yaml", PODS.replace("IMAGE", AGNHOST))  # k3s.md B.6
    all_joined.wait(lambda: len(running_pods(all_joined)) == len(ADDRESSES), "a pod on each node")
    pods = running_pods(all_joined)
    for name, address in pods.items():
        assert all_joined.ssh("a1", fetch(address)).stdout.strip() == name
    address = all_joined.kubectl("get service web")["spec"]["clusterIP"]
    for machine in ADDRESSES:
        # Rules follow endpoints within a second or so.
        all_joined.wait(
            lambda machine=machine: all_joined.ssh(machine, fetch(address), check=False).stdout.strip() in pods,
            f"the service to answer on {machine}",
        )
    before = container_starts(all_joined)
    at_once(all_joined.start, ("s1", "a1"))
    all_joined.wait(lambda: all_joined.ready_nodes() == set(ADDRESSES), "all to be ready again")
    assert container_starts(all_joined) == before


def test_a_name_belongs_to_one_machine(all_joined: Machines) -> None:
    # k3s.md B.3: /etc/rancher/node/password
    password = all_joined.read("a1", K3S.node_password)
    all_joined.put("a1", K3S.node_password, "of another machine\n", 0o600)
    all_joined.refused("a1", "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password'")
    all_joined.put("a1", K3S.node_password, password, 0o600)
    all_joined.start("a1")


def test_a_removed_server_stays_away_until_its_data_is_gone(all_joined: Machines) -> None:
    # k3s.md C.3: deleting the node takes its etcd member out
    all_joined.ssh("s1", "kubectl delete node s2")
    all_joined.wait(lambda: len(etcd_members(all_joined)) == 1, "the member to be removed")
    all_joined.wait(lambda: "etcd exited" in all_joined.journal("s2"), "k3s to end on s2")
    all_joined.refused("s2", "the member has been permanently removed from the cluster")
    names = {one["metadata"]["name"] for one in all_joined.kubectl("-n kube-system get secrets")["items"]}
    assert "s2.node-password.k3s" not in names
    all_joined.ssh("s2", f"rm -rf {K3S.data_dir}/server/db")
    all_joined.start("s2")
    all_joined.wait(lambda: all_joined.ready_nodes() == set(ADDRESSES), "s2 to be back")


def test_an_agent_outlives_the_server_that_it_joined(all_joined: Machines) -> None:
    # k3s.md C.3: agents learn of all servers by themselves
    all_joined.ssh("s2", "kubectl delete node s1")
    all_joined.wait(lambda: len(etcd_members(all_joined, "s2")) == 1, "the member to be removed")
    all_joined.ssh("s1", "systemctl stop k3s")
    assert f"server: https://{ADDRESSES['s1']}:6443" in all_joined.read("a1", K3S.join_drop_in)
    all_joined.start("a1")
    all_joined.wait(lambda: all_joined.ready_nodes("s2") == {"s2", "a1"}, "the agent to be ready without s1")
    on_agent = json.dumps({"spec": {"nodeName": "a1"}})
    all_joined.ssh("s2", f"kubectl run late --image={AGNHOST} --overrides='{on_agent}' -- pause")
    all_joined.wait(lambda: running_pods(all_joined, "run=late", "s2"), "a pod on the agent")


def test_nothing_lies_outside_of_the_folders_of_k3s(all_joined: Machines) -> None:
    allowed = (
        *K3S.data,
        "/etc/klubster",
        "/usr/local/bin",
        "/etc/systemd",
        "/var/log",
        "/run",
        "/proc",
        "/sys",
        "/dev",
        "/root/.ssh",
    )

    def look(machine: str) -> None:
        command = "find / -xdev -newer /etc/hostname \\( -type f -o -type l \\) 2>/dev/null"
        found = all_joined.ssh(machine, command, check=False).stdout.split()
        foreign = [path for path in found if not path.startswith(allowed) and not SYSTEM.match(path)]
        assert foreign == [], machine

    at_once(look, ADDRESSES)


def etcdctl(machines: Machines, arguments: str, machine: str = "s1") -> str:
    tls = f"{K3S.data_dir}/server/tls/etcd"
    program = f"{K3S.data_dir}/data/current/bin/etcdctl --endpoints=https://127.0.0.1:2379"
    certificates = f"--cacert={tls}/server-ca.crt --cert={tls}/client.crt --key={tls}/client.key"
    return machines.ssh(machine, f"{program} {certificates} {arguments}").stdout


def etcd_members(machines: Machines, machine: str = "s1") -> list[dict[str, t.Any]]:
    found = json.loads(etcdctl(machines, "member list -w json", machine))["members"]
    return sorted(found, key=lambda member: str(member["name"]))


def running_pods(machines: Machines, selector: str = "app=web", machine: str = "s1") -> dict[str, str]:
    """Address by name, of those whose container runs."""
    return {
        pod["metadata"]["name"]: pod["status"]["podIP"]
        for pod in machines.kubectl(f"get pods -l {selector}", machine)["items"]
        if any(one["ready"] for one in pod["status"].get("containerStatuses", ()))
    }


def container_starts(machines: Machines) -> dict[str, str]:
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"]
        for pod in machines.kubectl("get pods -l app=web")["items"]
    }


def fetch(address: str) -> str:
    port = "" if address.startswith("10.43.") else ":8080"
    return f"python3 -c \"import urllib.request as u;print(u.urlopen('http://{address}{port}/hostname',timeout=10).read().decode())\""
