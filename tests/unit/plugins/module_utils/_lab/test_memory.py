# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import Backend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.memory import MemoryBackend
from backend_contract import BackendContract


class TestMemory(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend()
