"""Small stores for tests, written file by file in the formats of docs/store.md, without any call."""

import json
from pathlib import Path
from typing import Any

from workflow_lib import generations, ids, settings
from workflow_lib.cohorts.membership import COLUMNS, Entry, Membership
from workflow_lib.files import sha256_text, write_json, write_text
from workflow_lib.paths import Generation
from workflow_lib.tables import write

COHORT = "small"
CATALOGS = {
    "concepts_metadata": "concept_id,name\nc1,First\nc2,Second\nc3,Third\n",
    "draft_templates": "template_id\nd-plain\nd-other\nd-third\n",
    "essay_templates": "template_id,generator\ne-plain,llm\ne-other,llm\ne-copy,copy\n",
    "evaluation_templates": (
        "template_id,parser,scale_max\nnovelty,in_last_line,9\nstyle,in_last_line,9\nten,complex,10\n"
    ),
    "llm_models": (
        "id,model,endpoint\n"
        "w1,org/writer-1,openrouter\nw2,org/writer-2,openrouter\n"
        "j1,org/judge-1,openrouter\nj2,org/judge-2,openrouter\nj3,org/judge-3,openrouter\n"
    ),
    "replication_config": "stage,replicates\ndraft,1\nessay,1\nevaluation,1\n",
}
TEMPLATES = {
    "draft": "{% for concept in concepts %}{{ concept.name }}: {{ concept.content }}\n{% endfor %}",
    "essay": "Write on:\n{{ draft_block }}",
    "evaluation": "Judge:\n{{ response }}",
}
ABSENT: Any = object()


