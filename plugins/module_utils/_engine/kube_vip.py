# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""An address that moves between the servers: kube-vip, as a pod that k3s's kubelet runs from a file.

The pod speaks to the API of its own machine, by the administrator's kubeconfig, and to nobody else: whoever holds a
lease in the cluster has the address. So a server whose API does not answer loses it, and the address comes only after
the first API has started.

Names of the environment are those of kube-vip's documentation, "Flags and Environment Variables"; that it reads
``/etc/kubernetes/admin.conf`` and asks the name ``kubernetes`` there is in its "Static Pods".
"""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import services
from ansible_collections.kateskit.klubster.plugins.module_utils._node.keepalived import interface_with
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile

POD = f"{K3S.pod_manifests}/kube-vip.yaml"
_NAME = "kube-vip"
_NAMESPACE = "kube-system"
_KUBECONFIG = "/etc/kubernetes/admin.conf"
#: of a name in the API's certificate; kube-vip asks by it
_API = "kubernetes"
#: seconds that a server has the address without saying so again; to say so; between two tries. kube-vip's own defaults.
_LEASE, _RENEW, _RETRY = 5, 3, 1
#: By default kube-vip tells its figures to everybody on port 2112, and an empty word leaves it at that. So it tells its
#: own machine, on a port that the kernel finds free (Go's net.Listen takes 0 for that): others may have 2112.
_FIGURES = "127.0.0.1:0"
#: seconds: a kubelet looks into the folder every 20 s at the latest, and gives a pod time to end
_PATIENCE, _GRACE, _PAUSE = 60.0, 10, 0.2


class KubeVipError(KlubsterError):
    """kube-vip does not give the address up."""


@dataclass(frozen=True)
class Pod:
    """What the pod of one server is told.

    :param interface: this server's.
    :param image: with a tag or a digest.
    """

    address: str
    port: int
    interface: str
    image: str


@dataclass(frozen=True)
class Held:
    """What a pod of ours was told, by its file."""

    address: str
    interface: str


def pod_of(given: t.Mapping[str, t.Any], run: Runner) -> Pod:
    """From the options of ``kube_vip_config``.

    :raises KlubsterError: this machine has not the address that it shall have.
    """
    return Pod(given["address"], given["port"], interface_with(given["own"], run), given["image"])


def files(pod: Pod) -> list[WantedFile]:
    return [WantedFile(POD, text(pod), mode=0o600)]


def text(pod: Pod) -> str:
    """The pod as JSON, which is YAML as well."""
    six = ":" in pod.address
    container = {
        "name": _NAME,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["manager"],
        "env": [*_environment(pod, six=six), {"name": "vip_nodename", "valueFrom": _field("spec.nodeName")}],
        "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [{"name": "kubeconfig", "mountPath": _KUBECONFIG, "readOnly": True}],
    }
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": _NAME,
            "namespace": _NAMESPACE,
            "labels": {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/managed-by": "klubster"},
        },
        "spec": {
            "hostNetwork": True,
            "hostAliases": [{"ip": "::1" if six else "127.0.0.1", "hostnames": [_API]}],
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": _GRACE,
            "containers": [container],
            # Of the type File: a kubelet that comes before k3s has written it must wait, not make a folder.
            "volumes": [{"name": "kubeconfig", "hostPath": {"path": K3S.kubeconfig, "type": "File"}}],
        },
    }
    return json.dumps(document, indent=2) + "\n"


def held() -> Held | None:
    """What the pod's file says; None where there is no file, or none of ours."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
        env = json.loads(Path(POD).read_text(encoding="utf-8"))["spec"]["containers"][0]["env"]
        told = {entry["name"]: entry.get("value", "") for entry in env}
        return Held(told["address"], told["vip_interface"])
    return None


def give_up(
    address: str, before: Held | None, run: Runner, *, proc: Path = Path("/proc"), patience: float = _PATIENCE
) -> None:
    """Wait until no kube-vip here has the address any more, so that somebody else can have it.

    :param before: what the pod was told, if its file has just been removed.
    :raises KubeVipError: it goes on, or nobody is there who would end it.
    """
    unit = K3S.unit("server")
    if running(address, proc) and services.states([unit], run)[unit].get("ActiveState") in ("inactive", "failed"):
        raise KubeVipError(
            f"kube-vip has {address} on this machine, its file {POD} is gone, and k3s, which would end it, is stopped."
            f" Type 'systemctl start {unit}' on this machine, then run again."
        )
    deadline = time.monotonic() + patience
    while running(address, proc):
        if time.monotonic() > deadline:
            raise KubeVipError(
                f"kube-vip goes on with {address} on this machine though its file {POD} is gone. k3s ends it, so k3s "
                "has to run: see 'systemctl status k3s', then run again."
            )
        time.sleep(_PAUSE)
    if before is not None:
        release(before, run)


def release(before: Held, run: Runner) -> None:
    """Take the address from the interface: a pod that was killed has left it there."""
    prefix = 128 if ":" in before.address else 32
    run(["ip", "address", "delete", f"{before.address}/{prefix}", "dev", before.interface], check=False)


def running(address: str, proc: Path = Path("/proc")) -> bool:
    """Whether a kube-vip is at work here with this address; one of the user's, for services, has none."""
    wanted = f"address={address}".encode()
    for comm in proc.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text(encoding="utf-8").strip() != _NAME:
                continue
            if wanted in (comm.parent / "environ").read_bytes().split(b"\0"):
                return True
    return False


def _environment(pod: Pod, *, six: bool) -> list[dict[str, t.Any]]:
    told = {
        "vip_arp": "true",
        "cp_enable": "true",
        "cp_namespace": _NAMESPACE,
        "svc_enable": "false",
        "address": pod.address,
        "port": str(pod.port),
        "vip_interface": pod.interface,
        "vip_subnet": "128" if six else "32",
        "vip_leaderelection": "true",
        "vip_leaseduration": str(_LEASE),
        "vip_renewdeadline": str(_RENEW),
        "vip_retryperiod": str(_RETRY),
        "prometheus_server": _FIGURES,
    }
    return [{"name": name, "value": value} for name, value in told.items()]


def _field(path: str) -> dict[str, t.Any]:
    return {"fieldRef": {"fieldPath": path}}


__all__ = (
    "POD",
    "Held",
    "KubeVipError",
    "Pod",
    "files",
    "give_up",
    "held",
    "pod_of",
    "release",
    "running",
    "text",
)
