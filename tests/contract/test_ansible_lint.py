# SPDX-License-Identifier: Apache-2.0
"""ansible-lint with the strictest profile, over the whole tree, without the network."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml


def test_production_profile(tool: t.Any) -> None:
    tool("ansible-lint", "--offline", "--strict", "--nocolor", "--profile", "production")


def test_nothing_is_skipped(root: Path) -> None:
    settings = yaml.safe_load((root / ".ansible-lint").read_text(encoding="utf-8"))
    assert settings["profile"] == "production"
    assert not {"skip_list", "warn_list"} & set(settings)


def test_each_noqa_says_why(tracked: list[Path], root: Path) -> None:
    """An exception for one line needs its reason on the line above."""
    bare = []
    for path in tracked:
        if path.suffix not in {".yml", ".yaml"}:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "# noqa" in line and not (number and lines[number - 1].lstrip().startswith("#")):
                bare.append(f"{path.relative_to(root)}:{number + 1}")
    assert not bare, "noqa without a reason: " + ", ".join(bare)
