# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums
from ansible_collections.kateskit.klubster.plugins.module_utils._node.checksums import ChecksumListError

A, B = "a" * 64, "B" * 64


def test_a_published_list() -> None:
    content = f"{A}  k3s\n{B} *k3s-airgap-images-amd64.tar.zst\n".encode()
    sums = checksums.parse(content, "list")
    assert sums == {"k3s": A, "k3s-airgap-images-amd64.tar.zst": "b" * 64}
    assert checksums.pick(sums, "k3s", "list") == A


TEST_REFUSED: list[tuple[bytes, str]] = [
    (b"", "list is empty"),
    (b"\n", "list, line 1: ''"),
    (f"{A}  k3s".encode(), "list does not end with a line end"),
    (f"{A}  k3s\n{A}  k3s-airgap-images-amd64.tar".encode(), "list does not end with a line end: it was cut off"),
    (f"{A} k3s\n".encode(), "list, line 1:"),
    (f"{A[1:]}  k3s\n".encode(), "list, line 1:"),
    (f"{A}a  k3s\n".encode(), "list, line 1:"),
    (f"{A}  \n".encode(), "list, line 1:"),
    (f"{A}  k3s\r\n".encode(), "list, line 1:"),
    (f"{A}  k3s\n\n{B}  x\n".encode(), "list, line 2: ''"),
    (f"{A}  k3s\n{A}  k3s\n".encode(), "list, line 2: 'k3s' occurs twice"),
    (f"\\{A}  k\\\\3s\n".encode(), "list, line 1:"),
    (b"<!DOCTYPE html>\n", "list, line 1: '<!DOCTYPE html>' is not"),
    (b"\xff\xfe\n", "list is no text"),
]


@pytest.mark.parametrize(("content", "reason"), TEST_REFUSED)
def test_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ChecksumListError) as caught:
        checksums.parse(content, "list")
    assert str(caught.value).startswith(reason)


def test_a_missing_name_says_what_is_there() -> None:
    sums = {f"file{number}": A for number in range(10)}
    with pytest.raises(ChecksumListError, match=r"^list has no sum for 'k3s'; it names file0, .*file7, …\.$"):
        checksums.pick(sums, "k3s", "list")


@pytest.mark.parametrize(
    ("text", "right"), [(A, True), (B, True), (A[1:], False), (A + "\n", False), ("g" * 64, False)]
)
def test_is_sha256(text: str, right: bool) -> None:
    assert checksums.is_sha256(text) is right
