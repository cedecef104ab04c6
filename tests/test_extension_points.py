"""Whoever adds something does what docs/architecture.md says, and nothing else: its examples work as they stand."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import SOURCE, clean_environment
from tests.score_table import drawn
from tests.stores import Store
from workflow_lib.parsers import REMEDIES

PAGE = (SOURCE / "docs" / "architecture.md").read_text()
COPIED = (
    *("workflow_lib", "rules", "report", "docs", "tests", "config", "profiles", "scripts", "data/1_raw"),
    *("data/cohorts", "Snakefile", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "Makefile"),
)
EXAMPLES = ("a parser", "a command", "a statistic", "a report table with its chart")
# "in `file`, below `line`:", and then what is put there
STEP = re.compile(
    r"(?P<how>a new file|at the end of|in)\s+`(?P<file>[^`]+)`"
    r"(?:,\s+(?P<side>below|above)(?P<both> both lines)?\s+(?P<tick>`+) ?(?P<line>[^\n]+?) ?(?P=tick))?[^`:]*:\n\n"
    r"```\w+\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)


def section(what: str) -> str:
    return PAGE.partition(f"\n## Adding {what}\n")[2].partition("\n## ")[0]


def promised() -> dict[str, int]:
    """Return what can be added -> the number of files that the page promises."""
    rows = re.findall(r"^\| (an? [\w ]+) \| (\d+) \| \[Adding", PAGE, re.MULTILINE)
    return {what: int(number) for what, number in rows}


def follow(what: str, root: Path) -> set[str]:
    """Do what a section says; returns the files that it names."""
    named = set()
    for step in STEP.finditer(section(what)):
        path = root / step["file"]
        named.add(step["file"])
        if step["how"].lower() == "a new file":
            assert not path.exists()
            path.write_text(step["text"])
        elif step["how"].lower() == "at the end of":
            path.write_text(f"{path.read_text()}\n\n{step['text']}")
        else:
            put_beside(path, step)
    return named


def put_beside(path: Path, step: re.Match[str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip().startswith(step["line"])]
    assert len(places) == (2 if step["both"] else 1), f"{path.name}: {step['line']}"
    for place in reversed(places):
        lines.insert(place + (step["side"] == "below"), step["text"])
    path.write_text("".join(lines))


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project with all examples of the page, and with what scripts/write-docs makes of them."""
    root = tmp_path_factory.mktemp("extended")
    for name in COPIED:
        if (SOURCE / name).is_dir():
            shutil.copytree(SOURCE / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "reports"))
        else:
            shutil.copy(SOURCE / name, root / name)
    for what in EXAMPLES:
        named = follow(what, root)
        assert len(named) == promised()[what], f"{what}: {sorted(named)}"
    # the part of scripts/write-docs that the examples can change: failures need not be provoked again
    python(
        root,
        "from tests import reference\nreference.write_captions()\n"
        "page = reference.DOCS / 'commands.md'\npage.write_text(reference.page(page.read_text()))\n",
    )
    return root


def python(root: Path, code: str, *arguments: str) -> str:
    """Run Python code in a copy of the project and return what it printed."""
    return done(root, "-c", code, *arguments)


