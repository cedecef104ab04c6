"""The map of docs/architecture.md holds: imports go down only, and never in a circle; stages are data."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.project import SOURCE
from workflow_lib.stages import STAGES

PACKAGE = SOURCE / "workflow_lib"

# from the ground up; modules of one floor may import each other, as long as no circle comes of it
FLOORS = (
    "errors lazy contents paths stages settings documents files tables locks ids parsers redaction",
    "catalogs",
    "spec",
    "cohorts",
    "offline",
    "calls",
    "generations",
    "statistics",
    "results",
    "pages",
    "runs",
    "inspect",
    "cli",
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}


def test_the_map_shows_the_floors_and_everything_in_the_library():
    drawn = (SOURCE / "docs" / "architecture.md").read_text().partition("## The map\n")[2].partition("```text\n")[2]
    rows = [line.split(maxsplit=1) for line in drawn.partition("```")[0].splitlines()]
    assert [about if name == "ground" else name for name, about in reversed(rows)] == list(FLOORS)
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(FLOOR_OF) == there - {"__init__", "__main__"}


def test_imports_lead_down_the_floors():
    upward = [
        f"{importer} imports {imported}"
        for importer, imported in imports()
        if FLOOR_OF[imported.split(".")[0]] > FLOOR_OF[importer.split(".")[0]]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {}
    for importer, imported in imports(only_at_load=True):
        graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' -> '.join(error.args[1])}") from None


def test_every_package_says_what_comes_in_and_goes_out():
    for folder in sorted(path.parent for path in PACKAGE.glob("*/__init__.py")):
        text = ast.get_docstring(parsed(folder / "__init__.py")) or ""
        for part in ("Comes in:", "Goes out:", "Never:"):
            assert part in text, f"{folder.name}/__init__.py does not say: {part}"


def test_nothing_in_the_library_imports_snakemake():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0].startswith("snakemake") for name in names), path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def places(heading: str) -> list[str]:
    """Return the first column of the table with this heading in the section about stages."""
    section = (SOURCE / "docs" / "architecture.md").read_text().partition("## Adding a stage")[2].partition("\n## ")[0]
    table = section.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def names_a_stage(path: Path) -> bool:
    if path.suffix == ".smk":
        return any(f'"{stage}"' in path.read_text() for stage in STAGES)
    texts = (node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant))
    return any(text in STAGES for text in texts)


def test_a_further_stage_is_added_in_fewer_than_ten_places():
    found = places("place")
    assert 5 <= len(found) < 10
    for place in found:
        shown = [place.replace("<stage>", stage) for stage in STAGES]
        assert all((SOURCE / name).exists() for name in shown), place


def test_stages_are_named_only_where_the_page_says():
    listed = {*places("place"), *places("module")}
    naming = {
        str(path.relative_to(SOURCE))
        for folder, pattern in (("workflow_lib", "*.py"), ("rules", "*.smk"))
        for path in (SOURCE / folder).rglob(pattern)
        if names_a_stage(path)
    }
    own_rules = {f"rules/{stage}.smk" for stage in STAGES}
    assert naming - own_rules <= listed, (
        "name the stage's part (FIRST, JUDGED, JUDGING), or list the module on the page"
    )
    assert set(places("module")) <= naming, "listed without need"


def imports(*, only_at_load: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (importer, imported) of the modules of the library, as dotted names below the package.

    Args:
        only_at_load: leave out imports inside functions and for type checks, which run later or never.
    """
    modules = {dotted(path): path for path in PACKAGE.rglob("*.py")}
    for name, path in modules.items():
        if not name or name == "__main__":
            continue
        inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        for node in statements(parsed(path), only_at_load):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = inside[: len(inside) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                full = ".".join([*base, alias.name])
                target = full if full in modules else ".".join(base)
                # a module of a package may use its neighbours through the package's own name
                if target and target != name:
                    yield name, target


def statements(tree: ast.AST, only_at_load: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if only_at_load and (later or typing_only):
            continue
        yield node
        yield from statements(node, only_at_load)


def dotted(path: Path) -> str:
    name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    return "" if name == "__init__" else name.removesuffix(".__init__")
