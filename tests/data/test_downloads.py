import contextlib
import errno
import functools
import hashlib
import http.client
import http.server
import json
import shutil
import ssl
import subprocess
import sys
import threading

import numpy as np
import pytest

from dehaze_jax.data import Archive, downloads
from dehaze_jax.data.downloads import fetch
from dehaze_jax.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves one content on the loopback; its attributes say how badly."""

    content = CONTENT
    version = "one"
    cut = 0  # bytes after which a connection ends; 0 serves all
    tags = True
    ranges = True
    failures = 0  # answers that are errors before it works

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    def handle_error(self, request, client_address):
        """A client that goes away is what is tested."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/some/Set.zip?x=1"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.failures:
            server.failures -= 1
            self.send_error(503)
            return
        if "missing" in self.path:
            self.send_error(404)
            return
        start = 0
        if asked and server.ranges and self.headers["If-Range"] == f'"{server.version}"':
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        if server.tags:
            self.send_header("ETag", f'"{server.version}"')
        self.end_headers()
        end = start + server.cut if server.cut else None
        self.wfile.write(server.content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "_PAUSE", 0)
    with Server() as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_archive_is_fetched_once_and_its_checksum_kept(tmp_path, server):
    calls = []
    fetched = fetch(Archive(url=server.url), tmp_path / "new", lambda *call: calls.append(call))
    assert fetched.path == tmp_path / "new/Set.zip"
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(Archive(url=server.url), tmp_path / "new") == fetched
    assert server.asked == [None]
    assert sorted(p.name for p in fetched.path.parent.iterdir()) == ["Set.zip", "Set.zip.json"]


def test_what_is_cut_off_goes_on_from_there(tmp_path, server):
    server.cut = 1_000_000
    assert fetch(Archive(url=server.url), tmp_path).path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_later_call_goes_on_where_an_earlier_one_was_stopped(tmp_path, server):
    def stop(done, total):
        if done >= 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Archive(url=server.url), tmp_path, stop)
    there = (tmp_path / "Set.zip.part").stat().st_size
    assert fetch(Archive(url=server.url), tmp_path).path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={there}-"]


@pytest.mark.parametrize("trouble", ["changed", "no ranges", "no tags", "shorter"])
def test_it_starts_anew_where_it_cannot_go_on(tmp_path, server, trouble):
    server.cut = 1_000_000

    def mend(done, total):
        server.cut = 0
        if trouble == "changed":
            server.content, server.version = CONTENT[::-1], "two"
        elif trouble == "shorter":
            server.content = CONTENT[:900_000]

    if trouble == "no ranges":
        server.ranges = False
    elif trouble == "no tags":
        server.tags = False
    fetched = fetch(Archive(url=server.url), tmp_path, mend)
    assert fetched.path.read_bytes() == server.content


def test_a_server_in_trouble_is_asked_again_but_not_for_ever(tmp_path, server):
    server.failures = 3
    assert fetch(Archive(url=server.url), tmp_path / "a").size == len(CONTENT)
    server.failures = 100
    with pytest.raises(InputError, match=r"Set\.zip.*: cannot be fetched: HTTP Error 503"):
        fetch(Archive(url=server.url), tmp_path / "b")
    assert len(server.asked) == 8


def test_no_such_archive_and_no_such_server_are_told(tmp_path, server):
    with pytest.raises(InputError, match="missing: cannot be fetched: HTTP Error 404"):
        fetch(Archive(url=server.url + "missing"), tmp_path)
    assert len(server.asked) == 1
    with pytest.raises(InputError, match=r"x\.zip: cannot be fetched: .*refused"):
        fetch(Archive(url="http://127.0.0.1:1/x.zip"), tmp_path)