class Store:
    """A data root with catalogs and texts, to which generations are added one by one.

    `draft`, `essay` and `evaluation` write a finished generation and return its row of membership;
    keyword arguments leave parts of it out:

    state: ``done``; ``raw`` (no parsed.txt); ``failed`` (no answer either); ``absent`` (nothing at all).
    failure: (step, reason), written as failure.json.
    old: True leaves out what stores of older tools do not have.
    recorded: further or other fields of raw_metadata.json.
    """

    def __init__(self, folder: Path):
        self.root = folder / "data"
        self.settings = self.load()
        self.data = self.settings.data
        self.entries: list[Entry] = []
        for name, text in CATALOGS.items():
            write_text(self.data.catalog(name), text)
        for stage, text in TEMPLATES.items():
            for line in CATALOGS[f"{stage}_templates"].splitlines()[1:]:
                write_text(self.data.template(stage, line.split(",")[0]), text)
        for concept in ("c1", "c2", "c3"):
            write_text(self.data.concept("paragraph", concept), f"What {concept} is.\n")
        self.combos = [self._combo("c1", "c2"), self._combo("c1", "c3"), self._combo("c2", "c3")]

    def load(self, **overrides: Any) -> settings.Settings:
        """Return the settings of a run with this `--config`."""
        given = {"data_root": str(self.root), **overrides}
        return settings.load(given, workdir=self.root.parent, environment={})

    def _combo(self, *concepts: str) -> str:
        combo_id = ids.combo_id(concepts, "paragraph", len(concepts))
        path = self.data.combo_mappings
        head = "" if path.exists() else "combo_id,version,concept_id,description_level,k_max,created_at\n"
        with open(path, "a", encoding="utf-8") as registry:
            registry.write(head)
            for concept in concepts:
                registry.write(f"{combo_id},v1,{concept},paragraph,{len(concepts)},2025-01-01T00:00:00+00:00\n")
        return combo_id

    def draft(
        self, template: str = "d-plain", model: str = "w1", replicate: int = 1, combo: int = 0, **parts: Any
    ) -> Entry:
        combo_id = self.combos[combo]
        gen_id = ids.draft_id(combo_id, template, model, replicate)
        return self._add(Entry("draft", gen_id, COHORT, "", combo_id, template, model, replicate), parts)

    def essay(
        self, parent: Entry, template: str = "e-plain", model: str | None = None, replicate: int = 1, **parts: Any
    ) -> Entry:
        chosen = model or parent.llm_model_id
        counted = chosen if chosen != parent.llm_model_id else None
        gen_id = ids.essay_id(parent.gen_id, template, replicate, counted)
        entry = Entry("essay", gen_id, COHORT, parent.gen_id, parent.combo_id, template, chosen, replicate)
        return self._add(entry, parts)

    def evaluation(
        self,
        parent: Entry,
        template: str = "novelty",
        judge: str = "j1",
        replicate: int = 1,
        score: float = 7.0,
        **parts: Any,
    ) -> Entry:
        gen_id = ids.evaluation_id(parent.gen_id, template, judge, replicate)
        entry = Entry("evaluation", gen_id, COHORT, parent.gen_id, parent.combo_id, template, judge, replicate)
        return self._add(entry, {"raw": f"Well.\nSCORE: {score:g}", "parsed": f"{float(score)!r}\n", **parts})

    def files(self, entry: Entry) -> Generation:
        return self.data.generation(entry.stage, entry.gen_id)

    @property
    def membership(self) -> Membership:
        return Membership(self.entries)

    def write_membership(self, cohort_id: str = COHORT, entries: list[Entry] | None = None) -> None:
        rows = (entry._asdict() for entry in Membership(self.entries if entries is None else entries))
        write(self.data.cohort(cohort_id).membership, COLUMNS, rows)

    def attempt(self, entry: Entry, number: int, kind: str = "", **content: Any) -> None:
        about = {"stage": entry.stage, "gen_id": entry.gen_id, "cohort_id": COHORT, "llm_model_id": entry.llm_model_id}
        path = self.files(entry).attempts / f"{number:04d}{kind}.json"
        write_json(path, {"number": number, **about, **content})

    def fail(self, entry: Entry, step: str, reason: str, message: str = "It did not work.") -> None:
        content = {"step": step, "reason": reason, "message": message, "remedy": f"Mend {reason}."}
        write_json(self.files(entry).failure, content)

    def amend(self, path: Path, **fields: Any) -> None:
        """Change fields of a JSON file; ABSENT takes one away."""
        content = json.loads(path.read_text(encoding="utf-8")) | fields
        write_json(path, {key: value for key, value in content.items() if value is not ABSENT})

    def _add(self, entry: Entry, parts: dict[str, Any]) -> Entry:
        self.entries.append(entry)
        state = parts.get("state", "done")
        if state == "absent":
            return entry
        files = self.files(entry)
        files.folder.mkdir(parents=True)
        copies = entry.stage == "essay" and entry.template_id == "e-copy"
        mode = "copy" if copies else "llm"
        origin = {"combo_id": entry.combo_id} if entry.stage == "draft" else {"parent_gen_id": entry.parent_gen_id}
        write_json(
            files.metadata,
            {
                "stage": entry.stage,
                "gen_id": entry.gen_id,
                "template_id": entry.template_id,
                "llm_model_id": entry.llm_model_id,
                "mode": mode,
                "replicate": entry.replicate,
                "origin_cohort_id": COHORT,
                **origin,
            },
        )
        if failure := parts.get("failure"):
            self.fail(entry, *failure)
        if state == "failed":
            return entry
        prompt = generations.render(self.settings, entry)
        copied = {"copied_from": f"gens/draft/{entry.parent_gen_id}/parsed.txt"} if copies else {}
        how = {"input_mode": "copy" if copies else "prompt", **copied}
        raw = prompt.text if copies else parts.get("raw", f"Text of {entry.gen_id}.")
        write_text(files.raw, raw)
        old = parts.get("old", False)
        if not old:
            write_text(files.prompt, prompt.text)
            model = None if copies else self._model_name(entry)
            recorded = {
                **how,
                "mode": mode,
                "model": model,
                "served_model": model,
                "usage": None if copies else {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
                "cost_usd": None if copies else 0.001,
                "duration_s": None if copies else 0.5,
                "prompt_sha256": sha256_text(prompt.text),
                "parent_sha256": prompt.parent_sha256,
                **({} if copies else {"attempt": 1}),
            }
            write_json(files.raw_metadata, recorded | parts.get("recorded", {}))
            if not copies:
                recorded |= parts.get("recorded", {})
                used = {key: recorded[key] for key in ("usage", "cost_usd", "duration_s")}
                self.attempt(entry, 1, answer=raw, **used)
        if state == "raw":
            return entry
        write_text(files.parsed, parts.get("parsed", raw))
        parsed_about = {"success": True, **how} if old else {"success": True, "raw_sha256": sha256_text(raw), **how}
        write_json(files.parsed_metadata, parsed_about)
        return entry

    def _model_name(self, entry: Entry) -> str:
        return {line.split(",")[0]: line.split(",")[1] for line in CATALOGS["llm_models"].splitlines()}[
            entry.llm_model_id
        ]
