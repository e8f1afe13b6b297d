# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Image archives into containerd: what is there, what is missing, and the import."""

from __future__ import annotations

import contextlib
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.install import require_space, verify
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

_NAMESPACE = "k8s.io"
# kubelet's garbage collection leaves pinned images alone; nothing could bring them back without a registry.
_PIN = "io.cri-containerd.pinned=pinned"

#: one archive, as modules take it
ARCHIVE_OPTIONS: dict[str, t.Any] = {
    "source": {"type": "str", "required": True},
    "reference": {"type": "str", "default": ""},
    "holds": {"type": "dict", "default": {}},
    "sha256": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
}


class ImageError(KlubsterError):
    """An image cannot be imported."""


@dataclass(frozen=True)
class WantedImage:
    """An archive, and the references that containerd will know its images by.

    :param reference: of the one image in an archive of the bundle; empty for an archive of the user's.
    :param holds: reference → digest of each image in an archive of the user's.
    """

    source: str
    reference: str
    sha256: str
    size: int
    holds: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, str]:
        """Reference → what tells one image of this name from another."""
        return dict(self.holds) or {self.reference: self.sha256}


def present(run: Runner, ctr: str) -> set[str] | None:
    """References that containerd has; None when containerd does not answer."""
    try:
        listed = run([ctr, "--namespace", _NAMESPACE, "images", "list", "--quiet"], timeout=60)
    except CommandFailed:
        return None
    return set(listed.stdout.split())


def listed(run: Runner, ctr: str) -> set[str]:
    """References that containerd has.

    :raises ImageError: containerd does not answer.
    """
    have = present(run, ctr)
    if have is None:
        raise ImageError("containerd does not answer. See journalctl -u containerd, then run again.")
    return have


def compare(wanted: t.Sequence[WantedImage], have: t.Collection[str], record: Record) -> list[WantedImage]:
    """Archives of which an image is missing, or came from another one."""
    return [
        item
        for item in wanted
        if any(name not in have or record.images.get(name) != digest for name, digest in item.images.items())
    ]


def check_space(missing: t.Sequence[WantedImage], staging: Path, root: Path) -> None:
    """Refuse before anything is sent: the archives, their content and the unpacked layers need room.

    :raises KlubsterError: names the file system, what is free and what is needed.
    """
    archives = sum(item.size for item in missing)
    if not archives:
        return
    require_space(staging, archives)
    require_space(root, 2 * archives)


def load(staged: t.Mapping[str, Path], missing: t.Sequence[WantedImage], record: Record, run: Runner, ctr: str) -> None:
    """Verify archives, import them, two at a time, and remove each once it is in.

    :raises KlubsterError: an archive is damaged, or containerd refuses it.
    """

    def one(item: WantedImage) -> WantedImage:
        archive = staged[item.source]
        verify(archive, item.source, item.sha256)
        _import(item, archive, run, ctr)
        with contextlib.suppress(FileNotFoundError):
            archive.unlink()
        return item

    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            for item in pool.map(one, missing):
                record.images.update(item.images)
        finally:
            record.save()
    have = present(run, ctr) or set()
    for item in missing:
        lacking = sorted(set(item.images) - have)
        if lacking:
            raise ImageError(
                f"{item.source} was imported, but containerd does not know {', '.join(lacking)}. "
                "Make the archive again; one of the bundle is made by building the bundle again."
            )


def _import(item: WantedImage, archive: Path, run: Runner, ctr: str) -> None:
    base = [ctr, "--namespace", _NAMESPACE, "images"]
    try:
        run([*base, "import", "--local", str(archive)], timeout=600)
        for name in item.images:
            run([*base, "label", name, _PIN], timeout=60)
    except CommandFailed as exc:
        raise ImageError(f"containerd refused {item.source} ({', '.join(item.images)}): {exc}") from exc


__all__ = ("ARCHIVE_OPTIONS", "ImageError", "WantedImage", "check_space", "compare", "listed", "load", "present")
