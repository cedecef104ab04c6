"""Runs that are killed, stopped, doubled, moved or left without a disk; then the server's bill against the journal."""

import csv
import difflib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests import small_disks
from tests.project import SOURCE, Project, clean_environment
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.generations import seed_of
from workflow_lib.offline.server import OfflineServer
from workflow_lib.paths import Generation

FAULTS = "429:0.1,500:0.05,html:0.03,drop:0.03"
LATENCY_S = 0.3
RUN_TIMEOUT_S = 300
DISK_MEGABYTES = 400
DISK_INODES = 200_000
MOST_FINISHING_RUNS = 12

SPEC = """
combos: {{concepts: [default-mode-network, combinatorial-creativity, data-flywheel], k: 2}}
axes:
  draft_template: [creative-synthesis-v10, analytical-memo-v2]
  draft_llm: [sim-writer-a]
  draft_replicate: [{replicates}]
  essay_template: [{essay}]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
COHORT = "mini"
# shares its drafts with the first
OTHER_COHORT = "other"
ESSAYS = {COHORT: "structured-analysis-v2", OTHER_COHORT: "popular-science-v1"}
PER_REPLICATE = 24  # 6 drafts, 6 essays, 12 judgements
CONFIG = "llm: {backoff_s: 0.01}\npools: {offline: {max_concurrent: 8, calls_per_minute: 6000}}\n"

# its jobs are processes of their own, which survive their driver
PROCESS_PER_JOB = ("--workflow-profile", "none", "--keep-going", "--rerun-incomplete")
OTHER_HOST = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
AS_OTHER_HOST = (*OTHER_HOST, 'hostname elsewhere && exec "$@"', "sh")


@dataclass(frozen=True)
class Bill:
    """What the server counted, and what the store knows of it.

    Attributes:
        tries: requests that it got.
        billed: those that it answered, or dropped while answering; refusals with an error status are free.
        kept: answers in the journal.
        listed: tries that are listed as maybe billed.
        lost: billed requests of a generation beyond what is kept or listed of it.
        twice: requests for a generation whose answer was kept before.
    """

    tries: int
    billed: int
    kept: int
    listed: int
    lost: int
    twice: int


class Ground:
    """A store under attack, and the server that is called for it.

    Args:
        folder: where the work folders go.
        server: what answers.
        seed: of all dice.
        disk: put the data root on a small disk, whose room the attacks can take.
    """

    def __init__(self, folder: Path, server: OfflineServer, seed: int, *, disk: bool = False):
        self.folder = folder
        self.server = server
        self.dice = random.Random(seed)
        self.replicates = 0
        self.in_flight_at_kill: list[list[int]] = []
        self._mounts = ExitStack()
        self.project = Project(folder / "0", spec="", cohort=COHORT)
        self.project.configure(CONFIG)
        self.grow()
        if disk:
            self._mounts.enter_context(
                small_disks.mounted("tmpfs", self.project.data, DISK_MEGABYTES, inodes=DISK_INODES)
            )

    def close(self) -> None:
        """Unmount the disk."""
        self._mounts.close()

    def grow(self) -> None:
        """Ask for one more replicate of everything."""
        self.replicates += 1
        numbers = ", ".join(str(number + 1) for number in range(self.replicates))
        for cohort, essay in ESSAYS.items():
            self.project.declare(SPEC.format(replicates=numbers, essay=essay), cohort)

    def start(
        self, place: int = 0, cohort: str = COHORT, arguments: Sequence[str] = (), wrapper: Sequence[str] = (), **config
    ) -> subprocess.Popen:
        """Start a run in a work folder of its own by number; it leads a process group."""
        folder = self.folder / str(place)
        if place:
            shutil.copytree(self.project.folder / "config", folder / "config", dirs_exist_ok=True)
        command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile")]
        env = clean_environment() | {"DD_OFFLINE_BASE_URL": self.server.url}
        if any((folder / ".snakemake" / "locks").glob("*")):
            subprocess.run([*command, "--unlock"], cwd=folder, env=env, capture_output=True, check=False)
        chosen = {"cohort": cohort, "data_root": self.project.data, **config}
        settings = [f"{name}={value}" for name, value in chosen.items()]
        command = [*wrapper, *command, "--cores", "8", *arguments, "--config", *settings, "--", "all"]
        with open(self.folder / "output.txt", "a") as output:
            return subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True)

    def open_calls(self) -> list[int]:
        """Return the seeds of the calls that are in flight."""
        return [one["seed"] for one in list(self.server.requests) if one["outcome"] is None]

    def in_flight(self, run: subprocess.Popen) -> bool:
        """Wait until calls are in flight, and a little longer; False if the run ended before."""
        while run.poll() is None:
            if self.open_calls():
                time.sleep(self.dice.uniform(0, LATENCY_S))
                if calls := self.open_calls():
                    self.in_flight_at_kill.append(calls)
                    return True
            time.sleep(0.01)
        return False

    def wait(self, *runs: subprocess.Popen) -> list[int]:
        """Wait for runs and all their children; returns their exit codes. One that hangs fails the attack."""
        for run in runs:
            run.wait(RUN_TIMEOUT_S)
            end = time.monotonic() + RUN_TIMEOUT_S
            while _group_lives(run.pid):
                assert time.monotonic() < end, "a job outlived its driver for too long"
                time.sleep(0.05)
        return [run.returncode for run in runs]

    def finish(self) -> None:
        """Run undisturbed until both cohorts are done."""
        for cohort in ESSAYS:
            codes = []
            while 0 not in codes:
                assert len(codes) < MOST_FINISHING_RUNS, self.output()[-6000:]
                codes += self.wait(self.start(cohort=cohort))

    def output(self) -> str:
        """Return what all runs printed."""
        return (self.folder / "output.txt").read_text()

    def answers(self) -> dict[int, float]:
        """Return seed -> when its first answer was kept, in seconds since the epoch."""
        found: dict[int, float] = {}
        for path in self.project.files("attempts/????.json"):
            seed = json.loads(path.read_text())["request"]["seed"]
            found[seed] = min(path.stat().st_mtime, found.get(seed, float("inf")))
        return found

    def bill(self) -> Bill:
        """Compare the server's bill with the journal."""
        end = time.monotonic() + 20 * LATENCY_S
        while self.open_calls() and time.monotonic() < end:
            time.sleep(0.05)
        requests = list(self.server.requests)
        billed = Counter(one["seed"] for one in requests if not str(one["outcome"]).isdigit())
        kept, listed = Counter(), Counter()
        for path in (self.project.data / "gens").glob("*/*"):
            own = Journal(Generation(path))
            kept[seed_of(path.name)] += len(list(own.readable_answers()))
            listed[seed_of(path.name)] += len(list(own.maybe_billed(Watch())))
        kept_at = self.answers()
        late = [one for one in requests if one["received_at"] > kept_at.get(one["seed"], float("inf")) + 0.05]
        return Bill(
            tries=len(requests),
            billed=billed.total(),
            kept=kept.total(),
            listed=listed.total(),
            lost=sum(max(0, count - kept[seed] - listed[seed]) for seed, count in billed.items()),
            twice=len(late),
        )

    def litter(self) -> list[Path]:
        """Return what dead runs have left and nobody has removed: room for answers, files of their time."""
        data = self.project.data
        return [path for name in (".room-*", ".coordination/now-*") for path in data.rglob(name)]

    def tables(self) -> dict[str, bytes]:
        """Return the tables of both cohorts but costs.csv, which has seconds in it."""
        found = {}
        for cohort in ESSAYS:
            reports = self.project.snapshot(self.project.data / "cohorts" / cohort / "reports")
            found |= {f"{cohort}/{path}": text for path, text in reports.items() if path.endswith(".csv")}
        return {path: text for path, text in found.items() if not path.endswith("/costs.csv")}


