"""The docs say what the code does: their commands run, their tables and texts are the real ones."""

import argparse
import difflib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import reference, small_cohort, tiny_root
from tests.project import SOURCE, TWO_BY_TWO, read_csv, shell
from tests.slurm import require_slurm
from workflow_lib import catalogs, cli, cohorts
from workflow_lib import settings as settings_module
from workflow_lib.calls import endpoints
from workflow_lib.contents import ANALYSIS_TABLES, SUMMARY_TABLES
from workflow_lib.offline.server import OfflineServer
from workflow_lib.results import cross, reports
from workflow_lib.settings import schema
from workflow_lib.stages import STAGES

PAGES = [
    SOURCE / "README.md",
    SOURCE / "CHANGELOG.md",
    *sorted((SOURCE / "docs").glob("*.md")),
    *sorted((SOURCE / "data" / "1_raw").glob("*.md")),
    SOURCE / "config" / "README.md",
]
FENCE = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:snakemake|daydream)(?: [^`\n]+)?)`")
# shell blocks that need what a test does not have: a key, a timer, another host, a model server
NOT_HERE = ("crontab", "systemctl", "rsync", "ollama", "curl", "serve-offline")


# commands that make a cohort, which gets their name
MADE = ("cohort-from-list", "rejudge")


SMALL_DEMO = TWO_BY_TWO.replace("[novelty]", "[novelty-v2]")


def names(pages: list[Path]) -> list[str]:
    return [str(path.relative_to(SOURCE)) for path in pages]


def blocks(path: Path, kind: str) -> list[str]:
    return [body for found, _, body in FENCE.findall(path.read_text()) if found == kind]


def one_spaced(text: str) -> str:
    # argparse breaks lines in other places from one Python to the next
    return " ".join(text.split())


def slow_if(path: Path):
    # provoking every failure takes its time
    return pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.name == "failures.md" else [])


@pytest.mark.parametrize("path", [slow_if(path) for path in reference.pages()])
def test_generated_parts_are_up_to_date(path: Path):
    have, now = path.read_text(), reference.page(path.read_text())
    changes = "\n".join(difflib.unified_diff(have.splitlines(), now.splitlines(), "as it is", "as it should be", n=0))
    assert one_spaced(have) == one_spaced(now), f"run {reference.REPAIR}\n{changes}"


def test_schema_of_the_settings_is_up_to_date():
    assert schema.SCHEMA_FILE.read_text() == schema.schema_text(), f"run {reference.REPAIR}"


def test_captions_of_the_report_are_up_to_date():
    kept = {path: path.read_text() for path in reference.REPORT.glob("*.rst") if path.name != "workflow.rst"}
    assert kept == reference.captions(), f"run {reference.REPAIR}"


def test_every_environment_variable_is_documented():
    documented = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (SOURCE / "docs" / "configuration.md").read_text(), re.MULTILINE)
    )
    code = "".join(path.read_text() for path in (SOURCE / "workflow_lib").rglob("*.py"))
    used = set(re.findall(r'"((?:DD|DAYDREAMING|GEN|OPENROUTER)_[A-Z_]+)"', code))
    assert documented == used
    assert set(settings_module.ENVIRONMENT.values()) < documented


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(path: Path):
    text = path.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), f"{path.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
            assert anchor in {anchor_of(heading) for heading in headings}, f"{path.name}: {target}"


def test_tutorial_names_sections_that_the_page_has():
    tutorial = (SOURCE / "docs/tutorial.md").read_text(encoding="utf-8")
    reading = tutorial.split("## Reading the page")[1].split("\n## ")[0]
    named = re.findall(r"\*\*(.+?)\*\*", reading)
    templates = (SOURCE / "workflow_lib/pages/templates").glob("*.j2")
    text = "".join(path.read_text(encoding="utf-8") for path in templates)
    headings = set(re.findall(r'<h[23][^>]*>(?:{{ ")?([^<{"]+)', text))
    assert "Findings" in named and set(named) <= headings, set(named) - headings


