"""
How long a cohort of 100,000 rows takes to expand, and how much memory.

    .venv/bin/python benchmarks/expand.py --rows 100000

Prints the seconds from reading the spec to the last file written, for a first expansion and for one that
changes nothing, and the peak memory of the process. Target: under 10 s and 1 GB on two cores.
"""

import argparse
import resource
import tempfile
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the spec (default: %(default)s)")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        settings = write_project(Path(folder), max(1, round(rows / ROWS_PER_COMBO)))
        for name in ("first expansion", "nothing changed"):
            begun = time.monotonic()
            expansion = cohorts.expand_source(settings, cohorts.resolve(settings, "large"))
            cohorts.write(settings, expansion)
            print(f"{name:>16}: {time.monotonic() - begun:6.1f} s")
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = ", ".join(f"{count:,} {stage}s" for stage, count in expansion.manifest["counts"].items())
    print(f"{'generations':>16}: {counts}")
    print(f"{'peak memory':>16}: {peak_kb / 1024:6.0f} MB")


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


if __name__ == "__main__":
    main()
