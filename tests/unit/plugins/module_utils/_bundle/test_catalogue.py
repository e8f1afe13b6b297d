# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

COMPONENT: dict[str, t.Any] = {
    "name": "tool",
    "set": "cluster",
    "source": "module",
    "module": "example.org/tool",
    "version": "1.2.3",
    "licences": ["MIT"],
    "programs": [{"package": ".", "output": "tool", "kind": "part"}, {"package": "./cmd/other"}],
}
IMAGE: dict[str, t.Any] = {"name": "tool", "component": "tool", "tag": "v{version}", "files": {"tool": "part/tool"}}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parse(
    *components: dict[str, t.Any], images: t.Sequence[dict[str, t.Any]] = (), system: t.Sequence[t.Any] = ()
) -> catalogue.Catalogue:
    body = {"registry": "r.internal", "components": list(components), "images": list(images), "system": list(system)}
    return catalogue.parse(yaml.safe_dump({"__source_bundle_catalogue": body}), Path("/files"))


def test_reads_a_component_and_an_image() -> None:
    content = parse(COMPONENT, images=[IMAGE])
    component = content.component("tool")
    assert [program.path for program in component.programs] == ["part/tool", "bin/other"]
    assert [component.package_path(one) for one in component.programs] == [
        "example.org/tool",
        "example.org/tool/cmd/other",
    ]
    assert content.reference(content.images[0]) == "r.internal/tool:v1.2.3"
    assert content.of_sets(["extra"]) == ()


def test_link_flags_carry_the_version_and_for_c_a_static_link() -> None:
    plain = parse({**COMPONENT, "ldflags": ["-X example.org/tool.version=v{version}-{major}-{minor}"]}).components[0]
    assert plain.link_flags == "-s -w -buildid= -X example.org/tool.version=v1.2.3-1-2"
    assert "-extldflags" in parse({**COMPONENT, "cgo": True}).components[0].link_flags


TEST_REFUSED: list[tuple[dict[str, t.Any], str, t.Any]] = [
    ({"name": "Tool!"}, "components[Tool!].name", "Tool!"),
    ({"version": "v1.2.3"}, "components[tool].version", "v1.2.3"),
    ({"version": "latest"}, "components[tool].version", "latest"),
    ({"source": "svn"}, "components[tool].source", "svn"),
    ({"source": "git", "commit": "abc"}, "components[tool].commit", "abc"),
    ({"source": "git", "commit": COMMIT, "tag": "v1"}, "components[tool].repository", ""),
    (
        {"source": "git", "commit": COMMIT, "repository": "--upload-pack=x"},
        "components[tool].repository",
        "--upload-pack=x",
    ),
    ({"ldflags": ["-extldflags=-static"]}, "components[tool].ldflags", "-extldflags=-static"),
    ({"ldflags": ["-X main.v=a b"]}, "components[tool].ldflags", "-X main.v=a b"),
    ({"colour": "red"}, "components[tool].colour", "red"),
    ({"programs": [{"package": ".", "kind": "gift"}]}, "components[tool].programs.kind", "gift"),
    ({"programs": [{"output": "x"}]}, "components[tool].programs", {"output": "x"}),
]