@pytest.mark.parametrize(
    ("known", "message"),
    [({"sha256": "0" * 64}, "has SHA-256 [0-9a-f]{64}, not 0000"), ({"size": 5}, "bytes, not 5")],
)
def test_other_content_than_published_is_refused_and_not_kept(tmp_path, server, known, message):
    with pytest.raises(InputError, match=rf"^http.*Set\.zip.*{message}"):
        fetch(Archive(url=server.url, **known), tmp_path)
    assert not list(tmp_path.glob("Set.zip*"))


def test_a_file_that_changed_since_the_first_download_is_refused(tmp_path, server):
    path = fetch(Archive(url=server.url), tmp_path).path
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=r"^/.*Set\.zip: has SHA-256"):
        fetch(Archive(url=server.url), tmp_path)
    path.unlink()
    server.content = CONTENT[::-1]
    fetched = fetch(Archive(url=server.url), tmp_path)
    assert json.loads((tmp_path / "Set.zip.json").read_text())["sha256"] == fetched.sha256


def test_an_archive_larger_than_the_disk_is_refused(tmp_path, server, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match=r"needs 3\.0 MB on the disk of .* where 2\.0 MB are free"):
        fetch(Archive(url=server.url), tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/below: cannot be written"):
        fetch(Archive(url="http://127.0.0.1:1/x.zip"), tmp_path / "file/below")


def test_one_process_at_a_time_downloads_a_file(tmp_path, server):
    code = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("in", flush=True)
    sys.stdin.read()
"""
    lock = tmp_path / "Set.zip.lock"
    command = [sys.executable, "-c", code, lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(InputError, match=r"Set\.zip: is being downloaded by another process"):
            fetch(Archive(url=server.url), tmp_path)
        other.kill()
    assert not server.asked
    assert fetch(Archive(url=server.url), tmp_path).path.read_bytes() == CONTENT
    assert not lock.exists()


def test_what_another_process_has_just_brought_is_taken(tmp_path, server, monkeypatch):
    @contextlib.contextmanager
    def late(path, busy):
        path.touch()
        (tmp_path / "Set.zip").write_bytes(CONTENT)
        yield

    monkeypatch.setattr(downloads, "locked", late)
    assert fetch(Archive(url=server.url), tmp_path).size == len(CONTENT)
    assert not server.asked


def test_killed_at_the_start_of_another_version_nothing_of_the_old_one_stays(
    tmp_path, server, monkeypatch
):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Archive(url=server.url), tmp_path, stop)
    server.content, server.version = CONTENT[::-1], "two"
    remember = downloads._remember

    def killed(*given):
        remember(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "_remember", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch(Archive(url=server.url), tmp_path)
    monkeypatch.setattr(downloads, "_remember", remember)
    assert fetch(Archive(url=server.url), tmp_path).path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    "trouble",
    [
        ssl.SSLError(1, "decryption failed"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        TimeoutError("timed out"),
    ],
)
def test_any_trouble_with_the_network_is_tried_again_and_named(
    tmp_path, server, monkeypatch, trouble
):
    left = 3
    read = http.client.HTTPResponse.read

    def shaky(answer, size):
        nonlocal left
        if left:
            left -= 1
            raise trouble
        return read(answer, size)

    monkeypatch.setattr(http.client.HTTPResponse, "read", shaky)
    assert fetch(Archive(url=server.url), tmp_path / "a").size == len(CONTENT)
    left = 100
    with pytest.raises(
        InputError, match=rf"^http.*Set\.zip.*cannot be fetched: .*{trouble.args[-1]}"
    ):
        fetch(Archive(url=server.url), tmp_path / "b")
    assert left == 96


def test_a_full_disk_is_no_trouble_with_the_network(tmp_path, server):
    def full(done, total):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"/sets: cannot be written: No space left on device"):
        fetch(Archive(url=server.url), tmp_path / "sets", full)
    assert len(server.asked) == 1


def test_an_archive_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "Set.zip").touch()
    monkeypatch.setattr(downloads, "describe_file", fail)
    with pytest.raises(InputError, match=r"/Set\.zip: cannot be read: Input/output error"):
        fetch(Archive(url="http://127.0.0.1:1/Set.zip"), tmp_path)