def done(root: Path, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=clean_environment() | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def test_the_table_leads_to_every_section():
    headings = re.findall(r"^## Adding (.+)$", PAGE, re.MULTILINE)
    assert sorted(promised()) == sorted(headings)
    stage = section("a stage").partition("| place |")[2].partition("\n\n")[0]
    assert len(re.findall(r"^\| `", stage, re.MULTILINE)) == promised()["a stage"]
    provider = set(re.findall(r"`(workflow_lib/calls/providers/\w+\.py)`", section("a provider")))
    assert len(provider) == promised()["a provider"]


@pytest.mark.slow
def test_parser_parses_and_says_what_to_do_about_a_failure(extended):
    printed = python(
        extended,
        "from workflow_lib import parsers\n"
        "print(parsers.parse('evaluation', 'grade', 'Fine work.\\n\\n**GRADE: B**\\n'), end='')\n"
        "print(parsers.reading('grade').line, 'grade' in parsers.names('draft'))\n"
        "try:\n    parsers.parse('evaluation', 'grade', 'GRADE: G')\n"
        "except parsers.ParseFailure as failure:\n    print(failure)\n",
    )
    assert printed.splitlines()[:2] == ["4.0", "GRADE: <A-F> False"]
    assert printed.splitlines()[2:] == [
        "no_grade: the last lines are ['GRADE: G']",
        "Hint: No grade was found at the end of the answer: make the evaluation template ask for a last line "
        "'GRADE: <A-F>', or regenerate.",
    ]
    assert "no_grade" not in REMEDIES


@pytest.mark.slow
def test_command_is_in_the_help_and_works(extended, tmp_path):
    store = Store(tmp_path)
    draft = store.draft(raw="one two three")
    store.draft(replicate=2, state="absent")
    store.evaluation(store.essay(draft, raw="one two three four"))
    store.essay(draft, "e-other", raw="one two")
    store.write_membership()
    assert re.search(r"^ +words +Show how long", done(extended, "-m", "workflow_lib", "--help"), re.MULTILINE)
    own = ("-m", "workflow_lib", "words", "--cohort", "small", "--data-root", str(store.root))
    assert json.loads(done(extended, *own, "--json")) == {
        "draft": {"texts": 1, "median_words": 3},
        "essay": {"texts": 2, "median_words": 3.0},
    }
    assert "Words of small" in done(extended, *own)
    assert "## daydream words" in (extended / "docs" / "commands.md").read_text()


@pytest.mark.slow
def test_statistic_is_a_table_of_the_cohort(extended):
    printed = python(
        extended,
        "import json, sys\n"
        "from tests.score_table import table\n"
        "from workflow_lib.results import claims\n"
        "from workflow_lib.paths import Cohort\n"
        "from pathlib import Path\n"
        "for rows in json.loads(sys.argv[1]):\n"
        "    found = claims.tables(table(*rows), claims.Background())['rubric_overlap']\n"
        "    print(found.to_json(orient='values'))\n"
        "print(Cohort(Path('c')).analysis('rubric_overlap') in Cohort(Path('c')).shared_tables)\n",
        json.dumps([opposed(), drawn(combos=2, rubrics=("r1",)), []]),
    )
    # two rubrics that rank the essays the other way round, and one that says nothing
    assert [json.loads(line) for line in printed.splitlines()[:-1]] == [
        [["r1", "r2", 8, "-1.000"], ["r1", "r3", 8, ""], ["r2", "r3", 8, ""]],
        [],
        [],
    ]
    assert printed.splitlines()[-1] == "True"
    caption = (extended / "report" / "rubric_overlap_tables.rst").read_text()
    assert caption.startswith("Whether two rubrics ask for the same")


def opposed() -> list[dict[str, object]]:
    """Return scores of eight essays by three rubrics: the second the opposite of the first, the third all the same."""
    rows = drawn(combos=4, drafts=("d1",), essays=("g1", "g2"), writers=("w1",), rubrics=("r1", "r2", "r3"), whole=True)
    number = {essay: place for place, essay in enumerate(sorted({row["parent_gen_id"] for row in rows}))}
    assert len(number) == 8
    score = {"r1": lambda place: place, "r2": lambda place: 8 - place, "r3": lambda place: 5}
    return [row | {"score": float(score[row["evaluation_template"]](number[row["parent_gen_id"]]))} for row in rows]


@pytest.mark.slow
def test_table_and_chart_are_written_and_on_the_page(extended, tmp_path):
    python(
        extended,
        "import sys\nfrom pathlib import Path\nfrom tests import page_data\n"
        "page_data.write_pages(page_data.ordinary(Path(sys.argv[1], 'scored')))\n"
        "page_data.write_pages(page_data.Store(Path(sys.argv[1], 'empty')))\n",
        str(tmp_path),
    )
    reports = tmp_path / "scored" / "data" / "cohorts" / "small" / "reports"
    lines = (reports / "summary" / "draft_scores.csv").read_text().splitlines()
    assert lines[0] == "draft_gen_id,combo_id,draft_template,draft_model,essays,n,mean"
    assert sorted(line.split(",")[2:] for line in lines[1:]) == [
        # scores are 3 or 5, 1 more by the kinder judge, 0.5 more for style, 1 more for the second essay
        ["d-other", "w2", "2", "16", "6.25"],
        ["d-plain", "w1", "2", "16", "4.25"],
    ]
    page = (reports / "html" / "index.html").read_text()
    _, _, after = page.partition("<h3>What became of each draft</h3>")
    figure = after.partition("</figure>")[0]
    assert figure.count("<circle") == 2 and '<b class="weak">6.25</b> 16 scores' in figure
    assert '<a href="tables/summary/draft_scores.csv">draft_scores.csv</a>' in figure
    drawn = (reports / "html" / "plots" / "draft_scores.svg").read_text()
    assert "6.25" in drawn and "16 scores" in drawn
    empty = tmp_path / "empty" / "data" / "cohorts" / "small" / "reports"
    assert (empty / "summary" / "draft_scores.csv").read_text() == lines[0] + "\n"
    assert "What became of each draft" not in (empty / "html" / "index.html").read_text()
    assert "Nothing to draw" in (empty / "html" / "plots" / "draft_scores.svg").read_text()


@pytest.mark.full
def test_no_other_file_has_to_change(extended):
    named = {step["file"] for what in EXAMPLES for step in STEP.finditer(section(what))}
    changed = {
        path.relative_to(extended).as_posix()
        for name in COPIED
        for path in [extended / name, *(extended / name).rglob("*")]
        if path.is_file() and "__pycache__" not in path.parts and not is_same(path, SOURCE / path.relative_to(extended))
    }
    captions = {
        f"report/{name}.rst" for name in ("rubric_overlap_tables", "draft_scores_tables", "draft_scores_figures")
    }
    assert changed - named == captions | {"docs/commands.md"}

    # the tests that hold code, docs and report together have nothing to say
    done(extended, "-m", "ruff", "check", "-q", "workflow_lib")
    done(extended, "-m", "ruff", "format", "-q", "--check", "workflow_lib")
    of_docs = ("captions", "tables_have_the_columns", "every_table_of_a_cohort", "links_lead", "commands.md")
    others = ("caption_of_one_sentence", "test_architecture", "one_sentence_of_remedy")
    files = [f"tests/test_{name}.py" for name in ("architecture", "docs", "parsers", "report")]
    done(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", " or ".join((*of_docs, *others)))


def is_same(path: Path, original: Path) -> bool:
    return original.exists() and original.read_bytes() == path.read_bytes()
