# SPDX-License-Identifier: Apache-2.0
"""The stand-in is a program of its own; its tests import it from where it lies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).resolve().parents[2] / "standin"
if str(STANDIN) not in sys.path:
    sys.path.insert(0, str(STANDIN))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("K3S_CONFIG_FILE", "K3S_TOKEN", "K3S_URL", "K3S_DATA_DIR", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
