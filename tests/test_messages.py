"""What a user reads after a mistake: the place of the mistake, and a way out that works."""

import re
import shutil
from pathlib import Path

import pytest

from workflow_lib import cli, documents, ids, settings, spec, tables
from workflow_lib.catalogs import combos
from workflow_lib.catalogs.combos import Combo
from workflow_lib.errors import CatalogError, ConfigError, PlacedError, SpecError, StoreError, nearest
from workflow_lib.paths import DataRoot
from workflow_lib.settings import PROJECT
from workflow_lib.stages import COLUMN_OF, STAGES


@pytest.mark.parametrize(
    ("text", "place", "advice"),
    [
        ("axes:\n\tcombo: [a]\n", "line 2 column 1", "no tabs"),
        ("axes:\n  - x\n\t- y\n", "line 3 column 1", "no tabs"),
        ("axes: @file:items/a.csv\n", "line 1 column 7", '"@file:items/levels.csv"'),
        ("notes: `code`\n", "line 1 column 8", 'begins with ` needs quotes: "`..."'),
        ("notes: %d\n", "line 1 column 8", "begins with % needs quotes"),
        ("template_filter: {draft: [*]}\n", "line 1 column 28", "begins with * needs quotes"),
        ("template_filter: {draft: [*-v1]}\n", "line 1 column 27", "begins with * needs quotes"),
        ("notes: !important\n", "line 1 column 8", "begins with ! needs quotes"),
        ("notes: a first try: short\n", "line 1 column 19", "a colon and a space in it needs quotes"),
        ("notes: 'a first try\naxes: {}\n", "line 1 column 8", "close the quote"),
        ("axes: {a: [b, c}\noutput: {}\n", "line 1 column 11", "close the bracket"),
        ("axes: {}\noutput\n", "line 3 column 1", "key: value"),
        ("axes: {}\n---\noutput: {}\n", "line 2 column 1", "remove the line ---"),
        ("axes:\n  a: [b]\n c: [d]\n", "line 3 column 2", "same column"),
    ],
)
def test_a_mistake_in_yaml_is_answered_with_what_it_is(text: str, place: str, advice: str) -> None:
    with pytest.raises(PlacedError) as caught:
        documents.parse_yaml(Path("config.yaml"), text)

    assert caught.value.place == place
    assert caught.value.hint is not None and advice in caught.value.hint
    assert ("@" in caught.value.hint) == ("@" in text)


def test_every_stage_takes_the_same_names_for_its_columns() -> None:
    names = {stage: {name.removeprefix(stage) for name in COLUMN_OF if name.startswith(stage)} for stage in STAGES}
    columns = "_template _llm _model _replicate _rep _template_replicate _llm_replicate _model_replicate"

    assert names == {stage: set(columns.split()) for stage in STAGES}
    assert set(COLUMN_OF) - {stage + name for stage in STAGES for name in names[stage]} == {
        "combo_id",
        "combo",
        "generation_llm",
    }
    described = (PROJECT / "docs" / "spec.md").read_text()
    assert [name for name in COLUMN_OF if f"`{name}`" not in described] == []


def spec_of(folder: Path, axes: str, order: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"axes: {axes}\noutput: {{field_order: {order}}}\n")
    return folder


def test_a_misspelt_axis_is_blamed_and_not_the_field_order_that_names_it_rightly(tmp_path: Path) -> None:
    folder = spec_of(tmp_path / "spec", "{combo: [c], draft_templates: [a], draft_llm: [m]}", "[combo, draft_template]")

    with pytest.raises(SpecError) as caught:
        spec.load(folder)

    assert caught.value.place == "axes.draft_templates"
    assert "rename it: 'draft_template', as output.field_order[1] has it" in str(caught.value)


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_a_table_without_commas_is_called_so(tmp_path: Path, sign: str, name: str) -> None:
    table = tmp_path / "llm_models.csv"
    table.write_text(f"id{sign}model\na{sign}b\n")
    with pytest.raises(CatalogError, match=f"line 1: its cells are separated by {name}, not by commas"):
        tables.read_rows(table, ("id", "model"))

    folder = spec_of(tmp_path / "spec", '{draft_template: "@file:t.csv"}', "[draft_template]")
    (folder / "t.csv").write_text(f"draft_template{sign}note\na{sign}b\n")
    with pytest.raises(SpecError, match=f"line 1: its cells are separated by {name}, not by commas"):
        spec.load(folder)


@pytest.mark.parametrize("ending", ["/chat/completions", "/completions", "/models/"])
def test_a_base_url_with_the_path_of_a_request_is_refused(tmp_path: Path, ending: str) -> None:
    url = f"https://me:secret@llm.example.com/v1{ending}"

    in_config = refused(tmp_path, {"endpoints": {"gateway": {"base_url": url}}})
    in_variable = refused(tmp_path, {}, {"DD_LLM_BASE_URL": url})

    assert in_config.startswith(f"--config: endpoints.gateway.base_url: the URL ends in {ending.rstrip('/')}\n")
    assert in_variable.startswith(f"environment variable DD_LLM_BASE_URL: the URL ends in {ending.rstrip('/')}\n")
    assert "leave" in in_variable and "secret" not in in_config + in_variable
    assert "begins with http" in refused(tmp_path, {}, {"DD_OFFLINE_BASE_URL": "localhost:8000/v1"})


