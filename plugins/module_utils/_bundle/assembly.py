# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Puts built components together as a bundle: programs, images, charts, licences, bill of materials, manifest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import images, manifest, sbom, system
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder, Built
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Catalogue, Component, Image
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of, write_atomically

#: Raised when the way of assembling changes.
RECIPE = 1
STAMP = ".stamp.json"
_KINDS = {
    "bin": "binary",
    "charts": "chart",
    "cni": "cni",
    "images": "image",
    "licences": "licence",
    "manifests": "manifest",
}


@dataclass(frozen=True)
class Plan:
    """What a bundle shall hold."""

    catalogue: Catalogue
    builder: Builder
    components: tuple[Component, ...]
    key: str

    @property
    def directory(self) -> Path:
        return self.builder.cache.bundle(self.key)

    @property
    def images(self) -> tuple[Image, ...]:
        names = {component.name for component in self.components}
        return tuple(image for image in self.catalogue.images if image.component in names)

    def identity(self) -> dict[str, t.Any]:
        """All that decides the bundle's content, but for the build machine's own programs."""
        return {
            "recipe": RECIPE,
            "key": self.key,
            "components": {component.name: self.builder.key(component) for component in self.components},
        }


def complete(plan: Plan, *, full: bool = False) -> tuple[bool, str]:
    """Whether the bundle is there as planned, and if not, why.

    :param full: read every file and compare its sha256; else sizes and times have to do.
    """
    directory = plan.directory
    try:
        stamp = json.loads((directory / STAMP).read_text(encoding="utf-8"))
        content = manifest.Manifest.load(directory)
    except (OSError, ValueError, manifest.BundleError):
        return False, "it does not exist"
    if stamp["identity"] != plan.identity():
        before, after = stamp["identity"]["components"], plan.identity()["components"]
        differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return False, f"changed: {', '.join(differing) or 'the way it is made'}"
    stamps = {**stamp["files"], **stamp["system"]}
    for name, was in stamps.items():
        if _stamp(directory / name) != was:  # an absolute name stays what it is
            return False, f"{name} is not as it was"
    if full:
        for entry in content.files:
            if sha256_of(entry.path) != entry.sha256:
                return False, f"{entry.name} has another sha256 than the manifest says"
    return True, ""


