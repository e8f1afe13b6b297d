# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Providers of the pod network, one row each: whatever follows from the choice asks this table."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

Plan = t.Mapping[str, t.Any]

#: number of the protocol that carries IP in IP; its names differ from system to system
IPIP = "4"
#: where each property of a living cluster's pod network is set
VARIABLES = {
    "provider": "klubster_cni",
    "backend": "klubster_cni_backend",
    "networks": "klubster_pod_network",
    "service_proxy": "klubster_cni_service_proxy",
}
REMEDY = (
    "Pods keep the network they were born with, so the cluster has to be made anew: save what it holds, run "
    "playbooks/reset.yml and then playbooks/site.yml with the new value. To keep the cluster, put the old value back."
)


@dataclass(frozen=True)
class Port:
    """What machines of the cluster must reach on each other; ``ports`` is empty for a protocol without them."""

    protocol: str
    ports: str = ""
    #: whether pods reach it too: whoever can send to an overlay speaks in the pods' network
    pods: bool = False


@dataclass(frozen=True)
class Backend:
    """One way of a provider to carry packets from node to node."""

    name: str
    #: features of the kernel, as node_probe names them
    features: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    #: address families that it carries
    families: tuple[int, ...] = (4, 6)
    #: whether all machines have to be in one network, since nothing but their routes leads to pods
    one_segment: bool = False


@dataclass(frozen=True)
class Provider:
    """One provider of the pod network."""

    name: str
    #: the first is the default; none: the provider decides for itself
    backends: tuple[Backend, ...] = ()
    #: whether it can do kube-proxy's work, and what the kernel needs for that
    service_proxy: bool = False
    proxy_features: tuple[str, ...] = ()
    #: whether NetworkPolicies are kept
    policies: bool = False
    features: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    #: images of the bundle
    images: tuple[str, ...] = ()
    #: where its chart comes from: the bundle, this collection, the user; empty: it has none
    chart: t.Literal["", "bundle", "own", "user"] = ""
    #: whether the user may bring a chart, and further manifests
    own_chart: bool = False
    own_manifests: bool = False
    #: whether it needs the reference plugins that come with the engine; others bring all they need, and those of the
    #: same name would be written in turns
    plugins: bool = True
    #: values of its chart that other variables decide: path -> remedy
    decided: dict[str, str] = field(default_factory=dict)
    #: what it leaves on a node: interfaces, files and folders as patterns, folders below which it mounts
    interfaces: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()

    def backend(self, name: str) -> Backend | None:
        return next((backend for backend in self.backends if backend.name == name), None)

    @property
    def has_values(self) -> bool:
        return bool(self.chart) or self.own_chart


#: where they are configured on nodes, unless k3s runs its own
_NET_D = "/etc/cni/net.d"
_BGP = Port("tcp", "179")
_BACKEND = "Set klubster_cni_backend."
_NETWORK = "Set klubster_pod_network."
_PROXY = "Set klubster_cni_service_proxy."
_MTU = "Set klubster_cni_mtu."
_OURS = "Leave it out: it follows from the engine."

PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "flannel",
            (
                Backend("vxlan", ("vxlan",), (Port("udp", "8472"),)),
                Backend("host-gw", one_segment=True),
                Backend("wireguard-native", ("wireguard",), (Port("udp", "51820-51821"),)),
            ),
            images=("flannel", "shell"),
            interfaces=("cni0", "flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6"),
            leftovers=(f"{_NET_D}/10-flannel.conflist",),
        ),
        Provider(
            "calico",
            (
                Backend("vxlan", ("vxlan",), (Port("udp", "4789"),)),
                Backend("ipip", ("ipip",), (Port(IPIP), _BGP), families=(4,)),
                Backend("bgp", (), (_BGP,)),
            ),
            policies=True,
            features=("ip_set", "xt_set"),
            # Felix on every node asks Typha on some.
            ports=(Port("tcp", "5473"),),
            chart="user",
            own_chart=True,
            own_manifests=True,
            plugins=False,
            decided={
                "installation.enabled": "Leave it out: the Installation is made by us.",
                "installation.calicoNetwork.ipPools": _NETWORK,
                "installation.calicoNetwork.bgp": _BACKEND,
                "installation.calicoNetwork.mtu": _MTU,
                "installation.calicoNetwork.linuxDataplane": "Leave it out: eBPF stays off, and kube-proxy works.",
                "installation.calicoNetwork.containerIPForwarding": _OURS,
                "installation.cni": _OURS,
            },
            interfaces=("vxlan.calico", "vxlan-v6.calico", "wireguard.cali", "wg-v6.cali"),
            leftovers=(
                f"{_NET_D}/10-calico.conflist",
                f"{_NET_D}/calico-kubeconfig",
                "/run/calico",
                "/var/lib/calico",
                "/var/log/calico",
            ),
        ),
        Provider(
            "kube_router",
            (
                Backend("ipip", ("ipip",), (Port(IPIP),), families=(4,)),
                Backend("host-gw", families=(4,), one_segment=True),
            ),
            service_proxy=True,
            proxy_features=("ip_vs",),
            policies=True,
            features=("ip_set", "xt_set"),
            # Nodes tell each other their routes.
            ports=(_BGP,),
            chart="own",
            decided={
                "overlay": _BACKEND,
                "serviceProxy": _PROXY,
                "mtu": _MTU,
                "api": _OURS,
                "cni": _OURS,
                "serviceNetworks": "Set klubster_service_network.",
            },
            interfaces=("kube-bridge", "kube-dummy-if", "kube-ipvs0"),
            leftovers=(f"{_NET_D}/10-kuberouter.conflist", "/var/lib/kube-router"),
        ),
        Provider(
            "cilium",
            (
                Backend("vxlan", ("vxlan",), (Port("udp", "8472"),)),
                Backend("geneve", ("geneve",), (Port("udp", "6081"),)),
                Backend("native", one_segment=True),
            ),
            service_proxy=True,
            policies=True,
            features=("bpf", "cls_bpf", "sch_ingress"),
            # Nodes look whether they reach each other.
            ports=(Port("tcp", "4240"),),
            chart="bundle",
            own_chart=True,
            plugins=False,
            decided={
                "routingMode": _BACKEND,
                "tunnelProtocol": _BACKEND,
                "autoDirectNodeRoutes": _BACKEND,
                "kubeProxyReplacement": _PROXY,
                "MTU": _MTU,
                "ipv4.enabled": _NETWORK,
                "ipv6.enabled": _NETWORK,
                "ipv4NativeRoutingCIDR": _NETWORK,
                "ipv6NativeRoutingCIDR": _NETWORK,
                "ipam": "Leave it out: nodes get their networks from Kubernetes.",
                "k8sServiceHost": _OURS,
                "k8sServicePort": _OURS,
                "cni.binPath": _OURS,
                "cni.confPath": _OURS,
            },
            interfaces=(
                *("cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_ipip4", "cilium_ipip6"),
                *("cilium_wg0", "lxc_health"),
            ),
            leftovers=(
                f"{_NET_D}/05-cilium.conflist",
                "/etc/sysctl.d/99-zzz-override_cilium.conf",
                "/run/cilium",
                "/sys/fs/bpf/cilium",
                "/sys/fs/bpf/tc/globals/cilium_*",
            ),
            mounts=("/run/cilium",),
        ),
        Provider("custom", own_chart=True, own_manifests=True),
        Provider("none"),
    )
}


#: of all providers: a reset does not ask which one a machine had
INTERFACES = tuple(dict.fromkeys(name for row in PROVIDERS.values() for name in row.interfaces))
LEFTOVERS = tuple(dict.fromkeys(pattern for row in PROVIDERS.values() for pattern in row.leftovers))
MOUNTS = tuple(dict.fromkeys(folder for row in PROVIDERS.values() for folder in row.mounts))


def provider_of(plan: Plan) -> Provider:
    return PROVIDERS[plan["cni"]["provider"]]


def backend_of(plan: Plan) -> Backend | None:
    """The chosen backend; None where the provider decides for itself."""
    return provider_of(plan).backend(str(plan["cni"].get("backend") or ""))


def features_of(provider: str, backend: str, *, service_proxy: bool) -> list[str]:
    """What the kernel must have for a choice."""
    row = PROVIDERS[provider]
    chosen = row.backend(backend)
    found = [*row.features, *(chosen.features if chosen else ()), *(row.proxy_features if service_proxy else ())]
    return list(dict.fromkeys(found))


def ports_of(provider: str, backend: str) -> tuple[Port, ...]:
    """What the machines' firewalls must let through for a choice."""
    row = PROVIDERS[provider]
    chosen = row.backend(backend)
    return (*row.ports, *(chosen.ports if chosen else ()))


def kept(provider: str, backend: str, networks: t.Sequence[str], *, service_proxy: bool) -> dict[str, str]:
    """What of the pod network a living cluster keeps; names are keys of ``VARIABLES``.

    :param provider: of the layer above the engine: ``none`` where the network is within the engine.
    """
    found = {"provider": provider}
    if provider == "none":
        return found
    row = PROVIDERS[provider]
    if row.backends:
        found["backend"] = backend
    found["networks"] = ",".join(networks)
    if row.service_proxy:
        found["service_proxy"] = "true" if service_proxy else "false"
    return found


__all__ = (
    "INTERFACES",
    "IPIP",
    "LEFTOVERS",
    "MOUNTS",
    "PROVIDERS",
    "REMEDY",
    "VARIABLES",
    "Backend",
    "Port",
    "Provider",
    "backend_of",
    "features_of",
    "kept",
    "ports_of",
    "provider_of",
)
