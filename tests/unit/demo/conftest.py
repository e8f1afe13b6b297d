# SPDX-License-Identifier: Apache-2.0
"""The demo is a program of its own; its tests import it from where it lies."""

from __future__ import annotations

import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "demo"
if str(DEMO) not in sys.path:
    sys.path.insert(0, str(DEMO))
