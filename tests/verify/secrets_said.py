# SPDX-License-Identifier: Apache-2.0
"""Whether a text says a secret: in the clear, in base64, or a line of a key."""

from __future__ import annotations

import base64
import binascii
import typing as t

#: shorter ones, such as a word in a Secret, would be found by chance
_SHORTEST = 12


def forms(secret: str) -> set[str]:
    """What must not be found if this secret is not to be known."""
    found = set[str]()
    for text in (secret, _decoded(secret)):
        if "-----BEGIN" in text:
            # A certificate may be known. Of a key, a single line would already be too much.
            found |= set(_key_lines(text))
        elif len(text.strip()) >= _SHORTEST:
            found.add(text.strip())
            found.add(base64.b64encode(text.encode()).decode())
    return found


def said(text: str, secrets: t.Mapping[str, str]) -> list[str]:
    """Names of the secrets that the text says."""
    return sorted(name for name, secret in secrets.items() if any(form in text for form in forms(secret)))


def _decoded(secret: str) -> str:
    try:
        return base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _key_lines(text: str) -> t.Iterator[str]:
    private = False
    for line in text.splitlines():
        if line.startswith("-----"):
            private = "BEGIN" in line and "PRIVATE KEY" in line
        elif private and len(line) >= _SHORTEST:
            yield line
            yield base64.b64encode(line.encode()).decode().rstrip("=")
