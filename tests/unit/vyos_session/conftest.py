# SPDX-License-Identifier: Apache-2.0
"""The router that plays VyOS lies beside the tests, as do the models of routers."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
for folder in (TESTS / "vyos_session", TESTS / "unit/plugins/module_utils/_router"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
