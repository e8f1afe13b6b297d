# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "verify"))

from secrets_said import said

LINE = "MIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gun"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{LINE}\n-----END RSA PRIVATE KEY-----\n"
SECRETS = {
    "key": KEY,
    "encoded key": base64.b64encode(KEY.encode()).decode(),
    "password": "correct horse battery",
    "encoded password": base64.b64encode(b"staple in the stable").decode(),
    "both": f"-----BEGIN CERTIFICATE-----\nMIICpublicpublicpublic\n-----END CERTIFICATE-----\n{KEY}",
    "short": "no",
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nothing of the kind, no", []),
        ("MIICpublicpublicpublic", []),
        (f"diff:\n+    {LINE}\n", ["both", "encoded key", "key"]),
        (base64.b64encode(LINE.encode()).decode(), ["both", "encoded key", "key"]),
        ("argv: --password 'correct horse battery'", ["password"]),
        (base64.b64encode(b"correct horse battery").decode(), ["password"]),
        ("staple in the stable", ["encoded password"]),
    ],
)
def test_what_a_text_says(text: str, names: list[str]) -> None:
    assert said(text, SECRETS) == names
