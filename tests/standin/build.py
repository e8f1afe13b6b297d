# SPDX-License-Identifier: Apache-2.0
"""Makes the stand-in for k3s from a source bundle: an airgap directory with the same files as a release of k3s.

    tests/standin/build.py --bundle DIR|default --version v1.34.2+k3s1 [--output DIR]

Kept in the cache by what it is made of; prints the folder. The same input gives the same bytes. ``default`` is the
folder in which the catalogue's bundle of that version lies. Run it with the Python of ``.venv``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import time
import typing as t
import zipfile
from pathlib import Path

import kine_build
import stamping
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VERSION = re.compile(r"v(\d+\.\d+\.\d+)(-(alpha|beta|rc)\d+)?\+k3s\d+")
#: what this program puts into its cache; anything else there is not ours
_OURS = re.compile(r"(partial-)?[0-9a-f]{16}|parts-[0-9a-f]{16}(-v[0-9a-z.+-]+)?")
_KEPT, _DAYS = 6, 2
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "from k3s_standin import cli\nimport os, sys\nstatus = cli.main()\nsys.stdout.flush()\nos._exit(status)\n"
#: of the bundle's bin/
_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "etcd", "etcdctl", "kubectl", "kubelet", "runc")
#: of the bundle's images: program by image
_WITHIN = {
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kube-proxy": "kube-proxy",
    "flannel": "flanneld",
}
_PLUGINS = ("bridge", "host-local", "loopback", "portmap", "bandwidth")
#: these say the version of k3s where Kubernetes says its own: nodes, the API, kubectl
_STAMPED = ("kubelet", "kube-apiserver", "kubectl")
#: names in the airgap archive, as k3s has them; versions come from the bundle
_IMAGES = {
    "pause": "docker.io/rancher/mirrored-pause:3.6",
    "coredns": "docker.io/rancher/mirrored-coredns-coredns:{version}",
    "local-path-provisioner": "docker.io/rancher/local-path-provisioner:{version}",
    "shell": "docker.io/rancher/mirrored-library-busybox:{version}",
}


def build(bundle: Path, version: str, cache: Path) -> Path:
    """The airgap directory, in the cache."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    fits = VERSION.fullmatch(version)
    kubernetes = str(manifest["components"]["kubernetes"]["version"])
    if not fits or fits.group(1) != kubernetes:
        raise SystemExit(f"--version {version}: it has to be v{kubernetes}+k3sN, as the bundle holds {kubernetes}.")
    sources = _sources()
    kine = kine_build.built(cache)
    parts = _digest(json.dumps([manifest["key"], _PROGRAMS, _WITHIN, _PLUGINS, _STAMPED, str(kine)]).encode())[:16]
    made_of = [
        parts,
        version,
        *(_digest((HERE / name).read_bytes()) for name in ("build.py", "kine_build.py", "stamping.py")),
        *(_digest(data) for _name, data in sources),
    ]
    key = _digest(json.dumps(made_of).encode())[:16]
    target = cache / key
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            partial = cache / f"partial-{key}"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            packed = _packed(bundle, cache / f"parts-{parts}", version, kine)
            images = _images(bundle, partial / "k3s-airgap-images-amd64.tar", manifest)
            _executable(partial / "k3s", sources, packed, _stamp(bundle, version, manifest, packed, images))
            _sums(partial)
            partial.rename(target)
            forget(cache, kept=(target, *(path for path in cache.glob(f"parts-{parts}*"))))
    os.utime(target)
    return target


def _sources() -> list[tuple[str, bytes]]:
    """Our package, and PyYAML in Python."""
    found = [(f"k3s_standin/{path.name}", path.read_bytes()) for path in sorted((HERE / "k3s_standin").glob("*.py"))]
    found.append(("k3s_standin/__init__.py", b""))
    library = Path(yaml.__file__).parent
    found += [(f"yaml/{path.name}", path.read_bytes()) for path in sorted(library.glob("*.py"))]
    found.append(("__main__.py", _MAIN.encode()))
    return found


