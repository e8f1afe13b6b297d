# SPDX-License-Identifier: Apache-2.0
"""mypy --strict over everything that ships, and over the tools of the tests."""

from __future__ import annotations

import typing as t
from pathlib import Path


def test_mypy_strict_over_the_plugins(tool: t.Any, tmp_path: Path) -> None:
    # By package: the link in .ansible/collections gives the tree the names that its imports use.
    tool(
        "mypy",
        "--strict",
        "--cache-dir",
        tmp_path,
        "-p",
        "ansible_collections.kateskit.klubster.plugins",
        env={"MYPYPATH": ".ansible/collections"},
    )
