"""How long a cohort of many rows takes to expand."""

import time
from pathlib import Path

from workflow_lib import cohorts, ids
from workflow_lib import settings as settings_module
from workflow_lib.files import write_text
from workflow_lib.settings import Settings

TEMPLATES = 10
WRITERS = 5
JUDGES = 10
ROWS_PER_COMBO = TEMPLATES * WRITERS * JUDGES


def measure(folder: str, rows: int) -> dict[str, float]:
    """Return the seconds from reading a spec of so many rows to the last file written, twice."""
    settings = write_project(Path(folder) / "expansion", max(1, round(rows / ROWS_PER_COMBO)))
    found = {}
    for name in ("first", "nothing changed"):
        begun = time.monotonic()
        expansion = cohorts.expand_source(settings, cohorts.resolve(settings, "large"))
        cohorts.write(settings, expansion)
        found[name] = time.monotonic() - begun
    return found


def write_project(folder: Path, combos: int) -> Settings:
    """Write catalogs, a registry with so many combos and a spec that crosses all of them; returns its settings."""
    settings = settings_module.load({"data_root": str(folder / "data"), "max_generations": 10**6}, folder, {})
    data = settings.data
    names = [f"t{number}" for number in range(TEMPLATES)]
    models = [f"w{number}" for number in range(WRITERS)] + [f"j{number}" for number in range(JUDGES)]
    tables = {
        "concepts_metadata": ["concept_id,name", *(f"c{number},C" for number in range(combos + 1))],
        "draft_templates": ["template_id", *names],
        "essay_templates": ["template_id,generator", "plain,llm"],
        "evaluation_templates": ["template_id,parser", "novelty,in_last_line"],
        "llm_models": ["id,model,endpoint", *(f"{name},sim-writer-a,offline" for name in models)],
        "replication_config": ["stage,replicates"],
    }
    for name, lines in tables.items():
        write_text(data.catalog(name), "\n".join(lines) + "\n")
    for stage, template_ids in (("draft", names), ("essay", ["plain"]), ("evaluation", ["novelty"])):
        for template_id in template_ids:
            write_text(data.template(stage, template_id), "Write.")
    pairs = {ids.combo_id(pair, "paragraph", 2): pair for pair in ((f"c{n}", f"c{n + 1}") for n in range(combos))}
    registry = ["combo_id,version,concept_id,description_level,k_max,created_at"]
    registry += [f"{combo},v1,{one},paragraph,2,2025-01-01" for combo, pair in pairs.items() for one in pair]
    write_text(data.combo_mappings, "\n".join(registry) + "\n")
    write_text(
        data.cohort("large").spec / "config.yaml",
        "axes:\n"
        f"  combo_id: [{', '.join(pairs)}]\n"
        f"  draft_template: [{', '.join(names)}]\n"
        f"  draft_llm: [{', '.join(models[:WRITERS])}]\n"
        "  essay_template: [plain]\n"
        "  evaluation_template: [novelty]\n"
        f"  evaluation_llm: [{', '.join(models[WRITERS:])}]\n"
        "output: {field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template]}\n",
    )
    return settings
