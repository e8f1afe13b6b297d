# SPDX-License-Identifier: Apache-2.0
"""A bundle that is complete and true to its manifest, but whose files hold a few bytes each."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM

_LAYERS = ("flannel", "local-path-provisioner", "shell", "metallb-controller", "metallb-speaker", "agnhost")
IMAGES = (*KUBEADM.server_images, *KUBEADM.node_images, *_LAYERS)


def make(folder: Path, arch: str = "amd64") -> Path:
    """Write the bundle; return its folder."""
    names = [*KUBEADM.programs, *(f"images/{name}.tar" for name in IMAGES), "licences/runc.txt"]
    files: list[dict[str, t.Any]] = []
    for name in names:
        content = f"content of {name}".encode()
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files.append(
            {
                "path": name,
                "kind": {"bin": "binary", "images": "image", "licences": "licence"}[name.split("/", maxsplit=1)[0]],
                "component": "kubernetes",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "reference": f"bundle.klubster.internal/{path.stem}:v1",
            }
        )
    data = {"schema": 1, "key": "small", "arch": arch, "go": "go1", "files": files}
    data["components"] = {"kubernetes": {"version": "1.34.2"}}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
