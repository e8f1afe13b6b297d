# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import struct

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.bolt import DamagedFile, read_bucket
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Member, lists_agree

PAGE = 4096


def page(number: int, flags: int, entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """A leaf: flags, key and value of each entry."""
    head = struct.pack("<QHHI", number, flags, len(entries), 0)
    table, content = b"", b""
    for index, (kind, key, value) in enumerate(entries):
        position = (len(entries) - index) * 16 + len(content)
        table += struct.pack("<IIII", kind, position, len(key), len(value))
        content += key + value
    return (head + table + content).ljust(PAGE, b"\0")


def branch(number: int, children: list[int]) -> bytes:
    head = struct.pack("<QHHI", number, 1, len(children), 0)
    return (head + b"".join(struct.pack("<IIQ", 0, 0, child) for child in children)).ljust(PAGE, b"\0")


def head(number: int, root: int, transaction: int) -> bytes:
    meta = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, 0, 9, transaction)
    return (struct.pack("<QHHI", number, 4, 0, 0) + meta).ljust(PAGE, b"\0")


def inside(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """A small bucket, which lies in its own entry."""
    return struct.pack("<QQ", 0, 0) + page(0, 2, entries).rstrip(b"\0")


def elsewhere(root: int) -> bytes:
    return struct.pack("<QQ", root, 0)


FILE = b"".join(
    [
        head(0, 9, 4),  # an older state, whose root is not there
        head(1, 2, 5),
        page(2, 2, [(1, b"key", elsewhere(3)), (1, b"members", inside([(0, b"8e9e", b'{"id": 1}')])), (0, b"x", b"y")]),
        branch(3, [4, 5]),
        page(4, 2, [(0, b"a", b"1")]),
        page(5, 2, [(0, b"b", b"2"), (0, b"c", b"3")]),
    ]
)


def test_a_bucket_is_read_wherever_it_lies() -> None:
    assert read_bucket(FILE, b"members") == {b"8e9e": b'{"id": 1}'}
    assert read_bucket(FILE, b"key") == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert read_bucket(FILE, b"members_removed") == {}
    assert read_bucket(FILE, b"x") == {}


@pytest.mark.parametrize("data", [b"", b"\0" * 9000, FILE[:PAGE], FILE[: 3 * PAGE - 4000], head(0, 1, 1) * 2])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedFile):
        read_bucket(data, b"key")


MEMBERS = [Member(str(0x8E9E), "server1"), Member(str(0x1F), "server2")]


def stored(*entries: tuple[str, bool]) -> dict[bytes, bytes]:
    return {key.encode(): json.dumps({"isLearner": learner}).encode() for key, learner in entries}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (stored(("8e9e", False), ("1f", False)), ""),
        (stored(("8e9e", False)), "server2 is missing in the file"),
        (stored(("8e9e", False), ("1f", False), ("abc", False)), "abc, which was removed, is still in the file"),
        (stored(("8e9e", False), ("1f", True)), "server2 still learns in the file"),
    ],
)
def test_lists_of_members_are_compared(file: dict[bytes, bytes], said: str) -> None:
    assert lists_agree(MEMBERS, file) == said
