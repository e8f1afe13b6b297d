# SPDX-License-Identifier: Apache-2.0
"""Builds kine, with which k3s speaks to SQLite, PostgreSQL and MySQL, from its Go module, for the stand-in only.

v0.16.4: the sum database of the module proxy has none of those that k3s 1.34 came with. SQLite needs a C compiler.
``kine_build.py [--build]`` prints where it is; without ``--build`` it has to be there.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent / "kine"
MODULE = "github.com/k3s-io/kine"


def place(cache: Path) -> Path:
    """Where it lies in a cache; the version stands in go.mod."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()
    return cache / f"kine-{digest[:16]}"


def built(cache: Path) -> Path | None:
    """None where nobody has built it: then the stand-in plays SQLite by other means, and no external datastore."""
    found = place(cache)
    return found if found.is_file() else None


def build(cache: Path) -> Path:
    """:raises SystemExit: there is no Go or no C compiler here."""
    target = place(cache)
    if target.is_file():
        return target
    missing = [tool for tool in ("go", "gcc") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"kine cannot be built here: {', '.join(missing)} is missing.")
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f"partial-{target.name}"
    words = ["go", "build", "-trimpath", "-tags", "nats", "-ldflags", "-s -extldflags -static", "-o", str(partial)]
    settings = {"CGO_ENABLED": "1", "CGO_CFLAGS": "-DSQLITE_USE_ALLOCA=1", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    subprocess.run([*words, MODULE], cwd=HERE, env={**os.environ, **settings}, check=True)
    partial.replace(target)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build it if it is not there")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster" / "standin"
    found = build(cache) if parser.parse_args().build else built(cache)
    if found is None:
        raise SystemExit("kine was not built yet: kine_build.py --build")
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
