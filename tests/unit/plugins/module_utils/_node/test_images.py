# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node import images
from ansible_collections.kateskit.klubster.plugins.module_utils._node.images import ImageError, WantedImage
from ansible_collections.kateskit.klubster.plugins.module_utils._node.install import InstallError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

ARCHIVE = b"an archive"
PAUSE = WantedImage("images/pause.tar", "bundle.test/pause:1", hashlib.sha256(ARCHIVE).hexdigest(), len(ARCHIVE))


class Ctr:
    """containerd's client, with the images that it has."""

    def __init__(self, *have: str, imports: str = PAUSE.reference, alive: bool = True) -> None:
        self.have, self.imports, self.alive, self.calls = set(have), imports, alive, list[list[str]]()

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        self.calls.append(list(argv))
        if not self.alive:
            raise CommandFailed(argv, 1, "", "connection refused")
        if argv[4] == "import":
            self.have.add(self.imports)
        return Result(0, "\n".join(self.have) + "\n", "")


@pytest.mark.parametrize(
    ("have", "recorded", "missing"),
    [
        ((), {}, True),
        ((PAUSE.reference,), {}, True),
        ((PAUSE.reference,), {PAUSE.reference: "another archive"}, True),
        ((), {PAUSE.reference: PAUSE.sha256}, True),
        ((PAUSE.reference,), {PAUSE.reference: PAUSE.sha256}, False),
    ],
)
def test_compare(tmp_path: Path, have: tuple[str, ...], recorded: dict[str, str], missing: bool) -> None:
    record = Record(tmp_path, images=recorded)
    assert images.compare([PAUSE], have, record) == ([PAUSE] if missing else [])


OWN = WantedImage("archives/shop.tar", "", PAUSE.sha256, PAUSE.size, {"shop.test/web:1": "d1", "shop.test/db:1": "d2"})


@pytest.mark.parametrize(
    ("have", "recorded", "missing"),
    [
        (set(OWN.holds), dict(OWN.holds), False),
        (set(OWN.holds), {**OWN.holds, "shop.test/db:1": "older"}, True),
        ({"shop.test/web:1"}, dict(OWN.holds), True),
        (set(OWN.holds), {"shop.test/web:1": "d1"}, True),
    ],
)
def test_an_archive_of_several_images_is_in_when_all_of_them_are(
    tmp_path: Path, have: set[str], recorded: dict[str, str], missing: bool
) -> None:
    assert images.compare([OWN], have, Record(tmp_path, images=recorded)) == ([OWN] if missing else [])


def test_every_image_of_an_archive_is_pinned_and_recorded(tmp_path: Path) -> None:
    archive, ctr = tmp_path / "shop.tar", Ctr(*OWN.holds)
    archive.write_bytes(ARCHIVE)
    images.load({OWN.source: archive}, [OWN], Record.load(tmp_path / "state"), ctr, "ctr")
    assert [call[5] for call in ctr.calls if call[4] == "label"] == list(OWN.holds)
    assert Record.load(tmp_path / "state").images == dict(OWN.holds)
    archive.write_bytes(ARCHIVE)
    with pytest.raises(
        ImageError, match=r"archives/shop.tar was imported, but containerd does not know shop.test/db:1"
    ):
        images.load({OWN.source: archive}, [OWN], Record.load(tmp_path / "state"), Ctr("shop.test/web:1"), "ctr")


def load(tmp_path: Path, ctr: Ctr, content: bytes = ARCHIVE) -> Path:
    archive = tmp_path / "pause.tar"
    archive.write_bytes(content)
    images.load({PAUSE.source: archive}, [PAUSE], Record.load(tmp_path / "state"), ctr, "ctr")
    return archive


def test_imports_pins_records_and_removes_the_archive(tmp_path: Path) -> None:
    ctr = Ctr()
    assert not load(tmp_path, ctr).exists()
    assert [call[4] for call in ctr.calls] == ["import", "label", "list"]
    assert "io.cri-containerd.pinned=pinned" in ctr.calls[1]
    assert Record.load(tmp_path / "state").images == {PAUSE.reference: PAUSE.sha256}


def test_a_damaged_archive_is_not_imported(tmp_path: Path) -> None:
    ctr = Ctr()
    with pytest.raises(InstallError, match=r"images/pause.tar arrived damaged"):
        load(tmp_path, ctr, b"an Archive")
    assert ctr.calls == []
    assert Record.load(tmp_path / "state").images == {}


def test_an_archive_of_another_image_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"does not know bundle.test/pause:1"):
        load(tmp_path, Ctr(imports="something/else:1"))


def test_containerd_that_is_down() -> None:
    assert images.present(Ctr(alive=False), "ctr") is None
    with pytest.raises(ImageError, match="journalctl -u containerd"):
        images.listed(Ctr(alive=False), "ctr")


def test_space_is_asked_for_archives_and_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, int]] = []
    monkeypatch.setattr(images, "require_space", lambda folder, total: asked.append((folder, total)))
    images.check_space([PAUSE], Path("/staging"), Path("/root"))
    assert asked == [(Path("/staging"), PAUSE.size), (Path("/root"), 2 * PAUSE.size)]
    images.check_space([], Path("/staging"), Path("/root"))
    assert len(asked) == 2
