# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.host import HostSettings

BEFORE = {
    "fs/inotify/max_user_instances": "128",
    "kernel/panic": "0",
    "kernel/panic_on_oops": "0",
    "vm/overcommit_memory": "0",
    "vm/panic_on_oom": "0",
}


class Host:
    def __init__(self, root: Path) -> None:
        self.sysctl = root / "sysctl"
        for name, value in BEFORE.items():
            self.set(name, value)
        self.settings = HostSettings(root / "runtime", self.sysctl, root / "netns")
        self.unmounted: list[Path] = []

    def set(self, name: str, value: str) -> None:
        (self.sysctl / name).parent.mkdir(parents=True, exist_ok=True)
        (self.sysctl / name).write_text(f"{value}\n")

    def values(self) -> dict[str, str]:
        return {name: (self.sysctl / name).read_text().strip() for name in BEFORE}

    def give_back(self, lab: str) -> None:
        self.settings.give_back(lab, self.unmounted.append)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_last_lab_gives_everything_back(host: Host) -> None:
    host.settings.take("one")
    host.settings.take("two")
    assert host.values()["fs/inotify/max_user_instances"] == "8192"
    # As the kubelet of a machine does.
    host.set("kernel/panic", "10")
    host.set("vm/overcommit_memory", "1")
    host.give_back("one")
    assert host.values()["fs/inotify/max_user_instances"] == "8192"
    host.give_back("two")
    assert host.values() == BEFORE
    assert not host.settings.runtime.exists()


def test_what_somebody_else_set_stays(host: Host) -> None:
    host.settings.take("one")
    host.set("kernel/panic", "60")
    host.set("fs/inotify/max_user_instances", "1024")
    host.give_back("one")
    assert host.values() == {**BEFORE, "kernel/panic": "60", "fs/inotify/max_user_instances": "1024"}


def test_a_higher_setting_is_not_lowered(host: Host) -> None:
    host.set("fs/inotify/max_user_instances", "65536")
    host.settings.take("one")
    assert host.values()["fs/inotify/max_user_instances"] == "65536"
    host.give_back("one")
    assert host.values()["fs/inotify/max_user_instances"] == "65536"


def test_taking_twice_remembers_the_first_time(host: Host) -> None:
    host.settings.take("one")
    host.settings.take("one")
    host.give_back("one")
    assert host.values() == BEFORE


@pytest.mark.parametrize("was_there", [False, True])
def test_the_folder_of_namespaces_is_as_before(host: Host, was_there: bool) -> None:
    folder = host.settings.namespaces
    if was_there:
        folder.mkdir()
    host.settings.take("one")
    folder.mkdir(exist_ok=True)
    host.give_back("one")
    assert folder.exists() is was_there


def test_a_folder_of_namespaces_that_others_use_stays(host: Host) -> None:
    host.settings.take("one")
    host.settings.namespaces.mkdir()
    (host.settings.namespaces / "theirs").touch()
    host.give_back("one")
    assert (host.settings.namespaces / "theirs").exists()


def test_giving_back_without_having_taken_is_nothing(host: Host) -> None:
    host.give_back("one")
    assert host.values() == BEFORE
