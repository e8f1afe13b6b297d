# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Whether a bundle's files are what its manifest says, without reading them twice.

A file whose sha256 was right is stamped: as long as size, times and inode stay, it is not read again. What is sent to
a machine is verified there once more, so that a stamp can save time but let nothing damaged through.
"""

from __future__ import annotations

import os
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import stamps
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import BundleFile, Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import BUNDLED, images_for
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of

_REMEDY = "Build it anew with playbooks/bundle.yml, or copy the bundle again."
#: what machines and clusters get; licences and the like are not read
_KINDS = ("binary", "cni", "image", "chart", "manifest")


def damaged(manifest: Manifest, stamps_file: Path, *, variable: str = "klubster_bundle_dir") -> list[Problem]:
    """Problems of the bundle's files; new stamps are kept in ``stamps_file``, which may be deleted at any time."""
    before = stamps.load(stamps_file)
    known = dict(before)
    wanted = [entry for entry in manifest.files if entry.kind in _KINDS]
    problems: list[Problem] = []
    unread: list[tuple[BundleFile, list[t.Any]]] = []
    for entry in wanted:
        stamp = _stamp(entry)
        if stamp is None:
            problems.append(Problem(variable, str(entry.path), "A file of the bundle is missing.", _REMEDY))
        elif stamp[0] != entry.size:
            rule = f"The file has {stamp[0]} bytes, and {entry.size} in the bundle's manifest."
            problems.append(Problem(variable, str(entry.path), rule, _REMEDY))
        elif known.get(str(entry.path)) != stamp:
            unread.append((entry, stamp))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for (entry, stamp), digest in zip(unread, pool.map(lambda pair: sha256_of(pair[0].path), unread)):
            if digest == entry.sha256:
                known[str(entry.path)] = stamp
            else:
                known.pop(str(entry.path), None)
                rule = f"The file's sha256 is {digest[:12]}…, and {entry.sha256[:12]}… in the bundle's manifest."
                problems.append(Problem(variable, str(entry.path), rule, _REMEDY))
    if known != before:
        stamps.keep(stamps_file, known)
    return problems


def unfit(manifest: Manifest, plan: t.Mapping[str, t.Any]) -> list[Problem]:
    """What the plan needs and the bundle does not have."""
    engine = plan["engine"]
    problems: list[Problem] = []
    layout = BUNDLED.get(engine["name"])
    version = manifest.components.get("kubernetes", {}).get("version", "none")
    if layout is not None and version != engine["version"]:
        rule = f"The bundle has Kubernetes {version}."
        remedy = "Build a bundle of this version, or set the version of the bundle."
        problems.append(Problem("klubster_engine_version", engine["version"], rule, remedy))
    files = {entry.name for entry in manifest.files}
    images = {image.name for image in manifest.images}
    absent = [name for name in layout.programs if name not in files] if layout else []
    needed = images_for(layout, "server", plan["images"]) if layout else plan["images"]
    absent += [f"image {name}" for name in needed if name not in images]
    if absent:
        rule = f"The bundle lacks {', '.join(absent)}."
        problems.append(Problem("klubster_bundle_dir", str(manifest.directory), rule, _REMEDY))
    return problems


def _stamp(entry: BundleFile) -> list[t.Any] | None:
    try:
        return [*stamps.stamp(entry.path), entry.sha256]
    except OSError:
        return None


__all__ = ("damaged", "unfit")
