"""A store as another tool leaves it, written from the layout and the formats alone.

Nothing of workflow_lib is used. There are no attempts and no prompts, and metadata lacks all newer fields.
"""

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

PAIRS = [
    ("default-mode-network", "mind-wandering"),
    ("default-mode-network", "combinatorial-creativity"),
    ("mind-wandering", "combinatorial-creativity"),
    ("data-flywheel", "economic-moat"),
    ("data-flywheel", "mind-wandering"),
    ("economic-moat", "combinatorial-creativity"),
]
DRAFT_TEMPLATES = ["analytical-memo-v2", "socratic-dialogue-v1"]
ESSAYS = [("structured-analysis-v2", "sim-writer-a"), ("popular-science-v1", "sim-writer-b"), ("copy-v1", "")]
EVALUATION_TEMPLATES = ["novelty", "creativity"]
JUDGES = ["sim-judge-a", "sim-judge-b"]
REPLICATES = [1, 2]
COLUMNS = ("stage", "gen_id", "cohort_id", "parent_gen_id", "combo_id", "template_id", "llm_model_id", "replicate")

SPEC = f"""
axes:
  combo_id: [%s]
  draft_template: [{", ".join(DRAFT_TEMPLATES)}]
  draft_llm: [sim-writer-a]
  evaluation_template: [{", ".join(EVALUATION_TEMPLATES)}]
  evaluation_llm: [{", ".join(JUDGES)}]
  evaluation_replicate: [1, 2]
rules:
  tuples:
    essays:
      axes: [essay_template, essay_llm]
      items: [[structured-analysis-v2, sim-writer-a], [popular-science-v1, sim-writer-b], [copy-v1, none]]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, essay_llm, evaluation_template, evaluation_llm]
ids: {{essay_model: never}}
"""


class ForeignStore:
    """336 generations: 12 drafts, 36 essays of which 12 are copies, 288 evaluations.

    Args:
        data: a data root that has its catalogs; gets gens/, combo_mappings.csv and one cohort.
        cohort: its name.
        full: all columns in membership.csv instead of stage and gen_id alone.
    """

    def __init__(self, data: Path, cohort: str = "older", *, full: bool = False):
        self.data = data
        self.cohort = cohort
        self.rows: list[dict[str, str]] = []
        self.combos = [combo_id(pair) for pair in PAIRS]
        for pair, combo in zip(PAIRS, self.combos, strict=True):
            self.register(combo, pair)
            for template in DRAFT_TEMPLATES:
                draft = self.draft(combo, template)
                for essay_template, model in ESSAYS:
                    essay = self.essay(draft, essay_template, model)
                    for evaluation_template in EVALUATION_TEMPLATES:
                        for judge in JUDGES:
                            for replicate in REPLICATES:
                                self.evaluation(essay, evaluation_template, judge, replicate)
        self.write_membership(full=full)

    @property
    def spec(self) -> str:
        """A spec that declares the same cells."""
        return SPEC % ", ".join(self.combos)

    def folder(self, stage: str, gen_id: str) -> Path:
        return self.data / "gens" / stage / gen_id

    def register(self, combo: str, pair: tuple[str, ...]) -> None:
        path = self.data / "combo_mappings.csv"
        head = "" if path.exists() else "combo_id,version,concept_id,description_level,k_max,created_at\n"
        with open(path, "a", encoding="utf-8") as registry:
            registry.write(head)
            registry.writelines(f"{combo},v1,{one},paragraph,2,2024-05-01T00:00:00\n" for one in pair)

    def draft(self, combo: str, template: str, model: str = "sim-writer-a") -> str:
        gen_id = "d_" + base36(combo, template, model, "1")
        raw = f"# Memo {gen_id}\n\nFirst line.\nSecond line.\nThird line."
        return self.add("draft", gen_id, "", combo, template, model, 1, raw, raw)

    def essay(self, draft: str, template: str, model: str) -> str:
        # this tool never counted an essay's model in
        gen_id = "e_" + base36(draft, template, "1")
        text = (self.folder("draft", draft) / "parsed.txt").read_text() if not model else f"Essay {gen_id}.\n\nIt ends."
        return self.add("essay", gen_id, draft, "", template, model, 1, text, text)

    def evaluation(self, essay: str, template: str, judge: str, replicate: int) -> str:
        gen_id = "v_" + base36(essay, template, judge, str(replicate))
        score = int(hashlib.md5(gen_id.encode()).hexdigest(), 16) % 10
        return self.add(
            "evaluation", gen_id, essay, "", template, judge, replicate, f"Well.\n\nSCORE: {score}", f"{score}.0\n"
        )

    def add(
        self,
        stage: str,
        gen_id: str,
        parent: str,
        combo: str,
        template: str,
        model: str,
        replicate: int,
        raw: str,
        parsed: str,
    ) -> str:
        """Write a generation and note its row."""
        folder = self.folder(stage, gen_id)
        folder.mkdir(parents=True)
        (folder / "raw.txt").write_text(raw, encoding="utf-8")
        (folder / "parsed.txt").write_text(parsed, encoding="utf-8")
        metadata: dict[str, object] = {"stage": stage, "gen_id": gen_id, "template_id": template}
        metadata |= {"combo_id": combo} if stage == "draft" else {"parent_gen_id": parent}
        if model:
            metadata["llm_model_id"] = model
        if replicate > 1 or stage == "evaluation":
            metadata["replicate"] = replicate
        (folder / "metadata.json").write_text(json.dumps(metadata))
        # some tools note more than others; who wrote what differs within one store
        if model == "sim-judge-a":
            (folder / "raw_metadata.json").write_text(json.dumps({"function": f"{stage}_raw", "gen_id": gen_id}))
            record = {"function": f"{stage}_parsed", "parser_name": "in_last_line", "success": True, "error": None}
            (folder / "parsed_metadata.json").write_text(json.dumps(record))
        row = (stage, gen_id, self.cohort, parent, combo, template, model, str(replicate))
        self.rows.append(dict(zip(COLUMNS, row, strict=True)))
        return gen_id

    def write_membership(self, *, full: bool) -> None:
        combo_of: dict[str, str] = {}
        model_of: dict[str, str] = {}
        for row in self.rows:
            combo_of[row["gen_id"]] = row["combo_id"] = row["combo_id"] or combo_of[row["parent_gen_id"]]
            model_of[row["gen_id"]] = row["llm_model_id"] = row["llm_model_id"] or model_of[row["parent_gen_id"]]
        path = self.data / "cohorts" / self.cohort / "membership.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS if full else COLUMNS[:2], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)

    def ids(self, stage: str, **columns: str) -> list[str]:
        """Return the gen_ids of the generations of a stage that have these values."""
        return [row["gen_id"] for row in self._of(stage) if columns.items() <= row.items()]

    def _of(self, stage: str) -> Iterator[dict[str, str]]:
        return (row for row in self.rows if row["stage"] == stage)


def combo_id(pair: tuple[str, ...]) -> str:
    text = "|".join(sorted(pair)) + "|paragraph|2"
    return "combo_v1_" + hashlib.sha256(text.encode()).hexdigest()[:12]


def base36(*parts: str) -> str:
    number = int.from_bytes(hashlib.blake2b("|".join(parts).encode(), digest_size=10).digest())
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
