# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Storage set ``storage-local-path``: Rancher's local-path-provisioner, from the bundle's manifest."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    Object,
    annotations_of,
    digest_of,
)

SET = "storage-local-path"
IMAGES = ("local-path-provisioner", "shell")
MANIFEST = "local-path-storage.yaml"
_NAME = "local-path-provisioner"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_CONFIG_DIGEST = "klubster.kateskit.dev/config"
_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def local_path_set(
    bundle: manifests.Bundle, *, path: str, class_name: str = "local-path", default_class: bool = True
) -> Object:
    """The set with the provisioner and its StorageClass.

    :param path: folder on the nodes that holds the volumes.
    :param class_name: name of the StorageClass.
    :param default_class: whether claims without a class get it.
    """
    objects = manifests.load(bundle, MANIFEST)
    deployment = manifests.the(objects, "Deployment", _NAME)
    config = manifests.the(objects, "ConfigMap", "local-path-config")
    storage_class = manifests.the(objects, "StorageClass", "local-path")

    storage_class["metadata"]["name"] = class_name
    storage_class["metadata"]["annotations"] = {
        **annotations_of(storage_class),
        _DEFAULT_CLASS: "true" if default_class else "false",
    }
    config["data"] = {
        **config["data"],
        "config.json": manifests.as_json(
            {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [path]}]}
        ),
        "helperPod.yaml": manifests.as_yaml(_helper_pod(bundle, config["data"]["helperPod.yaml"])),
    }
    provisioner = manifests.container(deployment, _NAME)
    manifests.use_image(bundle, provisioner, "local-path-provisioner")
    provisioner["resources"] = _RESOURCES
    template = deployment["spec"]["template"]
    # It reads a changed configuration only after a while; a new pod reads it now.
    template["metadata"]["annotations"] = {_CONFIG_DIGEST: digest_of(config["data"])}
    spec = manifests.pod_spec(deployment)
    spec["tolerations"] = [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    ]
    spec["priorityClassName"] = "system-cluster-critical"
    return {"name": SET, "definitions": objects}


def _helper_pod(bundle: manifests.Bundle, text: str) -> Object:
    (pod,) = manifests.parse(text, "helperPod.yaml")
    spec: dict[str, t.Any] = pod["spec"]
    for entry in spec["containers"]:
        manifests.use_image(bundle, entry, "shell")
    return pod


__all__ = ("IMAGES", "MANIFEST", "SET", "local_path_set")
