# SPDX-License-Identifier: Apache-2.0
"""A small source bundle's site, for everything that builds."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue

sys.path.insert(0, str(Path(__file__).parent / "module_utils" / "_bundle"))
from goproxy import Site


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The build cache that bundles use: the standard library is in it already, or is compiled once."""
    folder = catalogue.default_cache().go_build
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def site(tmp_path: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Site]:
    place = Site(tmp_path, compiled)
    monkeypatch.setenv("GOPROXY", f"file://{place.workshop.proxy},direct")
    monkeypatch.setenv("GOMODCACHE", str(place.workshop.folder / "modules"))
    yield place
    place.workshop.close()
