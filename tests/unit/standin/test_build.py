# SPDX-License-Identifier: Apache-2.0
"""What the build leaves alone: folders of others, and files that are as they should be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import build
import pytest

KEYS = [f"{number:016x}" for number in range(9)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Nine builds, the first one the newest, one more than the rule keeps of each kind, and what is not ours."""
    folder = tmp_path / "standin"
    for age, name in enumerate((*KEYS, f"parts-{KEYS[0]}", f"parts-{KEYS[0]}-v1.34.2+k3s1", f"partial-{KEYS[1]}")):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age, time.time() - age))
    for name in ("v1.34.2+k3s1", "mine", "parts-list"):
        (folder / name).mkdir()
        os.utime(folder / name, (0, 0))
    (folder / "link").symlink_to(tmp_path)
    (folder / ".lock").touch()
    return folder


def put_at(path: Path) -> tuple[int, int]:
    """Tells one writing of a file from another."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_our_own_builds_are_forgotten(cache: Path) -> None:
    build.forget(cache, kept=(cache / KEYS[8],))
    assert names(cache) == {*KEYS[:6], KEYS[8], "v1.34.2+k3s1", "mine", "parts-list", "link", ".lock"}


def test_old_builds_are_forgotten(cache: Path) -> None:
    os.utime(cache / KEYS[0], (time.time() - 3 * 86400,) * 2)
    build.forget(cache, kept=())
    assert KEYS[0] not in names(cache)
    assert KEYS[1] in names(cache)


@pytest.fixture
def built(cache: Path) -> Path:
    folder = cache / KEYS[0]
    (folder / "k3s").write_text("new")
    (folder / "k3s").chmod(0o755)
    return folder


def test_files_are_put_once(built: Path, cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "releases/v1.34.2+k3s1"
    build.put(built, output, cache)
    before = put_at(output / "k3s")
    assert (output / "k3s").read_text() == "new"
    build.put(built, output, cache)
    assert put_at(output / "k3s") == before
    (output / "k3s").unlink()
    (output / "k3s").write_text("old")
    build.put(built, output, cache)
    assert ((output / "k3s").read_text(), names(output)) == ("new", {"k3s"})


def test_a_link_into_the_cache_becomes_a_folder(built: Path, cache: Path, tmp_path: Path) -> None:
    other, output = cache / KEYS[1], tmp_path / "v1.34.2+k3s1"
    output.symlink_to(other)
    build.put(built, output, cache)
    assert (output.is_symlink(), names(output), names(other)) == (False, {"k3s"}, set())


def test_other_links_and_the_cache_are_refused(built: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for output in (tmp_path / "link", cache / "v1.34.2+k3s1"):
        with pytest.raises(SystemExit, match=r"Name a(nother)? folder"):
            build.put(built, output, cache)


@pytest.mark.parametrize(
    ("bundle", "version", "said"),
    [
        ("default", "v1.2.3+k3s1", "bundles are built of 1"),
        ("nowhere", "v1.34.2+k3s1", "there is no bundle in"),
    ],
)
def test_without_a_bundle_it_says_so(bundle: str, version: str, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, build.__file__, "--bundle", bundle, "--version", version],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