def _group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def _signalled(number: signal.Signals, **how) -> Callable[[Ground], None]:
    def attack(ground: Ground) -> None:
        run = ground.start(**how)
        if ground.in_flight(run):
            os.killpg(run.pid, number)
        ground.wait(run)

    return attack


def kill_driver(ground: Ground) -> None:
    """Kill the driver alone; its jobs, processes of their own, go on while the next run starts."""
    run = ground.start(arguments=PROCESS_PER_JOB)
    if ground.in_flight(run):
        run.kill()
    ground.wait(ground.start(place=1), run)


def stop_and_continue(ground: Ground) -> None:
    """Stop a run with calls in flight, start another, and let the first go on."""
    run = ground.start()
    is_stopped = ground.in_flight(run)
    if is_stopped:
        os.killpg(run.pid, signal.SIGSTOP)
    second = ground.start(place=1)
    time.sleep(ground.dice.uniform(2, 6))
    if is_stopped:
        os.killpg(run.pid, signal.SIGCONT)
    ground.wait(run, second)


def _side_by_side(**second) -> Callable[[Ground], None]:
    def attack(ground: Ground) -> None:
        first = ground.start()
        time.sleep(ground.dice.choice([0, 0.5, 1, 2]))
        ground.wait(first, ground.start(place=1, **second))

    return attack