def _packed(bundle: Path, folder: Path, version: str, kine: Path | None) -> list[Path]:
    """Each program as a gzip file of its own: packing takes most of the time, and only a new bundle changes most."""
    plain = [Part(kine, "", "bin/kine")] if kine else []
    plain += [Part(bundle / f"bin/{name}", "", f"bin/{name}") for name in _PROGRAMS]
    plain += [Part(bundle / f"cni/{name}", "", f"cni/{name}") for name in _PLUGINS]
    plain += [Part(bundle / f"images/{image}.tar", name, f"bin/{name}") for image, name in _WITHIN.items()]
    stamped = [part for part in plain if Path(part.name).name in _STAMPED]
    kubernetes = version.partition("+")[0]
    return sorted(
        (
            *_all_packed(folder, [part for part in plain if part not in stamped], lambda data: data),
            *_all_packed(
                folder.with_name(f"{folder.name}-{version}"),
                stamped,
                lambda data: stamping.stamped(data, kubernetes, version),
            ),
        ),
        key=lambda path: (path.parent.name, path.name),
    )


class Part(t.NamedTuple):
    """A program: a file, or one within an image's archive, and its name in the result."""

    source: Path
    program: str
    name: str


def _all_packed(folder: Path, parts: t.Sequence[Part], change: t.Callable[[bytes], bytes]) -> list[Path]:
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}-tmp")
        shutil.rmtree(partial, ignore_errors=True)
        for name in ("bin", "cni"):
            (partial / name).mkdir(parents=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda part: _pack(part, partial / f"{part.name}.gz", change), parts))
        partial.rename(folder)
    os.utime(folder)
    return list(folder.rglob("*.gz"))


def _pack(part: Part, target: Path, change: t.Callable[[bytes], bytes]) -> None:
    data = change(_from_image(part.source, part.program) if part.program else part.source.read_bytes())
    with target.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        packed.write(data)


def _from_image(archive: Path, program: str) -> bytes:
    with tarfile.open(archive) as image:
        layers = json.load(_member(image, "manifest.json"))[0]["Layers"]
        for name in layers:
            with tarfile.open(fileobj=_member(image, name)) as layer:
                for member in layer:
                    if member.isfile() and Path(member.name).name == program:
                        return _member(layer, member.name).read()
    raise SystemExit(f"{archive} holds no program {program}")


def _member(archive: tarfile.TarFile, name: str) -> t.IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None, name
    return found


