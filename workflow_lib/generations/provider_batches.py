"""The answers of many generations bought through their endpoints' batch services, before their files are made."""

from collections.abc import Iterable

from .. import catalogs
from ..calls import Caller, Log
from ..calls.journal import Journal
from ..calls.provider_batches import buying, styles
from ..calls.provider_batches.buying import Ask
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..settings import Settings
from . import failures, make


def warnings(settings: Settings, membership: Iterable[Entry]) -> list[str]:
    """Return what a run with provider batches should know: which calls are single all the same."""
    if not settings.provider_batch:
        return []
    models = catalogs.load(settings.data).models
    used = sorted({entry.llm_model_id for entry in membership})
    return styles.notes(settings, [models[model_id] for model_id in used if model_id in models])


def buy(caller: Caller, entries: Iterable[Entry], log: Log, order_id: str | None) -> set[str]:
    """Buy what has no answer, and wait for it; what no batch service offers is left for single calls.

    Args:
        caller: the client of this run.
        entries: generations of one stage that need an answer; what they are made from is there.
        log: gets a line per event.
        order_id: order fresh answers under this id first.

    Returns:
        The gen_ids of those that have no answer; failure.json of each says why.

    Raises:
        Stopped: the run was interrupted; batches that were handed over go on at their service.
    """
    failed: set[str] = set()
    asks: dict[str, Ask] = {}
    for entry in entries:
        if styles.style_of(caller.settings, caller.model(entry.llm_model_id)) is None:
            continue
        generation = caller.settings.data.generation(entry.stage, entry.gen_id)
        try:
            with failures.recorded(generation, entry):
                if make.kept_answer(caller, entry, order_id) is None:
                    request, about = make.question(caller, entry)
                    content = caller.content_of(entry, request, about)
                    asks[entry.gen_id] = Ask(entry, Journal(generation), content)
        except DayDreamError as error:
            log(f"{entry.stage} {entry.gen_id}: {error}")
            failed.add(entry.gen_id)
    for gen_id, why in buying.buy(caller, asks.values(), log).items():
        entry = asks[gen_id].entry
        generation = caller.settings.data.generation(entry.stage, gen_id)
        try:
            with failures.recorded(generation, entry):
                raise why
        except DayDreamError as error:
            log(f"{entry.stage} {gen_id}: {error}")
        failed.add(gen_id)
    return failed
