"""What can be known to be wrong with a cohort before its first call.

`daydream plan`, `daydream check`, `snakemake -n` and the run all ask here. A mistake that would spoil a call that is
still to be made is an error before the first one; if there is no such call it is a warning, so that a finished
store keeps its tables.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .. import catalogs as catalogs_module
from ..calls import costs, servers
from ..calls.endpoints import ALL_VARIABLE, OFFLINE
from ..catalogs import MODELS, Catalogs, Model, checks, levels_behind, templates_table
from ..catalogs.checks import Mistake
from ..catalogs.combos import Combo
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError, nearest
from ..settings import Settings
from ..stages import FIRST, JUDGING, STAGES
from . import work
from .state import States

Kind = Callable[[Entry], bool]


@dataclass(frozen=True)
class Finding:
    """A mistake, and whether it stops a run."""

    mistake: Mistake
    blocks: bool

    def __str__(self) -> str:
        return str(self.mistake)


class PreflightError(DayDreamError):
    """Calls that are open would be spoilt by what is wrong beforehand."""

    def __init__(self, findings: Sequence[Finding]):
        texts = [str(finding) for finding in findings]
        head = [f"{len(texts)} mistakes would spoil answers; nothing was asked for:"] if len(texts) > 1 else []
        super().__init__("\n".join([*head, *texts]))


def findings(
    settings: Settings, within: Membership, combos: Mapping[str, Combo], wanted: Membership | None = None
) -> list[Finding]:
    """Return what is wrong with what a cohort uses; those that stop a run first.

    Args:
        settings: settings of the run.
        within: the cohort.
        combos: combos by id.
        wanted: the part of it that a run is limited to, default: all.
    """
    catalogs = catalogs_module.load(settings.data)
    found = {
        mistake: kind
        for part in (
            _of_templates(settings, catalogs, within, combos),
            _of_concepts(settings, catalogs, within, combos),
            _of_models(settings, catalogs, within),
            _of_names(settings, catalogs, within),
        )
        for mistake, kind in part
    }
    is_open = _to_make(settings, wanted or within) if any(mistake.certain for mistake in found) else []
    findings = [Finding(mistake, mistake.certain and any(map(kind, is_open))) for mistake, kind in found.items()]
    return sorted(findings, key=lambda finding: not finding.blocks)


def refuse(found: Iterable[Finding]) -> None:
    """Raise PreflightError if something stops a run."""
    if blocking := [finding for finding in found if finding.blocks]:
        raise PreflightError(blocking)


def warnings(found: Iterable[Finding]) -> list[str]:
    """Return what is wrong and stops nothing, as text."""
    return [str(finding) for finding in found if not finding.blocks]


def _to_make(settings: Settings, wanted: Membership) -> list[Entry]:
    if settings.partial:
        return []
    made = work.to_make(States(settings), wanted)
    return [entry for entry in wanted if entry.gen_id in made or settings.is_fresh(entry.stage)]


def _of_templates(
    settings: Settings, catalogs: Catalogs, within: Membership, combos: Mapping[str, Combo]
) -> Iterator[tuple[Mistake, Kind]]:
    sizes: dict[str, dict[int, None]] = {}
    for combo_id, template_id in dict.fromkeys((entry.combo_id, entry.template_id) for entry in within.stage(FIRST)):
        if combo_id in combos:
            sizes.setdefault(template_id, {})[len(combos[combo_id].concept_ids)] = None
    for stage, template_id in dict.fromkeys((entry.stage, entry.template_id) for entry in within):

        def kind(entry: Entry, stage: str = stage, template_id: str = template_id) -> bool:
            return entry.stage == stage and entry.template_id == template_id

        template = catalogs.templates[stage].get(template_id)
        if template is None:
            table = str(settings.data.catalog(templates_table(stage)))
            remedy = f"put its row back; {nearest(template_id, catalogs.templates[stage])}"
            yield Mistake(table, "", f"no template '{template_id}'", remedy), kind
            continue
        for mistake in checks.of_template(settings.data, template, sizes.get(template_id, {})):
            yield mistake, kind


def _of_concepts(
    settings: Settings, catalogs: Catalogs, within: Membership, combos: Mapping[str, Combo]
) -> Iterator[tuple[Mistake, Kind]]:
    used = {entry.combo_id: combos[entry.combo_id] for entry in within.stage(FIRST) if entry.combo_id in combos}
    pairs = dict.fromkeys((combo.level, concept_id) for combo in used.values() for concept_id in combo.concept_ids)
    for level, concept_id in pairs:

        def kind(entry: Entry, level: str = level, concept_id: str = concept_id) -> bool:
            combo = used.get(entry.combo_id) if entry.stage == FIRST else None
            return combo is not None and combo.level == level and concept_id in combo.concept_ids

        if concept_id in catalogs.concepts:
            for mistake in checks.of_concept(settings.data, catalogs.concepts[concept_id], level):
                yield mistake, kind
    levels = dict.fromkeys(behind for level, _ in pairs for behind in levels_behind(level))
    for mistake in checks.of_description_files(settings.data, catalogs, levels):
        yield mistake, lambda entry: entry.stage == FIRST


def _of_models(settings: Settings, catalogs: Catalogs, within: Membership) -> Iterator[tuple[Mistake, Kind]]:
    table = str(settings.data.catalog(MODELS))
    for model_id in dict.fromkeys(entry.llm_model_id for entry in within if not _copies(catalogs, entry)):

        def kind(entry: Entry, model_id: str = model_id) -> bool:
            return entry.llm_model_id == model_id and not _copies(catalogs, entry)

        model = catalogs.models.get(model_id)
        if model is None:
            remedy = f"put its row back; {nearest(model_id, catalogs.models)}"
            yield Mistake(table, "", f"no model '{model_id}'", remedy), kind
            continue
        for mistake in _of_model(settings, table, model):
            yield mistake, kind


def _of_model(settings: Settings, table: str, model: Model) -> Iterator[Mistake]:
    known = settings.endpoints
    if model.endpoint not in known:
        yield Mistake(
            table,
            f"line {model.line}, column endpoint",
            f"endpoint '{model.endpoint}' is not configured",
            f"{nearest(model.endpoint, known)} (or add it under `endpoints:` in config.yaml, with its base_url)",
        )
    elif not (model.endpoint == OFFLINE or known[model.endpoint].base_url or settings.environment.get(ALL_VARIABLE)):
        yield Mistake(f"setting endpoints.{model.endpoint}", "", "no base_url", "set it in config.yaml")
    elif (problem := servers.problem_of(known[model.endpoint])) is not None:
        yield Mistake(f"setting endpoints.{model.endpoint}", "", *problem)
    yield from checks.of_request(settings.data, model)
    if model.pool not in settings.pools:
        yield Mistake(
            table,
            f"line {model.line}, column pool",
            f"pool '{model.pool}' is not configured",
            f"{nearest(model.pool, settings.pools)} (or add it under `pools:` in config.yaml, or clear the cell)",
        )
    limited = settings.budget_usd is not None or model.model_id in settings.budget_per_model
    if limited and costs.ceiling_usd(model, 0, 0) is None:
        yield Mistake(
            table,
            f"line {model.line}, columns input_usd_per_mtok and output_usd_per_mtok",
            f"a budget is set, but the price of model {model.model_id} is not known",
            "fill in both, in US dollars per million tokens; 0 is a price",
        )


def _of_names(settings: Settings, catalogs: Catalogs, within: Membership) -> Iterator[tuple[Mistake, Kind]]:
    """Yield the names in settings that match nothing."""
    for model_id in settings.budget_per_model:
        if model_id not in catalogs.models:
            yield (
                Mistake(
                    "setting budget_per_model",
                    "",
                    f"no model '{model_id}' in {settings.data.catalog(MODELS)}: it would limit nothing",
                    nearest(model_id, catalogs.models),
                ),
                lambda entry: not _copies(catalogs, entry),
            )
    for stage in STAGES:
        names = catalogs.templates[stage]
        for pattern in settings.template_filter.get(stage, ()):
            if not any(fnmatchcase(name, pattern) for name in names):
                table = settings.data.catalog(templates_table(stage))
                yield (
                    Mistake(
                        f"setting template_filter.{stage}",
                        "",
                        f"'{pattern}' matches no template in {table}",
                        nearest(pattern, names),
                    ),
                    lambda entry: True,
                )
    yield from _of_allowlist(settings, catalogs, within)


def _of_allowlist(settings: Settings, catalogs: Catalogs, within: Membership) -> Iterator[tuple[Mistake, Kind]]:
    wanted = settings.results.allowlist
    if not wanted:
        return
    columns = {f"{judge}_{template}" for judge in catalogs.models for template in catalogs.templates[JUDGING]}
    own = {f"{entry.llm_model_id}_{entry.template_id}" for entry in within.stage(JUDGING)}
    for name in wanted:
        if name not in columns | own:
            yield (
                Mistake(
                    "setting results.allowlist",
                    "",
                    f"'{name}' is no score column, which is <judge>_<evaluation template>",
                    nearest(name, own or columns),
                ),
                lambda entry: entry.stage == JUDGING,
            )
    if own and not own.intersection(wanted):
        text = "none of its names is a score column of this cohort: the sum stays empty"
        yield Mistake("setting results.allowlist", "", text, nearest("", own), certain=False), lambda entry: False


def _copies(catalogs: Catalogs, entry: Entry) -> bool:
    template = catalogs.templates[entry.stage].get(entry.template_id)
    return template is not None and template.copies
