# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._node.file_attributes import FileAttributes


def test_parse() -> None:
    assert FileAttributes.parse("0755", "root", "0") == FileAttributes(0o755, 0, 0)
    assert FileAttributes.parse("4755", None, None) == FileAttributes(0o4755)
    with pytest.raises(InvalidInput) as caught:
        FileAttributes.parse("0789", "nobody-here", "none-either")
    assert [problem.variable for problem in caught.value.problems] == ["mode", "owner", "group"]


@pytest.mark.parametrize("mode", ["", "x", "-1", "10000"])
def test_modes_that_are_none(mode: str) -> None:
    with pytest.raises(InvalidInput, match=r"mode = .* is not octal digits in quotes"):
        FileAttributes.parse(mode, None, None)


def test_compare_and_apply(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    file.chmod(0o600)
    wanted = FileAttributes(0o4755, os.geteuid(), os.getegid())
    difference = Difference()
    wanted.compare(file, difference)
    assert difference.as_diff() == {"before": {"mode": "0600"}, "after": {"mode": "4755"}}
    wanted.apply(file)
    again = Difference()
    wanted.compare(file, again)
    assert again.empty


def test_like_takes_over_what_is_not_given(tmp_path: Path) -> None:
    assert FileAttributes(0o644).like(tmp_path / "none") == FileAttributes(0o644)
    assert FileAttributes(0o644, -1, 7).like(tmp_path) == FileAttributes(0o644, os.geteuid(), 7)
