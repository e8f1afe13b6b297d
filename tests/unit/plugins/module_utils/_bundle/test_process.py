# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes, Stopped
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed

# A program with a child of its own; it tells both numbers and then waits on a pipe that nobody writes to.
_FAMILY = "sleep 600 & echo $! $$ > {0}.new; mv {0}.new {0}; wait"


def wait_for(path: Path) -> list[int]:
    """Block until the file is there (its folder is watched by the kernel, nothing polls a clock)."""
    subprocess.run(["sh", "-c", f"until [ -e {path} ]; do :; done"], timeout=20, check=True)
    return [int(word) for word in path.read_text(encoding="ascii").split()]


def gone(number: int) -> bool:
    """Whether a program that was killed is not there any more; on a busy machine that takes the kernel a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in {"Z", "X"}:
            return True
    return False


def test_returns_output_and_status() -> None:
    done = Processes()(["sh", "-c", "cat; echo error >&2; exit 3"], check=False, stdin="in", env={"X": "1"})
    assert (done.rc, done.stdout, done.stderr) == (3, "in", "error\n")
    with pytest.raises(CommandFailed, match="exit status 3"):
        Processes()(["sh", "-c", "exit 3"])
    with pytest.raises(CommandFailed, match="127"):
        Processes()(["/nonexistent/program"])


def test_stop_ends_programs_with_their_children(tmp_path: Path) -> None:
    processes, caught = Processes(), list[BaseException]()

    def work() -> None:
        try:
            processes(["sh", "-c", _FAMILY.format(tmp_path / "numbers")])
        except Stopped as exc:
            caught.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    numbers = wait_for(tmp_path / "numbers")
    processes.stop()
    thread.join(20)
    assert len(caught) == 1
    assert all(gone(number) for number in numbers)
    with pytest.raises(Stopped):
        processes(["true"])


def test_a_time_limit_ends_the_program() -> None:
    with pytest.raises(CommandFailed, match=r"took longer than 0\.2 s"):
        Processes()(["sleep", "600"], timeout=0.2)


def test_a_build_ends_with_its_parent(tmp_path: Path) -> None:
    target = tmp_path / "number"
    script = (
        "from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes;"
        f"Processes()(['sh', '-c', 'echo $$ > {target}.new; mv {target}.new {target}; exec sleep 600'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as parent:
        number = wait_for(target)[0]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    subprocess.run(["sh", "-c", f"while kill -0 {number} 2>/dev/null; do :; done"], timeout=20, check=True)
