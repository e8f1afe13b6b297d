# SPDX-License-Identifier: Apache-2.0
"""What a test may want to know and k3s says nowhere: keys that were ignored, and what the stand-in does differently.

``<data-dir>/standin/record.jsonl``, one object a line, written anew at each start:
``{"kind": KIND, "subject": KEY, "text": WHY}``. Kinds: ``start``, ``unknown-key``, ``not-covered`` (accepted without
effect), ``substitute`` (done by other means than k3s), ``refused``.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

Kind = t.Literal["start", "unknown-key", "not-covered", "substitute", "refused"]


class Record:
    """Collects entries; they reach the file once the data directory is known."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []
        self._path: Path | None = None

    def add(self, kind: Kind, subject: str, text: str = "") -> None:
        entry = {"kind": kind, "subject": subject, "text": text}
        if entry in self.entries:
            return
        self.entries.append(entry)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "record.jsonl"
        self._path.write_text("".join(json.dumps(entry) + "\n" for entry in self.entries), encoding="utf-8")


__all__ = ("Kind", "Record")
