# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Archives of images of the user's own: which images are in them, by which names, and what keeps them from being used.

An archive is read as containerd's import does (its package ``core/images/archive``): as OCI's layout where there is
``oci-layout``, else by Docker's ``manifest.json``. OCI's names are taken as they are written, Docker's are completed.
For a pod, containerd looks an image up by ``host/path:tag`` or ``host/path@sha256:…`` (``ParseDockerRef`` of Docker's
package ``reference``, which leaves a tag out where there is a digest), so by another name it is never found.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import stamps
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import BundleFile, Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of

VARIABLE = "klubster_image_archives"
#: kind of these files in a table of contents; whoever sends them has just read them
KIND = "archive"
#: where they are among files of the bundle
OWN = "archives/"
_IMAGE_NAME, _REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:[0-9]))(?::[0-9]{1,5})?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_TAG, _DIGEST = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", r"@sha256:[0-9a-f]{64}"
_NAME = re.compile(f"{_HOST}/{_PATH}(?:{_TAG}|{_DIGEST})")
_BOTH = re.compile(f"(?P<name>{_HOST}/{_PATH}){_TAG}(?P<digest>{_DIGEST})")
#: containerd's own limit for one of these files
_JSON_LIMIT = 20 * 1024 * 1024
_PACKED = {b"\x1f\x8b": "gzip -d", b"\x28\xb5\x2f\xfd": "zstd -d", b"BZh": "bzip2 -d", b"\xfd7zXZ": "xz -d"}
_MAKE = "Make one with 'docker save', 'regctl image export' or 'skopeo copy', see docs/offline-images.md."

#: an archive as the plan has it: name, path, sha256, size, images (name → what it stands for), rule, remedy; with a
#: rule that it breaks, it has no sum
Entry = dict[str, t.Any]


class ArchiveError(KlubsterError):
    """A file cannot be used as an archive of images."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(f"{rule} {remedy}")
        self.rule, self.remedy = rule, remedy


def images_in(path: Path) -> dict[str, str]:
    """The images of an archive: name → digest of what the name stands for.

    :raises ArchiveError: it is no archive of images, or containerd would not find an image by its name.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            files = {member.name.removeprefix("./"): member for member in archive}
            found = _of_oci(archive, files) if "oci-layout" in files else _of_docker(archive, files)
    except tarfile.TarError as exc:
        raise _no_archive(path, exc) from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ArchiveError(f"Its table of contents is damaged ({exc}).", "Make the archive again.") from exc
    except OSError as exc:
        raise ArchiveError(f"It cannot be read ({exc.strerror}).", "Copy it here, or name another file.") from exc
    if not found:
        raise ArchiveError("No image in it has a name.", f"{_MAKE} Give the image's name there.")
    for name, digest in found.items():
        _check_name(name, digest)
    return found


def _no_archive(path: Path, cause: Exception) -> ArchiveError:
    with path.open("rb") as stream:
        begin = stream.read(5)
    for magic, program in _PACKED.items():
        if begin.startswith(magic):
            rule = "containerd's import takes an archive that is not compressed."
            return ArchiveError(rule, f"Unpack it: {program} {path.name}")
    return ArchiveError(f"It is no tar archive, or not a whole one ({cause}).", _MAKE)


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> t.Any:
    if member.size > _JSON_LIMIT:
        raise ValueError(f"{member.name} is too large")
    return json.loads(_content(archive, member))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name} is no file")
    return stream.read()


def _of_oci(archive: tarfile.TarFile, files: t.Mapping[str, tarfile.TarInfo]) -> dict[str, str]:
    if "index.json" not in files:
        raise ArchiveError("There is no index.json beside oci-layout in it.", _MAKE)
    found: dict[str, str] = {}
    for entry in _json(archive, files["index.json"])["manifests"]:
        notes = entry.get("annotations") or {}
        name, digest = notes.get(_IMAGE_NAME) or notes.get(_REF_NAME), str(entry["digest"])
        if "blobs/" + digest.replace(":", "/") not in files:
            raise ArchiveError(f"{name or digest} is named in it, but is not in it.", "Make the archive again.")
        if name:
            found[str(name)] = digest
    return found


def _of_docker(archive: tarfile.TarFile, files: t.Mapping[str, tarfile.TarInfo]) -> dict[str, str]:
    if "manifest.json" not in files:
        raise ArchiveError("There is neither an oci-layout nor a manifest.json in it, so it holds no image.", _MAKE)
    found: dict[str, str] = {}
    for entry in _json(archive, files["manifest.json"]):
        lacking = [name for name in (entry["Config"], *entry["Layers"]) if name not in files]
        if lacking:
            raise ArchiveError(f"{lacking[0]} is named in it, but is not in it.", "Make the archive again.")
        # What containerd makes of it has no digest yet; the configuration names all layers by theirs.
        digest = "config:" + hashlib.sha256(_content(archive, files[entry["Config"]])).hexdigest()
        for name in entry.get("RepoTags") or ():
            found[_completed(str(name))] = digest
    return found


