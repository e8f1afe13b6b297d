# SPDX-License-Identifier: Apache-2.0
"""What MetalLB 0.15.2 lets stand in the ``spec`` of its custom resources, as far as we write it.

Facts of the CustomResourceDefinitions in its manifests; test_metallb_objects.py compares them with a bundle's.
"""

from __future__ import annotations

import typing as t

Schema = dict[str, t.Any]


def record(required: t.Sequence[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def number(**bounds: int) -> Schema:
    return {"type": "integer", **bounds}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
TEXTS = several(TEXT)
SELECTORS = several(
    record(
        matchLabels={"type": "object", "additionalProperties": TEXT},
        matchExpressions=several(record(("key", "operator"), key=TEXT, operator=TEXT, values=TEXTS)),
    )
)
_MILLISECONDS = number(minimum=10, maximum=60000)

SPECS: dict[tuple[str, str], Schema] = {
    ("metallb.io/v1beta1", "IPAddressPool"): record(
        ("addresses",),
        addresses=TEXTS,
        autoAssign=FLAG,
        avoidBuggyIPs=FLAG,
        serviceAllocation=record(
            priority=number(), namespaces=TEXTS, namespaceSelectors=SELECTORS, serviceSelectors=SELECTORS
        ),
    ),
    ("metallb.io/v1beta1", "L2Advertisement"): record(ipAddressPools=TEXTS, interfaces=TEXTS, nodeSelectors=SELECTORS),
    ("metallb.io/v1beta1", "BGPAdvertisement"): record(
        aggregationLength=number(minimum=1),
        aggregationLengthV6=number(),
        communities=TEXTS,
        ipAddressPools=TEXTS,
        localPref=number(),
        nodeSelectors=SELECTORS,
        peers=TEXTS,
    ),
    ("metallb.io/v1beta1", "BFDProfile"): record(
        detectMultiplier=number(minimum=2, maximum=255),
        echoInterval=_MILLISECONDS,
        echoMode=FLAG,
        minimumTtl=number(minimum=1, maximum=254),
        passiveMode=FLAG,
        receiveInterval=_MILLISECONDS,
        transmitInterval=_MILLISECONDS,
    ),
    ("metallb.io/v1beta1", "Community"): record(communities=several(record(name=TEXT, value=TEXT))),
    ("metallb.io/v1beta2", "BGPPeer"): record(
        ("myASN",),
        bfdProfile=TEXT,
        connectTime=TEXT,
        dualStackAddressFamily=FLAG,
        dynamicASN={"type": "string", "enum": ["internal", "external"]},
        ebgpMultiHop=FLAG,
        enableGracefulRestart=FLAG,
        holdTime=TEXT,
        keepaliveTime=TEXT,
        myASN=number(minimum=0, maximum=4294967295),
        nodeSelectors=SELECTORS,
        passwordSecret=record(name=TEXT, namespace=TEXT),
        peerASN=number(minimum=0, maximum=4294967295),
        peerAddress=TEXT,
        peerPort=number(minimum=1, maximum=16384),
        routerID=TEXT,
        sourceAddress=TEXT,
    ),
}
