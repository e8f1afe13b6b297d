# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import gomodule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import Component, Program
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, InvalidInput

GOOD = {
    "GOVERSION": "go1.26.8",
    "GOHOSTARCH": "amd64",
    "GOPROXY": "https://proxy.example,direct",
    "GOSUMDB": "sum.golang.org",
    "GOMODCACHE": "/modules",
}


class Shell:
    """A machine where `go env` and `gcc --version` say what the test wants."""

    def __init__(self, values: dict[str, str] | None, compiler: str | None = "gcc (Debian) 12.2.0\nmore") -> None:
        self.values, self.compiler = values, compiler

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> Result:
        if argv[0] == "go" and self.values is not None:
            return Result(0, json.dumps(self.values), "")
        if argv[0] == "gcc" and self.compiler is not None:
            return Result(0, self.compiler, "")
        if argv[0] == "gcc":
            return Result(127, "", "")
        raise CommandFailed(argv, 127, "", "No such file or directory")


def test_reads_the_toolchain() -> None:
    assert gomodule.toolchain(Shell(GOOD)) == gomodule.Toolchain(
        "go1.26.8", "amd64", "https://proxy.example", "sum.golang.org", Path("/modules"), "gcc (Debian) 12.2.0"
    )
    assert gomodule.toolchain(Shell(GOOD, None)).c_compiler == ""


TEST_BAD_TOOLCHAIN: list[tuple[dict[str, str] | None, str]] = [
    (None, "Building the bundle needs Go"),
    ({**GOOD, "GOVERSION": "go1.23.4"}, "Go 1.24 or later is needed"),
    ({**GOOD, "GOVERSION": "go1.9"}, "Go 1.24 or later is needed"),
    ({**GOOD, "GOVERSION": "devel"}, "Go 1.24 or later is needed"),
    ({**GOOD, "GOPROXY": "direct"}, "Sources come through a module proxy"),
    ({**GOOD, "GOPROXY": "off"}, "Sources come through a module proxy"),
    ({**GOOD, "GOSUMDB": "off"}, "verified against the checksum database"),
    ({**GOOD, "GOSUMDB": ""}, "verified against the checksum database"),
]


@pytest.mark.parametrize(("values", "message"), TEST_BAD_TOOLCHAIN)
def test_refuses_a_bad_toolchain(values: dict[str, str] | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        gomodule.toolchain(Shell(values))


def test_tells_all_problems_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        gomodule.toolchain(Shell({**GOOD, "GOVERSION": "go1.20", "GOSUMDB": "off"}))
    assert [problem.variable for problem in caught.value.problems] == ["go", "GOSUMDB"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a,direct", "https://a"),
        ("https://a,https://b,direct", "https://a,https://b"),
        ("https://a|https://b|direct", "https://a|https://b"),
        ("https://a", "https://a"),
        ("direct", ""),
        ("off", ""),
        ("", ""),
    ],
)
def test_never_goes_past_the_proxy(value: str, expected: str) -> None:
    assert gomodule.proxy_list(value) == expected


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("example.org/a/cmd/kubelet", "kubelet"),
        ("go.etcd.io/etcd/etcdctl/v3", "etcdctl"),
        ("example.org/tool/v12", "tool"),
        ("example.org/tool/v1", "v1"),
        ("example.org/tool/vet", "vet"),
    ],
)
def test_knows_how_go_names_a_program(package: str, name: str) -> None:
    assert gomodule.go_output_name(package) == name


def component(**change: t.Any) -> Component:
    values: dict[str, t.Any] = {
        "name": "tool",
        "set": "cluster",
        "source": "module",
        "module": "example.org/tool",
        "version": "1.2.3",
        "programs": (Program("./cmd/tool", "tool", "binary"),),
        "licences": ("MIT",),
    }
    return Component(**{**values, **change})


def test_nothing_of_the_users_settings_reaches_a_build() -> None:
    tools = gomodule.toolchain(Shell(GOOD))
    env = gomodule.environment(tools, component(), arch="arm64", go_cache=Path("/cache"), work=Path("/w"))
    assert env["GOENV"] == "off"
    assert env["GOPRIVATE"] == env["GOINSECURE"] == env["GOFLAGS"] == ""
    assert env["GONOSUMDB"] == "none"
    assert (env["GOARCH"], env["CGO_ENABLED"], env["GOTOOLCHAIN"]) == ("arm64", "0", "local")
    with_c = gomodule.environment(tools, component(cgo=True), arch="amd64", go_cache=Path("/cache"), work=Path("/w"))
    assert with_c["CGO_ENABLED"] == "1"
    assert "-ffile-prefix-map=/modules=/module" in with_c["CGO_CFLAGS"]


def test_refresh_repeats_what_only_a_main_module_may_say(tmp_path: Path) -> None:
    own = {
        "Go": "1.24.0",
        "GoDebug": [{"Key": "default", "Value": "go1.24"}],
        "Replace": [
            {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/api"}},
            {"Old": {"Path": "example.org/forbidden"}, "New": {"Path": "./FORBIDDEN"}},
            {"Old": {"Path": "a.org/x", "Version": "v1.0.0"}, "New": {"Path": "b.org/x", "Version": "v1.1.0"}},
        ],
        "Exclude": [{"Path": "c.org/x", "Version": "v2.0.0"}],
    }
    calls: list[list[str]] = []

    def run(argv: t.Sequence[str], **_options: t.Any) -> Result:
        calls.append(list(argv))
        return Result(0, json.dumps(own), "")

    wanted = component(requires=(("example.org/other", "4.5.6"),), siblings=(("k8s.io/", "0.34.2"),), tags=("a", "b"))
    gomodule.refresh(wanted, tmp_path, run=run, env={}, source=Path("/source"))
    assert (tmp_path / "go.mod").read_text(encoding="utf-8").splitlines() == [
        "module klubster.internal/bundle/tool",
        "",
        "go 1.24.0",
        "",
        "godebug default=go1.24",
        "require example.org/other v4.5.6",
        "require example.org/tool v1.2.3",
        "replace k8s.io/api => k8s.io/api v0.34.2",
        "replace a.org/x v1.0.0 => b.org/x v1.1.0",
        "exclude c.org/x v2.0.0",
    ]
    assert calls[-1][3:] == ["list", "-mod=mod", "-deps", "-tags", "a,b", "example.org/tool/cmd/tool"]
