"""Reading and writing files so that a crash never leaves half of one behind."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .errors import DayDreamError

TEMPORARY = ".tmp-"
# names that no other process uses, nor one of another host with the same number
_PROCESS = uuid.uuid4().hex
_numbers = itertools.count()
# network file systems remember for up to a minute that a name did not exist
LATENCY_SECONDS = 60.0
# who wait for the disk at the same time; more of them gain nothing
WRITERS = 8

T = TypeVar("T")


def sha256_text(text: str) -> str:
    """Return the hex sha256 of the text's UTF-8 bytes (lone surrogates replaced as in `write_text`)."""
    return hashlib.sha256(encode(text)).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def encode(text: str) -> bytes:
    """Return UTF-8 bytes; a lone surrogate, which UTF-8 cannot carry, becomes U+FFFD."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def read_text(path: Path | str) -> str:
    """Return a file's text: UTF-8, a BOM dropped, line ends as they are.

    Raises:
        DayDreamError: the file is not UTF-8.
    """
    with open(path, "rb") as handle:
        content = handle.read()
    return decode(content, path)


def decode(content: bytes, path: Path | str) -> str:
    """Return the text that a file's bytes are, as `read_text` does."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DayDreamError(
            f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8 and run again"
        ) from None


def read_json(path: Path | str) -> Any:
    """Return the content of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        DayDreamError: the file is not JSON; the message names it.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DayDreamError(f"{path}: not valid JSON ({error})", "restore or remove the file") from None


def read_recorded(path: Path, *, awaits: bool = False) -> Mapping[str, Any]:
    """Return the content of a metadata file; {} where it is missing or not readable as an object.

    Args:
        path: the file.
        awaits: it was written just now, perhaps by another host, see `when_listed`.
    """
    try:
        content = when_listed(read_json, path) if awaits else read_json(path)
    except (OSError, DayDreamError):
        return {}
    return content if isinstance(content, dict) else {}


def await_listed(path: Path, seconds: float = LATENCY_SECONDS) -> None:
    """Wait for a file that its folder lists and that cannot be opened yet, as network file systems have it for a while.

    A file that the folder does not list is not waited for: it is not there. Who expects to find it tries that first,
    see `when_listed`.
    """
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        try:
            if path.name not in os.listdir(path.parent):
                return
        except OSError:
            return
        time.sleep(0.1)


def when_listed(read: Callable[[Path], T], path: Path) -> T:
    """Return `read(path)`; where there is no such file, it is read once more after `await_listed`.

    Raises:
        FileNotFoundError: its folder does not list it either.
    """
    try:
        return read(path)
    except FileNotFoundError:
        await_listed(path)
        return read(path)


def dump_json(content: Any) -> str:
    """Return JSON text as all of the store's files have it: indented, ASCII, one newline at the end."""
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace a file in one step: whoever reads it sees the old content or the new, never half.

    Args:
        path: the file; its folder is made if needed.
        content: all of it.
        durable: also survive a power cut (fsync of file and folder); for what was paid for.
    """
    path = Path(path)
    handle, temporary = _temporary_beside(path)
    try:
        _fill(handle, content, durable=durable)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """`write_bytes` for text; nothing is translated, a lone surrogate becomes U+FFFD."""
    write_bytes(path, encode(text), durable=durable)


def write_json(path: Path, content: Any, *, durable: bool = False) -> None:
    """`write_text` of `dump_json`."""
    write_text(path, dump_json(content), durable=durable)


class Room:
    """A file made, filled up and held open beforehand, so that what is paid for can be written whatever runs out.

    It holds disk blocks, an inode and a file descriptor under a name of its own.

    Args:
        held: name until it is filled; must not exist yet.
        size: bytes to hold; more can be written if the disk has them.

    Raises:
        OSError: the disk, its inodes or the process's descriptors are used up; nothing is left behind.
    """

    def __init__(self, held: Path, size: int):
        self.held = held
        self._handle = _create(held)
        try:
            os.posix_fallocate(self._handle, 0, size)
        except OSError as error:
            # some file systems cannot reserve; they are used without
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                self.give_up()
                raise

    def fill(self, content: bytes, path: Path, *, durable: bool) -> None:
        """Write the content and give the file its name; may be called again after an error.

        Args:
            content: all of it.
            path: the file that it becomes, in the folder of `held`.
            durable: survive a power cut.

        Raises:
            OSError: more than was held was to be written, and the disk is full; or it is damaged.
        """
        view = memoryview(content)
        written = 0
        while written < len(view):
            written += os.pwrite(self._handle, view[written:], written)
        os.ftruncate(self._handle, len(view))
        if durable:
            os.fsync(self._handle)
        try:
            os.replace(self.held, path)
        except FileNotFoundError:
            # somebody took this process for dead and cleaned up behind it
            write_bytes(path, content, durable=durable)
        os.close(self._handle)
        if durable:
            # the file has its name: without a descriptor for the folder only a power cut could undo it
            with contextlib.suppress(OSError):
                _sync(path.parent)

    def give_up(self) -> None:
        """Free what is held."""
        os.close(self._handle)
        self.held.unlink(missing_ok=True)


def create_exclusively(path: Path, text: str, *, durable: bool = False) -> bool:
    """Create a file that must not exist yet, whole or not at all; False if somebody else has it.

    The content is written aside and then linked under its name, so that nobody ever reads half of it.

    Args:
        path: the file; its folder is made if needed.
        text: all of it.
        durable: also survive a power cut.
    """
    handle, temporary = _temporary_beside(path)
    try:
        _fill(handle, encode(text), durable=durable)
        os.link(temporary, path)
        if durable:
            _sync(path.parent)
        return True
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file, and its name, survive a power cut."""
    for one in (path, path.parent):
        _sync(one)


def at_once(write: Callable[[T], object], items: Iterable[T]) -> None:
    """Call a function for each item that waits for the disk; many that wait together take little longer than one.

    Raises:
        OSError: what the first failed call raised; all others were made.
    """
    with ThreadPoolExecutor(WRITERS) as threads:
        for _ in threads.map(write, items):
            pass


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` to write a set of files into; move them over on success.

    Each file replaces its namesake in one step. On an error nothing of `folder` has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".staged-") as name:
        stage = Path(name)
        yield stage
        for source in sorted(path for path in stage.rglob("*") if path.is_file()):
            target = folder / source.relative_to(stage)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)


def _temporary_beside(path: Path) -> tuple[int, str]:
    """Create a file of a new name in the folder of `path`, with the permissions that any new file gets."""
    name = f"{path.parent}/{TEMPORARY}{os.getpid()}-{_PROCESS}-{next(_numbers)}"
    return _create(Path(name)), name


def _fill(handle: int, content: bytes, *, durable: bool) -> None:
    """Write all of a new file's content, and close it."""
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def _create(path: Path) -> int:
    """Create a file that must not exist yet, and its folder if needed; returns its descriptor."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(path.parent, exist_ok=True)
        return os.open(path, flags, 0o666)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
