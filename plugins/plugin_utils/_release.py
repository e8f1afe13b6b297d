# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""A folder with a release of k3s, read like a bundle: its list of sums is the table of contents."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import source
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import (
    BundleError,
    BundleFile,
    Manifest,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import (
    IMAGE_FORMS,
    Architecture,
    architecture,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums

_KINDS = {True: "image", False: "binary"}


def load(folder: str | Path, arch: str = "amd64") -> Manifest:
    """The files of a release for an architecture.

    :raises BundleError: the folder or its list of sums is missing or no use.
    """
    place, names = Path(folder).expanduser(), architecture(arch)
    try:
        listed = checksums.parse((place / names.sums).read_bytes(), str(place / names.sums))
    except OSError as exc:
        raise BundleError(
            f"{place / names.sums} cannot be read ({exc.strerror}). Put the release's {names.binary}, {names.sums} and "
            f"{names.images('tar.zst')} there."
        ) from exc
    except checksums.ChecksumListError as exc:
        raise BundleError(f"{exc} Fetch the list again.") from exc
    files = [
        BundleFile(name, place / name, _KINDS[name != names.binary], "k3s", listed[name], (place / name).stat().st_size)
        for name in present(place, names)
        if name in listed
    ]
    if names.binary not in [file.name for file in files]:
        raise BundleError(f"In {place} there is no {names.binary}, or no sum for it.")
    return Manifest(place, key="", arch=arch, go="", files=tuple(files))


def present(folder: Path, arch: Architecture) -> list[str]:
    """Names of the program and of the first form of the image archive that is there."""
    archives = [arch.images(form) for form in IMAGE_FORMS if (folder / arch.images(form)).is_file()]
    return [name for name in (arch.binary, *archives[:1]) if (folder / name).is_file()]


def places(manifest: Manifest) -> list[dict[str, str]]:
    """Where a release's files go, in the words of ``verified_install``."""
    return [place_of(file.name, image=file.kind != "binary") for file in manifest.files]


def place_of(name: str, *, image: bool) -> dict[str, str]:
    """Where one file of a release goes."""
    if image:
        return {"source": name, "path": f"{K3S.images}/{name}", "mode": "0644"}
    return {"source": name, "path": K3S.program, "mode": "0755"}


def archive_places(
    manifest: Manifest, names: t.Iterable[str], own: t.Iterable[t.Mapping[str, t.Any]] = ()
) -> list[dict[str, str]]:
    """Where archives of a bundle's images and of the user's own go: k3s imports what lies there.

    :param own: as the plan has them. The sum is in the name of the file: while k3s runs, it imports a file of a new
        name, and one that it knows only if its size is another.
    """
    found = [
        {
            "source": source(entry),
            "path": f"{K3S.images}/klubster-own-{entry['sha256'][:12]}-{entry['name']}",
            "mode": "0644",
        }
        for entry in own
    ]
    for name in names:
        image = manifest.image(str(name))
        inside = str(image.path.relative_to(manifest.directory))
        found.append({"source": inside, "path": f"{K3S.images}/klubster-{image.path.name}", "mode": "0644"})
    return found


__all__ = ("archive_places", "load", "place_of", "places", "present")
