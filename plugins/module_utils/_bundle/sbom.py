# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The bundle's bill of materials, in CycloneDX 1.6."""

from __future__ import annotations

import datetime
import traceback
import typing as t
import uuid

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Built
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Component
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.gomodule import SOURCE_DATE_EPOCH
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.system import Package
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

LIBRARY_ERROR: str | None = None
try:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as Part
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL
except ImportError:
    LIBRARY_ERROR = traceback.format_exc()

_NAMESPACE = uuid.UUID("6d9d9d5e-6c0b-5d8e-9d57-2a3c1b0a7f10")


def require_library() -> None:
    """Refuse early where the library is missing.

    :raises InvalidInput: it is.
    """
    if LIBRARY_ERROR:
        problem = Problem(
            "cyclonedx-python-lib",
            "(not installed)",
            "The controller's Python needs this library for the bill of materials.",
            "Install it beside Ansible: pip install cyclonedx-python-lib",
        )
        raise InvalidInput([problem])


def render(
    components: t.Sequence[Component],
    built: t.Mapping[str, Built],
    packages: t.Sequence[Package],
    files: t.Sequence[t.Mapping[str, t.Any]],
    *,
    arch: str,
    key: str,
) -> str:
    """All components, the modules in them with their h1 sums, packages of the distribution, and every file, as JSON."""
    require_library()
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, key))
    root = Part(name="klubster-bundle", version=key, type=ComponentType.APPLICATION, bom_ref="bundle")
    bom.metadata = BomMetaData(
        component=root, timestamp=datetime.datetime.fromtimestamp(SOURCE_DATE_EPOCH, tz=datetime.timezone.utc)
    )
    modules: dict[tuple[str, str], Part] = {}
    for component in components:
        application = _application(component, built[component.name])
        bom.components.add(application)
        bom.register_dependency(root, [application])
        parts = [modules.setdefault(entry[:2], _module(*entry)) for entry in built[component.name].modules]
        bom.register_dependency(application, parts)
    for part in modules.values():
        bom.components.add(part)
    for package in packages:
        part = _package(package, arch)
        bom.components.add(part)
        bom.register_dependency(root, [part])
    for entry in files:
        bom.components.add(_file(str(entry["path"]), str(entry["sha256"])))
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _application(component: Component, built: Built) -> Part:
    return Part(
        name=component.name,
        version=component.version,
        type=ComponentType.APPLICATION,
        bom_ref=f"component:{component.name}",
        licenses=[DisjunctiveLicense(id=name) for name in component.licences],
        properties=[Property(name="go:h1", value=built.h1), Property(name="go:version", value=built.go)],
    )


def _module(path: str, version: str, h1: str) -> Part:
    namespace, _slash, name = path.rpartition("/")
    return Part(
        name=path,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"module:{path}@{version}",
        purl=PackageURL("golang", namespace or None, name, version),
        properties=[Property(name="go:h1", value=h1)] if h1 else [],
    )


def _package(package: Package, arch: str) -> Part:
    return Part(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"deb:{package.name}@{package.version}",
        purl=PackageURL("deb", "debian", package.name, package.version, {"arch": arch}),
    )


def _file(path: str, sha256: str) -> Part:
    return Part(
        name=path,
        type=ComponentType.FILE,
        bom_ref=f"file:{path}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )


__all__ = ("LIBRARY_ERROR", "render", "require_library")