def anchor_of(heading: str) -> str:
    """Return the anchor that a heading gets on the usual web hosts."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_no_path_of_one_machine(path: Path):
    assert not re.findall(r"(?:^|[\s`\"'=(])/(?:home|root|work|tmp|Users|opt|srv|mnt)\b\S*", path.read_text())


# --- spec.md: every example is compiled ---------------------------------------------------------


def spec_examples() -> list[tuple[dict[str, str], str, str]]:
    """Return (items files, config, expected rows or message) for each example of spec.md."""
    found, files, config = [], {}, None
    for kind, name, body in FENCE.findall((SOURCE / "docs" / "spec.md").read_text()):
        if kind == "csv" and name:
            files[name] = body
        elif kind == "yaml":
            config = body
        elif config is not None:
            found.append((files, config, body))
            files, config = {}, None
    return found


@pytest.mark.parametrize(("files", "config", "expected"), spec_examples())
def test_examples_of_the_spec_page_compile_to_what_it_shows(files, config, expected, tmp_path, monkeypatch, capsys):
    for name, text in {**files, "config.yaml": config}.items():
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    monkeypatch.chdir(tmp_path)
    code = cli.main(["compile", "config.yaml", "--data-root", str(SOURCE / "data")])
    printed = capsys.readouterr()
    failed = expected.startswith("daydream compile:")
    assert (printed.err if failed else printed.out) == expected
    assert (code != 0) == failed


# --- tables.md: every column --------------------------------------------------------------------


def documented_tables() -> dict[str, list[str]]:
    """Return table -> columns as tables.md lists them; `<...>` stands for names that a cohort brings."""
    documented: dict[str, list[str]] = {}
    section = ""
    for part in re.split(r"^(?=##+ )", (SOURCE / "docs" / "tables.md").read_text(), flags=re.MULTILINE):
        heading = part.splitlines()[0] if part else ""
        if heading.startswith("## "):
            found = re.search(r"`data/([\w/]+)/`", heading)
            section = f"{found[1]}/" if found else ""
        table = re.match(r"### `([\w/]+\.csv)`", heading)
        if table:
            first = part.partition("\n\n| measure |")[0]
            rows = re.findall(r"^\| (`[^|]+`) \|", first, re.MULTILINE)
            documented[f"{section}{table[1]}"] = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    same = documented["cohorts/NAME/reports/parsing/aggregated_scores.csv"]
    return {name: columns or same for name, columns in documented.items()}


def header_pattern(columns: list[str]) -> str:
    """Return a regular expression for a header; columns in `<...>` come once per judge and template."""
    parts, open_ones = [], []
    for column in [*columns, ""]:
        if "<" in column:
            open_ones.append(re.sub(r"<\w+>", "[^,]+?", re.sub(r"<judge>_<template>", "<any>", column)))
            continue
        if open_ones:
            parts.append(f"(?:{','.join(open_ones)},)+")
            open_ones = []
        parts.append(f"{re.escape(column)},")
    return "".join(parts[:-1])


@pytest.mark.slow
def test_tables_have_the_columns_that_the_docs_list(tmp_path):
    settings = small_cohort.make_project(tmp_path)
    membership = small_cohort.run_all(settings)
    reports.write(settings, small_cohort.COHORT, membership)
    cross.write(settings)
    root = settings.data.root
    written = {
        path.relative_to(root).as_posix(): path.read_text().partition("\n")[0]
        for path in root.rglob("*.csv")
        if "1_raw" not in path.parts
    }
    documented = {name.replace("NAME", small_cohort.COHORT): columns for name, columns in documented_tables().items()}
    assert sorted(documented) == sorted(written)
    for name, columns in documented.items():
        assert re.fullmatch(header_pattern(columns), f"{written[name]},"), f"{name}: {written[name]}"


def test_every_table_of_a_cohort_is_documented():
    text = (SOURCE / "docs" / "tables.md").read_text()
    for name in (*SUMMARY_TABLES, *ANALYSIS_TABLES):
        assert re.search(rf"^### `reports/(summary|analysis)/{name}\.csv`$", text, re.MULTILINE)


# --- commands ------------------------------------------------------------------------------------


def shell_commands(text: str) -> list[str]:
    """Return the commands of a shell block, without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines) if line]


INLINE_COMMANDS = sorted({command for path in PAGES for command in INLINE.findall(path.read_text())})
# these need a plugin that `make slurm` installs
SLURM = "--profile profiles/slurm"


def words_of(command: str) -> list[str]:
    return shlex.split(command.removeprefix(".venv/bin/"), comments=True)


@pytest.mark.parametrize("command", [one for one in INLINE_COMMANDS if words_of(one)[0] == "daydream"])
def test_commands_in_the_text_are_understood(command: str):
    if len(words_of(command)) > 1:
        understood_by_daydream(words_of(command)[1:])


@pytest.mark.parametrize("with_slurm", [False, pytest.param(True, marks=pytest.mark.full)])
def test_snakemake_commands_in_the_text_are_understood(with_slurm: bool):
    # together: loading Snakemake takes longer than all of them
    from snakemake.cli import parse_args

    if with_slurm:
        require_slurm()
    found = [one for one in INLINE_COMMANDS if words_of(one)[0] == "snakemake" and (SLURM in one) == with_slurm]
    assert found
    for command in found:
        parse_args(words_of(command)[1:])


