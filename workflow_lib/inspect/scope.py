"""The cohorts that a command is about, as they stand or as they are declared now; nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from .. import cohorts
from ..catalogs.combos import Combo
from ..cohorts import Source
from ..cohorts.membership import Entry, Membership
from ..runs import Run, changes
from ..settings import Settings


@dataclass(frozen=True)
class Scope:
    """One or several cohorts taken together; a generation that they share counts once, for the first.

    Attributes:
        cohort_ids: in the order given.
        membership: their generations.
        combos: combos by id that the declarations enumerate; the registry may not have them yet.
        warnings: readable lines.
    """

    cohort_ids: tuple[str, ...]
    membership: Membership
    combos: Mapping[str, Combo]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The cohorts' names as one text, as `cohort` takes them."""
        return ",".join(self.cohort_ids)


def declared(settings: Settings) -> Scope:
    """Return the cohorts of a run as they would expand now, in memory.

    Raises:
        DayDreamError: no such cohort, or what its expansion finds.
    """
    return _merged(settings, list(Run(settings).sources.values()), keep_written=False, report_changes=True)


def as_written(settings: Settings) -> Scope:
    """Return the cohorts of a run as their membership.csv says; expanded in memory where there is none yet.

    Raises:
        DayDreamError: no such cohort, or a membership.csv that cannot be used.
    """
    return _merged(settings, list(Run(settings).sources.values()), keep_written=True)


def of_source(settings: Settings, source: Source) -> Scope:
    """Return one cohort as a source declares it now, in memory."""
    return _merged(settings, [source], keep_written=False)


def of_folder(settings: Settings, cohort_id: str) -> Scope:
    """Return a cohort as its membership.csv says, or else as its spec declares it."""
    cohort = settings.data.cohort(cohort_id)
    if cohort.membership.exists():
        return Scope((cohort_id,), cohorts.load_membership(settings, cohort_id), {}, ())
    return of_source(settings, cohorts.spec_source(settings, cohort_id, cohort.spec))


def _merged(settings: Settings, sources: list[Source], *, keep_written: bool, report_changes: bool = False) -> Scope:
    entries: dict[str, Entry] = {}
    combos: dict[str, Combo] = {}
    warnings = [] if keep_written else cohorts.unused_selection(settings, sources)
    for source in sources:
        if keep_written and settings.data.cohort(source.cohort_id).membership.exists():
            membership = cohorts.load_membership(settings, source.cohort_id)
        else:
            expansion = cohorts.expand_source(settings, source)
            membership = expansion.membership
            combos.update({combo.combo_id: combo for combo in expansion.combos})
            warnings += expansion.warnings
            warnings += changes(settings, expansion) if report_changes else []
        warnings += cohorts.differing_counts(settings, source)
        for entry in membership:
            entries.setdefault(entry.gen_id, entry)
    cohort_ids = tuple(source.cohort_id for source in sources)
    return Scope(cohort_ids, Membership(entries.values()), combos, tuple(warnings))