def _images(bundle: Path, target: Path, manifest: t.Mapping[str, t.Any]) -> dict[str, str]:
    """One archive with all images under the names that k3s gives them; those names."""
    names = {}
    listed: list[dict[str, t.Any]] = []
    docker: list[dict[str, t.Any]] = []
    blobs: dict[str, tuple[Path, str]] = {}
    for image, form in _IMAGES.items():
        path = bundle / f"images/{image}.tar"
        with tarfile.open(path) as archive:
            index = json.load(_member(archive, "index.json"))["manifests"][0]
            tag = str(index["annotations"]["io.containerd.image.name"]).rpartition(":")[2]
            name = names[image] = form.format(version=tag)
            annotations = {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            }
            listed.append({**index, "annotations": annotations})
            docker.append({**json.load(_member(archive, "manifest.json"))[0], "RepoTags": [name]})
            for member in archive:
                if member.isfile() and member.name.startswith("blobs/"):
                    blobs[member.name] = (path, member.name)
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as out:
        _put(out, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _put(out, "index.json", json.dumps({"schemaVersion": 2, "manifests": listed}).encode())
        _put(out, "manifest.json", json.dumps(docker).encode())
        for name, (path, inner) in sorted(blobs.items()):
            with tarfile.open(path) as archive:
                _put(out, name, _member(archive, inner).read())
    return names


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    facts = tarfile.TarInfo(name)
    facts.size = len(data)
    archive.addfile(facts, io.BytesIO(data))


def _stamp(
    bundle: Path, version: str, manifest: t.Mapping[str, t.Any], packed: t.Sequence[Path], images: dict[str, str]
) -> dict[str, t.Any]:
    programs = hashlib.sha256()
    for path in packed:
        programs.update(_digest(path.read_bytes()).encode())
    programs.update(version.encode())
    hash_ = programs.hexdigest()
    go = str(manifest["go"]["version"] if isinstance(manifest["go"], dict) else manifest["go"])
    return {
        "version": version,
        "commit": hash_[:8],
        "hash": hash_,
        "go": go if go.startswith("go") else f"go{go}",
        "images": images,
        "local_storage": (bundle / "manifests/local-path-storage.yaml").read_text(encoding="utf-8"),
    }


def _executable(
    target: Path, sources: t.Sequence[tuple[str, bytes]], packed: t.Sequence[Path], stamp: t.Mapping[str, t.Any]
) -> None:
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            entries = [("stamp.json", json.dumps(stamp, sort_keys=True).encode()), *sources]
            for name, data in entries:
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
            for path in packed:
                name = f"programs/{path.parent.name}/{path.name}"
                with archive.open(zipfile.ZipInfo(name, _EPOCH), "w") as out:
                    out.write(path.read_bytes())
    target.chmod(0o755)


def _sums(folder: Path) -> None:
    lines = [f"{_digest(path.read_bytes())}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "sha256sum-amd64.txt").write_text("".join(lines), encoding="ascii")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def forget(cache: Path, kept: t.Sequence[Path]) -> None:
    """Builds that nobody has asked for in two days, and all but the newest six."""
    others = [path for path in cache.iterdir() if _OURS.fullmatch(path.name) and path not in kept]
    others = sorted((path for path in others if path.is_dir() and not path.is_symlink()), key=_used, reverse=True)
    for position, path in enumerate(others):
        if position >= _KEPT or time.time() - _used(path) > _DAYS * 86400:
            shutil.rmtree(path)


def _used(path: Path) -> float:
    return path.stat().st_mtime


def put(folder: Path, output: Path, cache: Path) -> None:
    """The same files in a folder of the user's; nothing is touched when they are there."""
    if output.is_symlink():
        if cache.resolve() not in output.resolve().parents:
            raise SystemExit(f"--output {output}: it is a link. Name a folder.")
        # Files written through it would change what the cache says is made of something else.
        output.unlink()
    if output.resolve().is_relative_to(cache.resolve()):
        raise SystemExit(f"--output {output}: it lies in the cache {cache}. Name another folder.")
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        place = output / path.name
        if place.exists() and (place.samefile(path) or _facts(place) == _facts(path)):
            continue
        partial = output / f".{path.name}.partial"
        partial.unlink(missing_ok=True)
        try:
            os.link(path, partial)
        except OSError:
            shutil.copy2(path, partial)
        partial.replace(place)


def _facts(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_mode


def bundle_folder(given: str, version: str) -> Path:
    """:raises SystemExit: no bundle has been built there."""
    folder = _default_bundle(version) if given == "default" else Path(given)
    if not (folder / "manifest.json").is_file():
        raise SystemExit(f"--bundle {given}: there is no bundle in {folder}. Build it: playbooks/bundle.yml")
    return folder


def _default_bundle(version: str) -> Path:
    sys.path.insert(0, str(ROOT / ".ansible/collections"))
    from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue  # noqa: PLC0415 - optional

    kubernetes = version.removeprefix("v").partition("+")[0]
    if kubernetes not in catalogue.versions():
        raise SystemExit(f"--version {version}: bundles are built of {', '.join(catalogue.versions())}.")
    return catalogue.default_bundle_dir(version="" if kubernetes == catalogue.versions()[0] else kubernetes)


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster" / "standin"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True, help="folder of a source bundle, or 'default'")
    parser.add_argument("--version", required=True, help="what the program says that it is, v1.34.2+k3s1 for example")
    parser.add_argument("--output", type=Path, help="also put the files here (as hard links where that works)")
    given = parser.parse_args()
    folder = build(bundle_folder(given.bundle, given.version), given.version, cache_folder())
    if given.output:
        put(folder, given.output, cache_folder())
        folder = given.output
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
