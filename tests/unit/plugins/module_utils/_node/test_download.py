# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node import download, partial
from ansible_collections.kateskit.klubster.plugins.module_utils._node.download import DownloadError, Fetched
from ansible_collections.kateskit.klubster.plugins.module_utils._node.file_attributes import FileAttributes
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import check_urls, secrets_in, shown
from file_server import FileServer, Served

STALL = 0.3
CONTENT = bytes(range(256)) * 8192
TAMPERED = CONTENT[:-1] + b"?"
GOOD = Served(CONTENT, etag='"one"')
COLLECTIONS = Path(__file__).resolve().parents[5] / ".ansible" / "collections"

# Fetches in a process of its own and says after each block how much is on the disk.
CHILD = """
import sys
from pathlib import Path
from ansible_collections.kateskit.klubster.plugins.module_utils._node import download, partial
append = partial.Partial.append
def told(self, block):
    append(self, block)
    print(self.path.stat().st_size, flush=True)
partial.Partial.append = told
print(download.fetch([sys.argv[1]], Path(sys.argv[2]), sys.argv[3]).received)
"""
# Says by how many KiB the largest size of the process grew.
MEASURED = """
import resource, sys
from pathlib import Path
from ansible_collections.kateskit.klubster.plugins.module_utils._node import download
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
download.fetch([sys.argv[1]], Path(sys.argv[2]), sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> t.Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "place" / "tool"


def client(stall: float = STALL, total: float = 20.0, **others: t.Any) -> Client:
    return Client(limits=Limits(stall=stall, total=total), **others)


def fetch(server: FileServer, dest: Path, *names: str, **options: t.Any) -> Fetched:
    options.setdefault("client", client())
    return download.fetch([server.url(f"/{name}") for name in names], dest, GOOD.sha256, **options)


def names(dest: Path) -> list[str]:
    return sorted(path.name for path in dest.parent.iterdir())


def part(dest: Path) -> Path:
    return dest.with_name("tool.partial")


def leave(dest: Path, content: bytes, origin: partial.Origin | None = None) -> None:
    """What a run that was cut short leaves."""
    left = partial.Partial(dest, GOOD.sha256)
    left.open(1)
    with contextlib.closing(left):
        left.begin(origin or partial.Origin(GOOD.sha256, "some server"))
        left.append(content)


def test_good(server: FileServer, dest: Path) -> None:
    server.files = {"/good": GOOD}
    done = fetch(server, dest, "good", attributes=FileAttributes(0o755))
    assert done == Fetched(server.url("/good"), GOOD.sha256, len(CONTENT), 0, len(CONTENT))
    assert dest.read_bytes() == CONTENT
    assert dest.stat().st_mode & 0o7777 == 0o755
    assert names(dest) == ["tool"]


def test_chunked_and_without_a_length(server: FileServer, dest: Path) -> None:
    server.files = {"/good": Served(CONTENT, chunked=True)}
    assert fetch(server, dest, "good").received == len(CONTENT)
    assert dest.read_bytes() == CONTENT


TEST_FAILURES: list[tuple[str, Served, str]] = [
    ("missing", Served(status=404), r"answered 404 Not Found"),
    ("broken server", Served(status=500), r"answered 500 Internal Server Error"),
    ("asks for a login", Served(status=401), r"answered 401 Unauthorized"),
    ("says nothing", Served(silent=True), r"sent nothing for 0\.3 s"),
    ("stalls at once", Served(CONTENT, stall=0), r"sent nothing for 0\.3 s, after 0 of 2097152 bytes"),
    (
        "drips",
        Served(CONTENT, stall=0, drip=True, ranges=False),
        r"sent only \d+ bytes in 0\.\d+ s, after \d+ of 2097152 bytes",
    ),
    ("tampered", Served(TAMPERED), rf"its sha256 is {Served(TAMPERED).sha256}, expected was {GOOD.sha256}"),
    ("a shorter file", Served(CONTENT[:-1]), rf"its sha256 is .*expected was {GOOD.sha256} \(2097151 bytes\)"),
    ("truncated", Served(CONTENT, cut=1000, ranges=False), r"broke off after 1000 of 2097152 bytes"),
    ("truncated in a chunk", Served(CONTENT, cut=1000, chunked=True, ranges=False), r"broke off, after 1000 bytes"),
    ("states too much", Served(TAMPERED, states=5, ranges=False), r"broke off after 2097152 of 2097157 bytes"),
    ("states too little", Served(CONTENT, states=-5), rf"its sha256 is .*expected was {GOOD.sha256} \(2097147 bytes\)"),
    ("an unasked part", Served(CONTENT, status=206), r"answered 206 Partial Content"),
    ("no place to go", Served(status=302), r"redirects to something that is no http or https URL"),
    ("another scheme", Served(status=302, location="file:///etc/passwd"), r"redirects to something that is no http"),
]


@pytest.mark.parametrize(
    ("served", "reason"), [row[1:] for row in TEST_FAILURES], ids=[row[0] for row in TEST_FAILURES]
)
def test_each_failure_is_told_and_the_next_mirror_is_tried(
    server: FileServer, dest: Path, served: Served, reason: str
) -> None:
    server.files = {"/bad": served, "/good": GOOD}
    with pytest.raises(DownloadError, match=rf"tool could not be fetched.*\n  - http://127\S+/bad: {reason}") as caught:
        fetch(server, dest, "bad")
    assert len(caught.value.attempts) == 1
    assert not dest.exists()
    assert fetch(server, dest, "bad", "good").url == server.url("/good")
    assert dest.read_bytes() == CONTENT
    assert names(dest) == ["tool"]


@pytest.mark.parametrize("stall", [None, len(CONTENT)])
def test_a_wrong_length_does_no_harm_when_the_sum_is_right(server: FileServer, dest: Path, stall: int | None) -> None:
    server.files = {"/file": Served(CONTENT, states=5, stall=stall)}
    assert fetch(server, dest, "file").received == len(CONTENT)
    assert dest.read_bytes() == CONTENT


def test_all_mirrors_are_named(server: FileServer, dest: Path) -> None:
    server.files = {"/tampered": Served(TAMPERED), "/stalls": Served(CONTENT, stall=0)}
    with pytest.raises(DownloadError, match="from any of 4 places") as caught:
        download.fetch(
            ["http://127.0.0.1:1/x", *(server.url(f"/{name}") for name in ("none", "tampered", "stalls"))],
            dest,
            GOOD.sha256,
            client=client(),
        )
    reasons = [attempt.reason for attempt in caught.value.attempts]
    assert [reason.split(" ")[0] for reason in reasons] == ["refused", "answered", "its", "sent"]
    assert all(reason in str(caught.value) for reason in reasons)


def test_a_mismatch_leaves_nothing(server: FileServer, dest: Path) -> None:
    server.files = {"/tampered": Served(TAMPERED)}
    dest.parent.mkdir()
    dest.write_bytes(b"what worked before")
    with pytest.raises(DownloadError, match=r"what was received was removed"):
        fetch(server, dest, "tampered")
    assert names(dest) == ["tool"]
    assert dest.read_bytes() == b"what worked before"


def kill_when_stalled(server: FileServer, dest: Path, arrived: int | None) -> None:
    """Fetch in a process of its own, and kill it when so many bytes are on the disk."""
    arguments = [sys.executable, "-c", CHILD, server.url("/file"), str(dest), GOOD.sha256]
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == arrived:
                break
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("arrived", [1, 700_001, len(CONTENT) - 1])
def test_killed_in_the_middle_then_resumed(server: FileServer, dest: Path, arrived: int) -> None:
    server.files = {"/file": Served(CONTENT, etag='"one"', stall=arrived)}
    kill_when_stalled(server, dest, arrived)
    assert not dest.exists()
    assert part(dest).stat().st_size == arrived
    assert server.sent == arrived
    server.files["/file"] = GOOD
    done = fetch(server, dest, "file")
    assert (done.resumed_from, done.received) == (arrived, len(CONTENT) - arrived)
    assert server.ranges == ["", f"bytes={arrived}-"]
    assert server.asked[1].headers["if-range"] == '"one"'
    assert (server.asked[1].status, server.asked[1].sent) == (206, len(CONTENT) - arrived)
    assert server.sent == len(CONTENT)
    assert dest.read_bytes() == CONTENT
    assert names(dest) == ["tool"]


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again(server: FileServer, dest: Path, seed: int) -> None:
    """Wherever it is cut, and however often: every byte is sent once, and the file is the right one."""
    cuts = random.Random(seed)
    while part(dest).stat().st_size < 1_800_000 if part(dest).exists() else True:
        have = part(dest).stat().st_size if part(dest).exists() else 0
        more = cuts.randint(1, 700_000)
        server.files = {"/file": Served(CONTENT, etag='"one"', stall=min(more, len(CONTENT) - have - 1))}
        kill_when_stalled(server, dest, have + server.files["/file"].stall)
    server.files = {"/file": GOOD}
    fetch(server, dest, "file")
    assert server.sent == len(CONTENT)
    assert dest.read_bytes() == CONTENT
    assert names(dest) == ["tool"]


def test_killed_after_the_last_byte(server: FileServer, dest: Path) -> None:
    leave(dest, CONTENT)
    assert fetch(server, dest, "none") == Fetched("", GOOD.sha256, len(CONTENT), len(CONTENT), 0)
    assert server.asked == []


def test_another_mirror_goes_on(server: FileServer, dest: Path) -> None:
    server.files = {"/breaks": Served(CONTENT, etag='"x"', stall=1_000_000), "/good": GOOD}
    server.files["/breaks"].ranges = False
    # A busy machine may need longer than the others wait for a first megabyte.
    done = fetch(server, dest, "breaks", "good", client=client(1.5))
    assert server.ranges == ["", "bytes=1000000-"]
    assert "if-range" not in server.asked[1].headers
    assert (done.received, done.resumed_from) == (len(CONTENT), 0)


def test_a_connection_that_breaks_is_taken_up_again_while_it_brings_something(server: FileServer, dest: Path) -> None:
    server.files = {"/breaks": Served(CONTENT, cut=600_000)}
    assert fetch(server, dest, "breaks").received == len(CONTENT)
    assert server.ranges == ["", "bytes=600000-", "bytes=1200000-", "bytes=1800000-"]


def test_that_has_an_end(server: FileServer, dest: Path) -> None:
    server.files = {"/breaks": Served(CONTENT, cut=10)}
    kept = 10 * (download.RESUMES + 1)
    with pytest.raises(DownloadError, match=f"{kept} bytes are kept in tool.partial: run again") as caught:
        fetch(server, dest, "breaks")
    assert caught.value.attempts[0].reason == f"broke off after {kept} of {len(CONTENT)} bytes"
    assert len(server.asked) == download.RESUMES + 1
    assert part(dest).read_bytes() == CONTENT[:kept]


def test_a_server_without_ranges_begins_anew(server: FileServer, dest: Path) -> None:
    leave(dest, CONTENT[:1000])
    server.files = {"/plain": Served(CONTENT, ranges=False)}
    done = fetch(server, dest, "plain")
    assert (done.resumed_from, done.received) == (1000, len(CONTENT))
    assert [entry.status for entry in server.asked] == [200]


def test_changed_between_is_seen_by_its_etag(server: FileServer, dest: Path) -> None:
    origin = partial.Origin(GOOD.sha256, partial.server_id(server.url("/file")), '"old"')
    leave(dest, TAMPERED[::-1][:1000], origin)
    server.files = {"/file": GOOD}
    assert fetch(server, dest, "file").received == len(CONTENT)
    assert [(entry.headers["if-range"], entry.status) for entry in server.asked] == [('"old"', 200)]


def test_changed_between_without_an_etag_is_fetched_once_more_as_a_whole(server: FileServer, dest: Path) -> None:
    leave(dest, b"x" * 1000)
    server.files = {"/file": Served(CONTENT)}
    assert fetch(server, dest, "file").received == 2 * len(CONTENT) - 1000
    assert server.ranges == ["bytes=1000-", ""]
    assert dest.read_bytes() == CONTENT


def test_a_part_of_a_tampered_file_is_not_asked_for_for_ever(server: FileServer, dest: Path) -> None:
    leave(dest, CONTENT[:1000])
    server.files = {"/file": Served(TAMPERED)}
    with pytest.raises(DownloadError, match="its sha256 is"):
        fetch(server, dest, "file")
    assert server.ranges == ["bytes=1000-", ""]
    assert names(dest) == []


def test_too_much_is_there(server: FileServer, dest: Path) -> None:
    leave(dest, CONTENT + b"more")
    server.files = {"/file": GOOD}
    fetch(server, dest, "file")
    assert [entry.status for entry in server.asked] == [416, 200]


def test_a_range_from_elsewhere_is_not_used(server: FileServer, dest: Path) -> None:
    leave(dest, CONTENT[:1000])
    server.files = {"/file": Served(CONTENT, shift=1)}
    fetch(server, dest, "file")
    assert server.ranges == ["bytes=1000-", ""]
    assert dest.read_bytes() == CONTENT


def test_a_part_of_another_file_is_worthless(server: FileServer, dest: Path) -> None:
    leave(dest, b"x" * 1000, partial.Origin("0" * 64, "some server"))
    server.files = {"/file": GOOD}
    done = fetch(server, dest, "file")
    assert (server.ranges, done.resumed_from) == ([""], 0)


@pytest.mark.parametrize("note", ["", "{", "[]", '{"sha256": 1}'])
def test_a_damaged_note(server: FileServer, dest: Path, note: str) -> None:
    leave(dest, CONTENT[:1000])
    dest.with_name("tool.partial.json").write_text(note, encoding="utf-8")
    server.files = {"/file": GOOD}
    fetch(server, dest, "file")
    assert server.ranges == [""]


def test_the_whole_time_is_limited(server: FileServer, dest: Path) -> None:
    server.files = {"/drips": Served(CONTENT, stall=0, drip=True), "/good": GOOD}
    began = time.monotonic()
    with pytest.raises(DownloadError, match=r"took longer than 0\.4 s in all[^$]*/good: not tried: no time was left"):
        fetch(server, dest, "drips", "good", client=client(stall=5, total=0.4))
    assert time.monotonic() - began < 2


def test_the_whole_time_holds_for_headers(dest: Path) -> None:
    """A server may send its headers so slowly that no read ever takes too long."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def drip() -> None:
            connection, _address = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        began = time.monotonic()
        with pytest.raises(DownloadError, match=r"took longer than 0\.4 s in all"):
            download.fetch([url], dest, GOOD.sha256, client=client(stall=5, total=0.4))
        took = time.monotonic() - began
        over.set()
        thread.join()
    assert took < 2


