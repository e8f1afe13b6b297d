# SPDX-License-Identifier: Apache-2.0
"""A machine that fetches a release itself: from the version to the program in its place."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.k3s_downloads import k3s_downloads
from ansible_collections.kateskit.klubster.plugins.filter.k3s_fetched import k3s_fetched
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import desired_download, install
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_node"))
from file_server import FileServer, Served

VERSION = "1.34.2+k3s1"
PROGRAM = Served(b"#!/bin/sh\necho k3s\n" * 5000)
TAG = "/v1.34.2%2Bk3s1"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("arch", "program", "suffix"),
    [
        ("amd64", "k3s", "amd64"),
        ("arm64", "k3s-arm64", "arm64"),
        ("armhf", "k3s-armhf", "arm"),
        # As the machine's kernel says it.
        ("armv7l", "k3s-armhf", "arm"),
    ],
)
def test_each_architecture_has_its_names(arch: str, program: str, suffix: str) -> None:
    assert k3s_fetched(k3s_downloads(VERSION, arch, images="tar.zst"), "/kept") == [
        {
            "source": program,
            "path": "/usr/local/bin/k3s",
            "mode": "0755",
            "sums": f"/kept/sha256sum-{suffix}.txt",
        },
        {
            "source": f"k3s-airgap-images-{suffix}.tar.zst",
            "path": f"/var/lib/rancher/k3s/agent/images/k3s-airgap-images-{suffix}.tar.zst",
            "mode": "0644",
            "sums": f"/kept/sha256sum-{suffix}.txt",
        },
    ]


class Machine:
    """Fetches, looks and installs, as the role lets it."""

    def __init__(self, folder: Path, mirror: str) -> None:
        self.kept, self.state, self.program = folder / "kept", folder / "state", folder / "bin/k3s"
        self.downloads = k3s_downloads(VERSION, "amd64", [mirror])
        (entry,) = k3s_fetched(self.downloads, str(self.kept))
        self.files = [{**entry, "path": str(self.program)}]

    def fetch(self) -> t.Any:
        (entry,) = self.downloads
        given = {
            **{key: entry[key] for key in ("url", "sha256_list", "sha256_name", "mode")},
            "dest": str(self.kept / entry["name"]),
            "sha256_list_dest": str(self.kept / entry["sha256_list_name"]),
            "stall_timeout": 0.5,
            "timeout": 5,
        }
        wanted = desired_download.parse(given)
        return desired_download.apply(wanted, desired_download.compare(wanted))

    def lacks(self) -> bool:
        return not install.compare(install.parse(self.files), "engine", Record.load(self.state)).empty

    def install(self) -> None:
        record = Record.load(self.state)
        missing = install.compare(install.parse(self.files), "engine", record).missing
        install.place(install.fetched(missing), missing, "engine", record)


def serving(program: Served, sums: str = PROGRAM.sha256) -> FileServer:
    listed = Served(f"{sums}  k3s\n{'0' * 64}  k3s-airgap-images-amd64.tar\n".encode())
    return FileServer({f"{TAG}/k3s": program, f"{TAG}/sha256sum-amd64.txt": listed})


def test_a_good_release_is_installed_and_then_nothing_is_asked(tmp_path: Path) -> None:
    with serving(PROGRAM) as server:
        machine = Machine(tmp_path, server.url(""))
        assert machine.lacks()
        machine.fetch()
        machine.install()
        asked = len(server.asked)
        assert not machine.lacks()
        assert len(server.asked) == asked
    assert machine.program.read_bytes() == PROGRAM.content
    assert machine.program.stat().st_mode & 0o777 == 0o755
    # Only the list stays.
    assert [path.name for path in machine.kept.iterdir()] == ["sha256sum-amd64.txt"]
    # A program that somebody changed is brought again.
    machine.program.write_bytes(b"another")
    assert machine.lacks()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(Served(PROGRAM.content, cut=100), id="truncated"),
        pytest.param(Served(PROGRAM.content[:-1] + b"!"), id="tampered"),
        pytest.param(Served(PROGRAM.content, stall=100), id="slow"),
        pytest.param(Served(b"", status=404), id="missing"),
    ],
)
def test_nothing_else_is_ever_installed(program: Served, tmp_path: Path) -> None:
    with serving(program, PROGRAM.sha256) as server:
        machine = Machine(tmp_path, server.url(""))
        with pytest.raises(KlubsterError):
            machine.fetch()
        assert machine.lacks()
        with pytest.raises(install.InstallError, match="Fetch it first"):
            machine.install()
    assert not machine.program.exists()


def test_what_was_cut_short_goes_on(tmp_path: Path) -> None:
    with serving(Served(PROGRAM.content, cut=100)) as server:
        machine = Machine(tmp_path, server.url(""))
        with pytest.raises(KlubsterError):
            machine.fetch()
    with serving(PROGRAM) as server:
        again = Machine(tmp_path, server.url(""))
        assert again.fetch().resumed_from > 0
        again.install()
    assert not again.lacks()
