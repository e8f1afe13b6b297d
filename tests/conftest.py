# SPDX-License-Identifier: Apache-2.0
"""Makes `ansible_collections.kateskit.klubster` importable from the working tree, whichever way pytest is started."""

from __future__ import annotations

import sys
from pathlib import Path

COLLECTIONS = Path(__file__).resolve().parents[1] / ".ansible" / "collections"
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))