def test_redirects(server: FileServer, dest: Path) -> None:
    server.files = {
        "/a": Served(status=302, location="/b"),
        "/b": Served(status=307, location=server.url("/c?token=hush")),
        "/c": GOOD,
        "/circle": Served(status=301, location="/back"),
        "/back": Served(status=308, location="/circle"),
    }
    fetch(server, dest, "a")
    assert dest.read_bytes() == CONTENT
    dest.unlink()
    with pytest.raises(DownloadError, match=r"redirects in a circle, at http://127\S+/circle"):
        fetch(server, dest, "circle")
    for number in range(10):
        server.files[f"/{number}"] = Served(status=302, location=f"/{number + 1}")
    server.asked.clear()
    with pytest.raises(DownloadError, match="redirects more than 5 times"):
        fetch(server, dest, "0")
    assert len(server.asked) == 6


def test_headers_do_not_follow_to_another_server(server: FileServer, dest: Path) -> None:
    with FileServer({"/c": GOOD}) as other:
        server.files = {"/a": Served(status=302, location="/b"), "/b": Served(status=302, location=other.url("/c"))}
        leave(dest, CONTENT[:10])
        fetch(server, dest, "a", client=client(headers={"Authorization": "Bearer hush"}))
        assert [entry.headers.get("authorization") for entry in server.asked] == ["Bearer hush"] * 2
        assert "authorization" not in other.asked[0].headers
        assert other.ranges == ["bytes=10-"]


