# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes OCI image archives from built programs with regctl: no registry, no daemon, the same bits every time.

Layers are not compressed: every node would pay for unpacking them, and the archives never cross the internet.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import stat
import subprocess
import tarfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Image
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.gomodule import SOURCE_DATE_EPOCH
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed

_CREATED = "2020-01-01T00:00:00Z"
_SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
# Programs look up names of users and hosts even in an image that has nothing else.
_BASE_FILES = {
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": b"hosts: files dns\n",
    "etc/passwd": b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
}

#: What one layer holds: path in the image → file on disk, content, or ("link", target).
Content = t.Dict[str, t.Union[Path, bytes, "Link"]]  # noqa: UP006 (an alias is evaluated, on Python 3.9 too)


@dataclass(frozen=True)
class Link:
    """A symbolic link in a layer."""

    target: str


def base_content() -> Content:
    """Files that every image gets."""
    return dict(_BASE_FILES)


def write_layer(target: Path, content: Content) -> None:
    """Write a tar whose bits depend on names, contents and x-bits only."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted({*_parents(content), "tmp"}):
            folder = _entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
            archive.addfile(folder)
        for name in sorted(content):
            _add(archive, name, content[name])


def write_archive(
    target: Path, image: Image, reference: str, layers: t.Sequence[Path], *, arch: str, regctl: Path, work: Path
) -> None:
    """Put layers and settings together as an OCI archive that ``ctr images import`` reads.

    :param reference: the full name under which it is imported.
    :param work: an empty folder for the layout; removed afterwards.
    """
    layout = f"ocidir://{work}/layout"
    settings: dict[str, t.Any] = {"Env": [_SEARCH_PATH], "Entrypoint": list(image.entrypoint)}
    if image.user:
        settings["User"] = image.user
    # A layer without compression has one digest, stored and unpacked.
    descriptors = [_put_file(regctl, layout, layer) for layer in layers]
    config = {
        "created": _CREATED,
        "architecture": arch,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [entry["digest"] for entry in descriptors]},
        "history": [{"created": _CREATED, "created_by": "kateskit.klubster.source_bundle"} for _entry_ in descriptors],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, **_put(regctl, layout, _json(config))},
        "layers": [{"mediaType": _LAYER_TYPE, **entry} for entry in descriptors],
    }
    _regctl(regctl, ["manifest", "put", "--content-type", _MANIFEST_TYPE, f"{layout}:x"], io.BytesIO(_json(manifest)))
    target.parent.mkdir(parents=True, exist_ok=True)
    _regctl(regctl, ["image", "export", "--name", reference, f"{layout}:x", str(target)])
    shutil.rmtree(work)


def _parents(content: Content) -> set[str]:
    found: set[str] = set()
    for name in content:
        parts = name.split("/")[:-1]
        found.update("/".join(parts[: count + 1]) for count in range(len(parts)))
    return found


def _add(archive: tarfile.TarFile, name: str, value: Path | bytes | Link) -> None:
    if isinstance(value, Link):
        entry = _entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = value.target
        archive.addfile(entry)
    elif isinstance(value, bytes):
        entry = _entry(name, tarfile.REGTYPE, 0o644)
        entry.size = len(value)
        archive.addfile(entry, io.BytesIO(value))
    else:
        status = value.stat()
        entry = _entry(name, tarfile.REGTYPE, 0o755 if status.st_mode & stat.S_IXUSR else 0o644)
        entry.size = status.st_size
        with value.open("rb") as stream:
            archive.addfile(entry, stream)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, SOURCE_DATE_EPOCH
    return entry


def _json(value: t.Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _put(regctl: Path, layout: str, content: bytes) -> dict[str, t.Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _regctl(regctl, ["blob", "put", "--digest", digest, layout], io.BytesIO(content))
    return {"digest": digest, "size": len(content)}


def _put_file(regctl: Path, layout: str, path: Path) -> dict[str, t.Any]:
    with path.open("rb") as stream:
        digest = _regctl(regctl, ["blob", "put", layout], stream).strip()
    return {"digest": digest, "size": path.stat().st_size}


def _regctl(regctl: Path, arguments: t.Sequence[str], stdin: t.BinaryIO | io.BytesIO | None = None) -> str:
    argv = [str(regctl), *arguments]
    # Nothing of the user's registry settings reaches it.
    environment = {"HOME": "/nonexistent", "REGCTL_CONFIG": "/nonexistent/regctl.json", "LC_ALL": "C.UTF-8"}
    options: dict[str, t.Any] = {"input": b""}
    if isinstance(stdin, io.BytesIO):
        options = {"input": stdin.getvalue()}
    elif stdin is not None:
        options = {"stdin": stdin}
    # Streams files into a program, which _command.py does not do.
    # pylint: disable-next=ansible-bad-function
    done = subprocess.run(argv, capture_output=True, env=environment, check=False, **options)
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stdout.decode(), done.stderr.decode())
    return bytes(done.stdout).decode()


__all__ = ("Content", "Link", "base_content", "write_archive", "write_layer")
