"""Archives fetched from the network: resumed where they were cut off, and checked."""

import contextlib
import dataclasses
import http
import http.client
import os
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import TypeAlias

from dehaze_jax.data.layouts import Archive
from dehaze_jax.data.space import check_space, describe_file
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error, read_json, write_json
from dehaze_jax.storage.locking import locked

BytesProgress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all; 0 in all is unknown."""

_BLOCK = 2**20
_SILENCE = 60  # seconds
_TRIES = 4  # in a row that bring nothing
_PAUSE = 1.0  # seconds before the first of them


@dataclasses.dataclass(frozen=True)
class Fetched:
    """An archive on this machine.

    Attributes:
        path: the file.
        url: where it came from.
        size: in bytes.
        sha256: of its content.
    """

    path: pathlib.Path
    url: str
    size: int
    sha256: str


def fetch(archive: Archive, folder: pathlib.Path, progress: BytesProgress | None = None) -> Fetched:
    """Downloads an archive unless it is there; goes on where an earlier call was cut off.

    It is checked against the published size and checksum. Where none are published, those of the
    first download are kept beside the file, and a file that has changed is refused later.

    Args:
        archive: what to fetch.
        folder: where to; made if missing.
        progress: told after every block.

    Raises:
        InputError: no answer or cut off time and again, too little space, not the content that is
            expected, or another process is downloading it.
    """
    path = folder / pathlib.PurePosixPath(urllib.parse.urlsplit(archive.url).path).name
    record = path.with_name(f"{path.name}.json")
    with as_input_error(folder, "cannot be written"):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            _bring(archive, path, record, progress)
    if record.is_file():
        archive = dataclasses.replace(archive, **read_json(record))
    with as_input_error(path, "cannot be read"):
        size, sha256 = _check(archive, path, subject=path)
    write_json(record, {"size": size, "sha256": sha256})
    return Fetched(path, archive.url, size, sha256)


def _bring(
    archive: Archive, path: pathlib.Path, record: pathlib.Path, progress: BytesProgress | None
) -> None:
    """Downloads an archive to `path`, unless another process has done so meanwhile."""
    part, lock = (path.with_name(f"{path.name}.{kind}") for kind in ("part", "lock"))
    with locked(lock, InputError(path, "is being downloaded by another process")):
        try:
            if path.is_file():
                return
            _download(archive.url, part, progress)
            try:
                _check(archive, part, subject=archive.url)
            except InputError:
                part.unlink()
                raise
            record.unlink(missing_ok=True)
            os.replace(part, path)
        finally:
            lock.unlink(missing_ok=True)


def _check(
    archive: Archive, path: pathlib.Path, *, subject: str | os.PathLike[str]
) -> tuple[int, str]:
    """Size and checksum, if they are those that are expected."""
    size, sha256 = describe_file(path)
    if archive.size not in (None, size):
        raise InputError(subject, f"has {size} bytes, not {archive.size}")
    if archive.sha256 not in (None, sha256):
        raise InputError(subject, f"has SHA-256 {sha256}, not {archive.sha256}")
    return size, sha256


def _download(url: str, part: pathlib.Path, progress: BytesProgress | None) -> None:
    """Brings the whole content into `part`, in as many connections as it takes."""
    idle = 0
    while True:
        before = _size(part)
        problem = "the connection broke off"
        try:
            if _connect(url, part, progress):
                return
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()  # the file has become shorter
            elif error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise InputError(url, f"cannot be fetched: {error}") from error
            problem = str(error)
        except (urllib.error.URLError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error))
        idle = 0 if _size(part) > before else idle + 1
        if idle == _TRIES:
            raise InputError(url, f"cannot be fetched: {problem}; the same command goes on")
        if idle:
            time.sleep(_PAUSE * 2**idle)


def _connect(url: str, part: pathlib.Path, progress: BytesProgress | None) -> bool:
    """One connection, which goes on with what is there; whether all is there now."""
    version = part.with_name(f"{part.name}.version")
    request = urllib.request.Request(url, headers={"User-Agent": "dehaze-jax"})
    done = _size(part) if version.is_file() else 0
    if done:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", version.read_text())  # all anew if the file has changed
    with _network():
        answer = urllib.request.urlopen(request, timeout=_SILENCE)
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        length = int(answer.headers.get("Content-Length", 0))
        check_space(part.parent, length, subject=url)
        total = done + length if length else 0
        with part.open("ab" if done else "wb") as file:
            # Only now, when what the part had of another version is gone.
            _remember(version, answer.headers)
            while block := _read(answer):
                done += file.write(block)
                if progress:
                    progress(done, total)
    if done < total:
        return False
    version.unlink(missing_ok=True)
    return True


def _read(answer: http.client.HTTPResponse) -> bytes:
    with _network():
        return answer.read(_BLOCK)


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Tells trouble with the network, of whatever kind, from trouble with the disk."""
    try:
        yield
    except urllib.error.URLError:
        raise
    except OSError as error:
        raise urllib.error.URLError(error) from error


def _remember(version: pathlib.Path, headers: http.client.HTTPMessage) -> None:
    """Keeps what tells this content from a later one, if the server says it."""
    tag = headers.get("ETag", "W/")
    told = headers.get("Last-Modified", "") if tag.startswith("W/") else tag
    if told:
        version.write_text(told)
    else:
        version.unlink(missing_ok=True)


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.is_file() else 0
