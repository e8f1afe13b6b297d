# SPDX-License-Identifier: Apache-2.0
"""What goes from the cache, and above all what stays."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / ".config" / "clean_cache.py"
_found = importlib.util.spec_from_file_location("clean_cache", PROGRAM)
assert _found is not None
assert _found.loader is not None
clean_cache = importlib.util.module_from_spec(_found)
_found.loader.exec_module(clean_cache)

NOW, OLD = 1_000_000.0, 900_000.0


def made(path: Path, content: str = "x", when: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for one in (path, path.parent):
        os.utime(one, (when, when))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A bundle that is used, one that is not, and what each was made of."""
    for key, component in (("used", "c-used"), ("left", "c-left")):
        made(tmp_path / "bundles" / key / ".stamp.json", json.dumps({"identity": {"components": {"etcd": component}}}))
        made(tmp_path / "components" / component / "record.json")
        image = made(tmp_path / "images" / f"etcd-{key}.tar", key)
        made(tmp_path / "images" / f"etcd-{key}.json")
        (tmp_path / "bundles" / key / "images").mkdir()
        (tmp_path / "bundles" / key / "images" / "etcd.tar").hardlink_to(image)
        os.utime(tmp_path / "bundles" / key, (OLD, OLD))
    for name in ("base-used", "base-left"):
        made(tmp_path / "lab" / name / "etc" / "hostname")
        os.utime(tmp_path / "lab" / name, (OLD, OLD))
    made(tmp_path / "go-build" / "aa")
    made(tmp_path / "venvs" / "one" / "python")
    return tmp_path


def unused(cache: Path) -> list[str]:
    found = clean_cache.unused(cache, {"used", "not built"}, {"base-used"}, NOW)
    return [str(path.relative_to(cache)) for path in found]


def test_what_belongs_to_no_bundle_of_the_catalogue_goes(cache: Path) -> None:
    assert unused(cache) == [
        "bundles/left",
        "components/c-left",
        "images/etcd-left.json",
        "images/etcd-left.tar",
        "lab/base-left",
    ]


def test_what_is_young_stays(cache: Path) -> None:
    os.utime(cache / "components" / "c-left", (NOW, NOW))
    assert "components/c-left" not in unused(cache)


def test_root_file_systems_stay_while_there_is_a_lab(cache: Path) -> None:
    made(cache / "labs" / "home" / "python")
    assert "lab/base-left" not in unused(cache)


def test_a_bundle_that_cannot_be_read_stops_it(cache: Path) -> None:
    (cache / "bundles" / "used" / ".stamp.json").write_text("{")
    with pytest.raises(ValueError, match="line 1"):
        unused(cache)


def test_size_counts_what_would_be_free(cache: Path) -> None:
    image, bundle = cache / "images" / "etcd-left.tar", cache / "bundles" / "left"
    both = clean_cache.size_of([image, bundle])
    assert clean_cache.size_of([image]) == 0
    assert both > clean_cache.size_of([bundle])


@pytest.mark.parametrize("confirm", ["", "no", "yes"])
def test_nothing_goes_without_a_word(
    confirm: str, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = cache / "home" / "klubster"
    left = made(root / "bundles" / "0123" / "manifest.json")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "home"))
    monkeypatch.setattr(sys, "argv", ["clean_cache.py", f"--confirm={confirm}"])
    assert clean_cache.main() == 0
    assert left.exists() is (confirm != "yes")
    assert "0123" in capsys.readouterr().out


def test_the_current_bundles_and_roots_are_known() -> None:
    assert len(clean_cache.bundle_keys()) >= 2
    assert len(clean_cache.root_names()) >= 2
