# SPDX-License-Identifier: Apache-2.0
"""Lets the tests of routers import the models that they share."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
