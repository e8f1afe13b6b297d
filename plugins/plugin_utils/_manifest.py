# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""What the manifest of a bundle fills into the options of modules."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import OWN, source, with_archives
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import Layout


def programs(layout: Layout, manifest: Manifest, *, plugins: bool = True) -> list[dict[str, str]]:
    """The engine's own programs and all CNI plugins of the bundle, with their places.

    :param plugins: False where the provider of the pod network brings its own, which it would write over ours.
    """
    files = [{"source": source, "path": path} for source, path in layout.programs.items()]
    for plugin in manifest.of_kind("cni") if plugins else ():
        files.append({"source": plugin.name, "path": f"{layout.cni_programs}/{plugin.path.name}"})
    return files


def with_sums(manifest: Manifest, files: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Files with their sha256 and size, but for those whose list of sums is on the machine."""
    found = []
    for entry in files:
        if entry.get("sums"):
            found.append(dict(entry))
            continue
        file = manifest.file(str(entry["source"]))
        found.append({**entry, "sha256": file.sha256, "size": file.size})
    return found


def archives(manifest: Manifest, names: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Archives of images, by the names of the images."""
    found = []
    for name in names:
        image = manifest.image(str(name))
        source = str(image.path.relative_to(manifest.directory))
        found.append({"source": source, "reference": image.reference, "sha256": image.sha256, "size": image.size})
    return found


def own_archives(found: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Archives of images of the user's own, as the plan has them, beside those of ``archives``."""
    return [
        {"source": source(entry), "holds": entry["images"], "sha256": entry["sha256"], "size": entry["size"]}
        for entry in found
    ]


def contents(bundle_dir: str, found: t.Sequence[t.Mapping[str, t.Any]], *, bundle: bool = True) -> Manifest:
    """What the bundle has, with the user's archives.

    :param bundle: False where nothing of a bundle is needed, so that there need not be one.
    :raises KlubsterError: there is no bundle, or an archive cannot be used.
    """
    return with_archives(Manifest.load(bundle_dir) if bundle else None, found)


def of_bundle(files: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    """Whether one of the files comes from a bundle, and not all from the user or from what the machine fetched."""
    return any(not entry.get("sums") and not str(entry.get("source", "")).startswith(OWN) for entry in files)


def kubeadm_images(manifest: Manifest) -> dict[str, str]:
    """How kubeadm's configuration names its images."""
    etcd, coredns = manifest.image("etcd").reference, manifest.image("coredns").reference
    return {
        "repository": etcd.rpartition("/")[0],
        "etcd": etcd.rpartition(":")[2],
        "coredns": coredns.rpartition(":")[2],
    }


__all__ = ("archives", "contents", "kubeadm_images", "of_bundle", "own_archives", "programs", "with_sums")