def other_host_dies(ground: Ground) -> None:
    """Kill a run of another host with calls in flight: this host takes over when its heartbeat has been silent."""
    run = ground.start(place=1, wrapper=AS_OTHER_HOST)
    if ground.in_flight(run):
        os.killpg(run.pid, signal.SIGKILL)
    ground.wait(ground.start(), run)


def _shortage(use_up: Callable[[Path], None]) -> Callable[[Ground], None]:
    def attack(ground: Ground) -> None:
        run = ground.start()
        if ground.in_flight(run):
            use_up(ground.project.data)
        ground.wait(run)
        small_disks.make_room(ground.project.data)

    return attack


def no_descriptors(ground: Ground) -> None:
    """Let a run open no further file while its calls are in flight."""
    run = ground.start()
    if ground.in_flight(run):
        small_disks.use_up_descriptors(run.pid)
    ground.wait(run)


ATTACKS: dict[str, Callable[[Ground], None]] = {
    "kill the group": _signalled(signal.SIGKILL),
    "kill the driver": kill_driver,
    "kill in batch mode": _signalled(signal.SIGKILL, batch=8),
    "interrupt (INT)": _signalled(signal.SIGINT),
    "interrupt in batch mode": _signalled(signal.SIGINT, batch=8),
    "terminate (TERM)": _signalled(signal.SIGTERM),
    "stop and continue": stop_and_continue,
    "two runs": _side_by_side(),
    "batch beside plain": _side_by_side(batch=8),
    "overlapping cohorts": _side_by_side(cohort=OTHER_COHORT),
    "two hosts": _side_by_side(wrapper=AS_OTHER_HOST),
    "the other host dies": other_host_dies,
    "full disk": _shortage(small_disks.use_up_blocks),
    "no inodes": _shortage(small_disks.use_up_inodes),
    "no descriptors": no_descriptors,
}
# needs another process table, or a disk of its own
FOR_ROOT = {"two hosts", "the other host dies", "full disk", "no inodes"}
ON_A_DISK = {"full disk", "no inodes"}
# waits for a minute and a half of silence
PATIENT = {"the other host dies"}


def possible() -> list[str]:
    """Return the attacks that this machine allows."""
    return [name for name in ATTACKS if os.geteuid() == 0 or name not in FOR_ROOT]


def attack(folder: Path, name: str, seed: int, times: int = 2) -> Bill:
    """Attack a store of its own some times, let it finish, and return the bill."""
    with OfflineServer(latency=LATENCY_S, faults=FAULTS, retry_after=0, seed=seed) as server:
        ground = Ground(folder, server, seed, disk=name in ON_A_DISK)
        try:
            for number in range(times):
                if number:
                    ground.grow()
                ATTACKS[name](ground)
            ground.finish()
            assert ground.litter() == []
            return ground.bill()
        finally:
            ground.close()


