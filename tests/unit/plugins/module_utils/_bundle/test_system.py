# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import system
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import SystemSet
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput

SET = SystemSet("nets", ("netpack",), ("/usr/sbin/net", "/usr/lib/*/nets/*.so"))
# As ldd of glibc 2.36 prints for several files.
LDD = """\
{root}/usr/sbin/net:
\tlinux-vdso.so.1 (0x00007f1)
\tlibm.so.6 => {root}/lib/x/libm.so.6 (0x00007f2)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f3)
{root}/usr/lib/x/nets/a.so:
\tstatically linked
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("usr/sbin/net", "usr/lib/x/nets/a.so", "usr/lib/x/nets/b.so", "lib/x/libm.so.6"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="ascii")
    return tmp_path


class Debian:
    """A machine on which ldd and dpkg-query answer."""

    def __init__(self, root: Path, ldd: str = LDD) -> None:
        self.root, self.ldd, self.asked = root, ldd, list[str]()

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> Result:
        if argv[0] == "ldd":
            return Result(0, self.ldd.format(root=self.root), "")
        if argv[1] == "-S":
            self.asked += argv[2:]
            return Result(1, "netpack: /usr/sbin/net\nlibc6:amd64: /lib/x/libm.so.6\n", "no path found: /x\n")
        assert argv[-2:] == ["libc6:amd64", "netpack"]
        return Result(0, "netpack 1.8 netsource\nlibc6 2.36 glibc\nlibc6 2.36 glibc\n", "")


def test_takes_programs_plugins_and_their_libraries(root: Path) -> None:
    found = system.collect(SET, run=Debian(root), root=root)
    names = [name for name, _path in found.files]
    assert "usr/sbin/net" in names
    assert "usr/lib/x/nets/b.so" in names
    assert any(name.endswith("lib/x/libm.so.6") for name in names)  # the statistic match needs it
    assert "lib64/ld-linux-x86-64.so.2" in names
    assert not any("vdso" in name for name in names)
    assert found.packages == (system.Package("libc6", "2.36", "glibc"), system.Package("netpack", "1.8", "netsource"))


def test_says_what_to_install(root: Path) -> None:
    (root / "usr/sbin/net").unlink()
    assert system.missing_packages([SET], root) == ("netpack",)
    with pytest.raises(InvalidInput, match="apt-get install netpack"):
        system.collect(SET, run=Debian(root), root=root)


def test_nothing_to_install(root: Path) -> None:
    assert system.missing_packages([SET], root) == ()


def test_a_missing_library_is_not_shipped_silently(root: Path) -> None:
    with pytest.raises(InvalidInput, match=r"libmnl\.so\.0"):
        system.collect(SET, run=Debian(root, LDD + "\tlibmnl.so.0 => not found\n"), root=root)


def test_the_licence_is_debians(root: Path) -> None:
    package = system.Package("netpack", "1.8", "netsource")
    assert b"netsource" in system.licence(package, root)
    path = root / "usr/share/doc/netpack/copyright"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GPL")
    assert system.licence(package, root) == b"GPL"