def test_secrets_in_urls_are_used_and_never_shown(server: FileServer, dest: Path) -> None:
    server.files = {"/tampered": Served(TAMPERED), "/stalls": Served(CONTENT, stall=10, ranges=False)}
    user = "reader:s%40crit@"
    urls = [server.url(f"/{name}?sig=hush", user) for name in ("none", "tampered", "stalls")]
    urls += ["http://reader:s%40crit@127.0.0.1:1/x?sig=hush"]
    with pytest.raises(DownloadError) as caught:
        download.fetch(urls, dest, GOOD.sha256, client=client())
    assert server.asked[0].headers["authorization"] == "Basic cmVhZGVyOnNAY3JpdA=="
    text = str(caught.value) + "".join(path.read_text("latin-1") for path in dest.parent.glob("*.json"))
    assert "***@127.0.0.1" in text
    for secret in ("s%40crit", "s@crit", "hush", "reader"):
        assert secret not in text
    assert secrets_in(urls[0]) == {"reader:s%40crit", "s%40crit", "s@crit", "sig=hush"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/y",
        "file:///etc/passwd",
        "http:///x",
        "x",
        "",
        "http://a b/",
        "http://x/ü",
        "http://x:99999/",
        "http://[x/",
    ],
)
def test_what_is_no_url(url: str, dest: Path) -> None:
    with pytest.raises(InvalidInput, match=r"url\[0\] = .* is not an http or https URL"):
        download.fetch([url], dest, GOOD.sha256)


