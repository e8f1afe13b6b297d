# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/opt/x"), "The disk is full. Free some space on the file"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full. Free some space on the file system, then"),
        (OSError(errno.EROFS, "Read-only file system", "/opt/x"), "The file system of /opt/x is mounted read-only."),
        (OSError(errno.EACCES, "Permission denied", "/opt/x"), "[Errno 13] Permission denied: '/opt/x'"),
        (KlubsterError("so it is"), "so it is"),
    ],
)
def test_the_cause_comes_first(exc: Exception, expected: str) -> None:
    assert reason(exc).startswith(expected)
