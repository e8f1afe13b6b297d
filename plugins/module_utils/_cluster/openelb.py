# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Set ``load-balancer-openelb``: OpenELB out of a manifest of the user's, and what it is told of pools and routers.

The manifest is that of its release (``deploy/openelb.yaml`` of 0.6.0). Its chart makes the webhook's certificate in
hooks, which are not run here.
"""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_cache
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing, charts, manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DefinitionError,
    Object,
    Ref,
    digest_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.openelb_objects import (
    API_VERSION,
    custom_resources,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of

Plain = t.Mapping[str, t.Any]
SET = "load-balancer-openelb"
VARIABLE = "klubster_openelb_manifest"
_KINDS = ("Eip", "BgpConf", "BgpPeer")
_CONTROLLER, _SPEAKER = ("Deployment", "openelb-controller"), ("DaemonSet", "openelb-speaker")
_MEMBERS = "memberlist"
#: Everybody who reaches it may change what is announced.
_GOBGP = "--api-hosts=127.0.0.1:50051"
_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


def openelb_set(openelb: Plain, *, pools: t.Sequence[Plain], mode: str = "l2", bgp: t.Optional[Plain] = None) -> Object:
    """The set with OpenELB, its pools and its peers.

    Its speakers find each other with the help of a shared secret, for L2. The manifest has one that everybody knows;
    another is made instead, once.

    :param openelb: ``manifest``, ``manifest_sha256``, ``listen_port`` and ``paths`` as the plan has them.
    :param mode: how pools are announced that do not say it.
    :raises DefinitionError: the manifest cannot be used.
    :raises InvalidInput: a pool is more than OpenELB's are.
    """
    balancer = {"mode": mode, "pools": pools, "bgp": bgp or {}, "openelb": openelb}
    objects = [_prepared(obj) for obj in _read(openelb)]
    speaker = manifests.container(manifests.the(objects, *_SPEAKER), _SPEAKER[1])
    by_l2 = "true" if announcing.pools_by("l2", balancer) else "false"
    speaker["args"] = _arguments(speaker.get("args") or [], _GOBGP, f"--enable-layer2={by_l2}")
    known = [obj for obj in objects if _is_members(obj)]
    return {
        "name": SET,
        "definitions": [obj for obj in objects if obj not in known] + custom_resources(balancer),
        "generated_secrets": [_secret(obj) for obj in known],
        "wait_for": [entry for obj in objects for entry in _answering(obj)],
    }


def place(openelb: Plain) -> Path:
    """Where the manifest lies, or will once it was fetched."""
    given = str(openelb["manifest"])
    if "://" not in given:
        return Path(given)
    return default_cache().root / "manifests" / f"{openelb['manifest_sha256']}.yaml"


def problems(openelb: Plain) -> list[Problem]:
    """What keeps the manifest from being used; one that comes from a URL has been fetched."""
    try:
        _read(openelb)
    except KlubsterError as exc:
        remedy = "Name the manifest of a release of OpenELB, 0.6 or later (deploy/openelb.yaml)."
        return [Problem(VARIABLE, openelb["manifest"], str(exc), remedy)]
    return []


def _read(openelb: Plain) -> list[Object]:
    where, wanted = place(openelb), str(openelb.get("manifest_sha256") or "")
    if not where.is_file():
        fetched = "It was not fetched: run playbooks/site.yml without --tags and --skip-tags."
        raise DefinitionError(fetched if "://" in str(openelb["manifest"]) else "There is no such file here.")
    found = sha256_of(where) if wanted else ""
    if found != wanted:
        raise DefinitionError(
            f"The file's sha256 is {found[:12]}…, and not the one that is wanted ({VARIABLE}_sha256)."
        )
    objects = charts.objects_of(str(where))
    _refuse_others(objects)
    return objects


def _refuse_others(objects: t.Sequence[Object]) -> None:
    """What we say to OpenELB is understood by 0.6, which split its program in two."""
    for obj in objects:
        Ref.of(obj)
    for kind in _KINDS:
        if not any(_serves(obj, kind) for obj in objects):
            raise DefinitionError(f"It does not define the kind {kind} of {API_VERSION}.")
    for workload in (_CONTROLLER, _SPEAKER):
        manifests.the(objects, *workload)
    manifests.container(manifests.the(objects, *_SPEAKER), _SPEAKER[1])
    own = [f"{obj['kind']} {(obj.get('metadata') or {}).get('name')}" for obj in objects if obj.get("kind") in _KINDS]
    if own:
        raise DefinitionError(
            f"It holds {', '.join(own)}; pools and peers are those of klubster_pools and klubster_bgp."
        )


def _serves(obj: Object, kind: str) -> bool:
    spec = obj.get("spec") or {}
    group, version = API_VERSION.split("/")
    return (
        obj.get("kind") == "CustomResourceDefinition"
        and (spec.get("group"), (spec.get("names") or {}).get("kind")) == (group, kind)
        and any(one.get("name") == version and one.get("served") for one in spec.get("versions") or [])
    )


def _prepared(obj: Object) -> Object:
    made = copy.deepcopy(obj)
    metadata = made["metadata"]
    if made["kind"] == "Namespace":
        # Speakers share the network of their nodes, which profiles forbid elsewhere.
        metadata["labels"] = {**_PRIVILEGED, **(metadata.get("labels") or {})}
    if made["kind"] == "Job":
        # A job cannot be changed: another one gets another name, and the old one leaves.
        metadata["name"] = f"{metadata['name']}-{digest_of(made['spec'])[:8]}"
    return made


def _arguments(given: t.Sequence[str], *ours: str) -> list[str]:
    names = {one.partition("=")[0] for one in ours}
    return [one for one in given if one.partition("=")[0] not in names] + list(ours)


def _is_members(obj: Object) -> bool:
    named = obj.get("kind") == "Secret" and obj["metadata"]["name"] == _MEMBERS
    return named and bool(obj.get("data") or obj.get("stringData"))


def _secret(obj: Object) -> Object:
    keys = [*(obj.get("data") or {}), *(obj.get("stringData") or {})]
    # memberlist encrypts with 16, 24 or 32 bytes; 24 random ones are written with 32 characters.
    return {"name": _MEMBERS, "namespace": obj["metadata"]["namespace"], "key": keys[0], "length": 24}


def _answering(obj: Object) -> list[Object]:
    """Pools are taken only when OpenELB's webhook answers."""
    services = [(one.get("clientConfig") or {}).get("service") or {} for one in obj.get("webhooks") or []]
    if obj.get("kind") != "ValidatingWebhookConfiguration" or not any(services):
        return []
    found: list[Object] = [
        {"api_version": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]},
    ]
    for name, namespace in dict.fromkeys((one["name"], one["namespace"]) for one in services if one):
        labels = f"kubernetes.io/service-name={name}"
        found.append(
            {"api_version": "discovery.k8s.io/v1", "kind": "EndpointSlice", "namespace": namespace, "labels": labels}
        )
    return found


__all__ = ("SET", "VARIABLE", "openelb_set", "place", "problems")
