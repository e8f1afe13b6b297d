# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The validated cluster: what every layer reads, and the only place that decides.

Addresses and networks are canonical text (``10.77.0.11``, ``10.244.0.0/16``), so that the whole turns into JSON and
back without loss. Whoever needs to compute with them uses ``_model.addresses``.
"""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS, kept, ports_of
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import LoadBalancer, Pool
from ansible_collections.kateskit.klubster.plugins.module_utils._model.openings import firewall_of

EngineName = t.Literal["kubeadm", "k3s"]
EngineSource = t.Literal["release", "airgap", "bundle"]
EngineDownload = t.Literal["controller", "nodes"]
Datastore = t.Literal["sqlite", "etcd", "external"]
Profile = t.Literal["none", "cis"]
FirewallName = t.Literal["auto", "firewalld", "ufw", "nftables", "none"]
#: where BGP is spoken, and where OpenELB does when the pod network speaks it there already
_BGP_PORT, _OTHER_BGP_PORT = 179, 17900
#: GoBGP counts the paths that it may send in one byte
_MOST_PATHS = 255
ApiProvider = t.Literal["none", "keepalived", "kube_vip"]
#: who moves the API's address between the servers, as messages name them
MOVERS = {"keepalived": "keepalived", "kube_vip": "kube-vip"}
CniName = t.Literal["flannel", "calico", "kube_router", "cilium", "custom", "none"]
LayersSource = t.Literal["bundle", "release"]
RoleName = t.Literal["server", "agent"]


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster."""

    #: name in the inventory
    name: str
    #: name of the Node object; an RFC 1123 name, unique in the cluster
    node_name: str
    role: RoleName
    #: the node's own address, where the other machines reach it
    address: str
    labels: dict[str, str] = field(default_factory=dict)
    #: ``key=value:Effect``
    taints: tuple[str, ...] = ()
    #: entries for KubeletConfiguration on this machine only
    kubelet_config: dict[str, t.Any] = field(default_factory=dict)
    #: keys of the user for k3s's configuration
    k3s_config: dict[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    name: EngineName
    #: without a leading v: ``1.34.2``
    version: str
    source: EngineSource
    #: what keeps the cluster's state
    datastore: Datastore = "etcd"
    #: folder on the controller with a release; for the sources ``release`` and ``airgap``
    release_dir: str = ""
    #: who fetches a release
    download: EngineDownload = "controller"
    mirrors: tuple[str, ...] = ()
    #: form of the archive of images that comes with a release
    release_images: str = "none"
    profile: Profile = "none"
    secrets_encryption: bool = False
    #: folder on the controller with CAs of the user's own; empty: k3s makes them
    ca_dir: str = ""
    #: folder on the controller; for source ``bundle``, and for the layers above the engine
    bundle_dir: str = ""
    #: entries of the user for KubeletConfiguration, laid over ours
    kubelet_config: dict[str, t.Any] = field(default_factory=dict)
    #: entries of the user for KubeProxyConfiguration, laid over ours
    kube_proxy_config: dict[str, t.Any] = field(default_factory=dict)
    #: False where the machine may not lower oom_score_adj (a container without CAP_SYS_RESOURCE)
    lower_oom_score: bool = True


@dataclass(frozen=True)
class Api:
    """Where the Kubernetes API is reached."""

    #: name that every node resolves through its own hosts file
    name: str
    port: int
    #: where clients outside the cluster reach it: address and port
    url: str
    #: address for the name; the point of contact's own unless the user gives a virtual one
    address: str
    #: inventory host from which modules talk to the API
    host: str
    #: path of the administrator's kubeconfig on ``host``; mode 0600
    kubeconfig: str
    #: who moves the address between the servers
    provider: ApiProvider = "none"
    #: keepalived's number in its network
    vrrp_id: int = 0
    #: kube-vip's, empty without it
    image: str = ""


@dataclass(frozen=True)
class Networks:
    pod: tuple[str, ...]
    service: tuple[str, ...]
    dns_domain: str
    #: address of the cluster's DNS service: the tenth of the first service network
    dns_address: str


@dataclass(frozen=True)
class Cni:
    provider: CniName
    #: one of the provider's; empty where it decides for itself
    backend: str = ""
    #: bytes; None lets the provider find out
    mtu: int | None = None
    #: whether the provider does kube-proxy's work
    service_proxy: bool = False
    #: folder or file on the controller, or a URL; empty: the one that the provider's row names
    chart: str = ""
    chart_sha256: str = ""
    #: values of the user for the chart, laid over ours
    values: dict[str, t.Any] = field(default_factory=dict, hash=False)
    #: files on the controller
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layers:
    """Where the layers above the engine come from."""

    source: LayersSource = "bundle"
    #: folder on the controller with fetched manifests, for the source ``release``
    directory: str = ""
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """Names outside the cluster for services of type LoadBalancer."""

    #: ``SERVICE.NAMESPACE.ZONE`` is a service's name; empty: there are none
    zone: str = ""
    #: address of the DNS server; empty: any of a pool
    address: str = ""
    #: short names in the zone → ``SERVICE.NAMESPACE``
    aliases: dict[str, str] = field(default_factory=dict)
    #: seconds
    ttl: int = 30


@dataclass(frozen=True)
class LocalPath:
    """Volumes in a folder of the node on which the pod runs."""

    enabled: bool = True
    path: str = "/var/lib/klubster/local-path"
    class_name: str = "local-path"
    default_class: bool = True


@dataclass(frozen=True)
class Storage:
    local_path: LocalPath = field(default_factory=LocalPath)


@dataclass(frozen=True)
class Firewall:
    """Whose rules let the cluster through."""

    #: ``auto``: of the firewall that is at work on the machine
    provider: FirewallName = "auto"
    #: networks from which the API may be reached, besides machines and pods
    api_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterSpec:
    name: str
    machines: tuple[Machine, ...]
    engine: Engine
    api: Api
    networks: Networks
    cni: Cni
    load_balancer: LoadBalancer
    storage: Storage
    names: Names = field(default_factory=Names)
    firewall: Firewall = field(default_factory=Firewall)
    layers: Layers = field(default_factory=Layers)
    #: optimised for a single node
    single_node: bool = False
    #: agents changed at the same time
    batch: int = 1
    #: inventory name of the machine that is changed first; empty: none
    canary: str = ""
    #: seconds that pods have to leave a node, and whether those that nothing brings back are ended
    drain_timeout: int = 300
    drain_force: bool = False
    #: snapshots from before upgrades that a server keeps
    snapshots_kept: int = 5
    #: images of the bundle that the user wants on every node, by their names there
    extra_images: tuple[str, ...] = ()
    #: paths on the controller of archives of images of the user's own, for every node
    image_archives: tuple[str, ...] = ()
    #: hide the output of tasks that handle secrets
    secure_logging: bool = True

    @property
    def cni_layer(self) -> str:
        """Who brings the pod network as a layer above the engine: k3s has Flannel within itself."""
        return "none" if self.engine.name == "k3s" and self.cni.provider == "flannel" else self.cni.provider

    @property
    def cni_kept(self) -> dict[str, str]:
        """What of the pod network a living cluster keeps."""
        cni = self.cni
        return kept(self.cni_layer, cni.backend, self.networks.pod, service_proxy=cni.service_proxy)

    @property
    def bgp_port(self) -> int:
        """Where OpenELB's speakers listen; two programs cannot have the same port."""
        taken = any(
            (port.protocol, port.ports) == ("tcp", str(_BGP_PORT))
            for port in ports_of(self.cni.provider, self.cni.backend)
        )
        return _OTHER_BGP_PORT if taken else _BGP_PORT

    @property
    def needs_bundle(self) -> bool:
        """Whether the engine, or a layer above it, comes from the source bundle."""
        chart = PROVIDERS[self.cni_layer].chart == "bundle" and not self.cni.chart
        return self.engine.source == "bundle" or bool(self.images) or chart

    @property
    def open_servers(self) -> bool:
        """Whether servers run the user's pods: nobody else is there."""
        return not self.agents

    @property
    def images(self) -> tuple[str, ...]:
        """Images of the bundle that every node needs besides the engine's own, by their names there."""
        needed = list(PROVIDERS[self.cni_layer].images)
        bundled = self.layers.source == "bundle"
        if bundled and self.storage.local_path.enabled:
            needed += ["local-path-provisioner", "shell"]
        if bundled and self.load_balancer.provider == "metallb":
            needed += ["metallb-controller", *(["metallb-speaker"] if self.load_balancer.speaker != "cni" else [])]
        if bundled and self.names.zone:
            needed.append("coredns")
        return tuple(dict.fromkeys([*needed, *self.extra_images]))

    @property
    def hosts(self) -> tuple[dict[str, t.Any], ...]:
        """Entries of each machine's hosts file: the API's name and every node's."""
        names: dict[str, list[str]] = {self.api.address: [self.api.name]}
        for machine in self.machines:
            names.setdefault(machine.address, []).append(machine.node_name)
        return tuple({"address": address, "names": entries} for address, entries in names.items())

    @property
    def servers(self) -> tuple[Machine, ...]:
        """Servers in the order in which they join."""
        return tuple(machine for machine in self.machines if machine.role == "server")

    @property
    def agents(self) -> tuple[Machine, ...]:
        return tuple(machine for machine in self.machines if machine.role == "agent")

    def as_dict(self) -> dict[str, t.Any]:
        """Plain data for Ansible: tuples as lists, with what is derived; ``servers`` and ``agents`` are names."""
        data: dict[str, t.Any] = _plain(asdict(self))
        data["servers"] = [machine.name for machine in self.servers]
        data["agents"] = [machine.name for machine in self.agents]
        data["open_servers"] = self.open_servers
        data["images"] = list(self.images)
        data["cni"]["layer"] = self.cni_layer
        # What a machine of the cluster has to know of it.
        data["cni"]["node"] = {
            "kept": self.cni_kept,
            "service_proxy": self.cni.service_proxy,
            "plugins": PROVIDERS[self.cni_layer].plugins,
        }
        data["engine"]["needs_bundle"] = self.needs_bundle
        # Every speaker announces every node.
        data["load_balancer"]["openelb"] |= {
            "listen_port": self.bgp_port,
            "paths": min(len(self.machines), _MOST_PATHS),
        }
        data["hosts"] = _plain(self.hosts)
        data["firewall"] = firewall_of(self)
        return data


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


__all__ = (
    "MOVERS",
    "Api",
    "ClusterSpec",
    "Cni",
    "Datastore",
    "Engine",
    "Firewall",
    "Layers",
    "LoadBalancer",
    "LocalPath",
    "Machine",
    "Names",
    "Networks",
    "Pool",
    "Storage",
)
