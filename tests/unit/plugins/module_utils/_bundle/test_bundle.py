# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Whole bundles of a tiny catalogue: real builds from a module proxy made of files."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import bundle, catalogue, errors
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

sys.path.insert(0, str(Path(__file__).parent))
import goproxy
from goproxy import MINI, Site


def test_builds_a_bundle_and_then_has_nothing_to_do(site: Site) -> None:
    assert site.inspect().reason == "it does not exist"
    made = site.ensure()
    assert [component.name for component in made.missing] == ["greeting", "regclient"]
    assert "complete: " in site.lines[-1]
    manifest = Manifest.load(made.directory)
    assert manifest.key == made.key == made.directory.name
    assert {entry.name: entry.kind for entry in manifest.files} == {
        "bin/hello": "binary",
        "charts/greeting/Chart.yaml": "chart",
        "images/hello.tar": "image",
        "licences/greeting.txt": "licence",
        "licences/regclient.txt": "licence",
        "sbom.cdx.json": "sbom",
    }
    assert manifest.image("hello").reference == "r.internal/hello:v1.2.3"
    assert manifest.components["greeting"]["h1"].startswith("h1:")
    assert site.inspect().complete
    assert site.ensure().missing == ()
    assert site.lines == []


def test_two_bundles_in_different_folders_are_the_same_bits(site: Site) -> None:
    first, second = site.ensure("one").directory, site.ensure("another/place").directory
    names = sorted(
        path.relative_to(first) for path in first.rglob("*") if path.is_file() and path.name != ".stamp.json"
    )
    assert len(names) == 7
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_bill_of_materials_names_modules_and_files(site: Site) -> None:
    made = site.ensure()
    bill = json.loads((made.directory / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {entry["bom-ref"]: entry for entry in bill["components"]}
    words = parts["module:example.org/words@v1.0.0"]
    assert words["purl"] == "pkg:golang/example.org/words@v1.0.0"
    assert words["properties"][0]["value"].startswith("h1:")
    hello = Manifest.load(made.directory).file("bin/hello")
    assert parts["file:bin/hello"]["hashes"] == [{"alg": "SHA-256", "content": hello.sha256}]
    wanted = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    assert "module:example.org/words@v1.0.0" in wanted["component:greeting"]


def test_builds_only_what_changed(site: Site) -> None:
    before = site.ensure()
    component = {**MINI["components"][0], "ldflags": ["-X main.version=other"]}
    site.write({**MINI, "components": [component, MINI["components"][1]]})
    after = site.ensure()
    assert [one.name for one in after.missing] == ["greeting"]
    assert after.key != before.key
    assert before.directory.exists()  # a site may still install from it


def flip(path: Path, *, keep_time: bool) -> None:
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["bin/hello", "images/hello.tar", "charts/greeting/Chart.yaml", "sbom.cdx.json"])
def test_one_flipped_bit_is_found_and_repaired(site: Site, name: str) -> None:
    made = site.ensure()
    path = made.directory / name
    whole = path.read_bytes()
    flip(path, keep_time=True)
    assert site.inspect().complete  # sizes and times cannot show it
    found = site.inspect(full=True)
    assert (found.complete, found.reason) == (False, f"{name} has another sha256 than the manifest says")
    site.ensure(full=True)
    assert path.read_bytes() == whole
    assert site.inspect(full=True).complete


def test_a_touched_or_missing_file_shows_at_once(site: Site) -> None:
    path = site.ensure().directory / "licences/greeting.txt"
    path.write_text("nothing", encoding="utf-8")
    assert site.inspect().reason == "licences/greeting.txt is not as it was"
    path.unlink()
    assert not site.inspect().complete
    site.ensure()
    assert path.stat().st_size > 100


def test_a_failed_component_keeps_the_finished_ones(site: Site) -> None:
    broken = {**goproxy.GREETING, "cmd/hello/main.go": "package main\n\nfoo\n"}
    site.workshop.publish("example.org/greeting", "v1.2.3", broken)
    shutil.move(site.role / "files", site.workshop.files)
    shutil.rmtree(site.workshop.files / "greeting")
    site.workshop.close_modules()
    site.workshop.fix(catalogue.load(site.role).component("greeting"))
    shutil.move(site.workshop.files, site.role / "files")
    with pytest.raises(errors.CompileFailed, match="greeting: The build failed"):
        site.ensure()
    assert any("greeting FAILED" in line for line in site.lines)
    assert [component.name for component in site.inspect().missing] == ["greeting"]
    assert not site.inspect().directory.exists()


def test_an_unknown_set_is_refused(site: Site) -> None:
    with pytest.raises(InvalidInput, match=r"source_bundle_sets = \['all'\]: Sets of the catalogue: cluster"):
        site.inspect(sets=("all",))


def test_a_full_disk_is_refused_before_anything_starts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(100 << 20, 0, 100 << 20))
    with pytest.raises(InvalidInput, match="has 100 MiB free, this build may need"):
        site.ensure()
    assert site.lines == []


def test_what_building_needs_is_named_before_anything_starts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    components = [{**one, "cgo": True, "tags": ["seccomp"]} for one in MINI["components"]]
    system = [{"name": "nets", "packages": ["netpack"], "files": ["/nonexistent/net"]}]
    images = [{**MINI["images"][0], "system": ["nets"]}]
    site.write({**MINI, "components": components, "system": system, "images": images})
    monkeypatch.setattr(bundle, "_SECCOMP", Path("/nonexistent/seccomp.h"))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    state = site.inspect()
    tools = dataclasses.replace(state.plan.builder.tools, c_compiler="")
    builder = dataclasses.replace(state.plan.builder, tools=tools)
    with pytest.raises(InvalidInput) as caught:
        bundle.check(dataclasses.replace(state, plan=dataclasses.replace(state.plan, builder=builder)))
    said = [(problem.variable, problem.value) for problem in caught.value.problems]
    assert said == [
        ("packages", "netpack"),
        ("PATH", "(no program gcc)"),
        ("packages", "libseccomp-dev"),
        ("PATH", "(no program pkg-config)"),
    ]


def test_a_changed_source_stops_everything(site: Site) -> None:
    changed = {**goproxy.WORDS, "words.go": 'package words\n\nconst Hello = "evil"\n'}
    site.workshop.publish("example.org/words", "v1.0.0", changed)
    with pytest.raises(errors.ChecksumMismatch, match="greeting: CHECKSUM MISMATCH"):
        site.ensure()
    assert not any("..." in line for line in site.lines)  # no build was started