@pytest.mark.parametrize(("change", "variable", "value"), TEST_REFUSED)
def test_refuses_a_bad_component(change: dict[str, t.Any], variable: str, value: t.Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse({**COMPONENT, **change})
    assert (variable, value) in [(problem.variable, problem.value) for problem in caught.value.problems]


TEST_REFUSED_IMAGES: list[tuple[dict[str, t.Any], str, t.Any]] = [
    ({"component": "none"}, "images[tool].component", "none"),
    ({"files": {"x": "bin/none"}}, "images[tool].files", "bin/none"),
    ({"system": ["none"]}, "images[tool].system", "none"),
]


@pytest.mark.parametrize(("change", "variable", "value"), TEST_REFUSED_IMAGES)
def test_refuses_a_bad_image(change: dict[str, t.Any], variable: str, value: t.Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(COMPONENT, images=[{**IMAGE, **change}])
    assert [(problem.variable, problem.value) for problem in caught.value.problems] == [(variable, value)]


def test_refuses_a_name_twice() -> None:
    with pytest.raises(InvalidInput, match="Names are unique"):
        parse(COMPONENT, COMPONENT)


def test_names_the_known_components() -> None:
    with pytest.raises(InvalidInput, match="Choose one of: tool"):
        parse(COMPONENT).component("tol")


def test_key_depends_on_catalogue_sums_and_architecture(tmp_path: Path) -> None:
    role = tmp_path / "role"
    shutil.copytree(catalogue.default_role_dir(), role)
    first = catalogue.bundle_key(role, "amd64")
    assert first == catalogue.bundle_key(catalogue.default_role_dir(), "amd64")
    keys = {first, catalogue.bundle_key(role, "arm64")}
    for name in ("vars/components.yml", "files/runc/go.sum", "files/etcd/go.mod"):
        with (role / name).open("a", encoding="utf-8") as stream:
            stream.write("\n")
        keys.add(catalogue.bundle_key(role, "amd64"))
    assert len(keys) == 5
    (role / "README.md").write_text("other", encoding="utf-8")
    assert catalogue.bundle_key(role, "amd64") in keys


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert catalogue.default_cache().bundle("abc") == Path("/elsewhere/klubster/bundles/abc")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert catalogue.default_cache().root == Path.home() / ".cache" / "klubster"


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("amd64", "amd64")])
def test_knows_processors(machine: str, arch: str) -> None:
    assert catalogue.go_arch(machine) == arch


def test_refuses_an_unknown_processor() -> None:
    with pytest.raises(InvalidInput, match="vax"):
        catalogue.go_arch("vax")


def test_the_committed_catalogue_is_whole() -> None:
    content = catalogue.load()
    for component in content.components:
        assert component.licences, component.name
        assert component.set in ("cluster", "extra", "cni"), component.name
        if component.source == "git":
            continue
        lines = (content.files / component.name / "go.sum").read_text(encoding="utf-8").splitlines()
        own = [line for line in lines if line.startswith(f"{component.module} v{component.version} h1:")]
        assert len(own) == 1, f"{component.name}: go.sum does not fix v{component.version}"
        go_mod = (content.files / component.name / "go.mod").read_text(encoding="utf-8")
        assert f"require {component.module} v{component.version}\n" in go_mod
        for path, version in component.requires:
            assert f"require {path} v{version}\n" in go_mod
    folders = {path.name for path in content.files.iterdir()}
    assert folders == {component.name for component in content.components if component.source == "module"}


def test_another_version_has_another_bundle_and_leaves_that_of_the_catalogue_alone(tmp_path: Path) -> None:
    role = tmp_path / "role"
    shutil.copytree(catalogue.default_role_dir(), role)
    own = catalogue.versions(role)[0]
    first = catalogue.bundle_key(role, "amd64")
    assert catalogue.bundle_key(role, "amd64", own) == first
    keys = {first} | {catalogue.bundle_key(role, "amd64", version) for version in catalogue.versions(role)[1:]}
    assert len(keys) == len(catalogue.versions(role))
    other = catalogue.versions(role)[1]
    for name in ("components.yml", "kubernetes/go.sum"):
        with (role / "versions" / other / name).open("a", encoding="utf-8") as stream:
            stream.write("\n")
        keys.add(catalogue.bundle_key(role, "amd64", other))
    assert len(keys) == len(catalogue.versions(role)) + 2
    assert catalogue.bundle_key(role, "amd64") == first


@pytest.mark.parametrize("version", catalogue.versions()[1:])
def test_another_version_differs_only_where_it_says_so(version: str) -> None:
    content, own = catalogue.load(version=version), catalogue.load()
    assert content.component("kubernetes").version == version
    assert dict(content.component("kubernetes").siblings) == {"k8s.io/": f"0{version[1:]}"}
    for component in content.components:
        folder = content.files / component.sums
        if component.sums == component.name:
            assert component == own.component(component.name)
        else:
            assert (folder / "go.sum").is_file(), folder
            assert component.version in (folder / "go.mod").read_text(encoding="utf-8")


def test_a_version_that_nobody_can_build_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"klubster_engine_version = '1\.34\.99'.*1\.34\.2"):
        catalogue.load(version="1.34.99")


def test_an_overlay_names_what_the_catalogue_has(tmp_path: Path) -> None:
    role = tmp_path / "role"
    shutil.copytree(catalogue.default_role_dir(), role)
    path = role / "versions" / "1.34.1" / "components.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("    etcd:", "    etdc:"), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"versions/1\.34\.1/components = 'etdc'"):
        catalogue.load(role, "1.34.1")
