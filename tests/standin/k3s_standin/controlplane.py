# SPDX-License-Identifier: Apache-2.0
"""Command lines of kube-apiserver, kube-controller-manager and kube-scheduler, with the defaults of k3s."""

from __future__ import annotations

import typing as t
from pathlib import Path

from k3s_standin.config import Settings
from k3s_standin.etcd import merged
from k3s_standin.identity import SIGNING
from k3s_standin.paths import Paths

#: on loopback, as in k3s; clients come through the server's own port
API_PORT = 6444


def kube_apiserver(programs: Path, paths: Paths, settings: Settings, address: str) -> list[str]:
    tls = paths.tls
    domain = settings.text("cluster-domain")
    given = {
        "advertise-address": settings.text("advertise-address") or address,
        "allow-privileged": "true",
        "anonymous-auth": "false",
        "api-audiences": f"https://kubernetes.default.svc.{domain},k3s",
        "authorization-mode": "Node,RBAC",
        "bind-address": "127.0.0.1",
        "client-ca-file": f"{tls}/client-ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "enable-aggregator-routing": "true",
        "enable-bootstrap-token-auth": "true",
        # The port that others use is not the one it listens on; the supervisor writes the endpoints.
        "endpoint-reconciler-type": "none",
        "etcd-servers": "https://127.0.0.1:2379",
        "etcd-cafile": f"{tls}/etcd/server-ca.crt",
        "etcd-certfile": f"{tls}/etcd/client.crt",
        "etcd-keyfile": f"{tls}/etcd/client.key",
        "kubelet-certificate-authority": f"{tls}/server-ca.crt",
        "kubelet-client-certificate": f"{tls}/client-kube-apiserver.crt",
        "kubelet-client-key": f"{tls}/client-kube-apiserver.key",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "profiling": "false",
        "proxy-client-cert-file": f"{tls}/client-auth-proxy.crt",
        "proxy-client-key-file": f"{tls}/client-auth-proxy.key",
        "requestheader-allowed-names": "system:auth-proxy",
        "requestheader-client-ca-file": f"{tls}/request-header-ca.crt",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(API_PORT),
        "service-account-issuer": f"https://kubernetes.default.svc.{domain}",
        "service-account-key-file": f"{tls}/service.key",
        "service-account-signing-key-file": f"{tls}/service.key",
        "service-cluster-ip-range": ",".join(settings.values("service-cidr")),
        "service-node-port-range": settings.text("service-node-port-range"),
        "tls-cert-file": f"{tls}/serving-kube-apiserver.crt",
        "tls-private-key-file": f"{tls}/serving-kube-apiserver.key",
    }
    if paths.encryption.exists():
        given["encryption-provider-config"] = str(paths.encryption)
        given["encryption-provider-config-automatic-reload"] = "true"
    return [f"{programs}/kube-apiserver", *merged(given, settings.values("kube-apiserver-arg"))]


def kube_controller_manager(programs: Path, paths: Paths, settings: Settings, *, elect: bool) -> list[str]:
    tls, credentials = paths.tls, f"{paths.cred}/controller.kubeconfig"
    given = {
        "allocate-node-cidrs": "true",
        "authentication-kubeconfig": credentials,
        "authorization-kubeconfig": credentials,
        "bind-address": "127.0.0.1",
        "cluster-cidr": ",".join(settings.values("cluster-cidr")),
        "cluster-signing-cert-file": f"{tls}/{SIGNING}",
        "cluster-signing-key-file": f"{tls}/client-ca.key",
        "controllers": "*,tokencleaner",
        "kubeconfig": credentials,
        "leader-elect": _bool(elect),
        "profiling": "false",
        "root-ca-file": f"{tls}/server-ca.crt",
        "secure-port": "10257",
        "service-account-private-key-file": f"{tls}/service.key",
        "service-cluster-ip-range": ",".join(settings.values("service-cidr")),
        "tls-cert-file": f"{tls}/serving-kube-apiserver.crt",
        "tls-private-key-file": f"{tls}/serving-kube-apiserver.key",
        "use-service-account-credentials": "true",
    }
    extra = [*settings.values("kube-controller-manager-arg"), *settings.values("kube-controller-arg")]
    return [f"{programs}/kube-controller-manager", *merged(given, extra)]


def kube_scheduler(programs: Path, paths: Paths, settings: Settings, *, elect: bool) -> list[str]:
    credentials = f"{paths.cred}/scheduler.kubeconfig"
    given = {
        "authentication-kubeconfig": credentials,
        "authorization-kubeconfig": credentials,
        "bind-address": "127.0.0.1",
        "kubeconfig": credentials,
        "leader-elect": _bool(elect),
        "profiling": "false",
        "secure-port": "10259",
        "tls-cert-file": f"{paths.tls}/serving-kube-apiserver.crt",
        "tls-private-key-file": f"{paths.tls}/serving-kube-apiserver.key",
    }
    return [f"{programs}/kube-scheduler", *merged(given, settings.values("kube-scheduler-arg"))]


def _bool(value: t.Any) -> str:
    return "true" if value else "false"


__all__ = ("API_PORT", "kube_apiserver", "kube_controller_manager", "kube_scheduler")
