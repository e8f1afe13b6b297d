# SPDX-License-Identifier: Apache-2.0
"""What the contract tests share: the tree as git sees it, and a way to run a tool and show what it said."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
TOOLS = Path(sys.executable).parent
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))


class Tool(t.Protocol):
    def __call__(self, *argv: str | Path, cwd: Path = ..., env: dict[str, str] | None = ...) -> str: ...


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that is, or on the next commit would be, part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(path for name in set(listed.split("\0")) - {""} if (path := ROOT / name).is_file())


@pytest.fixture(scope="session")
def tool() -> Tool:
    """Runs a tool of this environment; fails with what it printed when its exit status is not 0."""

    def run(*argv: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
        environment = {
            **os.environ,
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            **(env or {}),
        }
        done = subprocess.run(
            [str(entry) for entry in argv],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = f"{done.stdout}\n{done.stderr}".strip()
            pytest.fail(f"{Path(str(argv[0])).name} ended with exit status {done.returncode}:\n{said}", pytrace=False)
        return done.stdout

    return run