def understood_by_daydream(arguments: list[str]) -> None:
    parser = cli.build_parser()
    if len(arguments) == 1:
        # the bare name of a command stands for it, whatever it needs besides
        assert arguments[0] in cli.command_names() or arguments[0] in ("--help", "-h")
        return
    values = {"N": "3", "X": "0.5"}
    try:
        parser.parse_args([values.get(word, word) for word in arguments])
    except SystemExit as stop:
        required = [a for a in arguments if a.startswith("--")]
        own = next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))[arguments[0]]
        known = {option for action in own._actions for option in action.option_strings}
        assert stop.code == 0 or set(required) <= known, f"daydream {shlex.join(arguments)}"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of a server that answers for all hosted models."""
    with OfflineServer() as server:
        yield server.url


@pytest.fixture(scope="module")
def working_copy(tmp_path_factory, endpoint) -> Path:
    """A copy of the project as a user has it after `make run`, with a smaller demo cohort, and a key in .env."""
    folder = tmp_path_factory.mktemp("copy")
    for name in (
        "Snakefile",
        "rules",
        "workflow_lib",
        "config",
        "profiles",
        "Makefile",
        "requirements.lock",
        "pyproject.toml",
    ):
        source = SOURCE / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw")
    for spec in (SOURCE / "data" / "cohorts").glob("*/spec"):
        shutil.copytree(spec, folder / "data" / "cohorts" / spec.parent.name / "spec")
    (folder / "data" / "cohorts" / "demo" / "spec" / "config.yaml").write_text(SMALL_DEMO)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".env").write_text(f"OPENROUTER_API_KEY=sk-of-a-test\nDD_LLM_BASE_URL={endpoint}\n")
    (folder / ".env").chmod(0o600)
    run(folder, ".venv/bin/snakemake --config cohort=demo")
    return folder


def run(folder: Path, command: str) -> str:
    """Run a shell command in a folder, with the commands of the environment; returns what it printed."""
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    return shell(folder, command, {"COLUMNS": "120", "PATH": path})


def as_tried(command: str) -> str | None:
    """Return a documented command as it can be run here; None where only its being there is known."""
    if any(word in command for word in NOT_HERE) or command.startswith(("export ", "cd /shared/")):
        return None
    if command.startswith("make "):
        # the commands of a set-up are tried in a clone, by test_setup.py
        return f"make -n {command.removeprefix('make ')} PYTHON={sys.executable}"
    return command


def steps(page: Path) -> list[tuple[str, str, str]]:
    """Return what a page has people do, in order: ("write", path, text) or ("run", commands, what they show)."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        if match[1] == "sh":
            shown = re.match(r"\n+```text\n(.*?)^```$", text[match.end() :], re.DOTALL | re.MULTILINE)
            found.append(("run", match[3], shown[1] if shown else ""))
        elif match[2].startswith("data/"):
            found.append(("write", match[2], match[3]))
    return found


WITH_STEPS = [page for page in PAGES if any(kind == "run" for kind, _, _ in steps(page))]


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("page", WITH_STEPS, ids=names(WITH_STEPS))
def test_what_a_page_has_people_do_works_from_top_to_bottom(page, working_copy, tmp_path, monkeypatch):
    if page.name == "cluster.md":
        require_slurm()
        # a Grid Engine, for the other profile
        monkeypatch.setenv("PATH", f"{SOURCE / 'tests' / 'grid_engine'}:{os.environ['PATH']}")
        monkeypatch.setenv("GRID_ENGINE", str(tmp_path))
    for kind, given, body in steps(page):
        if kind == "write":
            (working_copy / given).parent.mkdir(parents=True, exist_ok=True)
            (working_copy / given).write_text(body)
            continue
        tried = [as_tried(command) for command in shell_commands(given)]
        printed = "".join(run(working_copy, command) for command in tried if command is not None)
        for line in body.splitlines():
            assert line.strip() in ("", "...") or line.strip() in printed, f"{line}\n{printed[-3000:]}"


@pytest.mark.slow
def test_targets_exist(working_copy):
    run(working_copy, ".venv/bin/snakemake -n cohort drafts essays evaluations results report cross_experiment")


@pytest.mark.slow
def test_everyday_commands_of_the_readme_run(working_copy):
    with open(working_copy / "data" / "cohorts" / "demo" / "membership.csv", encoding="utf-8") as lines:
        essay = next(line.split(",")[1] for line in lines if line.startswith("essay,"))
    table = (SOURCE / "README.md").read_text().partition("| to | do |")[2].partition("\n\n")[0]
    commands = INLINE.findall(table)
    assert len(commands) > 15
    shutil.rmtree(working_copy / "data" / "curation", ignore_errors=True)
    stand_ins = {"<gen_id>": essay, "show ID": f"show {essay[:8]}", "cohort=a,b": "cohort=demo,example-ties"}
    for command in commands:
        if SLURM in command:
            continue
        for name, real in stand_ins.items():
            command = command.replace(name, real)
        command = command.replace("NAME", next((name for name in MADE if name in command), "demo"))
        command = command.replace("MODEL", "sim-judge-c")
        if command in ("daydream regenerate", "daydream remove"):
            command += f" --gen-id {essay}"
        run(working_copy, f".venv/bin/{command}")