def test_other_input(dest: Path) -> None:
    with pytest.raises(InvalidInput, match=r"url = .*is empty"):
        check_urls([], "url")
    with pytest.raises(InvalidInput, match="sha256 = 'abc': is not 64 hexadecimal digits"):
        download.fetch(["http://x/y"], dest, "abc")
    with pytest.raises(InvalidInput, match=r"dest = .*is not the absolute path of a file"):
        download.fetch(["http://x/y"], dest.parent.parent, GOOD.sha256)
    assert "s3cret" not in shown("http://me:s3cret@[x/")
    with pytest.raises(DownloadError, match="holds characters that HTTP does not allow") as caught:
        download.fetch(["http://127.0.0.1:1/y"], dest, GOOD.sha256, client=client(headers={"A": "hush\nB: c"}))
    assert "hush" not in str(caught.value)


def test_proxy_from_the_environment(server: FileServer, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"/good": GOOD}
    monkeypatch.setenv("http_proxy", f"http://me:s3cret@127.0.0.1:{server.port}")
    download.fetch(["http://mirror.invalid/good"], dest, GOOD.sha256, client=client())
    assert server.asked[0].path == "http://mirror.invalid/good"
    assert server.asked[0].headers["proxy-authorization"] == "Basic bWU6czNjcmV0"
    dest.unlink()
    monkeypatch.setenv("no_proxy", "mirror.invalid")
    with pytest.raises(DownloadError, match="its name cannot be resolved"):
        download.fetch(["http://mirror.invalid/good"], dest, GOOD.sha256, client=client())
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://me:s3cret@127.0.0.1:1")
    with pytest.raises(DownloadError, match=r"refused the connection \(through the proxy 127\.0\.0\.1:1\)") as caught:
        download.fetch(["http://mirror.invalid/good"], dest, GOOD.sha256, client=client())
    assert "s3cret" not in str(caught.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    words = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=test"
    command = [
        openssl,
        *words.split(),
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(path),
        "-out",
        str(path),
    ]
    # openssl writes the key first and the certificate over it when the file is one.
    key = path.with_name("key.pem")
    command[command.index("-keyout") + 1] = str(key)
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


def test_certificates(certificate: Path, server: FileServer, dest: Path) -> None:
    files = {"/good": GOOD, "/down": Served(status=302, location=server.url("/good"))}
    with FileServer(files, certificate=str(certificate)) as secure:
        with pytest.raises(DownloadError, match=r"its certificate is not trusted \(self-signed certificate\)"):
            fetch(secure, dest, "good")
        with pytest.raises(InvalidInput, match=r"ca_file = .*holds no certificates"):
            fetch(secure, dest, "good", client=client(ca_file=dest))
        fetch(secure, dest, "good", client=client(ca_file=certificate))
        assert dest.read_bytes() == CONTENT
        dest.unlink()
        with pytest.raises(DownloadError, match=r"redirects from https to http://127\S+/good, which is refused"):
            fetch(secure, dest, "down", client=client(ca_file=certificate))
    assert server.asked == []


def test_a_stall_over_tls(certificate: Path, dest: Path) -> None:
    with FileServer({"/f": Served(CONTENT, stall=100_000, ranges=False)}, certificate=str(certificate)) as secure:
        with pytest.raises(DownloadError, match=r"sent nothing for 0\.3 s, after 100000 of"):
            fetch(secure, dest, "f", client=client(ca_file=certificate))
        with pytest.raises(DownloadError, match=r"took longer than 0\.3 s in all, after \d+ of"):
            fetch(secure, dest, "f", client=client(stall=5, total=0.3, ca_file=certificate))


def test_no_room_is_told_before_anything_is_written(
    server: FileServer, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {"/good": GOOD}
    usage = namedtuple("usage", "free")(download.RESERVE + len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=r"has 65 MiB free, 67 MiB are needed for tool"):
        fetch(server, dest, "good", "good")
    assert names(dest) == []
    assert len(server.asked) == 1, "another mirror makes no room"


def test_a_full_disk_is_left_empty(server: FileServer, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"/good": GOOD}
    write = os.write

    def full(descriptor: int, data: t.Any) -> int:
        if os.fstat(descriptor).st_size > 500_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:1000])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DownloadError, match=r"No space left on device\. Nothing was put in its place"):
        fetch(server, dest, "good", "good")
    assert names(dest) == []


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (GOOD, "offers 2097152 bytes, but the file has 5"),
        (Served(CONTENT, chunked=True), "sent more than the 5 bytes"),
    ],
)
def test_a_known_size(server: FileServer, dest: Path, served: Served, reason: str) -> None:
    server.files = {"/file": served}
    with pytest.raises(DownloadError, match=reason):
        fetch(server, dest, "file", size=5)
    assert names(dest) == []


