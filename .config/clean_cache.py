# SPDX-License-Identifier: Apache-2.0
"""Says what of the cache this repository no longer uses, and with `--confirm=yes` removes it.

Bundles of other catalogues go, built components and images of which no bundle is left, root file systems of labs that
are made another way now, and what was cut short. Nothing is touched that is younger than a day; root file systems only
while there is no lab.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue  # noqa: E402 - needs the path
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import recipe_for  # noqa: E402 - needs the path
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import BASES  # noqa: E402 - needs the path

_DAY = 86400.0


def bundle_keys() -> set[str]:
    return {catalogue.bundle_key(version=version) for version in ("", *catalogue.versions()[1:])}


def root_names() -> set[str]:
    return {f"base-{recipe_for(suite).key}" for suite in BASES.values()}


def unused(cache: Path, bundles: t.Collection[str], roots: t.Collection[str], now: float) -> list[Path]:
    """What can go.

    :param bundles: names of bundles that stay, and with them all that they were made of.
    :param roots: names of root file systems that stay.
    """
    kept = [cache / "bundles" / key for key in bundles if (cache / "bundles" / key).is_dir()]
    components = {key for folder in kept for key in _made_of(folder)}
    images = {path.stat().st_ino for folder in kept for path in folder.glob("images/*.tar")}
    found = [path for path in _entries(cache / "bundles") if path.name not in bundles]
    found += [path for path in _entries(cache / "components") if path.name not in components]
    for path in _entries(cache / "images"):
        archive = path.with_suffix(".tar")
        if not (archive.exists() and archive.stat().st_ino in images):
            found.append(path)
    if not _entries(cache / "labs"):
        found += [path for path in _entries(cache / "lab") if path.is_dir() and path.name not in roots]
    return [path for path in found if now - path.lstat().st_mtime > _DAY]


def _made_of(bundle: Path) -> set[str]:
    """Keys of a bundle's components."""
    stamp = json.loads((bundle / ".stamp.json").read_text(encoding="utf-8"))
    return set(stamp["identity"]["components"].values())


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def size_of(paths: t.Iterable[Path]) -> int:
    """Bytes that would be free: what also stands elsewhere under another name stays."""
    seen: dict[tuple[int, int], tuple[int, int, int]] = {}
    for top in paths:
        for path in (top, *top.rglob("*")) if top.is_dir() and not top.is_symlink() else (top,):
            facts = path.lstat()
            place = (facts.st_dev, facts.st_ino)
            met = seen[place][0] + 1 if place in seen else 1
            seen[place] = (met, 1 if path.is_dir() else facts.st_nlink, facts.st_blocks * 512)
    return sum(size for met, links, size in seen.values() if met >= links)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--confirm", default="", help="'yes' removes what is told")
    confirmed = parser.parse_args().confirm == "yes"
    cache = catalogue.default_cache().root
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "bundle.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = unused(cache, bundle_keys(), root_names(), time.time())
        for path in found:
            sys.stdout.write(f"{size_of([path]) / 2**20:9.1f} MiB  {path}\n")
        done = "removed" if confirmed else "not used: CONFIRM=yes removes it"
        sys.stdout.write(f"{size_of(found) / 2**20:9.1f} MiB  {done}\n")
        for path in found if confirmed else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
