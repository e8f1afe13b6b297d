# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._node.blocks import (
    BlockError,
    block_of,
    marks,
    with_block,
)
from hypothesis import given
from hypothesis import strategies as st

HEAD, TAIL = marks("names")

TEST_WITH_BLOCK: list[tuple[str, str | None, str]] = [
    ("", "a\n", f"{HEAD}\na\n{TAIL}\n"),
    ("x\n", "a", f"x\n{HEAD}\na\n{TAIL}\n"),
    ("x", "a\n", f"x\n{HEAD}\na\n{TAIL}\n"),
    (f"x\n{HEAD}\nold\n{TAIL}\ny\n", "a\n", f"x\n{HEAD}\na\n{TAIL}\ny\n"),
    (f"x\n{HEAD}\nold\n{TAIL}\ny\n", None, "x\ny\n"),
    (f"{HEAD}\n{TAIL}", None, ""),
    ("x\n", None, "x\n"),
    # A mark inside a longer line is no mark.
    (f"say {HEAD}\n", "a\n", f"say {HEAD}\n{HEAD}\na\n{TAIL}\n"),
]


@pytest.mark.parametrize(("text", "lines", "expected"), TEST_WITH_BLOCK)
def test_with_block(text: str, lines: str | None, expected: str) -> None:
    assert with_block(text, "names", lines) == expected


@pytest.mark.parametrize("text", [f"{HEAD}\n", f"{TAIL}\n", f"{TAIL}\n{HEAD}\n", f"{HEAD}\n{HEAD}\n{TAIL}\n"])
def test_marks_that_do_not_pair_are_refused(text: str) -> None:
    with pytest.raises(BlockError, match="do not pair"):
        with_block(text, "names", "a\n")


@given(st.text(alphabet="ab \n#", max_size=40), st.text(alphabet="cd\n", max_size=20))
def test_what_is_outside_survives(text: str, lines: str) -> None:
    changed = with_block(text, "names", lines)
    rest = with_block(changed, "names", None)
    assert rest == text if text.endswith("\n") or not text else rest == text + "\n"
    assert with_block(changed, "names", lines) == changed
    assert (block_of(changed, "names") or "").rstrip("\n") == lines.rstrip("\n")
