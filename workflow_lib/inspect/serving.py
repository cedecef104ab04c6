"""The report of a run that goes on, served to this machine: pages built aside again and again, progress on top of them.

The run does not notice it: nothing is written into the data root, and no lock is taken.
"""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from .. import pages
from ..errors import DayDreamError
from ..results import reports
from ..settings import Settings
from . import live, scope
from .progress import Look

HOST = "127.0.0.1"
PORT = 8765
SHARE_OF_TIME = 5
"""Pages are built anew after this many times what building them took, so that the run keeps the machine."""
REFRESH_SECONDS = 5
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".csv": "text/plain; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
}


class Served:
    """A server of the pages of a run's cohorts; a context manager that starts and stops it.

    Each cohort's ``html/`` is at ``/COHORT/``; ``/`` shows the progress. Nothing else is served.

    Args:
        settings: settings of the run.
        port: TCP port of the loopback interface, 0 for any free one.

    Raises:
        DayDreamError: the port is in use.
    """

    def __init__(self, settings: Settings, port: int = PORT):
        self._settings = settings
        self._work = tempfile.TemporaryDirectory(prefix="daydream-watch-", ignore_cleanup_errors=True)
        self._building: tuple[Path, multiprocessing.process.BaseProcess, float, object] | None = None
        self._builds = 0
        self._next_build = 0.0
        self._content: object = None
        self.built: Path | None = None
        self.built_at = ""
        self.look: Look | None = None
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            self._work.cleanup()
            raise DayDreamError(
                f"cannot serve on port {port} of {HOST}: {error.strerror}", "name another port, or 0 for any free one"
            ) from None
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._building:
            self._building[1].kill()
            self._building[1].join()
        self._work.cleanup()

    def note(self, look: Look) -> None:
        """Show a look, and build the pages anew if something has come since they were built, unless it is too soon."""
        self.look = look
        self._collect()
        if self._building is None and time.monotonic() >= self._next_build and _content(look) != self._content:
            self._begin(look)

    def finish(self) -> None:
        """Build the pages of the last look, and wait until they are there."""
        while self._building or (self.look is not None and _content(self.look) != self._content):
            if self._building:
                self._building[1].join()
                self._collect()
            elif self.look is not None:
                self._begin(self.look)

    def _begin(self, look: Look) -> None:
        self._builds += 1
        folder = Path(self._work.name) / str(self._builds)
        # a process of its own: it can be ended at once, and leaves nothing in memory
        process = multiprocessing.get_context("spawn").Process(
            target=build, args=(self._settings, look.name.split(","), folder), daemon=True
        )
        # a terminal sends Ctrl-C to both, and only this process answers it; the tracker's start would undo the mask
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        self._building = (folder, process, time.monotonic(), _content(look))

    def _collect(self) -> None:
        if self._building is None or self._building[1].is_alive():
            return
        folder, process, began, content = self._building
        self._building = None
        self._content = content
        self._next_build = time.monotonic() + SHARE_OF_TIME * (time.monotonic() - began)
        if process.exitcode != 0:
            # files came and went while it read: what was built before stays, until something changes
            return
        self.built = folder
        self.built_at = datetime.now(UTC).strftime("%H:%M:%S")
        for other in Path(self._work.name).iterdir():
            # a page that is being read may still come from the one before
            if other.name.isdigit() and int(other.name) < int(folder.name) - 1:
                shutil.rmtree(other, ignore_errors=True)


def build(settings: Settings, cohort_ids: Iterable[str], folder: Path) -> None:
    """Write tables and pages of cohorts, from what the store has now, into a folder beside it.

    Args:
        settings: settings of the run.
        cohort_ids: the cohorts.
        folder: a new one; it gets a data root of links to the store, in which reports are folders of its own.
    """
    os.nice(10)
    names = list(cohort_ids)
    root = _shadow(settings, names, folder / "data")
    templates = settings.data.templates_root
    aside = settings.model_copy(
        update={"data_root": str(root), "templates_root": str(templates.resolve()) if templates else None}
    )
    # the copy brought the paths of the store along
    aside.__dict__.pop("data", None)
    membership = scope.as_written(settings).membership
    for name in names:
        own = scope.of_folder(settings, name).membership if len(names) > 1 else membership
        reports.write(aside, name, own)
        pages.write_cohort(aside, name, own)


def _shadow(settings: Settings, cohort_ids: Iterable[str], root: Path) -> Path:
    """Make a data root of links; the reports of the cohorts are empty folders."""
    real = settings.data.root.resolve()
    root.mkdir(parents=True)
    for path in real.iterdir():
        if path.name != settings.data.cohorts.name:
            (root / path.name).symlink_to(path)
    for cohort_id in cohort_ids:
        own = root / settings.data.cohorts.name / cohort_id
        own.mkdir(parents=True)
        beside = settings.data.cohort(cohort_id)
        for path in beside.folder.resolve().iterdir() if beside.folder.is_dir() else ():
            if path.name != beside.reports.name:
                (own / path.name).symlink_to(path)
    return root


def _content(look: Look) -> object:
    return {stage: (counts.rows, counts.done, counts.failed) for stage, counts in look.stages.items()}


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "daydream", ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the screen belongs to the progress."""

        def _answer(self, with_body: bool) -> None:
            found = None if not _is_local(self.headers.get("Host", "")) else _found(served, self.path)
            status = HTTPStatus.OK if found else HTTPStatus.NOT_FOUND
            content, kind = found or (b"There is no such page.\n", "text/plain; charset=utf-8")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if urlsplit(self.path).path == "/":
                self.send_header("Refresh", str(REFRESH_SECONDS))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if not kind.startswith("text/html"):
                self.send_header("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
            self.end_headers()
            if with_body:
                self.wfile.write(content)

    return Handler


def _is_local(host: str) -> bool:
    """Return whether a request names this machine: a page of the web that lets its name point here gets nothing."""
    return host.rsplit(":", 1)[0] in (HOST, "localhost")


def _found(served: Served, address: str) -> tuple[bytes, str] | None:
    """Return content and type of what an address names, None if nothing is served there."""
    parts = [part for part in unquote(urlsplit(address).path).split("/") if part]
    if not parts:
        names = served.look.name.split(",") if served.look else []
        shown = [name for name in names if served.built]
        return live.page(served.look, shown, served.built_at).encode(), TYPES[".html"]
    if served.built is None or "\0" in address or "%00" in address:
        return None
    if len(parts) == 1 and not address.endswith("/"):
        return None
    folder = (served.built / "data" / "cohorts" / parts[0] / "reports" / "html").resolve()
    path = folder.joinpath(*(parts[1:] or ["index.html"])).resolve()
    if path.suffix not in TYPES or not path.is_relative_to(folder) or not folder.is_relative_to(served.built.resolve()):
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if path == folder / "index.html":
        content = live.on_top(content, served.look, served.built_at)
    return content, TYPES[path.suffix]
