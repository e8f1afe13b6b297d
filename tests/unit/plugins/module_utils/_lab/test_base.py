# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import INIT, BaseRoot, Recipe, recipe_for

TARGETS = """\
bookworm-updates main Debian http://updates.example/debian/
bookworm contrib Debian http://contrib.example/debian/
bookworm main Elsewhere http://elsewhere.example/debian/
bookworm main Debian http://mirror.example/debian/
"""


class FakeHost:
    """Runs no program but makes the files that debootstrap would."""

    def __init__(self, *, targets: str = TARGETS, fails: bool = False, proxy: str = "") -> None:
        self.targets, self.fails, self.proxy = targets, fails, proxy
        self.calls: list[list[str]] = []
        self.environment: dict[str, str] = {}

    def __call__(self, argv: t.Sequence[str], **options: t.Any) -> Result:
        self.calls.append(list(argv))
        if argv[0] == "apt-get":
            return Result(0, self.targets, "")
        if argv[0] == "apt-config":
            return Result(0, self.proxy if "Acquire::http::Proxy" in argv else "", "")
        if argv[0] == "rm":
            assert "--one-file-system" in argv
            return Result(0, "", "")
        self.environment = dict(options.get("env") or {})
        root = Path(argv[-2])
        for folder in (
            "etc/ssh",
            "etc/systemd/system",
            "usr/sbin",
            "var/log/apt",
            "var/cache/apt/archives",
            "debootstrap",
        ):
            (root / folder).mkdir(parents=True)
        if self.fails:
            (root / "debootstrap/debootstrap.log").write_text("W: something\nE: Couldn't download packages: systemd\n")
            raise CommandFailed(argv, 1, "", "")
        for name in ("etc/ssh/ssh_host_rsa_key", "etc/hostname", "var/cache/apt/archives/a.deb", "usr/sbin/modprobe"):
            (root / name).write_text("of the host")
        return Result(0, "", "")

    @property
    def built(self) -> list[list[str]]:
        return [argv for argv in self.calls if "debootstrap" in argv]


def test_it_is_built_once(tmp_path: Path) -> None:
    host = FakeHost()
    base = BaseRoot(tmp_path, host)
    assert not base.ready()
    assert base.build() is True
    assert base.ready()
    assert base.build() is False
    assert len(host.built) == 1
    assert host.built[0][-1] == "http://mirror.example/debian/"
    assert "--force-check-gpg" in host.built[0]
    assert "--kill-child" in host.built[0]


def test_machines_share_no_keys_and_no_leavings(tmp_path: Path) -> None:
    base = BaseRoot(tmp_path, FakeHost())
    base.build()
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/hostname", "var/cache/apt/archives/a.deb", "var/log/apt"):
        assert not (base.path / name).exists()
    assert (base.path / INIT.lstrip("/")).stat().st_mode & 0o777 == 0o755
    assert (base.path / "usr/sbin/modprobe").read_text().startswith("#!/bin/sh")
    assert (base.path / "etc/machine-id").read_text() == ""
    assert (base.path / "etc/systemd/system/apt-daily.timer").readlink() == Path("/dev/null")


def test_a_failure_names_mirror_and_reason_and_the_next_run_builds(tmp_path: Path) -> None:
    base = BaseRoot(tmp_path, FakeHost(fails=True))
    with pytest.raises(
        KlubsterError, match=r"from http://mirror\.example/debian/(.|\n)*Couldn't download packages: systemd"
    ):
        base.build()
    assert not base.ready()
    host = FakeHost()
    again = BaseRoot(tmp_path / "other", host)
    assert again.build() is True


def test_what_a_cut_short_build_left_is_removed_first(tmp_path: Path) -> None:
    host = FakeHost()
    base = BaseRoot(tmp_path, host)
    stale = tmp_path / f"partial-{base.recipe.key}"
    stale.mkdir()
    with pytest.raises(FileExistsError):
        # The fake rm removes nothing, so that this shows the order: rm first, then debootstrap into the same folder.
        (stale / "etc/ssh").mkdir(parents=True)
        base.build()
    assert [argv[0] for argv in host.calls if argv[0] in ("rm", "setpriv")] == ["rm", "setpriv"]


def test_no_source_of_packages_is_explained(tmp_path: Path) -> None:
    with pytest.raises(KlubsterError, match="Set lab_mirror to a mirror of Debian"):
        BaseRoot(tmp_path, FakeHost(targets="noble main Ubuntu http://ubuntu.example/\n")).build()


def test_a_given_mirror_wins(tmp_path: Path) -> None:
    host = FakeHost()
    BaseRoot(tmp_path, host, mirror="http://given.example/").build()
    assert host.built[0][-1] == "http://given.example/"


def test_the_proxy_of_apt_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    host = FakeHost(proxy="PROXY='http://proxy.example:3128'\n")
    BaseRoot(tmp_path, host).build()
    assert host.environment == {"http_proxy": "http://proxy.example:3128"}


def test_the_key_follows_the_recipe() -> None:
    recipe = Recipe()
    assert recipe.key == Recipe().key
    assert recipe.key != dataclasses.replace(recipe, packages=(*recipe.packages, "curl")).key
    assert recipe.key != dataclasses.replace(recipe, files={**recipe.files, "/etc/x": ("", 0o644)}).key
    assert recipe.key != dataclasses.replace(recipe, masked=()).key


def test_a_newer_system_is_another_root_from_the_same_mirror(tmp_path: Path) -> None:
    host = FakeHost()
    older, newer = BaseRoot(tmp_path, host), BaseRoot(tmp_path, host, recipe=recipe_for("trixie"))
    older.build()
    newer.build()
    assert older.path != newer.path
    assert [built[-3] for built in host.built] == ["bookworm", "trixie"]
    assert host.built[0][-1] == host.built[1][-1]
    assert "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" in newer.recipe.files[INIT][0]
    assert recipe_for("bookworm").key == Recipe().key
