# SPDX-License-Identifier: Apache-2.0
"""Puts packages of Debian on machines of a lab, which have no way out: apt fetches on this host, dpkg installs there.

    packages.py --lab NAME --machines router1,router2 frr frr-pythontools

Nothing is started by it: whoever wants a service switches it on.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.kateskit.klubster.plugins.module_utils._command import run  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder  # noqa: E402

# dpkg asks this before it starts a service; 101 says no.
_INSTALL = """\
set -e
rm -rf /root/debs && mkdir /root/debs && tar x -C /root/debs
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
DEBIAN_FRONTEND=noninteractive dpkg -i /root/debs/*.deb
rm -rf /root/debs /usr/sbin/policy-rc.d
"""


def fetch(base: Path, names: t.Sequence[str]) -> list[Path]:
    """The packages, and what they need besides what machines have, as files in the cache."""
    key = hashlib.sha256("\n".join([base.name, *sorted(names)]).encode()).hexdigest()[:16]
    folder = cache_folder() / "lab" / f"packages-{key}"
    if not (folder / ".complete").exists():
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        options = {
            "Dir::State::status": f"{base}/var/lib/dpkg/status",
            "Dir::Cache::archives": str(folder),
            "Debug::NoLocking": "1",
            "APT::Install-Recommends": "0",
        }
        argv = ["apt-get", "install", "--yes", "--download-only"]
        for name, value in options.items():
            argv += ["--option", f"{name}={value}"]
        # A host that was made from an image may have no lists of packages yet.
        if run([*argv, *names], check=False, timeout=300).rc != 0:
            run(["apt-get", "update"], timeout=300)
            run([*argv, *names], timeout=300)
        (folder / ".complete").touch()
    return sorted(folder.glob("*.deb"))


def install(ssh_config: Path, machines: t.Sequence[str], files: t.Sequence[Path]) -> None:
    """All at once; raises with what dpkg said."""
    archive = subprocess.run(
        ["tar", "-c", "-C", str(files[0].parent), *(file.name for file in files)], capture_output=True, check=True
    ).stdout

    def one(machine: str) -> None:
        argv = ["ssh", "-F", str(ssh_config), machine, _INSTALL]
        done = subprocess.run(argv, input=archive, capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{machine}: {done.stdout[-2000:].decode()}{done.stderr[-2000:].decode()}")

    with ThreadPoolExecutor(len(machines)) as pool:
        list(pool.map(one, machines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--machines", required=True, help="names with commas")
    parser.add_argument("packages", nargs="+")
    chosen = parser.parse_args()
    base = BaseRoot(cache_folder() / "lab", run).path
    install(LabPaths(chosen.lab, cache_folder()).ssh_config, chosen.machines.split(","), fetch(base, chosen.packages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
