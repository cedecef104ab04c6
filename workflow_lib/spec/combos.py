"""The convenience `combos:` of a spec: subsets of the catalog's concepts become the axis combo_id."""

from math import comb

from .. import catalogs as catalogs_module
from .. import settings as settings_module
from ..catalogs import CONCEPTS, Catalogs
from ..catalogs import combos as combos_module
from ..catalogs.combos import Combo
from ..errors import DayDreamError, SpecError, nearest
from ..paths import DataRoot
from .language import rows_with_counts, with_axis
from .reading import COMBO_AXIS, Spec


def rows(spec: Spec, seed: int | None = None) -> list[dict[str, str]]:
    """Return the rows of a spec: the same ones, in the same order, on every machine.

    Concepts under `combos` are looked up in the catalogs of the data root in which the spec lies, or where it
    lies in none, in those of the configured data root.

    Args:
        spec: from `load`.
        seed: wins over the spec's own.

    Returns:
        One mapping column -> level per row; the columns of `field_order` first, the others in axis order.

    Raises:
        SpecError: a rule that does not fit the axes, too many rows, or `combos` that the catalogs cannot serve.
    """
    if spec.combos is not None and COMBO_AXIS not in spec.axes:
        spec, _ = with_combos(spec, _catalogs_for(spec))
    return rows_with_counts(spec, seed)[0]


def _catalogs_for(spec: Spec) -> Catalogs:
    try:
        # data/cohorts/NAME/spec/config.yaml
        own = DataRoot(spec.path.absolute().parent.parent.parent.parent)
        data = own if own.catalog(CONCEPTS).exists() else settings_module.load().data
        return catalogs_module.load(data)
    except DayDreamError as error:
        raise SpecError(
            spec.path, "combos", f"no catalogs to enumerate them from: {error.message}", error.hint
        ) from None


def with_combos(spec: Spec, catalogs: Catalogs) -> tuple[Spec, list[Combo]]:
    """Return a spec whose `combos:` convenience is an axis, and the combos that it enumerates."""
    if spec.combos is None:
        return spec, []
    place = "combos"
    concepts = spec.combos.get("concepts", "all")
    if concepts == "all":
        concepts = [concept.concept_id for concept in catalogs.concepts.values() if concept.active]
    for index, concept_id in enumerate(concepts):
        if concept_id not in catalogs.concepts:
            raise SpecError(
                spec.path,
                f"{place}.concepts[{index}]",
                f"unknown concept '{concept_id}'",
                nearest(str(concept_id), catalogs.concepts),
            )
    sizes = spec.combos.get("k")
    sizes = sizes if isinstance(sizes, list) else [sizes]
    distinct = len(set(concepts))
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= distinct:
            raise SpecError(
                spec.path,
                f"{place}.k",
                f"{size!r} is not a number of concepts from 1 to {distinct}",
                "write how many concepts a combo has, or a list of such numbers",
            )
    level = spec.combos.get("level", "paragraph")
    count = sum(comb(distinct, size) for size in set(sizes))
    if count > 1_000_000:
        raise SpecError(spec.path, place, f"{count:,} combos are more than a cohort can hold", "name fewer concepts")
    combos = combos_module.enumerate_combos(catalogs, concepts, sizes, level)
    return with_axis(spec, COMBO_AXIS, [combo.combo_id for combo in combos]), combos
