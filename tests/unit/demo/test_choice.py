# SPDX-License-Identifier: Apache-2.0
"""What the demo is made of, and whether a download host answers: asked of real servers on this machine."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
import typing as t
from pathlib import Path

import demo
import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from choice import LABS, SOURCES, VERSION, Choice, Wish, choose, release_urls, trouble_with


@contextlib.contextmanager
def server(status: int = 200, body: bytes = b"sums\n", wait: float = 0) -> t.Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that were asked for."""
    asked: list[str] = []
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            over.wait(wait)
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *dummy: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as answering:
        serving = threading.Thread(target=answering.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{answering.server_port}", asked
        finally:
            over.set()
            answering.shutdown()
            serving.join()


@pytest.fixture(autouse=True)
def _on_its_own(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """Without proxies, and without a probe that was given up and goes on in the next test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    for thread in threading.enumerate():
        if thread.name == "probe":
            thread.join(60)


def test_a_host_that_answers_is_taken() -> None:
    with server() as (mirror, asked):
        assert trouble_with(release_urls(mirror)[0], patience=60) == ""
    assert len(asked) == 1
    assert asked[0].startswith(f"/v{VERSION.replace('+', '%2B')}/sha256sum-")


def test_a_host_that_answers_slowly_is_given_up_in_time() -> None:
    with server(wait=30) as (mirror, _asked):
        began = time.monotonic()
        trouble = trouble_with(release_urls(mirror)[0], patience=0.3)
        assert time.monotonic() - began < 2
    assert "0.3 s" in trouble


def test_a_host_that_refuses_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert trouble_with(f"{url}/x", patience=60) == f"{url}/x: refused the connection"


@pytest.mark.parametrize(("status", "body"), [(404, b"none"), (403, b"no"), (200, b"")])
def test_a_host_that_has_not_the_file_is_not_taken(status: int, body: bytes) -> None:
    with server(status, body) as (mirror, _asked):
        assert f"answers {status}" in trouble_with(release_urls(mirror)[0], patience=60)


def test_a_name_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *dummy, **_more: time.sleep(1) or [])
    began = time.monotonic()
    assert trouble_with("http://mirror.example.org/x", patience=0.2) == (
        "http://mirror.example.org/x gave no answer within 0.2 s"
    )
    assert time.monotonic() - began < 0.9


def test_the_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        assert trouble_with("http://mirror.example.org/file", patience=60) == ""
    # Somebody whom an earlier test gave up waiting for may ask, too.
    assert "http://mirror.example.org/file" in asked


def test_passwords_of_a_mirror_are_not_said() -> None:
    with server(404) as (mirror, _asked):
        trouble = trouble_with(mirror.replace("//", "//me:secret@") + "/x?key=hidden")
    assert "secret" not in trouble
    assert "hidden" not in trouble


@pytest.mark.parametrize(("trouble", "engine", "source"), [("", "k3s", "release"), ("it refused", "kubeadm", "bundle")])
def test_the_release_is_taken_where_it_can_be_had(trouble: str, engine: str, source: str) -> None:
    chosen = choose(Wish(), (), lambda: trouble)
    assert (chosen.engine, chosen.source) == (engine, source)
    assert trouble in chosen.sentence
    assert "\n" not in chosen.sentence


def unasked() -> str:
    raise AssertionError("nobody should have asked")


@pytest.mark.parametrize("engine", list(SOURCES))
def test_a_demo_that_is_there_stays_what_it_is(engine: str) -> None:
    assert choose(Wish(), {engine}, unasked).engine == engine


@pytest.mark.parametrize(
    ("given", "engine", "source"),
    [
        ({"ENGINE": "k3s"}, "k3s", "release"),
        ({"ENGINE": "kubeadm"}, "kubeadm", "bundle"),
        ({"ENGINE": "standin"}, "standin", "airgap"),
        ({"SOURCE": "release"}, "k3s", "release"),
        ({"SOURCE": "bundle"}, "kubeadm", "bundle"),
        ({"SOURCE": "airgap", "AIRGAP_DIR": "/srv/k3s"}, "k3s", "airgap"),
        ({"ENGINE": "standin", "SOURCE": "airgap"}, "standin", "airgap"),
    ],
)
def test_the_user_decides(given: dict[str, str], engine: str, source: str) -> None:
    chosen = choose(Wish.of(given), set(SOURCES), unasked)
    assert (chosen.engine, chosen.source) == (engine, source)
    assert all(f"{name}={given[name]}" in chosen.why for name in ("ENGINE", "SOURCE") if name in given)


@pytest.mark.parametrize(
    ("given", "variable", "remedy"),
    [
        ({"ENGINE": "k3"}, "ENGINE", "Did you mean 'k3s'? Allowed: k3s, kubeadm, standin."),
        ({"ENGINE": "docker"}, "ENGINE", "Use one of k3s, kubeadm, standin."),
        ({"SOURCE": "internet"}, "SOURCE", "Use one of release, airgap, bundle."),
        ({"ENGINE": "kubeadm", "SOURCE": "release"}, "SOURCE", "Use 'bundle'."),
        ({"ENGINE": "standin", "SOURCE": "bundle"}, "SOURCE", "Use 'airgap'."),
        ({"ENGINE": "k3s", "SOURCE": "bundle"}, "SOURCE", "Use one of release, airgap."),
        ({"ENGINE": "k3s", "SOURCE": "airgap"}, "AIRGAP_DIR", "AIRGAP_DIR=/path"),
        ({"SOURCE": "airgap", "AIRGAP_DIR": "here"}, "AIRGAP_DIR", "from the root"),
        ({"ENGINE": "kubeadm", "AIRGAP_DIR": "/srv"}, "AIRGAP_DIR", "Leave it out."),
        ({"MIRROR": "ftp://mirror.example.org"}, "MIRROR[0]", "https://"),
        ({"ENGINE": "kubeadm", "MIRROR": "http://mirror.example.org"}, "MIRROR", "Leave it out."),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(given: dict[str, str], variable: str, remedy: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Wish.of(given)
    (problem,) = caught.value.problems
    assert problem.variable == variable
    assert remedy in problem.remedy


def test_a_release_needs_neither_bundle_nor_standin() -> None:
    (only,) = demo.runs_up(Choice("k3s", "release", ""), "demo-k3s", Path("/cache"))
    assert "playbooks/bundle.yml" not in only.argv
    assert only.argv[-4:] == [
        "playbooks/lab_up.yml",
        "playbooks/site.yml",
        "tests/demo/demo.yml",
        "playbooks/status.yml",
    ]
    assert "tests/demo/release" in only.argv
    assert only.environment["KLUBSTER_LAB_NAME"] == "demo-k3s"


def test_the_standin_is_built_before_it_is_used() -> None:
    bundle, built, site = demo.runs_up(Choice("standin", "airgap", ""), "demo-standin", Path("/cache"))
    assert bundle.argv[-1] == "playbooks/bundle.yml"
    assert built.argv[1] == "tests/standin/build.py"
    assert built.argv[-1] == site.environment["DEMO_DIR"]
    assert "tests/demo/release" not in site.argv


def test_down_takes_whichever_demo_is_there(tmp_path: Path) -> None:
    assert demo.existing(tmp_path) == {}
    for engine in ("k3s", "standin"):
        (tmp_path / "labs" / LABS[engine]).mkdir(parents=True)
    there = demo.existing(tmp_path)
    assert [run.environment["KLUBSTER_LAB_NAME"] for run in demo.runs_down(there.values())] == [
        "demo-k3s",
        "demo-standin",
    ]