def test_two_at_once_fetch_it_once(server: FileServer, dest: Path) -> None:
    server.files = {"/file": GOOD}
    done: list[Fetched] = []
    holder = partial.Partial(dest, GOOD.sha256)
    holder.open(1)
    second = threading.Thread(target=lambda: done.append(fetch(server, dest, "file", attributes=FileAttributes(0o700))))
    second.start()
    # Whether the second waits already or comes later: the first is done.
    holder.append(CONTENT)
    holder.finish(0o644, -1, -1)
    holder.close()
    second.join()
    assert (server.asked, done[0].received) == ([], 0)
    assert dest.stat().st_mode & 0o777 == 0o700
    assert names(dest) == ["tool"]


def test_many_processes_at_once(server: FileServer, dest: Path) -> None:
    """As with a task that several hosts delegate to the controller."""
    server.files = {"/file": GOOD}
    arguments = [sys.executable, "-c", CHILD, server.url("/file"), str(dest), GOOD.sha256]
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    running = [subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) for dummy in range(5)]
    received = [int(process.communicate()[0].split()[-1]) for process in running]
    assert sorted(received) == [0, 0, 0, 0, len(CONTENT)]
    assert server.sent == len(CONTENT)
    assert names(dest) == ["tool"]


def test_another_process_that_does_not_end(server: FileServer, dest: Path) -> None:
    dest.parent.mkdir()
    with part(dest).open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(KlubsterError, match=r"Another process has been fetching .*tool for more than 0\.\d+ s"):
            fetch(server, dest, "file", client=client(total=0.2))


