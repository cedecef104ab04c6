"""A small cohort whose calls go through the batch service of a server of offline models; for tests of both styles."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from tests import small_cohort
from tests.project import read_csv
from workflow_lib import cohorts, files
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.journal import Journal
from workflow_lib.generations import batches, seed_of
from workflow_lib.offline.server import OfflineServer
from workflow_lib.settings import Settings
from workflow_lib.stages import STAGES

STYLES = ("openrouter", "openai")
PRICES = (1.0, 2.0)  # US dollars per million tokens


def make(folder: Path, server: OfflineServer, style: str = "openrouter", **changed: Any) -> Settings:
    """Return the settings of a cohort of 2 drafts, 4 essays (2 copied) and 8 evaluations; nothing is bought."""
    small_cohort.make_project(folder)
    models = folder / "data" / "1_raw" / "llm_models.csv"
    set_prices(models)
    return load(folder, server, style, **changed)


def set_prices(models: Path) -> None:
    """Give the offline models prices."""
    rows = read_csv(models)
    for row in rows:
        if row["endpoint"] == "offline":
            row |= {"input_usd_per_mtok": f"{PRICES[0]}", "output_usd_per_mtok": f"{PRICES[1]}"}
    with open(models, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def load(folder: Path, server: OfflineServer, style: str = "openrouter", **changed: Any) -> Settings:
    """Return the settings of a run, as a new process would have them."""
    given = {
        "data_root": str(folder / "data"),
        "cohort": small_cohort.COHORT,
        "batch": 200,
        "provider_batch": True,
        "endpoints": {"offline": {"batch": style}},
        "llm": {"backoff_s": 0.01},
    }
    return settings_module.load(given | changed, folder, {"DD_OFFLINE_BASE_URL": server.url})


def buy(settings: Settings, stages: tuple[str, ...] = STAGES, log: list[str] | None = None) -> dict[str, str]:
    """Make what the cohort lacks, stage by stage; returns gen_id -> outcome."""
    caller, lines = Caller(settings), log if log is not None else []
    membership = cohorts.load_membership(settings, small_cohort.COHORT)
    found: dict[str, str] = {}
    for stage in stages:
        found |= batches.make_all(caller, membership, membership.stage(stage), lines.append, None, redo=False)
    return found


def attempts(settings: Settings) -> list[dict[str, Any]]:
    """Return every answer of the store."""
    folders = (settings.data.generation(path.parent.name, path.name) for path in settings.data.gens.glob("*/*"))
    return [answer for one in folders for answer in Journal(one).readable_answers()]


def check_bill(settings: Settings, server: OfflineServer, single_calls: int = 0) -> None:
    """Assert that the server billed each answer once, and that the store has all of them at the price of batches."""
    bill = server.batches.bill
    assert set(Counter(one["custom_id"].rpartition("-")[0] for one in bill).values()) == {1}
    bought = {f"{one['gen_id']}-{one['number']:04d}": one for one in attempts(settings) if "batch" in one}
    assert bought.keys() == {one["custom_id"] for one in bill}
    for one in bill:
        attempt = bought[one["custom_id"]]
        usage = attempt["usage"]
        price = (usage["prompt_tokens"] * PRICES[0] + usage["completion_tokens"] * PRICES[1]) / 1e6
        assert abs(attempt["cost_usd"] - price / 2) < 1e-8
        if one["usd"] is not None:
            assert abs(one["usd"] - price / 2) < 1e-8
        assert attempt["request"]["seed"] == seed_of(attempt["gen_id"])
    assert len(server.requests) == single_calls


def records(settings: Settings, state: str = "open") -> list[dict[str, Any]]:
    """Return the records of batches, open or ended."""
    return [files.read_json(path) for path in sorted((settings.data.provider_batches / state).glob("*.json"))]
