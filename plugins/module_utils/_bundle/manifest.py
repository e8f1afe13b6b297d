# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Reads a bundle's ``manifest.json``: what is in the bundle, where, and with which sha256."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

SCHEMA = 1
FILE_NAME = "manifest.json"
_REMEDY = "Build the bundle with playbooks/bundle.yml, or name the folder of a complete one."


class BundleError(KlubsterError):
    """The bundle is missing, incomplete, or not what its manifest says."""


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle. ``path`` is absolute, ``name`` is its path inside the bundle."""

    name: str
    path: Path
    kind: str
    component: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ImageFile:
    """An image archive and the reference under which containerd will know it."""

    path: Path
    reference: str
    sha256: str
    name: str = ""
    size: int = 0
    component: str = ""


@dataclass(frozen=True)
class Manifest:
    """A bundle's table of contents."""

    directory: Path
    key: str
    arch: str
    go: str
    components: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    files: tuple[BundleFile, ...] = ()
    images: tuple[ImageFile, ...] = ()

    @classmethod
    def load(cls, directory: str | Path) -> Manifest:
        """Read the manifest of a bundle folder.

        :raises BundleError: there is none, or it cannot be read.
        """
        directory = Path(directory).expanduser()
        path = directory / FILE_NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise BundleError(f"No bundle in {directory}: {FILE_NAME} is missing. {_REMEDY}") from exc
        except (OSError, ValueError) as exc:
            raise BundleError(f"{path} cannot be read: {exc}. {_REMEDY}") from exc
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else None
            raise BundleError(f"{path} has schema {found!r}, this collection reads {SCHEMA}. {_REMEDY}")
        try:
            return cls._from_data(directory, data)
        except (KeyError, TypeError, ValueError) as exc:
            raise BundleError(f"{path} is damaged ({type(exc).__name__}: {exc}). {_REMEDY}") from exc

    @classmethod
    def _from_data(cls, directory: Path, data: dict[str, t.Any]) -> Manifest:
        files: list[BundleFile] = []
        images: list[ImageFile] = []
        for entry in data["files"]:
            name, size, sha256 = str(entry["path"]), int(entry["size"]), str(entry["sha256"])
            if name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"path {name!r} leaves the bundle")
            path, component = directory / name, str(entry["component"])
            files.append(BundleFile(name, path, str(entry["kind"]), component, sha256, size))
            if entry["kind"] == "image":
                images.append(ImageFile(path, str(entry["reference"]), sha256, path.stem, size, component))
        return cls(
            directory=directory,
            key=str(data["key"]),
            arch=str(data["arch"]),
            go=str(data["go"]),
            components=dict(data["components"]),
            files=tuple(files),
            images=tuple(images),
        )

    def file(self, name: str) -> BundleFile:
        """The file with this path inside the bundle, for example ``bin/kubelet``."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise BundleError(f"The bundle in {self.directory} has no file {name!r}. {_REMEDY}")

    def image(self, name: str) -> ImageFile:
        """The image with this name, for example ``kube-apiserver``."""
        for entry in self.images:
            if entry.name == name:
                return entry
        names = ", ".join(sorted(image.name for image in self.images))
        raise BundleError(f"The bundle in {self.directory} has no image {name!r}; it has: {names}. {_REMEDY}")

    def of_kind(self, kind: str) -> tuple[BundleFile, ...]:
        """All files of a kind: binary, cni, image, chart, manifest, licence, sbom."""
        return tuple(entry for entry in self.files if entry.kind == kind)


__all__ = ("FILE_NAME", "SCHEMA", "BundleError", "BundleFile", "ImageFile", "Manifest")
