# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import etcd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import EtcdError, Member
from ansible_collections.kateskit.klubster.plugins.modules import etcd_snapshot

DATA = b"what etcd knows" * 5000


class Answer:
    """A stream of JSON lines, as etcd's gateway sends data."""

    status = 200

    def __init__(self, lines: list[bytes]) -> None:
        self._file = io.BytesIO(b"\n".join(lines))

    def __iter__(self) -> t.Iterator[bytes]:
        return iter(self._file)


def stream(data: bytes, size: int = 1000) -> list[bytes]:
    return [
        json.dumps({"result": {"blob": base64.b64encode(data[at : at + size]).decode()}}).encode()
        for at in range(0, len(data), size)
    ]


class FakeEtcd(etcd.Etcd):
    """One member; what it sends and which release it says it is."""

    lines: t.ClassVar[list[bytes]] = []
    release: t.ClassVar[str] = "3.6.4"

    def __init__(self, url: str, _certificates: t.Any) -> None:
        self._url, self._timeout = url, 1.0

    def members(self) -> list[Member]:
        return [Member("1", "server1")]

    def version(self) -> str:
        return self.release

    def _stream(self, path: str) -> t.Iterator[bytes]:
        assert path == "/v3/maintenance/snapshot"
        for line in Answer(self.lines):
            entry = json.loads(line)
            if "result" not in entry:
                raise EtcdError("broke off")
            yield base64.b64decode(entry["result"]["blob"])


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> type[FakeEtcd]:
    FakeEtcd.lines, FakeEtcd.release = stream(DATA + hashlib.sha256(DATA).digest()), "3.6.4"
    monkeypatch.setattr(etcd_snapshot, "Etcd", FakeEtcd)
    return FakeEtcd


def call(capsys: pytest.CaptureFixture[str], **given: t.Any) -> dict[str, t.Any]:
    with patch_module_args({"name": "home-1.34.1", **given}), pytest.raises(SystemExit):
        etcd_snapshot.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def test_a_file_that_only_root_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "snapshots"
    result = call(capsys, directory=str(folder))
    path = Path(result["path"])
    assert result["changed"]
    assert path.read_bytes() == DATA + hashlib.sha256(DATA).digest()
    assert result["size"] == len(DATA) + 32
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.name.startswith("home-1.34.1-")


@pytest.mark.parametrize(
    "lines",
    [
        stream(DATA),
        stream(DATA + hashlib.sha256(DATA).digest())[:-1],
        [*stream(DATA), b'{"error": {"message": "too slow"}}'],
        [],
    ],
    ids=["no sum", "the end is missing", "an error in the middle", "nothing"],
)
def test_what_broke_off_leaves_no_file(
    tmp_path: Path, service: type[FakeEtcd], lines: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    service.lines = lines
    assert call(capsys, directory=str(tmp_path))["failed"]
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for age, name in enumerate(("newer.db", "older.db", "oldest.db", "other.txt")):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    result = call(capsys, directory=str(tmp_path), keep=2)
    assert result["removed"] == [str(tmp_path / "oldest.db"), str(tmp_path / "older.db")]
    assert {path.name for path in tmp_path.iterdir()} == {Path(result["path"]).name, "newer.db", "other.txt"}


def test_nothing_is_done_in_check_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, directory=str(tmp_path / "none"), _ansible_check_mode=True)["changed"]
    assert not (tmp_path / "none").exists()


STEPS: dict[str, tuple[str, str, dict[bytes, bytes], str]] = {
    "a patch": ("3.6.4", "3.6.5-0", {}, ""),
    "from the stepping stone": ("3.5.26", "3.6.5-0", {}, ""),
    "lists agree": ("3.5.21", "3.6.5-0", {b"1": b"{}"}, ""),
    "lists differ": ("3.5.21", "3.6.5-0", {b"1": b"{}", b"2": b"{}"}, "2, which was removed, is still in the file"),
    "back": ("3.6.5", "3.5.21-0", {}, "etcd does not go back"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_member_that_cannot_go_there_is_refused(
    service: type[FakeEtcd],
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[str, str, dict[bytes, bytes], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.release, wanted, stored, refused = step
    monkeypatch.setattr(etcd_snapshot, "read_bucket", lambda _data, name: stored if name == b"members" else {})
    result = call(capsys, state="compared", bound_for=wanted)
    assert result.get("failed", False) is bool(refused)
    assert not refused or refused in result["msg"]
    assert not result.get("changed", False)