def assemble(plan: Plan, built: t.Mapping[str, Built], *, regctl: Path, full: bool = False) -> Path:
    """Make the bundle's folder from built components; an old one stands until the new one is whole.

    :param full: do not trust images of the cache by their size alone.
    """
    directory = plan.directory
    stage = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    files: list[dict[str, t.Any]] = []
    for component in plan.components:
        for entry in built[component.name].files:
            kind = _KINDS.get(entry.path.split("/", 1)[0])
            if kind:
                _link(built[component.name].directory / entry.path, stage / entry.path)
                files.append({"path": entry.path, "kind": kind, "component": component.name, **_measure(entry)})
    wanted = {name for image in plan.images for name in image.system}
    collected = {
        entry.name: system.collect(entry, run=plan.builder.run)
        for entry in plan.catalogue.system
        if entry.name in wanted
    }
    for image in plan.images:
        archive = _image(plan, image, built[image.component], collected, regctl, full=full)
        path = f"images/{image.name}.tar"
        _link(archive.path, stage / path)
        reference = plan.catalogue.reference(image)
        measured = {"sha256": archive.sha256, "size": archive.size}
        files.append({"path": path, "kind": "image", "component": image.component, "reference": reference, **measured})
    packages = sorted({package for entry in collected.values() for package in entry.packages}, key=lambda one: one.name)
    for package in packages:
        files.append(
            _write(stage, f"licences/debian/{package.name}.txt", "licence", package.name, system.licence(package))
        )
    text = sbom.render(plan.components, built, packages, files, arch=plan.builder.arch, key=plan.key)
    files.append(_write(stage, "sbom.cdx.json", "sbom", "bundle", text.encode()))
    content = {
        "schema": manifest.SCHEMA,
        "key": plan.key,
        "arch": plan.builder.arch,
        "go": plan.builder.tools.version,
        "components": {component.name: _described(component, built[component.name]) for component in plan.components},
        "system": [asdict(package) for package in packages],
        "files": sorted(files, key=lambda entry: str(entry["path"])),
    }
    write_atomically(stage / manifest.FILE_NAME, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    origins = {str(path) for entry in collected.values() for _name, path in entry.files}
    stamp = {
        "identity": plan.identity(),
        "files": {name: _stamp(stage / name) for name in [manifest.FILE_NAME, *(str(one["path"]) for one in files)]},
        "system": {name: _stamp(Path(name)) for name in sorted(origins)},
    }
    write_atomically(stage / STAMP, json.dumps(stamp).encode())
    _swap(stage, directory)
    return directory


@dataclass(frozen=True)
class _Archive:
    path: Path
    sha256: str
    size: int


def _image(
    plan: Plan, image: Image, built: Built, collected: t.Mapping[str, system.SystemFiles], regctl: Path, *, full: bool
) -> _Archive:
    """The image's archive, from the cache if it was made before of the same parts."""
    layers: list[images.Content] = []
    own: images.Content = images.base_content()
    own.update({target: built.directory / path for target, path in image.files})
    own.update({name: images.Link(target) for name, target in image.links})
    layers.append(own)
    for name in image.system:
        links = {path: images.Link(target) for path, target in plan.catalogue.system_set(name).links}
        layers.append({**dict(collected[name].files), **links})
    reference = plan.catalogue.reference(image)
    parts = [
        {target: value if isinstance(value, images.Link) else _digest(value) for target, value in sorted(layer.items())}
        for layer in layers
    ]
    recipe = repr((RECIPE, reference, image.entrypoint, image.user, plan.builder.arch, sha256_of(regctl), parts))
    folder = plan.builder.cache.root / "images"
    target = folder / f"{image.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"
    record = target.with_suffix(".json")
    if record.exists() and target.exists():
        known = json.loads(record.read_text(encoding="utf-8"))
        if target.stat().st_size == known["size"] and not (full and sha256_of(target) != known["sha256"]):
            return _Archive(target, known["sha256"], known["size"])
    work = plan.builder.cache.work / f"image-{image.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    paths = []
    for number, layer in enumerate(layers):
        paths.append(work / f"layer-{number}.tar")
        images.write_layer(paths[-1], layer)
    unfinished = target.with_suffix(".new")
    images.write_archive(unfinished, image, reference, paths, arch=plan.builder.arch, regctl=regctl, work=work)
    unfinished.replace(target)
    made = _Archive(target, sha256_of(target), target.stat().st_size)
    write_atomically(record, json.dumps({"sha256": made.sha256, "size": made.size}).encode())
    return made


def _digest(value: Path | bytes | images.Link) -> str:
    return sha256_of(value) if isinstance(value, Path) else hashlib.sha256(t.cast(bytes, value)).hexdigest()


def _described(component: Component, built: Built) -> dict[str, t.Any]:
    entry: dict[str, t.Any] = {
        "source": component.source,
        "module": component.module,
        "version": component.version,
        "h1": built.h1,
        "licences": list(component.licences),
    }
    if component.source == "git":
        entry.update(repository=component.repository, tag=component.tag, commit=component.commit)
    return entry


def _measure(entry: t.Any) -> dict[str, t.Any]:
    return {"sha256": entry.sha256, "size": entry.size}


def _link(origin: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(origin, target)
    except OSError:
        shutil.copy2(origin, target)


def _write(stage: Path, path: str, kind: str, component: str, content: bytes) -> dict[str, t.Any]:
    write_atomically(stage / path, content)
    return {
        "path": path,
        "kind": kind,
        "component": component,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _swap(stage: Path, directory: Path) -> None:
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.replace(old)
    stage.replace(directory)
    shutil.rmtree(old, ignore_errors=True)


__all__ = ("RECIPE", "STAMP", "Plan", "assemble", "complete")
