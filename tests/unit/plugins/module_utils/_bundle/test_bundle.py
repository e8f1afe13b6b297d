# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""Whole bundles of a tiny catalogue: real builds from a module proxy made of files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import typing as t
from collections import namedtuple
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import bundle, catalogue, errors
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput


def _load(name: str) -> t.Any:
    """A helper beside this file; pytest imports tests by path, so there is no package to import it from."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


goproxy = _load("goproxy")

# Stands for regctl: it puts what it is given into the archive one after the other.
ASSEMBLER = """package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	words := os.Args[1:]
	folder := ""
	for _, word := range words {
		if strings.HasPrefix(word, "ocidir://") {
			folder = filepath.Dir(strings.TrimPrefix(word, "ocidir://"))
		}
	}
	parts := filepath.Join(folder, "parts")
	if words[0] == "image" {
		content, err := os.ReadFile(parts)
		if err != nil || os.WriteFile(words[len(words)-1], append([]byte(words[3]), content...), 0o644) != nil {
			os.Exit(1)
		}
		return
	}
	content, _ := io.ReadAll(os.Stdin)
	stream, err := os.OpenFile(parts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		os.Exit(1)
	}
	stream.Write(content)
	fmt.Printf("sha256:%x\\n", sha256.Sum256(content))
}
"""
MINI = {
    "registry": "r.internal",
    "components": [
        {
            "name": "greeting",
            "set": "cluster",
            "source": "module",
            "module": "example.org/greeting",
            "version": "1.2.3",
            "licences": ["MIT"],
            "ldflags": ["-X main.version={version}"],
            "weight": 1,
            "programs": [{"package": "./cmd/hello"}],
            "trees": [{"from": "charts/greeting", "to": "charts/greeting"}],
        },
        {
            "name": "regclient",
            "set": "cluster",
            "source": "module",
            "module": "example.org/regclient",
            "version": "0.1.0",
            "licences": ["MIT"],
            "weight": 1,
            "programs": [{"package": "./regctl", "kind": "tool"}],
        },
    ],
    "images": [{"name": "hello", "component": "greeting", "tag": "v{version}", "files": {"hello": "bin/hello"}}],
}


class Site:
    """A role folder, a proxy and the user's Go settings that lead there."""

    def __init__(self, folder: Path, compiled: Path) -> None:
        self.workshop = goproxy.Workshop(folder / "workshop", compiled)
        self.workshop.publish("example.org/greeting", "v1.2.3", goproxy.GREETING)
        self.workshop.publish("example.org/words", "v1.0.0", goproxy.WORDS)
        content = {"go.mod": "module example.org/regclient\n\ngo 1.24\n", "regctl/main.go": ASSEMBLER}
        self.workshop.publish("example.org/regclient", "v0.1.0", content)
        self.folder, self.compiled = folder, compiled
        self.role = folder / "role"
        (self.role / "vars").mkdir(parents=True)
        self.write(MINI)
        for component in catalogue.load(self.role).components:
            self.workshop.fix(component)
        shutil.move(self.workshop.files, self.role / "files")
        self.lines: list[str] = []

    def write(self, content: dict[str, t.Any]) -> None:
        text = yaml.safe_dump({"__source_bundle_catalogue": content})
        (self.role / "vars" / "components.yml").write_text(text, encoding="utf-8")

    def request(self, cache: str = "cache", **options: t.Any) -> bundle.Request:
        place = catalogue.Cache(self.folder / cache)
        if not place.root.exists():
            place.root.mkdir(parents=True)
            place.go_build.symlink_to(self.compiled)
        return bundle.Request(cache=place, role_dir=self.role, **options)

    def ensure(self, cache: str = "cache", **options: t.Any) -> bundle.State:
        self.lines.clear()
        return bundle.ensure(self.request(cache, **options), Processes(), self.lines.append)

    def inspect(self, **options: t.Any) -> bundle.State:
        return bundle.inspect(self.request(**options), Processes())


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
    component = {**MINI["components"][0], "ldflags": ["-X main.version=other"]}  # type: ignore[dict-item]
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


def test_a_changed_source_stops_everything(site: Site) -> None:
    changed = {**goproxy.WORDS, "words.go": 'package words\n\nconst Hello = "evil"\n'}
    site.workshop.publish("example.org/words", "v1.0.0", changed)
    with pytest.raises(errors.ChecksumMismatch, match="greeting: CHECKSUM MISMATCH"):
        site.ensure()
    assert not any("..." in line for line in site.lines)  # no build was started
