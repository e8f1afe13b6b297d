# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno
import re

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import errors

# What Go 1.26, gcc 12, git 2.39 and Linux say.
TEST_EXPLAINED: list[tuple[str, type[errors.BuildError], str]] = [
    (
        "verifying rsc.io/quote@v1.5.2: checksum mismatch\n\tdownloaded: h1:a\n\tgo.sum:     h1:b\n\nSECURITY ERROR",
        errors.ChecksumMismatch,
        "Do not override this",
    ),
    (
        "verifying k8s.io/api@v0.34.2/go.mod: checksum mismatch",
        errors.ChecksumMismatch,
        "Nothing more is built",
    ),
    ("write /x/b001/_pkg_.a: no space left on device", errors.DiskFull, "Make room"),
    (
        "../x.go:3:2: missing go.sum entry for module providing package golang.org/x/sys/unix",
        errors.SumsOutdated,
        "source_bundle_refresh=thing",
    ),
    ("go: updates to go.mod needed", errors.SumsOutdated, "source_bundle_refresh=thing"),
    ("go: example.org/x@v1.0.0 requires go >= 1.99 (running go 1.26.8)", errors.CompileFailed, "too old"),
    (
        "go: example.org/x@v1.0.0: reading https://proxy.example/example.org/x/@v/v1.0.0.zip: 403 Forbidden",
        errors.DownloadFailed,
        "does not serve",
    ),
    (
        'Get "https://proxy.example/x.zip": dial tcp: lookup proxy.example: no such host',
        errors.DownloadFailed,
        "network and the proxy",
    ),
    ('Get "https://proxy.example/x.zip": net/http: TLS handshake timeout', errors.DownloadFailed, "network"),
    ("reading https://proxy.example/x.zip: 502 Bad Gateway", errors.DownloadFailed, "network"),
    ("fatal: unable to access 'https://git.example/x/': Could not resolve host", errors.DownloadFailed, "network"),
    ("go: compile: signal: killed", errors.CompileFailed, "source_bundle_jobs: 1"),
    (
        'github.com/seccomp/libseccomp-golang: exec: "pkg-config": executable file not found in $PATH',
        errors.CompileFailed,
        "the package pkg-config",
    ),
    ("fatal error: seccomp.h: No such file or directory", errors.CompileFailed, "libseccomp-dev"),
    ('cgo: C compiler "gcc" not found: exec: "gcc": executable file not found', errors.CompileFailed, "gcc"),
    ("./main.go:3:1: syntax error", errors.CompileFailed, "The build failed"),
]


@pytest.mark.parametrize(("output", "kind", "words"), TEST_EXPLAINED)
def test_tells_component_reason_and_remedy(output: str, kind: type[errors.BuildError], words: str) -> None:
    error = errors.explain("thing", output)
    assert error.__class__ is kind
    assert str(error).startswith("thing: ")
    assert words in str(error)
    assert output.splitlines()[-1] in str(error)
    assert error.stops_all == (kind in (errors.ChecksumMismatch, errors.DiskFull))


def test_an_ordinary_failure_says_how_to_go_on() -> None:
    assert "Run the same command again" in str(errors.explain("thing", "anything"))


def test_a_failure_while_fetching_is_one_of_the_download() -> None:
    assert errors.explain("thing", "fatal: anything", fetching=True).__class__ is errors.DownloadFailed


def test_a_full_disk_in_our_own_code() -> None:
    with pytest.raises(errors.DiskFull, match=re.escape("thing: The disk is full")), errors.disk_full_of("thing"):
        raise OSError(errno.ENOSPC, "No space left on device", "/x")
    with pytest.raises(PermissionError), errors.disk_full_of("thing"):
        raise PermissionError(errno.EACCES, "Permission denied")
