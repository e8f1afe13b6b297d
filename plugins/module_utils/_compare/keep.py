# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Results and their page in a folder. Each choice has a file, so the page can be drawn anew without measuring."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._compare import page, plot, table
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.choices import Choice
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.report import (
    Report,
    Result,
    without_numbers,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically


@dataclass(frozen=True)
class Kept:
    page: str
    json: str
    table: str
    #: why there is no plot; empty: there is one
    note: str
    changed: bool


def file_of(folder: Path, choice: Choice) -> Path:
    return folder / f"choice-{choice.key}.json"


def put(folder: Path, choice: Choice, result: Result) -> None:
    _write(file_of(folder, choice), json.dumps(result, indent=1, sort_keys=True) + "\n")


def get(folder: Path, choice: Choice) -> Result | None:
    """What was kept; None: nothing, or nothing whole."""
    try:
        found = json.loads(file_of(folder, choice).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and without_numbers("", "failed", "").keys() <= found.keys()
    return t.cast(Result, found) if whole else None


def forget(folder: Path, choices: t.Sequence[Choice]) -> None:
    """Numbers of an earlier run are not those of this one."""
    for choice in choices:
        file_of(folder, choice).unlink(missing_ok=True)


def collect(folder: Path, choices: t.Sequence[Choice]) -> list[Result]:
    """All choices; those without a result say so."""
    nothing = "nothing was measured yet"
    return [
        get(folder, choice) or without_numbers(choice.name, "not run", choice.not_run or nothing) for choice in choices
    ]


def write(folder: Path, found: Report, *, check: bool = False) -> Kept:
    """JSON and page of a report."""
    try:
        picture, note = plot.draw(found), ""
    except plot.NoPlot as exc:
        picture, note = b"", str(exc)
    contents = {
        folder / "index.html": page.render(found, picture, note),
        folder / "comparison.json": json.dumps(found, indent=1, sort_keys=True) + "\n",
    }
    changed = False
    for path, content in contents.items():
        if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == content:
            continue
        changed = True
        if not check:
            _write(path, content)
    paths = [str(path) for path in contents]
    return Kept(paths[0], paths[1], table.render(found), note, changed)


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.encode(), mode=0o644, uid=os.geteuid(), gid=os.getegid())
    except OSError as exc:
        raise KlubsterError(f"{path} cannot be written: {exc.strerror}.") from exc


__all__ = ("Kept", "collect", "file_of", "forget", "get", "put", "write")
