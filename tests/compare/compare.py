# SPDX-License-Identifier: Apache-2.0
"""`make compare-cni`: a lab, a cluster in it for each choice of a pod network, and their numbers on one page.

    tests/compare/compare.py [--keep] [-- OPTIONS of playbooks/compare_cni.yml]

The lab goes again, also after a failure. Run it with the Python of ``.venv``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT / "tests" / "lab")]

import packages  # noqa: E402 - found by the path above
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder  # noqa: E402

_BIN = ROOT / ".venv" / "bin"
_INVENTORY = "inventories/lab_compare"
_MACHINES = ("server1", "agent1", "client")
#: named by inventories/lab/group_vars, and nobody else's: the machines were made for this
_CLUSTER = "lab"
LAB = "lab-compare"


def argv(*words: str) -> list[str]:
    return [str(_BIN / "ansible-playbook"), "-i", _INVENTORY, *words]


def bring_iperf3(lab: str) -> None:
    cache = cache_folder()
    base = BaseRoot(cache / "lab", run).path
    packages.install(LabPaths(lab, cache).ssh_config, _MACHINES, packages.fetch(base, ["iperf3"]))


def compare(
    lab: str,
    more: t.Sequence[str],
    *,
    keep: bool,
    play: t.Callable[[list[str]], int],
    bring: t.Callable[[str], None] = bring_iperf3,
) -> int:
    """The status of the first thing that failed.

    :param more: options of the comparison's playbook.
    :param keep: whether the lab stays.
    """
    status = play(argv("playbooks/bundle.yml"))
    if status:
        return status
    try:
        status = play(argv("playbooks/lab_up.yml"))
        if status:
            return status
        bring(lab)
        return play(argv("playbooks/compare_cni.yml", "-e", f"klubster_reset={_CLUSTER}", *more))
    finally:
        if not keep:
            play(argv("playbooks/lab_down.yml"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the lab there")
    parser.add_argument("more", nargs="*", help="options of the playbook, behind --")
    chosen = parser.parse_args()
    lab = os.environ.setdefault("KLUBSTER_LAB_NAME", LAB)
    plots = subprocess.run([ROOT / ".config" / "plots.sh"], capture_output=True, text=True, check=True).stdout.strip()
    environment = {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "False", **os.environ, "PYTHONPATH": plots}

    def play(words: list[str]) -> int:
        return subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode

    try:
        return compare(lab, chosen.more, keep=chosen.keep, play=play)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
