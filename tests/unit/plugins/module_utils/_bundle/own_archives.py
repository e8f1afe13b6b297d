# SPDX-License-Identifier: Apache-2.0
"""Archives of images as tools write them, of a few bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t
from pathlib import Path

NAME = "registry.example.org/shop/web:v1"


def write(path: Path, files: t.Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def oci(path: Path, *names: str, content: bytes = b"{}", note: str = "io.containerd.image.name") -> Path:
    """As ``regctl image export`` and ``skopeo copy`` write it; an empty name is left out."""
    digest = hashlib.sha256(content).hexdigest()
    manifests = [
        {"digest": f"sha256:{digest}", "annotations": {note: name} if name else {}} for name in names or (NAME,)
    ]
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": manifests}).encode(),
        f"blobs/sha256/{digest}": content,
    }
    return write(path, files)


def docker(path: Path, *names: str, content: bytes = b"{}") -> Path:
    """As ``docker save`` wrote it before it knew OCI's layout."""
    listed = [{"Config": "c.json", "RepoTags": list(names), "Layers": ["l/layer.tar"]}]
    return write(path, {"c.json": content, "l/layer.tar": b"x", "manifest.json": json.dumps(listed).encode()})
