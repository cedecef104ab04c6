"""How many rows a cohort has: its replicate counts, kept from its first expansion, and the limit on what is added."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from ..catalogs import Catalogs
from ..errors import ConfigError
from ..files import read_json
from ..paths import Cohort
from ..settings import Settings
from ..stages import STAGES
from .manifest import KEPT, read_manifest
from .membership import Membership, read_ids


def with_kept(catalogs: Catalogs, cohort: Cohort, membership: Membership | None) -> Catalogs:
    """Return the catalogs with the replicate counts that a cohort keeps.

    Args:
        catalogs: as the tables say now.
        cohort: where it lies.
        membership: as written; None if there is none yet. It gives the counts of a cohort that was expanded
            before they were recorded.
    """
    manifest = read_manifest(cohort) or {}
    kept = manifest.get(KEPT)
    if kept is None:
        kept = _given_out(cohort) or (_in_rows(membership, catalogs) if membership else {})
    return replace(catalogs, replicates={**catalogs.replicates, **kept})


def differing(kept: Mapping[str, int], catalogs: Catalogs) -> dict[str, tuple[int, int]]:
    """Return stage -> (the count that a cohort keeps, the table's), where they differ."""
    table = {stage: catalogs.replicates.get(stage, 1) for stage in kept}
    return {stage: (count, table[stage]) for stage, count in kept.items() if count != table[stage]}


def warning(cohort_id: str, differences: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return one line about the counts that differ, none if they agree."""
    if not differences:
        return []
    said = ", ".join(f"{now} for {stage}s ({kept} kept)" for stage, (kept, now) in differences.items())
    return [
        f"replication_config.csv says {said}, and cohort {cohort_id} keeps the counts of its first expansion; "
        f"`daydream cohort-update {cohort_id}` adopts the table"
    ]


def refuse_explosion(settings: Settings, cohort: Cohort, membership: Membership) -> None:
    """Raise ConfigError if an expansion adds more rows to the membership on disk than `max_generations`."""
    if len(membership) <= settings.max_generations:
        return
    present = read_ids(cohort.membership)
    added = Counter(entry.stage for entry in membership if (entry.stage, entry.gen_id) not in present)
    refuse_more_than(settings, f"cohort {cohort.cohort_id}: this expansion adds", added)


def refuse_more_than(settings: Settings, what: str, counts: Mapping[str, int], present: int = 0) -> None:
    """Raise ConfigError if there are more than `max_generations` besides those that are present."""
    total = sum(counts.values())
    if total - present > settings.max_generations:
        raise ConfigError(
            f"{what} {total:,} generations ({', '.join(f'{counts[stage]:,} {stage}s' for stage in STAGES)}), "
            f"more than max_generations = {settings.max_generations:,}",
            "narrow it: fewer levels, or rules, in a spec; template_filter, k or active=false for the active catalog; "
            "or raise max_generations",
        )


def _given_out(cohort: Cohort) -> dict[str, int]:
    """Return the counts of a curated cohort by what it gave to its lines."""
    try:
        content = read_json(cohort.allocation)
    except FileNotFoundError:
        return {}
    counts: dict[str, int] = {}
    for keys in content["lines"].values():
        for key, numbers in keys.items():
            stage = key.split("|", 1)[0]
            if numbers:
                counts[stage] = max(counts.get(stage, 0), len(numbers))
    return counts


def _in_rows(membership: Membership, catalogs: Catalogs) -> dict[str, int]:
    """Return the most replicates of a cell by stage; copies do not count: they always have one."""
    cells = Counter(
        (entry.stage, entry.parent_gen_id or entry.combo_id, entry.template_id, entry.llm_model_id)
        for entry in membership
        if entry.template_id in catalogs.templates[entry.stage]
        and not catalogs.template(entry.stage, entry.template_id).copies
    )
    counts: dict[str, int] = {}
    for (stage, *_), count in cells.items():
        counts[stage] = max(counts.get(stage, 0), count)
    return counts
