"""Buying in a run: fresh answers are ordered under an id that is kept until a run succeeds."""

import json
import uuid
from pathlib import Path

from .. import catalogs, generations
from ..calls import Caller, Log
from ..cohorts.membership import Entry
from ..files import create_exclusively, dump_json, read_json, sha256_text
from .run import Run
from .tables import prepare


def buy(run: Run, caller: Caller, entry: Entry, say: Log) -> None:
    """Make the files of a generation's answer: bought, restored or copied."""
    prepare(run)
    with catalogs.held():
        generations.buy(caller, entry, say, order_id(run, entry.stage))


def order_id(run: Run, stage: str) -> str | None:
    """Return the id under which this run orders fresh answers of a stage, None if it does not.

    It is kept until a run succeeds, so that an interrupted fresh run, repeated, buys nothing twice.
    """
    if not run.settings.is_fresh(stage):
        return None
    path = _order_file(run)
    create_exclusively(path, dump_json({"order_id": uuid.uuid4().hex}))
    return str(read_json(path)["order_id"])


def forget(run: Run) -> None:
    """Forget the order id of a fresh run that succeeded: the next one orders anew."""
    _order_file(run).unlink(missing_ok=True)


def _order_file(run: Run) -> Path:
    what = json.dumps([sorted(run.sources), run.settings.fresh, run.settings.shard])
    return run.data.coordination / "fresh" / f"{sha256_text(what)[:16]}.json"
