"""A data root with tiny catalogs and no generations, for tests of the library without Snakemake."""

from pathlib import Path
from typing import Any

from workflow_lib import cohorts, ids
from workflow_lib import settings as settings_module
from workflow_lib.cohorts.membership import Membership
from workflow_lib.files import write_text
from workflow_lib.settings import Settings

TABLES = {
    "concepts_metadata": "concept_id,name,active\nmoat,Moat,true\nloop,Loop,true\nsleep,Sleep,true\nold,Old,false\n",
    "draft_templates": (
        "template_id,parser,active\nplain,identity,true\nblock,essay_block,true\nretired,identity,false\n"
    ),
    "essay_templates": "template_id,generator,active\nstructured,llm,true\nlong,llm,true\ncopied,copy,true\n",
    "evaluation_templates": "template_id,parser\nnovelty,in_last_line\nstyle,in_last_line\n",
    "llm_models": (
        "id,model,endpoint,for_generation,for_evaluation\n"
        "wa,sim-writer-a,offline,true,false\nwb,sim-writer-b,offline,true,false\n"
        "ja,sim-judge-a,offline,false,true\njb,sim-judge-b,offline,false,true\n"
    ),
    "replication_config": "stage,replicates\ndraft,1\nessay,1\nevaluation,1\n",
}
TEMPLATES = {
    "draft": "{% for concept in concepts %}### {{ concept.name }}\n\n{{ concept.content }}\n\n{% endfor %}Write.\n",
    "essay": "Turn it into an essay:\n\n{{ draft_block }}\n",
    "evaluation": "Judge this text. End with one line, SCORE: <0-9>\n\n{{ response }}\n",
}
PAIR = ids.combo_id(("moat", "loop"), "paragraph", 2)

SPEC = """
combos: {concepts: [moat, loop], k: 2}
axes:
  draft_template: [plain]
  draft_llm: [wa]
  essay_template: [structured, copied]
  evaluation_template: [novelty]
  evaluation_llm: [ja, jb]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""


def make(folder: Path, **tables: str) -> Settings:
    """Write the catalogs (`tables` replaces some) and their texts; returns the settings of a run there."""
    data = load(folder).data
    for name, text in {**TABLES, **tables}.items():
        write_text(data.catalog(name), text)
    for stage, text in TEMPLATES.items():
        for line in {**TABLES, **tables}[f"{stage}_templates"].splitlines()[1:]:
            if "copy" not in line:
                write_text(data.template(stage, line.split(",")[0]), text)
    for concept in ("moat", "loop", "sleep"):
        write_text(data.concept("paragraph", concept), f"What a {concept} is, in a paragraph.\n")
    return load(folder)


def load(folder: Path, **overrides: Any) -> Settings:
    """Return the settings of a run there; nothing of this machine's environment counts."""
    return settings_module.load({"data_root": str(folder / "data"), **overrides}, folder, {})


def declare(settings: Settings, text: str = SPEC, cohort: str = "one") -> Path:
    """Write a cohort's spec/config.yaml; returns its path."""
    path = settings.data.cohort(cohort).spec / "config.yaml"
    write_text(path, text)
    return path


def expand(settings: Settings, cohort: str = "one", *, write: bool = True) -> cohorts.Expansion:
    """Expand a cohort, and write it unless asked not to."""
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, cohort))
    if write:
        cohorts.write(settings, expansion)
    return expansion


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return path -> content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def members(membership: Membership, stage: str) -> list[tuple[str, str, int]]:
    """Return (template, model, replicate) of a stage's generations, in order."""
    return [(entry.template_id, entry.llm_model_id, entry.replicate) for entry in membership.stage(stage)]
