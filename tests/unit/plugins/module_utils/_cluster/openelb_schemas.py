# SPDX-License-Identifier: Apache-2.0
"""What OpenELB 0.6.0 lets stand in the ``spec`` of its custom resources, and a manifest with the parts of its release.

Facts of the CustomResourceDefinitions and workloads in its public repository (charts/crds, deploy/openelb.yaml): names,
kinds, arguments. Nothing here can be run.
"""

from __future__ import annotations

import typing as t

from metallb_schemas import FLAG, TEXT, TEXTS, Schema, number, record, several

#: its integers have the format int32; an API server of 1.34 takes larger ones all the same
NUMBER: Schema = number(minimum=-(2**31), maximum=2**31 - 1)
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}

SPECS: dict[str, Schema] = {
    "Eip": record(
        ("address",),
        address=TEXT,
        protocol={"type": "string", "enum": ["bgp", "layer2", "vip"]},
        interface=TEXT,
        disable=FLAG,
        usingKnownIPs=FLAG,
        # an int of Go, without a format
        priority=number(),
        namespaces=TEXTS,
        namespaceSelector=LABELS,
    ),
    "BgpConf": {
        **record(**{"as": NUMBER, "routerId": TEXT, "listenPort": NUMBER, "policy": TEXT, "useMultiplePaths": FLAG})
    },
    "BgpPeer": record(
        conf=record(neighborAddress=TEXT, peerAs=NUMBER, authPassword=TEXT, description=TEXT),
        transport=record(passiveMode=FLAG, remotePort=NUMBER, remoteAddress=TEXT),
        ebgpMultihop=record(enabled=FLAG, multihopTtl=NUMBER),
        timers=record(config=record(connectRetry=TEXT, holdTime=TEXT, keepaliveInterval=TEXT)),
        afiSafis=several(
            record(
                config=record(enabled=FLAG, family=record(afi=TEXT, safi=TEXT)),
                addPaths=record(config=record(receive=FLAG, sendMax=NUMBER)),
            )
        ),
        nodeSelector=record(
            matchLabels=LABELS,
            matchExpressions=several(record(("key", "operator"), key=TEXT, operator=TEXT, values=TEXTS)),
        ),
    ),
}
_PLURALS = {"Eip": "eips", "BgpConf": "bgpconfs", "BgpPeer": "bgppeers"}
_SYSTEM = "openelb-system"


def _definition(kind: str) -> dict[str, t.Any]:
    versions = [{"name": "v1alpha1", "served": True}, {"name": "v1alpha2", "served": True, "storage": True}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_PLURALS[kind]}.network.kubesphere.io"},
        "spec": {"group": "network.kubesphere.io", "names": {"kind": kind}, "scope": "Cluster", "versions": versions},
    }


def _own(api_version: str, kind: str, name: str, **content: t.Any) -> dict[str, t.Any]:
    metadata = {"name": name, "namespace": _SYSTEM}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _pods(name: str, *args: str) -> dict[str, t.Any]:
    container = {"name": name, "image": f"example.org/{name}:v0.6.0", "args": list(args)}
    return {"template": {"spec": {"containers": [container]}}}


def manifest() -> list[dict[str, t.Any]]:
    """Objects by the names and with the arguments of the release's."""
    service = {"name": "openelb-controller", "namespace": _SYSTEM, "path": "/validate-eip"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SYSTEM}},
        *(_definition(kind) for kind in SPECS),
        _own("v1", "Secret", "memberlist", data={"key": "b3BlbmVsYi1zcGVha2Vycw=="}),
        _own("v1", "Service", "openelb-controller", spec={"ports": [{"port": 443}]}),
        _own("apps/v1", "Deployment", "openelb-controller", spec=_pods("openelb-controller", "--leader-elect")),
        _own(
            "apps/v1",
            "DaemonSet",
            "openelb-speaker",
            spec=_pods(
                "openelb-speaker", "--api-hosts=:50051", "--enable-keepalived-vip=false", "--enable-layer2=false"
            ),
        ),
        _own("batch/v1", "Job", "openelb-admission-create", spec=_pods("create", "create")),
        _own("batch/v1", "Job", "openelb-admission-patch", spec=_pods("patch", "patch")),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "openelb-admission"},
            "webhooks": [
                {"name": "validate.eip.network.kubesphere.io", "clientConfig": {"service": service}},
            ],
        },
    ]


__all__ = ("SPECS", "manifest")
