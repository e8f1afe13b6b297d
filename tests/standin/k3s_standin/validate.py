# SPDX-License-Identifier: Apache-2.0
"""What k3s checks before it starts anything (k3s.md A.12, A.13), and what the stand-in cannot do."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from k3s_standin import flags
from k3s_standin.config import Settings
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths
from k3s_standin.record import Record

#: packaged components that no source bundle has
MISSING = ("traefik", "metrics-server", "servicelb")
#: parts that run in k3s unless a flag says otherwise
_ABSENT = (
    ("disable-network-policy", "network-policy", "no policy controller runs, though it is not disabled"),
    ("disable-cloud-controller", "cloud-controller", "none runs: no external addresses, no provider id"),
    ("disable-helm-controller", "helm-controller", "none runs: HelmChart objects do not exist"),
)
_BACKENDS = ("vxlan", "host-gw", "none")
_EGRESS = ("agent", "cluster", "pod", "disabled")
_PROVIDERS = ("aescbc", "secretbox")
_OWN_DOMAINS = ("kubernetes.io", "k8s.io")
# kubelet may set these itself, and k3s lets them pass.
_ALLOWED_LABELS = (
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
)
_ALLOWED_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


def check(settings: Settings, paths: Paths, record: Record) -> None:
    """:raises Fatal: k3s would not start, or the stand-in cannot do it."""
    if os.geteuid() != 0:
        raise Fatal("must run as root unless --rootless and/or --disable-agent is specified")
    _as_k3s(settings, paths)
    _within_the_standin(settings, record)


def _as_k3s(settings: Settings, paths: Paths) -> None:
    if settings.role == "agent":
        if not (settings.text("token") or settings.text("token-file")):
            raise Fatal("--token is required")
        if not settings.text("server"):
            raise Fatal("--server is required")
    else:
        _server(settings, paths)
    for label in settings.values("node-label"):
        key = label.partition("=")[0]
        domain = key.rpartition("/")[0]
        own = any(domain == name or domain.endswith(f".{name}") for name in _OWN_DOMAINS)
        allowed = key in _ALLOWED_LABELS or any(domain == n or domain.endswith(f".{n}") for n in _ALLOWED_DOMAINS)
        if own and not allowed:
            raise Fatal(f"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{key}]")
    for address in (*settings.values("node-ip"), *settings.values("node-external-ip")):
        _address(address, "node-ip")


def _server(settings: Settings, paths: Paths) -> None:
    if settings.text("cluster-reset-restore-path") and not settings.on("cluster-reset"):
        raise Fatal("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
    if settings.on("cluster-reset") and settings.text("server"):
        raise Fatal(
            "cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"
        )
    if settings.on("disable-etcd") and not settings.text("server"):
        raise Fatal("invalid flag use; --server is required with --disable-etcd")
    if settings.text("datastore-endpoint") and (settings.on("disable-etcd") or settings.on("disable-apiserver")):
        raise Fatal("invalid flag use; cannot use --disable-etcd or --disable-apiserver with --datastore-endpoint")
    _networks(settings)
    _choices(settings)
    token = settings.text("token") or settings.text("token-file") or paths.token.exists()
    if settings.text("server") and not token and not paths.etcd.exists():
        raise Fatal("--token is required")


def _networks(settings: Settings) -> None:
    services = [_network(text, "service-cidr") for text in settings.values("service-cidr")]
    for text in settings.values("cluster-cidr"):
        _network(text, "cluster-cidr")
    for network in services:
        if network.prefixlen < (12 if network.version == 4 else 112):
            raise Fatal(f"invalid service-cidr: {network} is larger than the largest that kube-apiserver takes")
    for text in settings.values("cluster-dns"):
        if not any(_address(text, "cluster-dns") in network for network in services):
            raise Fatal(f"service IP {text} is not in any service CIDR: cluster-dns must lie within service-cidr")
    low, dash, high = settings.text("service-node-port-range").partition("-")
    if not (dash and low.isdigit() and high.isdigit() and int(low) <= int(high) < 65536):
        raise Fatal(f"invalid port range {settings.text('service-node-port-range')}")


def _choices(settings: Settings) -> None:
    if settings.text("egress-selector-mode") not in _EGRESS:
        raise Fatal(f"invalid egress-selector-mode {settings.text('egress-selector-mode')}")
    if settings.text("secrets-encryption-provider") not in _PROVIDERS:
        raise Fatal(f"unsupported secrets-encryption-provider {settings.text('secrets-encryption-provider')}")
    if settings.text("flannel-backend") not in (*_BACKENDS, "wireguard-native"):
        raise Fatal(f"unknown flannel backend '{settings.text('flannel-backend')}'")


def _within_the_standin(settings: Settings, record: Record) -> None:
    for subject, why in _impossible(settings):
        record.add("refused", subject, why)
        raise Fatal(f"not in the stand-in: {subject}: {why}")
    for name in settings.given:
        flag = flags.FLAGS[name]
        if flag.effect == "accepts" and settings.is_given(name) and settings.text(name) != flag.default:
            record.add("not-covered", name, "accepted, has no effect in the stand-in")
    if settings.role == "server":
        for flag_name, subject, why in _ABSENT:
            if not settings.on(flag_name):
                record.add("not-covered", subject, why)


def _impossible(settings: Settings) -> t.Iterator[tuple[str, str]]:
    """What is asked for that the stand-in cannot do."""
    for name in settings.given:
        if flags.FLAGS[name].effect == "refuses" and settings.is_given(name):
            yield f"--{name}", "this double of k3s cannot do it"
    for name in ("node-ip", *(("cluster-cidr", "service-cidr") if settings.role == "server" else ())):
        if any(":" in value for value in settings.values(name)):
            yield f"--{name}", "IPv6"
    if settings.text("snapshotter") not in ("overlayfs", "native"):
        yield "--snapshotter", "only overlayfs and native"
    if settings.role == "server":
        if settings.text("flannel-backend") == "wireguard-native":
            yield "--flannel-backend", "no wireguard on the test machines"
        for component in MISSING:
            if component not in settings.values("disable"):
                yield component, "this packaged component is not there, so it has to stand in 'disable'"


def _network(text: str, name: str) -> t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise Fatal(f"invalid {name} {text}: invalid CIDR address: {text}") from exc


def _address(text: str, name: str) -> t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]:
    try:
        return ipaddress.ip_address(text)
    except ValueError as exc:
        raise Fatal(f"invalid {name} address {text}") from exc


__all__ = ("MISSING", "check")
