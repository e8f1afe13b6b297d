# SPDX-License-Identifier: Apache-2.0
"""The contract of backends, on machines that run."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import Backend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import ControlGroups
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import cache_folder
from backend_contract import BackendContract


class TestContainer(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> t.Iterator[Backend]:
        # The root file system is the user's; everything else is this test's own.
        backend = ContainerBackend(tmp_path, base=BaseRoot(cache_folder() / "lab", run))
        yield backend
        backend.down("contract")
        assert backend.leftovers("contract") == []

    def life_of(self, machine: str) -> object:
        pid = ControlGroups().init_of("contract", machine)
        assert pid is not None
        return pid
