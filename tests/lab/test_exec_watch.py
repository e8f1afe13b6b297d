# SPDX-License-Identifier: Apache-2.0
"""The watch over programs that start sees a secret that is planted, and nothing where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "verify"))

from secrets_said import said  # noqa: E402

SECRETS = {"argument": "correct-horse-battery", "variable": "staple-in-the-stable", "unsaid": "nobody-ever-says-this"}


def watched(folder: Path, command: str) -> str:
    output = folder / "watched.txt"
    argv = [sys.executable, str(ROOT / "tests/verify/exec_watch.py"), str(output), "--", "sh", "-c", command]
    environment = {key: value for key, value in os.environ.items() if "PASSWORD" not in key}
    subprocess.run(argv, check=True, env=environment, capture_output=True, timeout=60)
    assert output.stat().st_mode & 0o777 == 0o600
    head, _newline, text = output.read_text().partition("\n")
    assert json.loads(head)["started"] >= 2
    return text


def test_a_planted_secret_is_seen(tmp_path: Path) -> None:
    # Given to programs of their own, or the shell's argument list would say them. They last a moment: one that ends at
    # once on a busy machine may be gone before it is read, and is counted as missed.
    plant = tmp_path / "plant"
    plant.write_text(
        "#!/bin/sh\n"
        "/bin/sh -c '/bin/sleep 0.5' --password=correct-horse-battery\n"
        "PASSWORD=staple-in-the-stable /bin/sleep 0.5\n"
    )
    plant.chmod(0o700)
    assert said(watched(tmp_path, str(plant)), SECRETS) == ["argument", "variable"]


def test_nothing_is_seen_where_nothing_is_said(tmp_path: Path) -> None:
    assert said(watched(tmp_path, "/bin/true one two"), SECRETS) == []
