"""Model servers that this process starts for itself, on the host that it runs on, and stops before it ends.

A server belongs to the process that makes calls: on a cluster to one job, on its node; in a run on one machine to the
whole run. It is started when the first call to its endpoint is due. It never outlives its process, however that ends.
"""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace

import requests

from .. import redaction
from ..paths import SERVER_LOGS
from ..settings import EndpointSettings, Settings
from . import retries, stopping
from .providers import Endpoint
from .providers.openai_compatible import target_of
from .replies import CallError

PORT = "{port}"
HERE = "127.0.0.1,localhost"
# a large model on a cold network disk is loaded for a quarter of an hour
READY_SECONDS = 1800.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2
ANSWER_SECONDS = 10.0

# ends the server's process group when this process is gone: then `read` meets the end of its input
_WATCHDOG = f"""
read -r line && exit
kill -s TERM -- "-$1"
for second in $(seq {STOP_SECONDS:.0f}); do
    sleep 1
    kill -s 0 -- "-$1" || exit
done
kill -s KILL -- "-$1"
"""


def problem_of(own: EndpointSettings) -> tuple[str, str] | None:
    """Return what is wrong with how an endpoint's server is started, and what to do; None if nothing is."""
    if own.start is None:
        if own.ready_url or PORT in (own.base_url or ""):
            return "ready_url and {port} belong to a server that is started", "add `start`, or write the port itself"
        return None
    if PORT not in own.start or PORT not in (own.base_url or ""):
        # two jobs may share a node
        return "a server that is started needs a free port", "write {port} into both `start` and `base_url`"
    if own.batch:
        return "a server that is started has no batch service", "leave out `batch`"
    return None


class Servers:
    """The servers of one process, each started once; what a failed start was is said to all who ask.

    Args:
        settings: settings of the run.
        patience_s: how long a server may take until it is ready, seconds.
    """

    def __init__(self, settings: Settings, patience_s: float = READY_SECONDS):
        self._settings = settings
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._started: dict[str, _Server | CallError] = {}

    def reached(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint with the address of its server, which runs then, if it has one that is started.

        Raises:
            CallError: the server did not start, or has ended; the message names its log.
            Stopped: the run was interrupted while the server started.
        """
        if not self._is_started_here(endpoint):
            return endpoint
        with self._lock:
            found = self._started.get(endpoint.name) or self._start(endpoint)
        if isinstance(found, CallError):
            raise found
        found.require_alive()
        return replace(endpoint, base_url=found.with_port(endpoint.base_url or ""))

    def explained(self, endpoint: Endpoint, error: CallError) -> CallError:
        """Return an error of a call with the log of the server that was called, if it is one of these."""
        server = self._started.get(endpoint.name)
        # a call that was not made has nothing to do with it
        if not isinstance(server, _Server) or type(error) is not CallError:
            return error
        return CallError(
            error.rule,
            f"{error.message} (the log of its server: {server.log})",
            remedy=error.remedy,
            retry_after=error.retry_after,
            cost_usd=error.cost_usd,
            body=error.body,
        )

    def stop(self) -> None:
        """Stop all servers with everything that they have started, and wait until they are gone."""
        with self._lock:
            for server in self._started.values():
                if isinstance(server, _Server):
                    server.stop()
            self._started.clear()

    def _is_started_here(self, endpoint: Endpoint) -> bool:
        own = self._settings.endpoints[endpoint.name]
        # a variable that sends all calls elsewhere wins
        return own.start is not None and endpoint.base_url == own.base_url

    def _start(self, endpoint: Endpoint) -> "_Server | CallError":
        own = self._settings.endpoints[endpoint.name]
        if not self._started:
            atexit.register(self.stop)
            _reach_directly(HERE)
        stopping.check()
        server = _Server(endpoint, own, self._environment(own))
        try:
            server.wait(self._patience_s)
        except CallError as error:
            server.stop()
            self._started[endpoint.name] = error
            return error
        except BaseException:
            server.stop()
            raise
        self._started[endpoint.name] = server
        return server

    def _environment(self, own: EndpointSettings) -> dict[str, str]:
        """Return the environment of a server: without keys, but for its own."""
        keys = {other.api_key_env for other in self._settings.endpoints.values()}
        kept = {name: value for name, value in os.environ.items() if name not in keys}
        if own.api_key_env and self._settings.environment.get(own.api_key_env):
            kept[own.api_key_env] = self._settings.environment[own.api_key_env]
        return kept


class _Server:
    """One server: the leader of a process group, with a watchdog beside it."""

    def __init__(self, endpoint: Endpoint, own: EndpointSettings, environment: dict[str, str]):
        self.name = endpoint.name
        self._endpoint = endpoint
        self._port = _free_port()
        self._ready_url = self.with_port(own.ready_url or target_of(own.base_url or "", "/models"))
        self.log = SERVER_LOGS / f"{self.name}-{socket.gethostname()}-{os.getpid()}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = self.with_port(own.start or "")
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                # a group of its own: it is ended as a whole, and Ctrl-C does not end it under calls in flight
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def with_port(self, text: str) -> str:
        """Return a text of the configuration with the port that this server has."""
        return text.replace(PORT, str(self._port))

    def wait(self, patience_s: float) -> None:
        """Wait until it takes requests; raises CallError if it ends before, or takes too long."""
        give_up_at = time.monotonic() + patience_s
        said = "no answer"
        while True:
            self.require_alive()
            with contextlib.suppress(requests.RequestException):
                status = self._ask()
                if status == requests.codes.ok:
                    return
                said = f"status {status}"
            if time.monotonic() > give_up_at:
                shown = redaction.address(self._ready_url)
                raise self._error(f"is not ready after {patience_s:.0f} s ({shown}: {said})")
            stopping.pause(POLL_SECONDS)

    def require_alive(self) -> None:
        """Raise CallError if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise self._error(f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}")

    def stop(self) -> None:
        """End its process group, and wait until it is gone."""
        begun = time.monotonic()
        sent = int(signal.SIGTERM)
        # in a container without an init process, dead children of the server stay in its group
        while self._signal(sent) and time.monotonic() < begun + 2 * STOP_SECONDS:
            # 0 only asks whether anything is left
            sent = 0 if time.monotonic() < begun + STOP_SECONDS else int(signal.SIGKILL)
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            self._watchdog.communicate(b"over\n")

    def _signal(self, number: int) -> bool:
        """Send a signal to the group; returns whether there is anything left of it."""
        # its leader is a zombie, and part of the group, until somebody asks
        self._process.poll()
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _ask(self) -> int:
        key = {"Authorization": f"Bearer {self._endpoint.key}"} if self._endpoint.key else {}
        headers = dict(self._endpoint.headers) | key
        return requests.get(self._ready_url, headers=headers, timeout=ANSWER_SECONDS).status_code

    def _error(self, what: str) -> CallError:
        words = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), "")
        shown = f", which ends with: {redaction.message(last)[:200]}" if last else ", which is empty"
        return CallError(
            retries.NO_SERVER, f"the server of endpoint '{self.name}' {what}; its log is {self.log}{shown}"
        )


def _reach_directly(hosts: str) -> None:
    """Keep calls to this host away from a proxy for the world, as nodes of clusters often have one."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), hosts)))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
