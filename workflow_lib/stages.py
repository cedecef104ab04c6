"""The stages as data: what each is made from, how it is asked for, named and tabulated.

Everything that treats all stages alike reads it from here; docs/architecture.md lists what a further stage needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

WRITERS = "generation"
JUDGES = "evaluation"
PARENTS = "parent"

LLM = "llm"
COPY = "copy"

BOUNDARY = "boundary"
"""The variable with which templates of judges fence the text that they judge."""


class ScoreColumns(NamedTuple):
    """What the tables of scores call a stage's template, model and text."""

    template: str
    model: str
    text: str


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: as in paths, tables and settings.
        parent: the stage that it is made from; None: it is made from a combo.
        prefix: of its gen_ids.
        variables: what its templates may use. A stage with a parent gets the parent's parsed text under each name.
        models: who makes it where nothing is said: WRITERS or JUDGES, the models that llm_models.csv allows
            for it, or PARENTS, the parent's model, which is then no part of its id.
        settings: its defaults under `stages.<name>` that differ from those of other stages.
        required: columns that its catalog table must have, besides template_id.
        generators: what its column `generator` may say. The first is the default, unless the column is required.
        parser: default of its column `parser`; "" if the column is required.
        gives_scores: its parsed text is a number.
        task: the parts of its readable key in the task tables.
        task_columns: column of its task table -> what is in it: a field of membership, its task_id, or
            one of these of the parent ("parent.task_id") or of a stage further up ("draft.task_id").
        older_model_column: a further name of its model column, which older specs use.
        score_columns: its columns in the tables of scores.
        answer_tokens: what an answer is likely to take before anything is recorded.
        seconds: how long a call is likely to take before anything is recorded.
    """

    name: str
    parent: str | None
    prefix: str
    variables: tuple[str, ...]
    models: str
    task: tuple[str, ...]
    task_columns: Mapping[str, str]
    score_columns: ScoreColumns
    answer_tokens: float
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    generators: tuple[str, ...] = (LLM,)
    parser: str = "identity"
    gives_scores: bool = False
    older_model_column: str = ""

    # asked for every row of a cohort: worked out once
    @cached_property
    def template_column(self) -> str:
        """The column of its templates in a spec."""
        return f"{self.name}_template"

    @cached_property
    def model_column(self) -> str:
        """The column of its models in a spec."""
        return f"{self.name}_llm"

    @cached_property
    def replicate_column(self) -> str:
        """The column of its replicates in a spec."""
        return f"{self.name}_replicate"

    @cached_property
    def task_names_parent(self) -> bool:
        """Whether its readable key has a part of its parent's."""
        return any(name.startswith("parent.") for name in self.task)

    @cached_property
    def template_variables(self) -> tuple[str, ...]:
        """All that its templates may use: a judge's has a word, too, that the judged text does not hold."""
        return (*self.variables, BOUNDARY) if self.gives_scores else self.variables

    @property
    def may_copy(self) -> bool:
        """Whether it can be its parent's text again."""
        return COPY in self.generators

    @property
    def columns(self) -> tuple[str, str, str]:
        """Its columns in a spec: template, model, replicate."""
        return self.template_column, self.model_column, self.replicate_column

    @property
    def column_names(self) -> Mapping[str, tuple[str, ...]]:
        """Every name that a spec may use for each of its columns, the column's own first; alike for all stages."""
        older = (self.older_model_column,) if self.older_model_column else ()
        parts = ("_replicate", "_rep", "_template_replicate", "_llm_replicate", "_model_replicate")
        return {
            self.template_column: (self.template_column,),
            self.model_column: (self.model_column, f"{self.name}_model", *older),
            self.replicate_column: tuple(f"{self.name}{part}" for part in parts),
        }

    @property
    def folder(self) -> str:
        """The folder of its pages."""
        return f"{self.name}s"

    @property
    def raw_rule(self) -> str:
        """The rule that buys an answer."""
        return f"{self.name}_raw"

    @property
    def parsed_rule(self) -> str:
        """The rule that parses one."""
        return f"{self.name}_parsed"


_ALL = (
    Stage(
        name="draft",
        parent=None,
        prefix="d_",
        variables=("concepts",),
        models=WRITERS,
        settings={"min_lines": 3},
        task=("combo_id", "template_id", "llm_model_id", "replicate"),
        task_columns={
            "draft_task_id": "task_id",
            "gen_id": "gen_id",
            "combo_id": "combo_id",
            "draft_template": "template_id",
            "draft_model": "llm_model_id",
            "replicate": "replicate",
        },
        older_model_column="generation_llm",
        score_columns=ScoreColumns("draft_template", "draft_model", "draft_response_path"),
        answer_tokens=1500.0,
        seconds=40.0,
    ),
    Stage(
        name="essay",
        parent="draft",
        prefix="e_",
        variables=("draft_block", "links_block"),
        models=PARENTS,
        required=("generator",),
        generators=(LLM, COPY),
        task=("parent.task_id", "template_id", "replicate"),
        task_columns={
            "essay_task_id": "task_id",
            "gen_id": "gen_id",
            "parent_gen_id": "parent_gen_id",
            "draft_task_id": "draft.task_id",
            "combo_id": "combo_id",
            "draft_template": "draft.template_id",
            "essay_template": "template_id",
            "essay_model": "llm_model_id",
            "replicate": "replicate",
        },
        score_columns=ScoreColumns("generation_template", "generation_model", "generation_response_path"),
        answer_tokens=2000.0,
        seconds=45.0,
    ),
    Stage(
        name="evaluation",
        parent="essay",
        prefix="v_",
        variables=("response",),
        models=JUDGES,
        settings={"temperature": 0.1},
        required=("parser",),
        parser="",
        gives_scores=True,
        task=("parent_gen_id", "template_id", "llm_model_id", "replicate"),
        task_columns={
            "evaluation_task_id": "task_id",
            "gen_id": "gen_id",
            "parent_gen_id": "parent_gen_id",
            "combo_id": "combo_id",
            "evaluation_template": "template_id",
            "evaluation_model": "llm_model_id",
            "replicate": "replicate",
        },
        score_columns=ScoreColumns("evaluation_template", "evaluation_llm_model", "evaluation_response_path"),
        answer_tokens=600.0,
        seconds=20.0,
    ),
)

STAGE: Mapping[str, Stage] = {stage.name: stage for stage in _ALL}
"""The stages by name, parents before what is made from them."""
STAGES = tuple(STAGE)
COMBO_NAMES = ("combo_id", "combo")
"""The names that the column of combos may have in a spec, its own first."""
COLUMN_OF: Mapping[str, str] = dict.fromkeys(COMBO_NAMES, COMBO_NAMES[0]) | {
    name: column for stage in _ALL for column, names in stage.column_names.items() for name in names
}
"""Every name that a column may have in a spec -> the column's own."""
PARENT_STAGE = {stage.name: stage.parent for stage in _ALL if stage.parent}

(FIRST,) = (stage.name for stage in _ALL if stage.parent is None)
"""The stage that is made from a combo."""
(JUDGING,) = (stage.name for stage in _ALL if stage.gives_scores)
"""The stage whose parsed texts are scores."""
JUDGED = PARENT_STAGE[JUDGING]
"""The stage that gets the scores."""
WRITTEN = tuple(stage.name for stage in _ALL if not stage.gives_scores)
"""The stages whose parsed texts are texts."""
