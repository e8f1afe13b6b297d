# SPDX-License-Identifier: Apache-2.0
"""Documentation of plugins and roles, and the changelog, as Galaxy and AWX want them."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path


def test_plugin_and_role_docs(tool: t.Any, root: Path) -> None:
    tool(
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--skip-rstcheck",
        "--validate-collection-refs",
        "self",
        root,
    )


def test_changelog(tool: t.Any) -> None:
    tool("antsibull-changelog", "lint")


def test_links_between_pages_lead_somewhere(tracked: list[Path], root: Path) -> None:
    broken = []
    for page in tracked:
        if page.suffix != ".md" or page.name == "CHANGELOG.md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)} -> {target}")
    assert not broken, "\n".join(broken)
