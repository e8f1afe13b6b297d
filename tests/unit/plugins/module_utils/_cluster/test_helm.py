# SPDX-License-Identifier: Apache-2.0
"""Rendering by a Helm that answers as the test wants."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import helm
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed

RELEASE = helm.Release("network", "kube-system", "1.34.2")
HELM = helm.Helm(Path("/bundle/bin/helm"), "v3.19.0")
PRINTED = """---
# Source: network/templates/a.yaml
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent}
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: elsewhere}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: agent}
"""


class Program:
    """Counts how often it is run, and keeps what it was told."""

    def __init__(self, printed: str = PRINTED, error: str = "") -> None:
        self.printed, self.error = printed, error
        self.calls: list[list[str]] = []
        self.values: list[t.Any] = []
        self.environment: t.Mapping[str, str] = {}

    def __call__(self, argv: t.Sequence[str], **options: t.Any) -> Result:
        self.calls.append(list(argv))
        if "--values" in argv:
            self.values.append(json.loads(options["stdin"]))
            self.environment = options["env"]
        if self.error:
            raise CommandFailed(argv, 1, "", self.error)
        return Result(0, self.printed, "")


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("name: network\n")
    (folder / "templates/a.yaml").write_text("a: 1\n")
    return folder


def rendered(chart: Path, run: Program, values: dict[str, t.Any] | None = None, **changes: t.Any) -> list[t.Any]:
    options: dict[str, t.Any] = {"helm": HELM, "release": RELEASE, "cache": chart.parent / "cache"} | changes
    return helm.render(options["helm"], chart, options["release"], values or {"a": 1}, cache=options["cache"], run=run)


def test_values_go_by_standard_input_and_hooks_stay_out(chart: Path) -> None:
    run = Program()
    rendered(chart, run, {"password": "hunter2"})
    assert run.values == [{"password": "hunter2"}]
    (argv,) = run.calls
    assert argv[:4] == ["/bundle/bin/helm", "template", "network", str(chart)]
    assert {"--no-hooks", "--include-crds"} <= set(argv)
    assert argv[argv.index("--kube-version") + 1] == "v1.34.2"
    assert "hunter2" not in " ".join(argv)
    assert all(value.startswith(str(chart.parent / "cache")) for value in run.environment.values())


def test_objects_get_the_releases_namespace_where_they_need_one(chart: Path) -> None:
    found = {obj["kind"]: obj["metadata"].get("namespace") for obj in rendered(chart, Program())}
    assert found == {"ServiceAccount": "kube-system", "ConfigMap": "elsewhere", "ClusterRole": None}


def test_the_same_is_rendered_once(chart: Path) -> None:
    run = Program()
    first = rendered(chart, run)
    (chart / "Chart.yaml").touch()
    os.utime(chart / "templates/a.yaml", (1, 1))
    assert rendered(chart, run) == first
    assert len(run.calls) == 1
    (kept,) = (chart.parent / "cache").glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text("{damaged")
    assert rendered(chart, run) == first
    assert len(run.calls) == 2


def _content(chart: Path) -> dict[str, t.Any]:
    (chart / "templates/a.yaml").write_text("a: 2\n")
    return {}


def _name(chart: Path) -> dict[str, t.Any]:
    (chart / "templates/a.yaml").rename(chart / "templates/b.yaml")
    return {}


@pytest.mark.parametrize(
    "change",
    [
        _content,
        _name,
        lambda _chart: {"values": {"a": 2}},
        lambda _chart: {"helm": helm.Helm(HELM.program, "v3.19.1")},
        lambda _chart: {"release": helm.Release("network", "kube-system", "1.34.1")},
        lambda _chart: {"release": helm.Release("network", "other", "1.34.2")},
    ],
)
def test_whatever_decides_the_objects_renders_anew(chart: Path, change: t.Callable[[Path], dict[str, t.Any]]) -> None:
    run = Program()
    rendered(chart, run)
    rendered(chart, run, **change(chart))
    assert len(run.calls) == 2


def test_what_helm_refuses_is_told_in_its_words_and_not_kept(chart: Path) -> None:
    run = Program(error="Error: values don't meet the schema: replicas: Invalid type\n\nUse --debug flag to render\n")
    with pytest.raises(helm.HelmError, match=r"cannot render .*/chart: Error: values don't meet .* Invalid type$"):
        rendered(chart, run)
    assert rendered(chart, Program())


def test_a_chart_in_one_file_is_known_by_its_sum(tmp_path: Path) -> None:
    archive = tmp_path / "chart.tgz"
    archive.write_bytes(b"one")
    before = helm.digest_of_chart(archive)
    archive.write_bytes(b"two")
    assert helm.digest_of_chart(archive) != before


def test_the_bundles_helm_comes_before_that_of_the_path(tmp_path: Path) -> None:
    run = Program("v3.18.0\n")
    assert helm.find("", run, lambda _name: None) is None
    assert helm.find(str(tmp_path / "none"), run, lambda _name: "/usr/bin/helm") == helm.Helm(
        Path("/usr/bin/helm"), "v3.18.0"
    )
    entry = {"path": "bin/helm", "kind": "binary", "component": "helm", "sha256": "ab" * 32, "size": 1}
    data = {"schema": 1, "key": "k", "arch": "amd64", "go": "go1", "components": {}, "files": [entry]}
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    # What the table of contents names, but is not there, is not used.
    assert helm.find(str(tmp_path), run, lambda _name: None) is None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/helm").write_text("x")
    calls = len(run.calls)
    assert helm.find(str(tmp_path), run, lambda _name: "/usr/bin/helm") == helm.Helm(tmp_path / "bin/helm", "ab" * 32)
    assert len(run.calls) == calls, "the bundle knows its Helm without asking it"


def test_a_helm_that_does_not_run_is_none() -> None:
    assert helm.find("", Program(error="Exec format error"), lambda _name: "/usr/bin/helm") is None