@dataclass(frozen=True)
class Soak:
    """What one store went through, and what it came to.

    Attributes:
        attacks: how often each came.
        in_flight: of each kill, how many calls were in flight.
        bill: at the end.
        generations: how many there are.
        answered: how many of them have an answer.
        litter: what was held for answers and never freed.
        differing: lines of tables that an undisturbed run has not, or has and the soaked store lacks (a diff).
    """

    attacks: Counter
    in_flight: list[int]
    bill: Bill
    generations: int
    answered: int
    litter: int
    differing: list[str]


def soak(folder: Path, minutes: float, seed: int) -> Soak:
    """Attack one store at random for some minutes, let it finish, and compare it with an undisturbed one.

    Args:
        folder: an empty folder.
        minutes: how long the attacks go on; those that wait long only from 10 minutes on.
        seed: of all dice; times are real, so that two soaks of one seed still differ.
    """
    names = [name for name in possible() if minutes >= 10 or name not in PATIENT]
    end = time.monotonic() + 60 * minutes

    def at_random(ground: Ground) -> Iterator[str]:
        while time.monotonic() < end:
            yield ground.dice.choice(names)

    return _endured(folder, seed, at_random, disk=bool(ON_A_DISK & set(names)))


def kills(folder: Path, name: str, times: int, seed: int) -> Soak:
    """Attack one store with calls in flight so many times, always in the same way; else as `soak`."""

    def until_enough(ground: Ground) -> Iterator[str]:
        while len(ground.in_flight_at_kill) < times:
            yield name

    return _endured(folder, seed, until_enough, disk=name in ON_A_DISK)


def _endured(folder: Path, seed: int, attacks: Callable[[Ground], Iterable[str]], *, disk: bool) -> Soak:
    counts: Counter = Counter()
    with OfflineServer(latency=LATENCY_S, faults=FAULTS, retry_after=0, seed=seed) as server:
        ground = Ground(folder / "soaked", server, seed, disk=disk)
        try:
            for name in attacks(ground):
                if len(ground.answers()) > 0.5 * PER_REPLICATE * ground.replicates:
                    ground.grow()
                counts[name] += 1
                ATTACKS[name](ground)
            ground.finish()
            tables, bill, litter = ground.tables(), ground.bill(), ground.litter()
            answered = len(ground.answers())
            members = {row["gen_id"] for cohort in ESSAYS for row in ground.project.members(cohort=cohort)}
            calm = Project(folder / "calm", cohort=COHORT)
            for cohort in ESSAYS:
                spec = ground.project.data / "cohorts" / cohort / "spec" / "config.yaml"
                calm.declare(spec.read_text(), cohort)
                calm.snakemake("--cores", "8", "--config", f"cohort={cohort}")
        finally:
            ground.close()
    undisturbed = {}
    for cohort in ESSAYS:
        reports = calm.snapshot(calm.data / "cohorts" / cohort / "reports")
        undisturbed |= {f"{cohort}/{path}": text for path, text in reports.items() if path.endswith(".csv")}
    in_flight = [len(calls) for calls in ground.in_flight_at_kill]
    return Soak(counts, in_flight, bill, len(members), answered, len(litter), _differing(tables, undisturbed))


def _differing(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    lines = []
    for path, text in found.items():
        before, after = (_without_prices(content.decode()) for content in (expected[path], text))
        lines += difflib.unified_diff(before, after, f"undisturbed {path}", path, n=0, lineterm="")
    return lines


def _without_prices(table: str) -> list[str]:
    """Return the lines of a table without its columns ``usd...``: who of two cohorts paid what they share is chance."""
    rows = list(csv.reader(table.splitlines()))
    kept = [place for place, name in enumerate(rows[0]) if not name.startswith("usd")]
    return [",".join(row[place] for place in kept) for row in rows]