@pytest.mark.slow
def test_nested_settings_of_the_configuration_page_are_taken(working_copy):
    found = re.findall(r"`--config ('\w+=\{[^`]*)`", (SOURCE / "docs" / "configuration.md").read_text())
    assert found
    for setting in found:
        run(working_copy, f".venv/bin/snakemake -n --config cohort=example-ties {setting}")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_cron_line_refreshes(page, working_copy):
    (line,) = re.findall(r"^\*/15 \* \* \* \* (.+)$", (SOURCE / page).read_text(), re.MULTILINE)
    home, _, command = line.partition(" && ")
    assert home == 'cd "$HOME/daydreaming"'
    membership = working_copy / "data" / "cohorts" / "demo" / "membership.csv"
    membership.unlink()
    run(working_copy, command)
    assert membership.exists()


@pytest.mark.slow
def test_what_the_store_page_lets_people_delete_comes_back_without_a_call(working_copy):
    def kept(pattern: str) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(data.glob(pattern)) if path.is_file()}

    data = working_copy / "data"
    run(working_copy, ".venv/bin/snakemake --config cohort=demo")
    attempts, texts = kept("gens/*/*/attempts/*"), kept("gens/*/*/*.txt")
    tables = kept("cohorts/demo/reports/**/*.csv")
    run(
        working_copy,
        "rm -rf .snakemake logs data/.coordination data/cohorts/demo/reports data/gens/*/*/{prompt,raw,parsed}.txt "
        "data/gens/*/*/{raw,parsed}_metadata.json",
    )
    run(working_copy, ".venv/bin/snakemake --config cohort=demo")
    assert kept("gens/*/*/attempts/*") == attempts
    demo = {member["gen_id"] for member in read_csv(data / "cohorts" / "demo" / "membership.csv")}
    own = {path: text for path, text in texts.items() if Path(path).parent.name in demo}
    assert {path: text for path, text in kept("gens/*/*/*.txt").items() if path in own} == own
    assert kept("cohorts/demo/reports/**/*.csv") == tables


def test_make_calls_commands_that_exist():
    called = re.findall(r"^\t@?\$\(BIN\)/daydream (.+)$", (SOURCE / "Makefile").read_text(), re.MULTILINE)
    assert called
    for command in called:
        cli.build_parser().parse_args(shlex.split(command))


def test_timer_runs_what_the_cron_line_runs():
    text = (SOURCE / "docs" / "operations.md").read_text()
    (started,) = re.findall(r"^ExecStart=%h/daydreaming/(.+)$", text, re.MULTILINE)
    assert f"&& {started} >> logs/refresh.log" in text


@pytest.mark.parametrize("name", ["operations.md", "cluster.md"])
def test_endpoints_of_the_docs_are_valid(tmp_path, name):
    page = SOURCE / "docs" / name
    (config,), (table,) = blocks(page, "yaml"), blocks(page, "csv")
    given = yaml.safe_load(config)
    settings = settings_module.load(given, tmp_path, {})
    models = catalogs.load(tiny_root.make(tmp_path, llm_models=table).data).models
    assert models
    for model in models.values():
        assert endpoints.find(settings, model.endpoint).base_url == given["endpoints"][model.endpoint]["base_url"]
        assert model.pool in settings.pools


def test_first_paid_cohort_of_the_readme_is_small():
    settings = settings_module.load({"data_root": str(SOURCE / "data"), "cohort": "first-paid"}, SOURCE, {})
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, "first-paid"))
    assert [len(expansion.membership.stage(stage)) for stage in ("draft", "essay", "evaluation")] == [2, 2, 4]


def test_spec_of_the_readme_expands(tmp_path):
    (config,) = blocks(SOURCE / "README.md", "yaml")
    membership = small_cohort.expand(small_cohort.make_project(tmp_path, config))
    # 3 combos x 2 templates x 2 writers; an essay by a model and a copy; one judge per writer, twice
    assert [len(membership.stage(stage)) for stage in STAGES] == [12, 24, 48]


def test_demo_has_as_many_generations_as_the_readme_says():
    settings = settings_module.load({"data_root": str(SOURCE / "data"), "cohort": "demo"}, SOURCE, {})
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, "demo"))
    documented = re.search(r"offline \((\d+) generations\)", (SOURCE / "README.md").read_text())
    assert documented is not None
    assert int(documented[1]) == len(expansion.membership)