def _completed(name: str) -> str:
    """Docker's short names in full: ``busybox:1`` is ``docker.io/library/busybox:1``."""
    host, slash, rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if "." not in host and ":" not in host and host != "localhost":
        return f"docker.io/{name}"
    return f"docker.io/{rest}" if host == "index.docker.io" else name


def _check_name(name: str, digest: str) -> None:
    """:raises ArchiveError: nobody would find an image by this name, or it says what is not true."""
    short = re.fullmatch(r"(?:index\.)?docker\.io/[^/]+", name) or name.startswith("index.docker.io/")
    promised = name.partition("@")[2]
    if _NAME.fullmatch(name) and not short:
        if promised in ("", digest):
            return
        rule = f"What is named {name} in it is {digest}."
        raise ArchiveError(rule, "Export what the digest stands for; mostly that is the list, so all platforms.")
    both = _BOTH.fullmatch(name)
    if both:
        rule = f"{name} has a tag and a digest, and images are found by one of them."
        remedy = f"Export it by the name {both['name']}{both['digest']}, which is what such a pod asks for."
        raise ArchiveError(rule, remedy)
    rule = f"The image is named {name!r} in it, and is found by a full name only."
    raise ArchiveError(rule, f"{_MAKE} A full name is like docker.io/library/name:v1.2.3.")


def entries(paths: t.Sequence[str], cache: Path) -> list[Entry]:
    """The archives as the plan has them; what is wrong with one stands in it.

    :param cache: what was read stays there, so that an unchanged file is not read again; it may be deleted at any time.
    """
    if not paths:
        return []
    known = stamps.load(cache)
    read: dict[str, t.Any] = {}
    found = [_entry(Path(path), known, read) for path in paths]
    if read != known:
        stamps.keep(cache, read)
    _compare(found)
    return found


def _entry(path: Path, known: t.Mapping[str, t.Any], read: dict[str, t.Any]) -> Entry:
    entry: Entry = {"name": path.name, "path": str(path), "sha256": "", "size": 0, "images": {}}
    try:
        if not path.is_file():
            raise ArchiveError("There is no such file on the controller.", _MAKE)
        stamp = stamps.stamp(path)
        last = known.get(str(path)) or {}
        if last.get("stamp") != stamp:
            # Names first: what is no archive is not read to its end.
            last = {"stamp": stamp, "images": images_in(path), "sha256": sha256_of(path)}
        read[str(path)] = last
    except ArchiveError as exc:
        return entry | {"rule": exc.rule, "remedy": exc.remedy}
    except OSError as exc:
        return entry | {"rule": f"It cannot be read ({exc.strerror}).", "remedy": "Let this user read it."}
    return entry | {"sha256": last["sha256"], "size": stamp[0], "images": last["images"], "rule": "", "remedy": ""}


def _compare(found: t.Sequence[Entry]) -> None:
    """A name that stands for two images would be one or the other by chance."""
    owners: dict[str, tuple[str, str]] = {}
    for entry in found:
        for name, digest in entry["images"].items():
            first, meant = owners.setdefault(name, (entry["name"], digest))
            if meant != digest and not entry["rule"]:
                entry["rule"] = f"{name} in it is another image than that of this name in {first}."
                entry["remedy"] = "Keep one of the two archives, or make both again of the same image."


def problems(found: t.Sequence[t.Mapping[str, t.Any]], manifest: Manifest | None = None) -> list[Problem]:
    """What is wrong with the archives of a plan.

    :param manifest: of the bundle; its images are not the user's to bring.
    """
    bundled = {image.reference for image in manifest.images} if manifest else set()
    wrong = []
    for index, entry in enumerate(found):
        rule, remedy = entry["rule"], entry["remedy"]
        twice = sorted(bundled & set(entry["images"]))
        if not rule and twice:
            rule = f"{twice[0]} in it is an image of the bundle, which comes from there."
            remedy = "Name it in klubster_images if nodes lack it, and take it out of the archive."
        if rule:
            wrong.append(Problem(f"{VARIABLE}[{index}]", entry["path"], rule, remedy))
    return wrong


def with_archives(manifest: Manifest | None, found: t.Sequence[t.Mapping[str, t.Any]]) -> Manifest:
    """A table of contents with the archives in it, so that they are sent as files of the bundle are.

    :raises ArchiveError: one of them cannot be used.
    """
    for entry in found:
        if entry["rule"]:
            raise ArchiveError(f"{VARIABLE}: {entry['path']}: {entry['rule']}", entry["remedy"])
    files = tuple(
        BundleFile(source(entry), Path(entry["path"]), KIND, "", entry["sha256"], int(entry["size"])) for entry in found
    )
    whole = manifest or Manifest(Path(), key="", arch="", go="")
    return replace(whole, files=(*whole.files, *files))


def source(entry: t.Mapping[str, t.Any]) -> str:
    """An archive's name among files of the bundle."""
    return f"{OWN}{entry['name']}"


__all__ = (
    "KIND",
    "OWN",
    "VARIABLE",
    "ArchiveError",
    "Entry",
    "entries",
    "images_in",
    "problems",
    "source",
    "with_archives",
)
