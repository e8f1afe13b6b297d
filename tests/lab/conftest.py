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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="only root can start container machines"))
