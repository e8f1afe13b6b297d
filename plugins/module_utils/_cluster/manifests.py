# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Upstream's manifests, read from the bundle and changed as data: images, arguments, settings."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path, PurePosixPath

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DefinitionError,
    Object,
    flatten,
)

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True


class BundleFileLike(t.Protocol):
    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


class ImageLike(t.Protocol):
    @property
    def reference(self) -> str: ...


class Bundle(t.Protocol):
    """What is needed of the source bundle's manifest, or of what takes its place."""

    def of_kind(self, kind: str) -> t.Sequence[BundleFileLike]: ...

    def image(self, name: str, /) -> ImageLike | None: ...


def load(bundle: Bundle, file_name: str) -> list[Object]:
    """All documents of the bundle's manifest with this file name.

    :raises DefinitionError: the bundle has no such file, or it is not YAML.
    """
    if not HAS_YAML:
        raise DefinitionError("Python's yaml is missing on the controller. Install PyYAML.")
    files = [entry for entry in bundle.of_kind("manifest") if PurePosixPath(entry.name).name == file_name]
    if len(files) != 1:
        raise DefinitionError(
            f"The bundle has {len(files)} manifests named {file_name}; one is needed. "
            "Build the bundle anew with playbooks/bundle.yml."
        )
    return parse(files[0].path.read_text(encoding="utf-8"), files[0].name)


def parse(text: str, name: str) -> list[Object]:
    """The documents of a YAML text.

    :param name: what to call it in an error.
    :raises DefinitionError: it is not YAML, or not objects.
    """
    # The same safe loader, in C where there is one: MetalLB's manifest has two thousand lines.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as exc:
        raise DefinitionError(f"{name} cannot be read as YAML: {exc}") from exc
    if any(not isinstance(document, (dict, type(None))) for document in documents):
        raise DefinitionError(f"{name} holds something else than objects of Kubernetes.")
    return flatten(documents)


def the(objects: t.Iterable[Object], kind: str, name: str) -> Object:
    """The one object of this kind and name, to be changed in place.

    :raises DefinitionError: it is not there; upstream has changed its manifest.
    """
    for obj in objects:
        if obj.get("kind") == kind and (obj.get("metadata") or {}).get("name") == name:
            return obj
    raise DefinitionError(f"Upstream's manifest has no {kind} {name}. Its version does not fit this collection.")


def pod_spec(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object, name: str) -> Object:
    """The container of this name, to be changed in place."""
    for entry in pod_spec(workload)["containers"]:
        if entry.get("name") == name:
            found: Object = entry
            return found
    raise DefinitionError(f"{workload.get('kind')} {workload['metadata']['name']} has no container {name}.")


def use_image(bundle: Bundle, entry: Object, name: str) -> None:
    """Let a container run an image of the bundle; it is on the machines or nowhere. Without one, upstream's stays."""
    image = bundle.image(name)
    if image is not None:
        entry["image"] = image.reference
        entry["imagePullPolicy"] = "Never"


def as_json(value: t.Any) -> str:
    """Text for a ConfigMap: readable, and the same for the same value."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def as_yaml(value: t.Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=True)
    return text


def merged(base: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> Object:
    """``over`` laid over ``base``, dictionaries entry by entry, everything else whole."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        have = result.get(key)
        result[key] = merged(have, value) if isinstance(have, dict) and isinstance(value, dict) else value
    return result


__all__ = (
    "Bundle",
    "BundleFileLike",
    "ImageLike",
    "as_json",
    "as_yaml",
    "container",
    "load",
    "merged",
    "parse",
    "pod_spec",
    "the",
    "use_image",
)
