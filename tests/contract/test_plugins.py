# SPDX-License-Identifier: Apache-2.0
"""What every plugin promises: tests, documentation of its modes, a group, and Python that nodes can run."""

from __future__ import annotations

import ast
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
UTILS = sorted((PLUGINS / "module_utils").rglob("*.py"))
PRIVATE = sorted(UTILS + list((PLUGINS / "plugin_utils").rglob("*.py")))
PREFIX = "ansible_collections.kateskit.klubster.plugins.module_utils."


def name_of(path: Path) -> str:
    return str(path.relative_to(PLUGINS).with_suffix(""))


def documentation(path: Path) -> t.Any:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))
    return None


def imported_utils(path: Path) -> set[Path]:
    """Files of module_utils that a file imports, also within functions and under TYPE_CHECKING."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    files = {
        PLUGINS / "module_utils" / f"{name.removeprefix(PREFIX).replace('.', '/')}.py"
        for name in names
        if name.startswith(PREFIX)
    }
    return {file for file in files if file.is_file()}


def runs_on_nodes() -> list[Path]:
    """Modules and all that they import: this is what a machine with Python 3.9 gets."""
    seen: set[Path] = set()
    waiting = list(MODULES)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(imported_utils(path))
    return sorted(seen)


modules = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)


@modules
def test_module_has_unit_tests(path: Path) -> None:
    folder = ROOT / "tests" / "unit" / "plugins"
    assert (folder / "modules" / f"test_{path.stem}.py").is_file() or (
        folder / "action" / f"test_{path.stem}.py"
    ).is_file()


@modules
def test_module_says_what_its_modes_do(path: Path) -> None:
    document = documentation(path)
    fragments = document["extends_documentation_fragment"]
    fragments = [fragments] if isinstance(fragments, str) else fragments
    said = {"check_mode", "diff_mode", "idempotent"} if any("info_module" in name for name in fragments) else set()
    assert {"check_mode", "diff_mode", "idempotent"} <= said | set(document.get("attributes") or {})
    assert document["version_added"]
    assert any(name.startswith("kateskit.klubster._attributes") for name in fragments)


@modules
def test_module_fails_in_one_place(path: Path) -> None:
    """`main` is the only one that ends the module, with a failure once and with a result once."""
    calls = [
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        # A missing library is told before anything begins.
        and "missing_required_lib" not in ast.unparse(node)
    ]
    # An action plugin's module is documentation only.
    assert calls.count("fail_json") <= 1
    assert calls.count("exit_json") <= 1


@pytest.mark.parametrize("path", PRIVATE, ids=name_of)
def test_shared_python_is_private_by_name(path: Path) -> None:
    relative = path.relative_to(PLUGINS)
    text = path.read_text(encoding="utf-8")
    assert relative.parts[1].startswith("_"), "public names in module_utils and plugin_utils bind us"
    assert "**PRIVATE**" in text[:400]
    names = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    assert names, "__all__ is missing"


def test_no_package_files() -> None:
    assert sorted(str(path) for path in PLUGINS.rglob("__init__.py")) == []


@pytest.mark.parametrize("path", UTILS, ids=name_of)
def test_logic_knows_no_ansible(path: Path) -> None:
    wrong = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        wrong += [name for name in names if name == "ansible" or name.startswith("ansible.")]
    assert wrong == []


def test_action_groups_name_every_module() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    groups = runtime["action_groups"]
    grouped = [name for members in groups.values() for name in members if isinstance(name, str)]
    names = {path.stem for path in MODULES} | {path.stem for path in (PLUGINS / "action").glob("*.py")}
    assert sorted(names - set(grouped)) == [], "in no action group"
    assert sorted(set(grouped) - names) == [], "in an action group, but no such module"


def test_every_action_plugin_is_documented_as_a_module() -> None:
    names = {path.stem for path in (PLUGINS / "action").glob("*.py")}
    assert sorted(names - {path.stem for path in MODULES}) == []


def find_python39() -> str | None:
    candidates = [
        shutil.which("python3.9"),
        *sorted(str(path) for path in Path.home().glob(".pyenv/versions/3.9*/bin/python3.9")),
    ]
    for candidate in filter(None, candidates):
        done = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == "(3, 9)":
            return candidate
    return None


@pytest.mark.parametrize("path", runs_on_nodes(), ids=name_of)
def test_syntax_is_that_of_python_39(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_what_runs_on_nodes_can_be_imported_by_python_39(root: Path) -> None:
    """Syntax is not all: a type alias `X | None` or a new function of the library fails only when it runs."""
    python = find_python39()
    if python is None:
        pytest.skip("no Python 3.9 on this machine; the syntax was checked, the imports were not")
    utils = [path for path in runs_on_nodes() if "module_utils" in path.parts]
    names = [
        PREFIX + str(path.relative_to(PLUGINS / "module_utils").with_suffix("")).replace("/", ".") for path in utils
    ]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [python, "-B", "-c", script, *names],
        env={"PYTHONPATH": str(root / ".ansible" / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
