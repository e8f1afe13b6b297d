# SPDX-License-Identifier: Apache-2.0
"""ansible-test sanity on a copy of the tree, under the path that it demands, without containers or Galaxy."""

from __future__ import annotations

import os
import shutil
import sys
import typing as t
from pathlib import Path

import pip
import pytest

#: what ansible-core 2.21 bootstraps its own virtual environments with
PIP_VERSION = "25.2"
#: Two groups of about equal length, so that two workers share them. What is in neither runs with the second.
SLOW = ("pylint", "import", "action-plugin-docs")

# ansible-test fetches a get-pip script from a host of its own; this one does its work with the pip we have.
GET_PIP = f"""\
# SPDX-License-Identifier: Apache-2.0
import os, sys
# pip alone: with its neighbours on the path it would find everything installed already.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "pip-{PIP_VERSION}"))
from pip._internal.cli.main import main
arguments = [entry for entry in sys.argv[1:] if entry not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", *arguments]))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, tracked: list[Path], root: Path) -> Path:
    folder = tmp_path_factory.mktemp("sanity") / "ansible_collections" / "kateskit" / "klubster"
    for path in tracked:
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return folder


@pytest.fixture(scope="module")
def home() -> Path:
    """ansible-test keeps its environments below the home folder; ours are kept apart from the user's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "klubster" / "ansible-test"
    script = folder / ".ansible" / "test" / "cache" / f"get_pip_{PIP_VERSION.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    link = script.parent / f"pip-{PIP_VERSION}" / "pip"
    link.parent.mkdir(exist_ok=True)
    fresh = link.with_name(f"pip.{os.getpid()}")
    fresh.symlink_to(Path(pip.__file__).parent)
    fresh.replace(link)
    fresh = script.with_suffix(f".{os.getpid()}")
    fresh.write_text(GET_PIP, encoding="utf-8")
    fresh.replace(script)
    return folder


def sanity(tool: t.Any, copy: Path, home: Path, *choice: str) -> None:
    assert pip.__version__ == PIP_VERSION, f"ansible-test wants pip {PIP_VERSION}; pin it in .config/requirements.in"
    kept = {
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config"),
    }
    tool(
        "ansible-test",
        "sanity",
        "--color",
        "no",
        "--requirements",
        "--python",
        f"{sys.version_info[0]}.{sys.version_info[1]}",
        *choice,
        cwd=copy,
        env={**kept, "HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": str(copy.parents[2])},
    )


def test_slow_half(tool: t.Any, copy: Path, home: Path) -> None:
    sanity(tool, copy, home, *(f"--test={name}" for name in SLOW))


def test_other_half(tool: t.Any, copy: Path, home: Path) -> None:
    sanity(tool, copy, home, *(f"--skip-test={name}" for name in SLOW))


def test_ignored_lines_say_why(root: Path) -> None:
    for path in sorted((root / "tests" / "sanity").glob("ignore-*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.strip() or "#" in line, f"{path.name}: {line!r} gives no reason"
