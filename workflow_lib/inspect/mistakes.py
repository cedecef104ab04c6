"""The preflight of cohorts as they are declared or written, for the commands that look before a run."""

from .. import cohorts
from ..catalogs import combos
from ..errors import DayDreamError
from ..generations import preflight
from ..generations.preflight import Finding
from ..settings import Settings
from . import scope
from .findings import Finding as StoreFinding
from .scope import Scope

MISTAKE = "mistake"
BROKEN_SPEC = "broken_spec"


def of_scope(settings: Settings, within: Scope) -> list[Finding]:
    """Return what is wrong with what some cohorts use."""
    known = {**combos.load(settings.data), **within.combos}
    return preflight.findings(settings, within.membership, known)


def of_all(settings: Settings) -> tuple[list[StoreFinding], list[str]]:
    """Return what is wrong with what any cohort of the data root uses.

    Returns:
        Findings of `daydream check`: what would stop a run, and specs that cannot be expanded; and warnings.
    """
    found: dict[str, StoreFinding] = {}
    warnings: dict[str, None] = {}
    for name in cohorts.existing(settings):
        try:
            findings = of_scope(settings, scope.of_folder(settings, name))
        except DayDreamError as error:
            if not settings.data.cohort(name).membership.exists():
                path = settings.data.cohort(name).spec.relative_to(settings.data.root).as_posix()
                hint = error.hint or "correct the spec"
                found[f"{path}: {error}"] = StoreFinding(BROKEN_SPEC, path, error.message, hint)
            # a membership.csv that cannot be read is a finding of the store
            continue
        for finding in findings:
            wrong = finding.mistake
            if finding.blocks:
                message = ": ".join(part for part in (wrong.place, wrong.reason) if part)
                found[str(wrong)] = StoreFinding(MISTAKE, wrong.file, message, wrong.remedy)
            else:
                warnings[str(finding)] = None
    return list(found.values()), [text for text in warnings if text not in found]