def test_a_link_is_not_followed(server: FileServer, dest: Path) -> None:
    server.files = {"/good": GOOD}
    dest.parent.mkdir()
    target = dest.parent / "elsewhere"
    target.write_bytes(b"keep")
    part(dest).symlink_to(target)
    with pytest.raises(DownloadError, match="tool: "):
        fetch(server, dest, "good")
    part(dest).unlink()
    part(dest).hardlink_to(target)
    fetch(server, dest, "good")
    assert target.read_bytes() == b"keep"
    assert dest.read_bytes() == CONTENT


def test_memory_is_bounded(server: FileServer, dest: Path) -> None:
    big = Served(CONTENT * 48)
    server.files = {"/big": big}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, server.url("/big"), str(dest), big.sha256],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 12 * 1024, "of 96 MiB"


def test_reading_something_small(server: FileServer) -> None:
    server.files = {"/page": Served(b"<html>"), "/list": Served(b"sum  name\n"), "/cut": Served(b"sum", states=9)}

    def accept(content: bytes, source: str) -> bytes:
        if b"<" in content:
            raise KlubsterError(f"{source} is a page")
        return content

    urls = [server.url(f"/{name}") for name in ("none", "page", "cut", "list")]
    assert download.read(urls, accept, what="The list", client=client()) == b"sum  name\n"
    with pytest.raises(DownloadError, match=r"(?s)The list could not.*404.*is a page.*broke off after 3 of 12 bytes"):
        download.read(urls[:3], accept, what="The list", client=client())
    with pytest.raises(DownloadError, match="sent more than 4 bytes"):
        download.read(urls[3:], accept, what="The list", client=client(), limit=4)


def test_has_sum(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert not download.has_sum(file, GOOD.sha256)
    file.write_bytes(CONTENT)
    assert download.has_sum(file, GOOD.sha256.upper())
    link = tmp_path / "link"
    link.symlink_to(file)
    assert not download.has_sum(link, GOOD.sha256)
    assert re.fullmatch(r"[0-9a-f]{16}", partial.server_id("http://x"))