def refused(folder: Path, overrides: dict, environment: dict | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        settings.load(overrides, folder, environment or {})
    return str(caught.value)


def test_combo_size_is_k_where_snakemake_refuses_one_letter(tmp_path: Path) -> None:
    assert settings.load({"combo_size": "3"}, tmp_path, {}).k == 3
    assert "combo_size and k are the same setting" in refused(tmp_path, {"combo_size": 3, "k": 2})
    assert "k: 0" in refused(tmp_path, {"combo_size": 0})

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("k: 2\n")
    assert settings.load({"combo_size": 3}, tmp_path, {}).k == 3


def test_a_name_that_snakemake_read_as_a_number_is_answered_with_what_works(tmp_path: Path) -> None:
    assert "--config 'cohort=!!str NAME', or set DD_COHORT=NAME" in refused(tmp_path, {"cohort": 202401})


@pytest.mark.parametrize("arguments", [["plan"], ["status"], ["check"], ["models"], ["top"], ["export"], ["select"]])
def test_a_wrong_folder_is_called_so_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    more = ["--template", "novelty"] if arguments == ["select"] else []

    assert cli.main([*arguments, *more]) == 2

    said = capsys.readouterr().err
    assert f"{tmp_path / 'data'} is no data root: it has no 1_raw/, cohorts/ or gens/" in said
    assert "--data-root DIR" in said and "new-cohort" not in said


def test_a_project_given_as_data_root_is_answered_with_its_data_root(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--data-root", str(PROJECT)]) == 2

    assert f"did you mean {PROJECT / 'data'}?" in capsys.readouterr().err


def test_what_new_cohort_refuses_is_said_without_a_file_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PROJECT / "data" / "1_raw", tmp_path / "1_raw")

    def said(*options: str) -> str:
        assert cli.main(["new-cohort", "mine", "--data-root", str(tmp_path), *options]) != 0
        return capsys.readouterr().err

    too_many = said("--concepts", "mind-wandering,data-flywheel", "--k", "5")
    assert "the spec of mine, which was not written: combos.k: 5 is not a number of concepts from 1 to 2" in too_many
    assert "a cohort has drafts at least" in said("--draft-template", "none")
    assert "evaluations are named, but the cohort ends before essays" in said(
        "--essay-template", "none", "--evaluation-template", "novelty"
    )
    assert not (tmp_path / "cohorts").exists()


def test_an_essay_that_is_not_in_the_store_is_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(PROJECT / "data" / "1_raw", tmp_path / "1_raw")
    listed = tmp_path / "list.txt"
    listed.write_text("e_nowhere\n")
    root = ["--data-root", str(tmp_path)]

    assert cli.main(["rejudge", "again", "--essays", str(listed), "--judges", "sim-judge-a", *root]) == 1
    assert "there is no essay 'e_nowhere' in the store\nHint: check the gen_id" in capsys.readouterr().err
    assert cli.main(["cohort-from-list", "again", *root]) == 1
    assert "no such file\nHint: `daydream select --template T` writes such a list" in capsys.readouterr().err


def test_a_beginning_that_several_names_share_is_answered_with_all_of_them() -> None:
    names = ["sim-judge-a", "sim-judge-b", "sim-judge-c", "sonnet-4"]

    assert nearest("sim-judge", names) == "did you mean 'sim-judge-a', 'sim-judge-b' or 'sim-judge-c'?"
    assert nearest("sim-judge-d", names).startswith("did you mean 'sim-judge-")
    assert nearest("sonet-4", names) == "did you mean 'sonnet-4'?"


def test_edited_rows_of_the_registry_come_back_as_the_message_says(tmp_path: Path) -> None:
    data = DataRoot(tmp_path)
    combo = Combo(ids.combo_id(["a", "b"], "paragraph", 2), ("a", "b"), "paragraph", 2)
    combos.register(data, [combo])
    whole = data.combo_mappings.read_text()
    data.combo_mappings.write_text(whole.replace(",a,", ",x,"))

    with pytest.raises(StoreError, match="or remove them, and `snakemake cohort` writes them anew"):
        combos.register(data, [combo])

    data.combo_mappings.write_text(whole.splitlines(keepends=True)[0])
    combos.register(data, [combo])
    assert combos.load(data)[combo.combo_id].concept_ids == ("a", "b")


def test_the_row_of_a_local_model_fits_the_shipped_table(tmp_path: Path) -> None:
    shipped = (PROJECT / "data" / "1_raw" / "llm_models.csv").read_text()
    [(header, row)] = re.findall(r"```csv\n(id,model,.*)\n(.*)\n```", (PROJECT / "docs" / "operations.md").read_text())
    assert shipped.startswith(header + "\n")

    (tmp_path / "llm_models.csv").write_text(shipped + row + "\n")
    added = tables.read_rows(tmp_path / "llm_models.csv", ("id", "model"))[-1]

    assert (added["endpoint"], added["pool"], added["input_usd_per_mtok"]) == ("ollama", "local", "0")


def test_config_of_a_command_reads_as_snakemakes_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cohort=007", "budget_usd=1.5", "fresh=essay,draft", "ids={scope: cohort}", "partial=true", "combo_size=3"]
    found = settings.load(settings.from_words(words), tmp_path, {})
    assert (found.cohort, found.budget_usd, found.fresh, found.partial, found.k) == ("007", 1.5, "essay,draft", True, 3)
    assert found.ids.scope == "cohort"

    monkeypatch.chdir(PROJECT)
    for command in ("plan", "status", "check"):
        assert cli.main([command, "--config", "cohort=demo", "results"]) == 2
        assert "--config: 'results' is no setting\nHint: settings are written key=value" in capsys.readouterr().err
        assert cli.main([command, "--config", "cohort=demo", "--config", "cohrt=demo"]) == 2
        assert "unknown setting 'cohrt'\nHint: did you mean 'cohort'?" in capsys.readouterr().err
    assert cli.main(["plan", "--config", "cohort="]) == 2
    assert cli.main(["plan", "--config", "ids={scope"]) == 2
    assert "quote it for the shell" in capsys.readouterr().err
