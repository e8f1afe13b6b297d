# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import verify
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM

sys.path.insert(0, str(Path(__file__).parent))
from small_bundle import IMAGES, flip_a_bit, make

PLAN: dict[str, t.Any] = {"engine": {"name": "kubeadm", "version": "1.34.2"}, "images": ["flannel"]}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read to their end."""
    names: list[str] = []
    original = verify.sha256_of

    def counted(path: Path) -> str:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(verify, "sha256_of", counted)
    return names


def test_a_whole_bundle_is_read_once(bundle: Path, read: list[str], tmp_path: Path) -> None:
    manifest = Manifest.load(bundle)
    stamps = tmp_path / "cache" / "verified.json"
    assert verify.damaged(manifest, stamps) == []
    assert verify.unfit(manifest, PLAN) == []
    assert len(read) == len(KUBEADM.programs) + len(IMAGES)
    read.clear()
    assert verify.damaged(manifest, stamps) == []
    assert read == []


def test_a_flipped_bit_is_found_though_size_and_time_are_as_before(
    bundle: Path, read: list[str], tmp_path: Path
) -> None:
    stamps = tmp_path / "verified.json"
    verify.damaged(Manifest.load(bundle), stamps)
    read.clear()
    victim = bundle / "bin" / "kubelet"
    before = victim.stat()
    flip_a_bit(victim)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    problems = verify.damaged(Manifest.load(bundle), stamps)
    assert read == ["kubelet"]
    assert [problem.value for problem in problems] == [str(victim)]
    assert "sha256" in problems[0].rule
    assert "bundle.yml" in problems[0].remedy
    assert verify.damaged(Manifest.load(bundle), stamps) == problems, "found again by the next run"


def test_a_flipped_bit_is_found_at_first_sight(bundle: Path, tmp_path: Path) -> None:
    victim = bundle / "images" / "etcd.tar"
    flip_a_bit(victim)
    assert [problem.value for problem in verify.damaged(Manifest.load(bundle), tmp_path / "s.json")] == [str(victim)]


def test_missing_and_short_files_are_found_without_reading(bundle: Path, read: list[str], tmp_path: Path) -> None:
    stamps = tmp_path / "verified.json"
    verify.damaged(Manifest.load(bundle), stamps)
    read.clear()
    (bundle / "bin" / "runc").unlink()
    (bundle / "bin" / "ctr").write_bytes(b"short")
    rules = [problem.rule for problem in verify.damaged(Manifest.load(bundle), stamps)]
    assert read == []
    assert len(rules) == 2
    assert any("missing" in rule for rule in rules)
    assert any("5 bytes" in rule for rule in rules)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": []}'])
def test_a_damaged_list_of_stamps_only_costs_time(bundle: Path, read: list[str], tmp_path: Path, text: str) -> None:
    stamps = tmp_path / "verified.json"
    stamps.write_text(text, encoding="utf-8")
    assert verify.damaged(Manifest.load(bundle), stamps) == []
    assert read


def test_a_bundle_of_another_version_or_without_an_image(bundle: Path) -> None:
    path = bundle / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["components"]["kubernetes"]["version"] = "1.33.4"
    data["files"] = [entry for entry in data["files"] if entry["path"] not in ("images/flannel.tar", "bin/kubeadm")]
    path.write_text(json.dumps(data), encoding="utf-8")
    problems = verify.unfit(Manifest.load(bundle), PLAN)
    assert [problem.variable for problem in problems] == ["klubster_engine_version", "klubster_bundle_dir"]
    assert "1.33.4" in problems[0].rule
    assert problems[1].rule == "The bundle lacks bin/kubeadm, image flannel."
