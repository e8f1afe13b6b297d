# SPDX-License-Identifier: Apache-2.0
"""What `make compare-cni` runs, and that its lab goes whatever happens."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "compare"))

import compare  # noqa: E402 - found by the path above
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import choices  # noqa: E402

UP = ["bundle.yml", "lab_up.yml", "compare_cni.yml", "lab_down.yml"]


def played(
    fails: str = "", *, keep: bool = False, bring: t.Callable[[str], None] = lambda _: None
) -> tuple[int, list[str]]:
    names: list[str] = []

    def play(argv: list[str]) -> int:
        names.append(Path(next(word for word in argv if word.endswith(".yml"))).name)
        return 2 if names[-1] == fails else 0

    return compare.compare("lab-compare", [], keep=keep, play=play, bring=bring), names


def test_all_of_it() -> None:
    assert played() == (0, UP)
    assert played(keep=True) == (0, UP[:-1])


@pytest.mark.parametrize(
    "fails, names",
    [("bundle.yml", UP[:1]), ("lab_up.yml", [*UP[:2], UP[-1]]), ("compare_cni.yml", UP)],
)
def test_the_lab_goes_after_a_failure(fails: str, names: list[str]) -> None:
    assert played(fails) == (2, names)


def test_the_lab_goes_when_a_package_does_not_come() -> None:
    names: list[str] = []

    def play(argv: list[str]) -> int:
        names.append(argv[-1])
        return 0

    def bring(_inventory: str) -> None:
        raise SystemExit("no package")

    with pytest.raises(SystemExit):
        compare.compare("lab-compare", [], keep=False, play=play, bring=bring)
    assert names[-1] == "playbooks/lab_down.yml"


def test_the_inventory_fits_the_driver() -> None:
    folder = ROOT / "inventories" / "lab_compare"
    lab = yaml.safe_load((folder / "lab.yml").read_text())
    assert lab["name"] == compare.LAB
    assert tuple(lab["machines"]) == compare._MACHINES
    shared = yaml.safe_load((folder / "group_vars" / "all" / "10-lab.yml").read_text())
    assert shared["klubster_name"] == compare._CLUSTER
    own = yaml.safe_load((folder / "group_vars" / "all" / "20-compare.yml").read_text())
    names = [choice.name for choice in choices.parse(own["compare_cni_choices"]) if not choice.not_run]
    assert names[:2] == ["flannel vxlan", "flannel host-gw"]
