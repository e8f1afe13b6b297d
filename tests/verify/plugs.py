# SPDX-License-Identifier: Apache-2.0
"""The power of a lab's machines."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cluster import Inventory, ansible


def plug(inventory: Inventory, state: str, *machines: str) -> None:
    """Pull the plug of machines, or put it in again."""
    definition = next(Path(inventory.source).glob("lab.y*ml"))
    given = {"definition": str(definition), "state": state, "machines": list(machines)}
    name = os.environ.get("KLUBSTER_LAB_NAME")
    arguments = json.dumps(given | ({"name": name} if name else {}))
    local = ("-c", "local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}")
    done = ansible("localhost,", "ansible", "localhost", *local, "-m", "kateskit.klubster.lab", "-a", arguments)
    assert done.returncode == 0, done.stdout + done.stderr
