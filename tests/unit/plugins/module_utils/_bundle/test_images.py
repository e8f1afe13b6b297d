# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import images


def layer(folder: Path, order: tuple[str, ...]) -> Path:
    """A layer of the same content, given in another order, from files with other times and owners."""
    folder.mkdir()
    program = folder / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o700)
    os.utime(program, (len(order), len(str(folder))))
    everything: images.Content = {
        "usr/bin/program": program,
        "etc/passwd": b"root",
        "usr/sbin/link": images.Link("../bin/program"),
    }
    target = folder / "layer.tar"
    images.write_layer(target, {name: everything[name] for name in order})
    return target


def test_a_layer_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    first = layer(tmp_path / "a", ("usr/bin/program", "etc/passwd", "usr/sbin/link"))
    second = layer(tmp_path / "other", ("usr/sbin/link", "usr/bin/program", "etc/passwd"))
    assert first.read_bytes() == second.read_bytes()


def test_a_layer_belongs_to_root_and_has_its_folders(tmp_path: Path) -> None:
    with tarfile.open(layer(tmp_path / "a", ("usr/bin/program", "etc/passwd", "usr/sbin/link"))) as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert list(entries) == [
        "etc",
        "tmp",
        "usr",
        "usr/bin",
        "usr/sbin",
        "etc/passwd",
        "usr/bin/program",
        "usr/sbin/link",
    ]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 1577836800)}
    assert entries["usr/bin/program"].mode == 0o755
    assert entries["etc/passwd"].mode == 0o644
    assert entries["tmp"].mode == 0o1777
    assert entries["usr/sbin/link"].linkname == "../bin/program"


def test_every_image_knows_root_and_nobody() -> None:
    content = images.base_content()
    assert b"nobody:x:65534:" in bytes(content["etc/passwd"])  # type: ignore[arg-type]
    content["etc/passwd"] = b""
    assert images.base_content()["etc/passwd"] != b""  # one image does not change the next one's
