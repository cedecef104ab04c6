"""`snakemake --report`: tables and figures with captions, nothing that a model wrote, no job, no network."""

import zipfile
from pathlib import Path

import pytest

from tests.project import SOURCE, TWO_BY_TWO, Project
from workflow_lib.files import write_json
from workflow_lib.paths import Cohort

MARK = "mark-of-a-model"
# a cohort without evaluations: its tables have a header only, and there is nothing to draw
DRAFTS_ONLY = (
    TWO_BY_TWO[: TWO_BY_TWO.index("  essay_template")] + "output:\n  field_order: [combo_id, draft_template]\n"
)
NO_NETWORK = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}


def captions() -> dict[str, str]:
    return {path.stem: path.read_text().strip() for path in (SOURCE / "report").glob("*.rst")}


def test_everything_in_the_report_has_a_caption_of_one_sentence():
    cohort = Cohort(Path("c"))
    expected = {f"{path.stem}_tables" for path in cohort.shared_tables}
    expected |= {f"{path.stem}_figures" for path in cohort.figures}
    written = captions()
    assert set(written) == expected | {"workflow"}
    for name in expected:
        assert written[name].endswith(".") and "\n" not in written[name] and len(written[name]) > 30


@pytest.mark.slow
def test_report_carries_tables_and_figures_and_starts_nothing(tmp_path):
    project = Project(tmp_path)
    project.declare(DRAFTS_ONLY, "drafts")
    both = ["--config", "cohort=mini,drafts"]
    project.snakemake(*both)
    before = project.snapshot(project.data)
    printed = project.snakemake("--report", "report.html", *both, env=NO_NETWORK)
    assert "Missing metadata" not in printed
    project.snakemake("--report", "report.zip", *both, env=NO_NETWORK)
    assert project.snapshot(project.data) == before
    assert "Nothing to be done" in project.snakemake("-n", *both)

    page = (tmp_path / "report.html").read_text().replace("\\n", " ")
    for name in ("mini (offline models)", "drafts (offline models)", "tables", "figures"):
        assert f'"{name}"' in page
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    for cohort_id in ("mini", "drafts"):
        cohort = Cohort(project.data / "cohorts" / cohort_id)
        for path in (*cohort.shared_tables, *cohort.figures):
            assert path.read_bytes() in contents.values(), path
    for caption in captions().values():
        start = caption.partition(",")[0].partition(":")[0].partition("'")[0].partition("*")[0]
        assert " ".join(start.split()) in " ".join(page.split())


@pytest.mark.slow
def test_no_text_of_a_model_is_in_the_report(tmp_path):
    project = Project(tmp_path)
    project.snakemake()
    one = project.members("evaluation")[0]
    folder = project.generation("evaluation", one["gen_id"])
    for name in ("raw.txt", "parsed.txt"):
        (folder / name).write_text(f"<script>{MARK}</script>")
    failed = {"step": "parse", "reason": "out_of_range", "message": f"the answer is {MARK}", "remedy": ""}
    write_json(folder / "failure.json", failed)
    project.snakemake("--config", "partial=true")
    cohort = Cohort(project.cohort_folder)
    assert MARK in cohort.failures.read_text()
    project.snakemake("--report", "report.zip", "--config", "partial=true")

    texts = [path.read_text() for path in project.files("parsed.txt") if path.parent.parent.name != "evaluation"]
    lines = {line for text in texts for line in text.splitlines() if len(line) > 60}
    assert len(lines) > 10
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        inside = "".join(packed.read(name).decode("utf-8", "replace") for name in packed.namelist())
    assert "out_of_range" in inside
    assert MARK not in inside and not [line for line in lines if line in inside]


@pytest.mark.slow
def test_figure_that_is_gone_is_drawn_again(tmp_path):
    project = Project(tmp_path)
    project.snakemake()
    figures = Cohort(project.cohort_folder).figures
    before = [path.read_bytes() for path in figures]
    empty = {path.stem for path, content in zip(figures, before, strict=True) if b"Nothing to draw" in content}
    assert "quality_and_cost" in empty and "adjusted_scores" not in empty
    calls = len(project.files("0001.json"))
    for path in figures:
        path.unlink()
    project.snakemake()
    assert [path.read_bytes() for path in figures] == before
    assert len(project.files("0001.json")) == calls
    assert "Nothing to be done" in project.snakemake("-n")


@pytest.mark.slow
def test_run_with_failures_leaves_a_report_that_can_be_made(tmp_path):
    project = Project(tmp_path)
    project.configure("stages: {essay: {min_lines: 100000}}\n")
    project.snakemake(code=1)
    project.snakemake("--report", "report.html")
    assert "coverage.csv" in (tmp_path / "report.html").read_text()
