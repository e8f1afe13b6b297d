# SPDX-License-Identifier: Apache-2.0
"""Calico's own definitions for BGP, as far as we set their fields: as its public reference describes them, no others.

The stand-in for the chart of its operator (tests/lab/calico_chart) brings the same ones to a real API server.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

Schema = dict[str, t.Any]
FOLDER = Path(__file__).resolve().parents[4] / "lab" / "calico_chart" / "crds"


def closed(schema: Schema) -> Schema:
    """The schema with unknown fields refused: an API server would drop them without a word."""
    found = {key: closed(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if isinstance(found.get("properties"), dict):
        found["additionalProperties"] = False
    return found


def schemas() -> dict[str, Schema]:
    """By kind, of the whole ``spec``."""
    found = {}
    for path in FOLDER.glob("bgp*.yaml"):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
        (version,) = definition["spec"]["versions"]
        assert (definition["spec"]["group"], version["name"]) == ("crd.projectcalico.org", "v1")
        whole = version["schema"]["openAPIV3Schema"]
        found[definition["spec"]["names"]["kind"]] = closed(whole["properties"]["spec"])
    return found


__all__ = ("Schema", "schemas")
