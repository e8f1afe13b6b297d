# SPDX-License-Identifier: Apache-2.0
"""`make demo` and `make demo-down`: chooses what the demo is made of, says so, and runs the playbooks.

    tests/demo/demo.py up|down

``ENGINE=k3s|kubeadm|standin SOURCE=release|airgap|bundle`` in the environment choose; ``AIRGAP_DIR`` is a folder with a
release, ``MIRROR`` a place to fetch it from. Run it with the Python of ``.venv``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ansible" / "collections"), str(ROOT / "tests" / "demo")]

import choice  # noqa: E402 - found by the path above
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput  # noqa: E402
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import (  # noqa: E402
    LabPaths,
    cache_folder,
)

_BIN = ROOT / ".venv" / "bin"
_SITE = ("playbooks/lab_up.yml", "playbooks/site.yml", "tests/demo/demo.yml", "playbooks/status.yml")


class Run(t.NamedTuple):
    """A command, and what its environment has besides ours."""

    argv: list[str]
    environment: dict[str, str]


def runs_up(chosen: choice.Choice, lab: str, cache: Path) -> list[Run]:
    """What makes the demo, one after the other."""
    environment = {"KLUBSTER_LAB_NAME": lab}
    inventories, first = ["inventories/lab"], []
    if chosen.source != "release" and not chosen.airgap_dir:
        first.append(Run(_playbooks(inventories, "playbooks/bundle.yml"), {}))
    if chosen.engine != "kubeadm":
        inventories.append("tests/demo/k3s")
        environment |= {"DEMO_SOURCE": chosen.source, "DEMO_MIRROR": chosen.mirror, "DEMO_DIR": chosen.airgap_dir}
    if chosen.engine == "k3s":
        inventories.append("tests/demo/release")
    if chosen.engine == "standin":
        folder = cache / "standin-releases" / f"v{choice.VERSION}"
        environment["DEMO_DIR"] = str(folder)
        built = ["--bundle", "default", "--version", f"v{choice.VERSION}", "--output", str(folder)]
        first.append(Run([str(_BIN / "python"), "tests/standin/build.py", *built], {}))
    return [*first, Run(_playbooks(inventories, *_SITE), environment)]


def runs_down(labs: t.Iterable[str]) -> list[Run]:
    return [Run(_playbooks(["inventories/lab"], "playbooks/lab_down.yml"), {"KLUBSTER_LAB_NAME": lab}) for lab in labs]


def _playbooks(inventories: t.Sequence[str], *playbooks: str) -> list[str]:
    options = [word for inventory in inventories for word in ("-i", inventory)]
    return [str(_BIN / "ansible-playbook"), *options, *playbooks]


def existing(cache: Path) -> dict[str, str]:
    """Labs of demos that are there, by engine."""
    return {engine: lab for engine, lab in choice.LABS.items() if LabPaths(lab, cache).state.is_dir()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down", "choose"), help="'choose' only says what 'up' would take")
    action = parser.parse_args().action
    # A lab of another name, for those who have one of these already.
    named = os.environ.get("KLUBSTER_LAB_NAME", "")
    there = existing(cache_folder())
    if action == "down":
        labs = [named] if named else list(there.values())
        print("\n".join(f"The demo in the lab {lab} goes." for lab in labs) or "There is no demo.", flush=True)
        return _all(runs_down(labs))
    try:
        wish = choice.Wish.of(os.environ)
        chosen = choice.choose(wish, there, lambda: choice.trouble_with(choice.release_urls(wish.mirror)[0]))
    except InvalidInput as exc:
        print(exc, file=sys.stderr)
        return 2
    print(chosen.sentence, flush=True)
    return 0 if action == "choose" else _all(runs_up(chosen, named or chosen.lab, cache_folder()))


def _all(runs: t.Iterable[Run]) -> int:
    try:
        for run in runs:
            # What is skipped, most of a second run, tells a newcomer nothing.
            environment = {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "False", **os.environ, **run.environment}
            status = subprocess.run(run.argv, cwd=ROOT, env=environment, check=False).returncode
            if status:
                return status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
