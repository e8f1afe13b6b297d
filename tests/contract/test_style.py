# SPDX-License-Identifier: Apache-2.0
"""Style of Python and YAML, licence headers, and nothing of the author's machine in the repository."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

#: no room for a comment, or not written by us
NO_HEADER_SUFFIXES = (".json", ".sum", ".mod", ".txt", ".cfg.golden", ".png", ".svg")
NO_HEADER_NAMES = ("LICENSE", "CHANGELOG.md")
NO_HEADER_FOLDERS = ("LICENSES", "changelogs", "fixtures")

# Written in parts, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    "|".join(
        (
            r"/" + r"work/",
            r"/" + r"root/\.(cache|config|local|pyenv)\b",
            r"/" + r"tmp/\w",
            r"/home/" + r"(?!you\b|user\b|me\b)\w",
            r"pyenv/" + r"shims",
        )
    )
)
REGISTRY_HOSTS = re.compile(
    "|".join(
        (
            r"proxy\." + r"golang\.org",
            "pypi" + r"\.org",
            r"pythonhosted" + r"\.org",
            r"deb\." + r"debian\.org",
            "arti" + "factory",
            "jf" + "rog",
        )
    )
)


def test_ruff_check(tool: t.Any) -> None:
    tool("ruff", "check", "--no-cache", "--output-format", "concise", ".")


def test_ruff_format(tool: t.Any) -> None:
    tool("ruff", "format", "--no-cache", "--check", "--diff", ".")


def test_yamllint(tool: t.Any, tracked: list[Path], root: Path) -> None:
    files = [path.relative_to(root) for path in tracked if path.suffix in {".yml", ".yaml"} or path.name == ".yamllint"]
    tool("yamllint", "--strict", *files)


def needs_header(path: Path, root: Path) -> bool:
    relative = path.relative_to(root)
    return not (
        path.suffix in NO_HEADER_SUFFIXES
        or path.name in NO_HEADER_NAMES
        or any(part in NO_HEADER_FOLDERS for part in relative.parts[:-1])
        or path.stat().st_size == 0
    )


def test_every_file_names_its_licence(tracked: list[Path], root: Path) -> None:
    missing = [
        str(path.relative_to(root))
        for path in tracked
        if needs_header(path, root) and "SPDX-License-Identifier:" not in path.read_text(encoding="utf-8")[:1000]
    ]
    assert not missing, "without an SPDX-License-Identifier: " + ", ".join(missing)


def test_plugins_for_ansible_are_gpl_and_utils_are_apache(tracked: list[Path], root: Path) -> None:
    """Plugins build on ansible-core, which is GPL; module_utils import nothing of it."""
    wrong = []
    for path in tracked:
        relative = path.relative_to(root)
        if path.suffix != ".py" or relative.parts[0] != "plugins":
            continue
        want = "Apache-2.0" if relative.parts[1] == "module_utils" else "GPL-3.0-or-later"
        if f"SPDX-License-Identifier: {want}" not in path.read_text(encoding="utf-8")[:600]:
            wrong.append(f"{relative} (should be {want})")
    assert not wrong, ", ".join(wrong)


def found(pattern: re.Pattern[str], tracked: list[Path], root: Path) -> list[str]:
    hits = []
    for path in tracked:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        hits += [
            f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, 1)
            if pattern.search(line)
        ]
    return hits


@pytest.mark.parametrize(
    "what, pattern",
    [("machine path", MACHINE_PATHS), ("registry host", REGISTRY_HOSTS)],
    ids=["paths", "hosts"],
)
def test_nothing_of_the_machine_in_the_repository(
    what: str, pattern: re.Pattern[str], tracked: list[Path], root: Path
) -> None:
    hits = found(pattern, tracked, root)
    assert not hits, f"{what} in:\n" + "\n".join(hits)


@pytest.mark.parametrize("line", ["cd /" + "work/main", "/" + "root/.cache", "open('/" + "tmp/x')"])
def test_the_pattern_finds_paths(line: str) -> None:
    assert MACHINE_PATHS.search(line)
