# SPDX-License-Identifier: Apache-2.0
"""What every role promises: a spec equal to its defaults, a README, and variables of its own."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir() or (path / "meta").is_dir())
MAX_TASKS_MAIN_LINES = 40

roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def options(role: Path) -> dict[str, dict[str, t.Any]]:
    specs = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    merged: dict[str, dict[str, t.Any]] = {}
    for entry in specs.values():
        merged.update(entry.get("options") or {})
    return merged


def test_there_are_roles() -> None:
    assert ROLES


@roles
def test_has_its_files(role: Path) -> None:
    wanted = ("README.md", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml")
    assert [name for name in wanted if not (role / name).is_file()] == []


@roles
def test_argument_specs_equal_defaults(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml") or {}
    spec = options(role)
    for name, option in spec.items():
        assert not (option.get("required") and "default" in option), f"{name} is required and has a default"
    specified = {name: option["default"] for name, option in spec.items() if "default" in option}
    # A default of null in YAML and no default in the spec say the same.
    assert {name: value for name, value in defaults.items() if value is not None} == {
        name: value for name, value in specified.items() if value is not None
    }
    assert sorted(set(defaults) - set(spec)) == []


@roles
def test_names_are_the_roles_own(role: Path) -> None:
    names = set(options(role)) | set(load(role / "defaults" / "main.yml") or {})
    assert sorted(name for name in names if not name.startswith(f"{role.name}_")) == []


@roles
def test_every_public_variable_is_used(role: Path) -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("tasks", "templates", "handlers", "vars")
        for path in sorted((role / folder).rglob("*"))
        if path.is_file()
    )
    unused = [name for name in options(role) if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert not unused, f"specified but read nowhere in the role: {unused}"


@roles
def test_reads_no_variable_of_the_user(role: Path) -> None:
    """Playbooks hand a role what it needs; only so can it be used by itself."""
    hits = []
    for path in sorted(role.rglob("*.yml")) + sorted(role.rglob("*.j2")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = line.split("#", 1)[0]
            if re.search(r"(?<![\w./-])klubster_\w+", code) and "description" not in code:
                hits.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not hits, "\n".join(hits)


@roles
def test_tasks_main_is_a_table_of_contents(role: Path) -> None:
    lines = (role / "tasks" / "main.yml").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_TASKS_MAIN_LINES


@roles
def test_internal_names_are_marked(role: Path) -> None:
    """What a role registers, sets or loops over is its own: __<role>_*."""
    wrong = []
    # What a role leaves for others it says in its README.
    left = set(re.findall(r"leaves `(\w+)`", (role / "README.md").read_text(encoding="utf-8")))

    def visit(node: t.Any) -> None:
        if isinstance(node, list):
            for entry in node:
                visit(entry)
        elif isinstance(node, dict):
            names = [node[key] for key in ("register", "loop_var", "index_var") if isinstance(node.get(key), str)]
            facts = node.get("ansible.builtin.set_fact")
            names += [name for name in facts if name != "cacheable"] if isinstance(facts, dict) else []
            wrong.extend(name for name in names if not name.startswith(f"__{role.name}_") and name not in left)
            for value in node.values():
                visit(value)

    for folder in ("tasks", "handlers"):
        for path in sorted((role / folder).glob("**/*.yml")):
            visit(load(path))
    assert wrong == []
