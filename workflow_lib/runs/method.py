"""The method as rules: what each is made from, and which target ends a run after it."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import ConfigError
from ..stages import STAGE

MEMBERSHIP = "cohort_membership"
OUTCOME = "batch_outcome"

# target -> the rules that make what it asks for beyond the target before it
_TARGETS: Mapping[str, tuple[str, ...]] = {
    "cohort": (MEMBERSHIP,),
    **{f"{one.name}s": (one.raw_rule, one.parsed_rule, f"{one.name}_batch") for one in STAGE.values()},
    "results": ("open_texts", OUTCOME, "cohort_results"),
    "report": ("cohort_page",),
}


def rules_before(*, in_batches: bool) -> dict[str, list[str]]:
    """Return rule -> the rules that its inputs come from, as far as Snakemake learns of them after an expansion only.

    Args:
        in_batches: for a run with `batch`.
    """
    found: dict[str, list[str]] = {}
    for stage in STAGE.values():
        last = f"{stage.name}_batch" if in_batches else stage.parsed_rule
        before = MEMBERSHIP
        if stage.parent:
            before = f"{stage.parent}_batch" if in_batches else STAGE[stage.parent].parsed_rule
        found[last if in_batches else stage.raw_rule] = [before]
        if not in_batches:
            found[last] = [stage.raw_rule]
        found[f"{stage.name}s"] = [OUTCOME if in_batches else last]
    if in_batches:
        found[OUTCOME] = [last]
    found["cohort_results"] = [OUTCOME if in_batches else last]
    return found


def refuse_part(option: str, names: Collection[str], prefix: str, data_root: Path) -> None:
    """Raise ConfigError if --until or --omit-from names a part of this workflow.

    Snakemake applies both before the checkpoint has listed the generations, and would end with nothing done.

    Args:
        option: ``--until`` or ``--omit-from``.
        names: rules and files that it names.
        prefix: of the names of our rules, where another workflow uses this one as a module.
        data_root: files below it are ours.
    """
    targets = list(_TARGETS)
    for name in sorted(names):
        rule = name.removeprefix(prefix)
        place = next((index for index, target in enumerate(targets) if rule in (target, *_TARGETS[target])), None)
        if Path(name).is_relative_to(data_root) and option == "--until":
            hint = f"ask for the file itself: snakemake {name}"
        elif place is None:
            continue
        elif option == "--until":
            hint = f"ask for a target instead: snakemake {prefix}{targets[place]}"
        elif place == 0:
            hint = "without the cohort there is nothing to do"
        else:
            hint = f"ask for what comes before it instead: snakemake {prefix}{targets[place - 1]}"
        raise ConfigError(
            f"{option} {name} would end the run before its work: Snakemake applies {option} before it knows the "
            "generations of a cohort",
            hint,
        )
