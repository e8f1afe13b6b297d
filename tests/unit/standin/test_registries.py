# SPDX-License-Identifier: Apache-2.0
"""registries.yaml as containerd reads it (k3s.md B.7)."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import tomllib
from k3s_standin import registries
from k3s_standin.log import Fatal

CONTENT = {
    "mirrors": {
        "docker.io": {"endpoint": ["mirror.lab:5000", "http://plain.lab/copies"], "rewrite": {"^a": "b"}},
        "*": {"endpoint": ["https://all.lab"]},
    },
    "configs": {
        "mirror.lab:5000": {
            "auth": {"username": "reader", "password": 'qu"ote'},
            "tls": {"ca_file": "/ca", "cert_file": "/crt", "key_file": "/key"},
        },
        "plain.lab": {"auth": {"token": "t"}, "tls": {"insecure_skip_verify": True}},
        "bare.lab": None,
    },
}


def read(text: str) -> dict[str, t.Any]:
    return tomllib.loads(text)


def test_mirrors_come_before_the_registry_itself() -> None:
    made = {name: read(text) for name, text in registries.hosts(CONTENT, default_endpoint=True).items()}
    docker = made["docker.io"]
    assert docker["server"] == "https://registry-1.docker.io/v2"
    assert list(docker["host"]) == ["https://mirror.lab:5000/v2", "http://plain.lab/copies"]
    first, second = docker["host"].values()
    assert (first["ca"], first["client"], first["rewrite"]) == (["/ca"], [["/crt", "/key"]], {"^a": "b"})
    assert second["skip_verify"] is True
    assert list(made["*"]["host"]) == ["https://all.lab/v2"]
    assert "server" not in made["*"]


def test_the_registry_itself_can_be_left_out_where_it_has_mirrors() -> None:
    made = {name: read(text) for name, text in registries.hosts(CONTENT, default_endpoint=False).items()}
    assert "server" not in made["docker.io"]
    assert made["plain.lab"]["server"] == "https://plain.lab/v2"


def test_credentials_are_those_of_the_endpoint() -> None:
    made = read(registries.credentials("plugins.'a.b'.registry", CONTENT))["plugins"]["a.b"]["registry"]["configs"]
    assert made == {
        "mirror.lab:5000": {"auth": {"username": "reader", "password": 'qu"ote'}},
        "plain.lab": {"auth": {"identitytoken": "t"}},
    }


def test_files_of_before_go(tmp_path: Path) -> None:
    registries.generate(tmp_path / "certs.d", CONTENT, default_endpoint=True)
    registries.generate(tmp_path / "certs.d", {"mirrors": {"*": {}}}, default_endpoint=True)
    assert [path.name for path in (tmp_path / "certs.d").iterdir()] == ["_default"]


@pytest.mark.parametrize("text", ["mirors: {}", "- a", "a: ["])
def test_what_k3s_does_not_take(text: str, tmp_path: Path) -> None:
    (tmp_path / "registries.yaml").write_text(text)
    with pytest.raises(Fatal, match="failed to load registries"):
        registries.load(tmp_path / "registries.yaml")
