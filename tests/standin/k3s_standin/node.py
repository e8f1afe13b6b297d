# SPDX-License-Identifier: Apache-2.0
"""The node's part of a server or an agent: runtime, kubelet, kube-proxy, flannel."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from k3s_standin import runtime
from k3s_standin import token as tokens
from k3s_standin.client import Api, HttpError, trusting
from k3s_standin.config import Settings
from k3s_standin.etcd import merged
from k3s_standin.identity import kubeconfig
from k3s_standin.images import Images
from k3s_standin.log import Fatal, error, info
from k3s_standin.paths import NODE, SOCKET, SUBNET, write
from k3s_standin.start import Start

_INSTANCE = "node.kubernetes.io/instance-type=k3s"
_SECRET_WORDS = ("token", "secret", "auth", "access-key", "endpoint")


def address(settings: Settings) -> str:
    """This machine's address: as given, else that of the way out."""
    given = settings.values("node-ip")
    if given:
        return given[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError as exc:
            raise Fatal("no default routes found in /proc/net/route or /proc/net/ipv6_route") from exc
        return str(probe.getsockname()[0])


def name(settings: Settings) -> str:
    base = (settings.text("node-name") or socket.gethostname()).lower()
    if not settings.on("with-node-id"):
        return base
    path = NODE / "id"
    if not path.exists():
        write(path, os.urandom(4).hex())
    return f"{base}-{path.read_text(encoding='ascii').strip()}"


def password() -> str:
    """This machine's own, which it keeps (k3s.md B.3)."""
    path = NODE / "password"
    if not path.exists():
        write(path, tokens.generate() + "\n")
    return path.read_text(encoding="ascii").strip()


def see_cgroups() -> None:
    """:raises Fatal: the kernel does not offer what kubelet needs."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        if "memory" not in unified.read_text(encoding="ascii").split():
            raise Fatal("failed to find memory cgroup (v2)")
        return
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    if not any("memory" in line.split()[-1].split(",") for line in mounts if " - cgroup " in line):
        text = (
            'failed to find memory cgroup, you may need to add "cgroup_memory=1 cgroup_enable=memory" to your linux '
            "cmdline (/boot/cmdline.txt on a Raspberry Pi)"
        )
        error(text[0].upper() + text[1:])
        raise Fatal(text)


@dataclass
class Node:
    """What is needed to be a node of a cluster."""

    start: Start
    name: str
    address: str
    #: where kubelet reaches the API
    url: str
    ca: str
    client_ca: str
    #: as the supervisor sends it
    cluster: t.Mapping[str, t.Any]
    certificates: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)
    _driver: str = ""

    def __post_init__(self) -> None:
        self.settings, self.paths, self.children = self.start.settings, self.start.paths, self.start.children

    @property
    def flannel(self) -> bool:
        return bool(self.cluster["flannel-backend"] != "none")

    def prepare(self) -> None:
        """What needs no API: the runtime, and the images that lie here."""
        default = "systemd" if os.environ.get("INVOCATION_ID") else "cgroupfs"
        arguments = self.settings.values("kubelet-arg")
        self._driver = runtime.cgroup_driver(self.paths.kubelet_drop_ins, default, arguments)
        if self.flannel:
            self.paths.cni_config.mkdir(parents=True, exist_ok=True)
        runtime.start(self.start, flannel=self.flannel, driver=self._driver)
        images = Images(self.paths, self.children)
        images.load()
        images.watch()

    def register(self, certificates: t.Mapping[str, t.Mapping[str, str]]) -> None:
        """Until kubelet has registered the node."""
        self.certificates = certificates
        self._files()
        config = self._kubelet_config(self._driver)
        write(self.paths.kubelet_drop_ins / "00-k3s-defaults.conf", json.dumps(config, indent=1))
        self.children.start("kubelet", self._kubelet())
        self.children.wait_for(f"node {self.name} to register", self._registered)
        self._annotate()
        if not self.cluster["disable-kube-proxy"]:
            self.children.start("kube-proxy", self._kube_proxy())

    def network(self) -> None:
        """The CNI, once the node has its range."""
        if not self.flannel:
            return
        self.children.wait_for("the node's pod CIDR", lambda: bool(self._object()["spec"].get("podCIDR")))
        SUBNET.unlink(missing_ok=True)
        interface = self.settings.text("flannel-iface") or self.address
        conf = Path(self.settings.text("flannel-conf") or self.paths.flannel_config)
        if conf == self.paths.flannel_config:
            write(conf, json.dumps(self._flannel_config()))
        arguments = [
            f"{self.start.programs}/flanneld",
            "--kube-subnet-mgr",
            f"--kubeconfig-file={self.paths.agent}/k3scontroller.kubeconfig",
            f"--net-config-path={conf}",
            f"--iface={interface}",
            "--ip-masq",
            f"--subnet-file={SUBNET}",
        ]
        self.children.start("flanneld", arguments, environment={"NODE_NAME": self.name})
        self.children.wait_for("flannel", SUBNET.exists, pause=0.1)
        own = self.settings.text("flannel-cni-conf")
        text = Path(own).read_text(encoding="utf-8") if own else json.dumps(self._conflist(), indent=1)
        write(self.paths.cni_config / "10-flannel.conflist", text, 0o600)

    # --- inside

    def _files(self) -> None:
        agent = self.paths.agent
        write(agent / "server-ca.crt", self.ca, 0o644)
        write(agent / "client-ca.crt", self.client_ca, 0o644)
        for stem, pair in self.certificates.items():
            write(agent / f"{stem}.crt", pair["crt"], 0o644)
            write(agent / f"{stem}.key", pair["key"])
        for file, stem in (("kubelet", "kubelet"), ("kubeproxy", "kube-proxy"), ("k3scontroller", "k3s-controller")):
            pair = self.certificates[f"client-{stem}"]
            write(agent / f"{file}.kubeconfig", kubeconfig(self.url, self.ca, pair["crt"], pair["key"]))
        self.paths.pod_manifests.mkdir(parents=True, exist_ok=True)

    def _kubelet_config(self, driver: str) -> dict[str, t.Any]:
        agent = self.paths.agent
        config: dict[str, t.Any] = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "0.0.0.0",  # noqa: S104 - as k3s does
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{agent}/client-ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": driver,
            "clusterDNS": self.cluster["cluster-dns"],
            "clusterDomain": self.cluster["cluster-domain"],
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "evictionHard": {"imagefs.available": "5%", "nodefs.available": "5%"},
            "evictionMinimumReclaim": {"imagefs.available": "10%", "nodefs.available": "10%"},
            "failSwapOn": False,
            "healthzBindAddress": "127.0.0.1",
            "serializeImagePulls": False,
            "staticPodPath": str(self.paths.pod_manifests),
            "tlsCertFile": f"{agent}/serving-kubelet.crt",
            "tlsPrivateKeyFile": f"{agent}/serving-kubelet.key",
            "volumePluginDir": f"{agent}/libexec/kubernetes/kubelet-plugins/volume/exec",
        }
        if self.settings.on("protect-kernel-defaults"):
            config["protectKernelDefaults"] = True
        if self.settings.text("resolv-conf"):
            config["resolvConf"] = self.settings.text("resolv-conf")
        return config

    def _kubelet(self) -> list[str]:
        given = {
            "config-dir": str(self.paths.kubelet_drop_ins),
            "hostname-override": self.name,
            "kubeconfig": f"{self.paths.agent}/kubelet.kubeconfig",
            "node-ip": self.address,
            "node-labels": ",".join([_INSTANCE, *self.settings.values("node-label")]),
            "v": "1",
        }
        if taints := self.settings.values("node-taint"):
            given["register-with-taints"] = ",".join(taints)
        return [f"{self.start.programs}/kubelet", *merged(given, self.settings.values("kubelet-arg"))]

    def _kube_proxy(self) -> list[str]:
        given = {
            "cluster-cidr": self.cluster["cluster-cidr"],
            "conntrack-max-per-core": "0",
            "conntrack-tcp-timeout-close-wait": "0s",
            "conntrack-tcp-timeout-established": "0s",
            "healthz-bind-address": "127.0.0.1",
            "hostname-override": self.name,
            "kubeconfig": f"{self.paths.agent}/kubeproxy.kubeconfig",
            "proxy-mode": "iptables",
        }
        return [f"{self.start.programs}/kube-proxy", *merged(given, self.settings.values("kube-proxy-arg"))]

    def _flannel_config(self) -> dict[str, t.Any]:
        return {
            "Network": self.cluster["cluster-cidr"],
            "EnableIPv4": True,
            "EnableIPv6": False,
            "Backend": {"Type": self.cluster["flannel-backend"]},
        }

    def _conflist(self) -> dict[str, t.Any]:
        """The bridge plugin does what flannel's own CNI program would tell it to."""
        pairs = (line.partition("=") for line in SUBNET.read_text(encoding="ascii").splitlines())
        facts = {key: value for key, _equals, value in pairs}
        subnet = str(ipaddress.ip_interface(facts["FLANNEL_SUBNET"]).network)
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "forceAddress": True,
            "mtu": int(facts["FLANNEL_MTU"]),
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": subnet}]],
                "routes": [{"dst": facts["FLANNEL_NETWORK"]}],
            },
        }
        self.start.record.add("substitute", "cni-plugin", "bridge with host-local instead of flannel's own program")
        plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
        return {"name": "cbr0", "cniVersion": "1.0.0", "plugins": plugins}

    @property
    def api(self) -> Api:
        """With the node's own rights."""
        agent = self.paths.agent
        return Api(self.url, trusting(self.ca, agent / "client-kubelet.crt", agent / "client-kubelet.key"))

    def _object(self) -> t.Any:
        try:
            return self.api.get(f"/api/v1/nodes/{self.name}")
        except (OSError, HttpError) as exc:
            info(f"Waiting for node {self.name}: {exc}")
            return {"spec": {}}

    def _registered(self) -> bool:
        try:
            found = self.api.find(f"/api/v1/nodes/{self.name}")
        except (OSError, HttpError):
            return False
        return found is not None

    def _annotate(self) -> None:
        arguments = [self.settings.role, *_masked(self.settings.arguments)]
        content = {
            "k3s.io/node-args": json.dumps(arguments),
            "k3s.io/hostname": socket.gethostname(),
            "k3s.io/internal-ip": self.address,
        }
        try:
            self.api.patch(f"/api/v1/nodes/{self.name}", {"metadata": {"annotations": content}})
        except (OSError, HttpError) as exc:
            error(f"node annotations: {exc}")


def _masked(arguments: t.Sequence[str]) -> list[str]:
    """Each flag and its value as a word of its own, as k3s writes them; secrets as stars."""
    result: list[str] = []
    for word in arguments:
        flag, equals, value = word.partition("=")
        if result and _is_secret(result[-1]) and not word.startswith("-"):
            result.append("********")
            continue
        result.append(flag)
        if equals:
            result.append("********" if _is_secret(flag) else value)
    return result


def _is_secret(flag: str) -> bool:
    plain = flag.lstrip("-")
    if plain.startswith("secrets-encryption") or plain.endswith("-file"):
        return False
    return plain == "t" or any(word in plain for word in _SECRET_WORDS)


__all__ = ("Node", "address", "name", "password", "see_cgroups")
