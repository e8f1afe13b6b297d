# SPDX-License-Identifier: Apache-2.0
"""The shell of the module; how servers fail is tested in module_utils/_node/test_download.py."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_release
from ansible_collections.kateskit.klubster.plugins.modules import verified_download
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_node"))
from file_server import FileServer, Served

TOOL = Served(b"#!/bin/sh\n" * 1000)
LIST = Served(f"{TOOL.sha256}  tool\n".encode())


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> t.Iterator[FileServer]:
    with FileServer({"/tool": TOOL, "/sums": LIST}) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def running(check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            verified_download.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return running


Run = t.Callable[..., dict[str, t.Any]]


def test_four_runs(server: FileServer, tmp_path: Path, run: Run) -> None:
    dest = tmp_path / "bin" / "tool"
    given = {
        "url": [server.url("/none"), server.url("/tool")],
        "sha256": TOOL.sha256,
        "dest": str(dest),
        "mode": "0755",
    }
    checked = run(check=True, **given)
    assert (checked["changed"], checked["url"], server.asked) == (True, "", [])
    assert list(tmp_path.iterdir()) == []
    done = run(**given)
    assert (done["changed"], done["url"], done["received"]) == (True, server.url("/tool"), 10_000)
    assert done["diff"] == checked["diff"]
    assert done["diff"]["after"] == {"sha256": TOOL.sha256, "mode": "0755"}
    assert (dest.read_bytes(), dest.stat().st_mode & 0o777) == (TOOL.content, 0o755)
    server.asked.clear()
    for check in (True, False):
        assert run(check=check, **given)["changed"] is False
    assert server.asked == []


def test_mode_alone_fetches_nothing(server: FileServer, tmp_path: Path, run: Run) -> None:
    dest = tmp_path / "tool"
    dest.write_bytes(TOOL.content)
    dest.chmod(0o600)
    given = {"url": [server.url("/tool")], "sha256": TOOL.sha256, "dest": str(dest), "mode": "0755"}
    assert run(check=True, **given)["changed"] is True
    assert dest.stat().st_mode & 0o777 == 0o600
    assert run(**given)["diff"] == {"before": {"mode": "0600"}, "after": {"mode": "0755"}}
    assert run(**given)["changed"] is False
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_new_file_keeps_the_owner_of_the_old(server: FileServer, tmp_path: Path, run: Run) -> None:
    dest = tmp_path / "tool"
    dest.write_bytes(b"old")
    os.chown(dest, 12, 34)
    given = {"url": [server.url("/tool")], "sha256": TOOL.sha256, "dest": str(dest)}
    assert run(**given)["changed"] is True
    assert (dest.stat().st_uid, dest.stat().st_gid) == (12, 34)
    assert run(**given, owner="root", group="56")["diff"]["after"] == {"owner": 0, "group": 56}
    assert (dest.stat().st_uid, dest.stat().st_gid) == (0, 56)


def test_a_list_of_sums_that_is_kept(server: FileServer, tmp_path: Path, run: Run) -> None:
    dest, kept = tmp_path / "tool", tmp_path / "lists" / "sums"
    given: dict[str, t.Any] = {"url": [server.url("/tool")], "sha256_list": [server.url("/none"), server.url("/sums")]}
    given.update(dest=str(dest), sha256_list_dest=str(kept))
    assert run(check=True, **given)["changed"] is True
    assert list(tmp_path.iterdir()) == []
    assert run(**given)["sha256"] == TOOL.sha256
    assert kept.read_bytes() == LIST.content
    server.asked.clear()
    assert run(**given)["changed"] is False
    assert server.asked == []
    kept.write_bytes(LIST.content[:-3])
    assert run(**given)["diff"] == {"before": {"sha256_list": "missing"}, "after": {"sha256_list": "usable"}}
    assert kept.read_bytes() == LIST.content
    server.asked.clear()
    del given["sha256_list_dest"]
    assert run(**given)["changed"] is False
    assert [entry.path for entry in server.asked] == ["/none", "/sums"]
    assert "has no sum for 'other'; it names tool" in run(**given, sha256_name="other")["msg"]


def test_what_a_release_needs_is_in_the_words_of_the_module(server: FileServer, tmp_path: Path, run: Run) -> None:
    """A folder that was filled from a release is one that the airgap way takes."""
    arch, version = k3s_release.AMD64, k3s_release.K3sVersion.parse("v1.34.2+k3s1")
    images = Served(b"images")
    sums = f"{TOOL.sha256}  k3s\n{images.sha256}  k3s-airgap-images-amd64.tar.zst\n".encode()
    tag = "/v1.34.2%2Bk3s1"
    server.files = {
        f"{tag}/k3s": TOOL,
        f"{tag}/k3s-airgap-images-amd64.tar.zst": images,
        f"{tag}/sha256sum-amd64.txt": Served(sums),
    }
    for entry in k3s_release.release_files(version, arch, mirrors=[server.url("")], images="tar.zst"):
        words = {name: entry[name] for name in ("url", "mode", "sha256_list", "sha256_name")}
        kept = str(tmp_path / entry["sha256_list_name"])
        assert run(**words, dest=str(tmp_path / entry["name"]), sha256_list_dest=kept)["changed"] is True
    assert len(server.asked) == 3
    found = _release.load(str(tmp_path), arch.name)
    assert {"k3s", "k3s-airgap-images-amd64.tar.zst"} <= {file.name for file in found.files}


def test_a_failure_names_every_mirror_and_no_secret(server: FileServer, tmp_path: Path, run: Run) -> None:
    result = run(
        url=[server.url("/a?sig=hush-hush", "me:s3cret-word@"), server.url("/b")],
        sha256=TOOL.sha256,
        dest=str(tmp_path / "tool"),
        headers={"X-Token": "tok-tok-tok"},
    )
    assert result["failed"] is True
    assert result["msg"].count("answered 404") == 2
    assert server.asked[0].headers["x-token"] == "tok-tok-tok"
    for secret in ("hush-hush", "s3cret-word", "tok-tok-tok"):
        assert secret not in json.dumps(result)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of the following is required: sha256, sha256_list"),
        ({"sha256": "abc"}, "sha256 = 'abc': is not 64 hexadecimal digits"),
        ({"sha256": "a" * 64, "mode": "rwx"}, "mode = 'rwx': is not octal digits"),
        ({"sha256": "a" * 64, "url": ["ftp://x/y"]}, "url[0] = 'ftp://x/y'"),
        ({"sha256": "a" * 64, "url": []}, "url = []: is empty"),
        ({"sha256": "a" * 64, "timeout": 0}, "timeout = 0.0: is not more than 0"),
        ({"sha256": "a" * 64, "sha256_list": ["http://x/y"]}, "mutually exclusive"),
        ({"sha256": "a" * 64, "sha256_name": "x"}, "required by 'sha256_name': sha256_list"),
        ({"sha256": "a" * 64, "dest": "relative"}, "is not the absolute path of a file"),
        ({"sha256_list": ["http://x/y"], "url": ["http://x/"]}, "sha256_name = None"),
    ],
)
def test_refused(tmp_path: Path, run: Run, given: dict[str, t.Any], said: str) -> None:
    result = run(**{"url": ["http://127.0.0.1:1/x"], "dest": str(tmp_path / "tool"), **given})
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []
