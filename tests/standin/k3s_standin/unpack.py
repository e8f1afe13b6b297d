# SPDX-License-Identifier: Apache-2.0
"""The programs that the one file carries, unpacked at the first run to data/<hash>/bin (k3s.md B.1)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import json
import shutil
import sys
import typing as t
import zipfile
from pathlib import Path

from k3s_standin.log import info
from k3s_standin.paths import Paths, write

#: multicall names that stand beside the programs
LINKS = ("kubectl", "crictl", "ctr")


def archive() -> Path:
    return Path(sys.argv[0]).resolve()


def stamp() -> dict[str, t.Any]:
    """What the build wrote: version, commit, hash of the programs."""
    with zipfile.ZipFile(archive()) as file:
        return dict(json.loads(file.read("stamp.json")))


def unpack(paths: Paths, hash_: str) -> Path:
    """The folder of the programs; filled when it is not there yet."""
    target = paths.programs / hash_
    if not (target / "bin").is_dir():
        info(f"Preparing data dir {target}")
        partial = paths.programs / f"{hash_}-tmp"
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(archive()) as file:
            names = [name for name in file.namelist() if name.startswith("programs/") and name.endswith(".gz")]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: _one(name, partial), names))
        partial.rename(target)
    current = paths.programs / "current"
    if not current.is_symlink() or current.readlink() != target:
        if current.is_symlink():
            previous = paths.programs / "previous"
            previous.unlink(missing_ok=True)
            previous.symlink_to(current.readlink())
            current.unlink()
        current.symlink_to(target)
    plugins = target / "cni"
    paths.cni_bin.mkdir(parents=True, exist_ok=True)
    for plugin in sorted(plugins.iterdir()):
        place = paths.cni_bin / plugin.name
        # A program that runs cannot be overwritten, only replaced.
        if not place.exists() or place.stat().st_size != plugin.stat().st_size:
            write(place, plugin.read_bytes(), 0o755)
    return target / "bin"


def _one(name: str, target: Path) -> None:
    place = target / name[len("programs/") : -len(".gz")]
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(zipfile.ZipFile(archive()))
        source = stack.enter_context(gzip.open(stack.enter_context(file.open(name))))
        shutil.copyfileobj(source, stack.enter_context(place.open("wb")), 1 << 20)
    place.chmod(0o755)


__all__ = ("LINKS", "archive", "stamp", "unpack")
