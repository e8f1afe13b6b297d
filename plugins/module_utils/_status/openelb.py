# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""OpenELB's objects as those of MetalLB that say the same, so that status has one way to read both.

Who announces a service is in no object of OpenELB's: that is not known.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Object

GROUP = "/apis/network.kubesphere.io/v1alpha2/"
#: kind of the pools, by which they are told from MetalLB's
KIND = "Eip"
#: what a service has to say to be given an address
ASKS = ("lb.kubesphere.io/v1alpha1", "openelb")
_DEFAULT = "eip.openelb.kubesphere.io/is-default-eip"


def pools(eips: t.Iterable[Object]) -> list[Object]:
    return [_pool(eip) for eip in eips]


def advertisements(eips: t.Iterable[Object]) -> list[Object]:
    """Every pool is announced, in its own way."""
    found = []
    for eip in eips:
        by_l2 = _spec(eip).get("protocol") == "layer2"
        kind = "L2Advertisement" if by_l2 else "BGPAdvertisement"
        name = str((eip.get("metadata") or {}).get("name"))
        found.append({"kind": kind, "metadata": {"name": name}, "spec": {"ipAddressPools": [name]}})
    return found


def peers(given: t.Iterable[Object], confs: t.Sequence[Object]) -> list[Object]:
    """:param confs: BgpConf objects; only the one called default counts."""
    own = [_spec(conf).get("as") for conf in confs if (conf.get("metadata") or {}).get("name") == "default"]
    return [_peer(peer, own[0] if own else 0) for peer in given]


def _pool(eip: Object) -> Object:
    spec, metadata = _spec(eip), eip.get("metadata") or {}
    default = (metadata.get("annotations") or {}).get(_DEFAULT) == "true"
    bound = bool(spec.get("namespaces") or spec.get("namespaceSelector"))
    given_out = (default or bound) and not spec.get("disable")
    return {
        "kind": KIND,
        "metadata": metadata,
        "spec": {"addresses": [str(spec.get("address"))], "autoAssign": given_out},
    }


def _peer(peer: Object, own: t.Any) -> Object:
    spec = _spec(peer)
    conf, selector = spec.get("conf") or {}, spec.get("nodeSelector")
    return {
        "kind": "BGPPeer",
        "metadata": {"name": str((peer.get("metadata") or {}).get("name"))},
        "spec": {
            "peerAddress": conf.get("neighborAddress"),
            "peerASN": conf.get("peerAs"),
            "myASN": own,
            # Never the password itself.
            "password": "given" if conf.get("authPassword") else "",
            "nodeSelectors": [selector] if selector else [],
        },
    }


def _spec(obj: Object) -> dict[str, t.Any]:
    return obj.get("spec") or {}


__all__ = ("ASKS", "GROUP", "KIND", "advertisements", "peers", "pools")
