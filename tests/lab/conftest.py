# SPDX-License-Identifier: Apache-2.0
"""Tests that start real machines: `pytest tests/lab` as root. `make test` runs them, `make test-fast` does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for place in (ROOT / ".ansible/collections", ROOT / "tests/unit/plugins/module_utils/_lab", ROOT / "tests/lab"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("klubster").addoption(
        "--all-causes", action="store_true", help="provoke also the causes that are not in every run"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "more: provokes a cause that is not in every run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all-causes"):
        left_out = [item for item in items if item.get_closest_marker("more")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if os.geteuid() != 0:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="only root can start container machines"))
