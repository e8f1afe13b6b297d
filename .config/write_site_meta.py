# SPDX-License-Identifier: Apache-2.0
"""Write playbooks/site.meta.yml from the table of variables."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import meta_text  # noqa: E402 - needs the path

if __name__ == "__main__":
    (ROOT / "playbooks" / "site.meta.yml").write_text(meta_text(), encoding="utf-8")
