"""Catalogs: what people write in spreadsheets is read kindly, and a mistake is reported with its place."""

import pytest

from tests import tiny_root
from workflow_lib import catalogs
from workflow_lib.catalogs import concept_file, concept_text
from workflow_lib.errors import CatalogError, DayDreamError


def load(folder, **tables):
    return catalogs.load(tiny_root.make(folder, **tables).data)


def refusal(folder, table: str, content: str | bytes) -> CatalogError:
    """Return the error that a table with this content causes; it must name the table's file."""
    data = tiny_root.make(folder).data
    path = data.catalog(table)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CatalogError) as caught:
        catalogs.load(data)
    assert caught.value.file == str(path)
    assert str(caught.value).startswith(str(path))
    return caught.value


def test_shipped_catalogs_can_be_read():
    data = tiny_root.settings_module.load({"data_root": str(tiny_root.settings_module.PROJECT / "data")}, None, {}).data
    shipped = catalogs.load(data)
    assert len([name for name in shipped.concepts if concept_file(data, "sentence", name)]) >= 14
    assert "copy-v1" in shipped.templates["essay"]
    assert {"sim-writer-a", "sim-writer-b", "sim-judge-a", "sim-judge-b", "sim-judge-c"} <= shipped.models.keys()
    for stage, templates in shipped.templates.items():
        for template in templates.values():
            assert template.copies or data.template(stage, template.template_id).exists()


def test_bom_extra_columns_blank_lines_and_blanks_around_cells_are_fine(tmp_path):
    table = (
        '\ufeff concept_id , note,name ,active\r\n\r\n  moat ,"a, b", The Moat ,\r\n , , ,\r\nloop,x,Loop, FALSE \r\n'
    )
    found = load(tmp_path, concepts_metadata=table)
    assert found.concepts["moat"] == catalogs.Concept("moat", "The Moat", True)
    assert found.concepts["loop"] == catalogs.Concept("loop", "Loop", False)
    assert list(found.concepts) == ["moat", "loop"]


def test_defaults_of_optional_columns(tmp_path):
    found = load(
        tmp_path,
        draft_templates="template_id\nplain\n",
        evaluation_templates="template_id,parser,scale_max\nnovelty,complex,10\nstyle,in_last_line,\n",
        llm_models="id,model\nm,org/m\nf,org/f:free\n",
    )
    assert found.template("draft", "plain") == catalogs.Template("plain", "draft", "identity", "llm", True, 9.0)
    assert found.template("evaluation", "novelty").scale_max == 10
    assert found.template("evaluation", "style").scale_max == 9
    paid, free = found.models["m"], found.models["f"]
    assert (paid.endpoint, paid.pool, free.pool) == ("openrouter", "paid", "free")
    assert paid.for_generation and paid.for_evaluation
    assert (paid.input_usd_per_mtok, paid.max_tokens, paid.temperature) == (None, None, None)


def test_pool_of_an_offline_model_and_an_explicit_pool(tmp_path):
    found = load(tmp_path, llm_models="id,model,endpoint,pool\na,x:free,offline,\nb,y:free,,slow\n")
    assert (found.models["a"].pool, found.models["b"].pool) == ("offline", "slow")


def test_numbers_of_a_model_row(tmp_path):
    table = "id,model,input_usd_per_mtok,output_usd_per_mtok,max_tokens,temperature\nm,x,0.25,0,4096,0\n"
    model = load(tmp_path, llm_models=table).models["m"]
    assert (model.input_usd_per_mtok, model.output_usd_per_mtok, model.max_tokens, model.temperature) == (
        0.25,
        0.0,
        4096,
        0.0,
    )


def test_checks_that_a_row_waives_and_the_lines_of_rows(tmp_path):
    table = 'template_id,parser,waive\nfirst,in_last_line,\n\nsecond,in_last_line,"score, response"\n'
    found = load(tmp_path, evaluation_templates=table).templates["evaluation"]
    assert [(one.line, one.waived) for one in found.values()] == [(2, set()), (4, {"score", "response"})]


@pytest.mark.parametrize(
    ("table", "content", "place", "reason"),
    [
        ("concepts_metadata", "concept_id,name\nmoat,Moat\nmoat,M\n", "line 3, column concept_id", "appears twice"),
        ("concepts_metadata", "concept_id,name\nmoat,Moat\n,M\n", "line 3, column concept_id", "empty id"),
        ("concepts_metadata", "concept_id,name\nmoat\n", "line 2, column name", "empty name"),
        ("concepts_metadata", "concept_id\nmoat\n", "line 1", "no column 'name'"),
        ("concepts_metadata", "", "line 1", "no header row"),
        ("concepts_metadata", "concept_id,name,name\n", "line 1", "column 'name' appears twice"),
        ("concepts_metadata", 'concept_id,name\nm,"A\nB"\nn,N,x\n', "line 4", "3 cells under 2 columns"),
        ("concepts_metadata", "concept_id,name,active\nm,M,maybe\n", "line 2, column active", "'maybe' is neither"),
        ("draft_templates", "template_name\nx\n", "line 1", "no column 'template_id'"),
        ("essay_templates", "template_id\nx\n", "line 1", "no column 'generator'"),
        ("essay_templates", "template_id,generator\nx,magic\n", "line 2, column generator", "'magic'"),
        ("essay_templates", "template_id,generator\nx,\n", "line 2, column generator", ""),
        ("evaluation_templates", "template_id\nx\n", "line 1", "no column 'parser'"),
        ("evaluation_templates", "template_id,parser\nx,\n", "line 2, column parser", ""),
        (
            "evaluation_templates",
            "template_id,parser,scale_max\nx,complex,nine\n",
            "line 2, column scale_max",
            "'nine'",
        ),
        (
            "evaluation_templates",
            "template_id,parser,scale_max\nx,complex,0\n",
            "line 2, column scale_max",
            "above 0",
        ),
        ("draft_templates", "template_id,waive\nx,konzepts\n", "line 2, column waive", "'konzepts' is no check"),
        ("essay_templates", "template_id,generator,waive\nx,llm,score\n", "line 2, column waive", "'score' is no"),
        ("llm_models", "id\nm\n", "line 1", "no column 'model'"),
        ("llm_models", "id,model\nm,\n", "line 2, column model", "empty model name"),
        ("llm_models", "id,model,max_tokens\nm,x,1.5\n", "line 2, column max_tokens", "whole number"),
        ("llm_models", "id,model,temperature\nm,x,-1\n", "line 2, column temperature", "'-1' is not a number"),
        ("llm_models", "id,model,input_usd_per_mtok\nm,x,nan\n", "line 2, column input_usd_per_mtok", "'nan'"),
        ("llm_models", "id,model,output_usd_per_mtok\nm,x,$3\n", "line 2, column output_usd_per_mtok", "'$3'"),
        ("llm_models", "id,model,for_generation\nm,x,ja\n", "line 2, column for_generation", "'ja' is neither"),
        ("replication_config", "stage,replicates\ndrafts,1\n", "line 2, column stage", "'drafts' is none of"),
        ("replication_config", "stage,replicates\ndraft,0\n", "line 2, column replicates", "'0' is not a whole"),
        ("replication_config", "stage,replicates\ndraft,²\n", "line 2, column replicates", "'²' is not a whole"),
        (
            "replication_config",
            f"stage,replicates\ndraft,{'9' * 5000}\n",
            "line 2, column replicates",
            "is not a whole",
        ),
        ("replication_config", "stage,replicates\ndraft,1\ndraft,2\n", "line 3, column stage", "twice"),
    ],
)
def test_mistakes_name_file_line_and_column(tmp_path, table, content, place, reason):
    error = refusal(tmp_path, table, content)
    assert error.place == place
    assert reason in error.reason


@pytest.mark.parametrize("identifier", ["../x", "a/b", ".x", "-x", "a..b", "a b", "x\\y", "ä", "a:b"])
@pytest.mark.parametrize(
    ("table", "head", "rest"),
    [
        ("concepts_metadata", "concept_id,name", ",N"),
        ("draft_templates", "template_id,parser", ",identity"),
        ("llm_models", "id,model", ",x"),
    ],
)
def test_an_id_that_is_no_safe_file_name_is_refused(tmp_path, table, head, rest, identifier):
    error = refusal(tmp_path, table, f"{head}\n{identifier}{rest}\n")
    assert error.place == f"line 2, column {head.split(',')[0]}"
    assert f"'{identifier}' cannot be an id" in error.reason
    assert "file names" in error.hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("concept_id,name\nmoat,Moat\n".encode("utf-16"), "not UTF-8"),
        ("concept_id,name\nmoat,Moat\n".encode("utf-16-le"), "NUL"),
        (b"concept_id,name\nmoat,caf\xe9\n", "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        (b"concept_id,name\nmoat,M\x00oat\n", "NUL"),
        (b'concept_id,name\nmoat,"open\n', "not readable as CSV"),
    ],
    ids=["utf-16", "utf-16-le", "latin-1", "png", "nul", "quote"],
)
def test_a_file_that_is_no_table_is_refused_with_a_line(tmp_path, content, reason):
    error = refusal(tmp_path, "concepts_metadata", content)
    assert error.place.startswith("line ")
    assert reason in error.reason


def test_the_line_of_bytes_that_are_not_utf8_is_right(tmp_path):
    assert refusal(tmp_path, "concepts_metadata", b"concept_id,name\na,A\nmoat,caf\xe9\n").place == "line 3"


@pytest.mark.parametrize("table", catalogs.CATALOG_NAMES)
def test_a_missing_table_is_reported(tmp_path, table):
    data = tiny_root.make(tmp_path).data
    data.catalog(table).unlink()
    with pytest.raises(CatalogError, match=r"no such file") as caught:
        catalogs.load(data)
    assert caught.value.file == str(data.catalog(table))
    assert caught.value.hint


def test_a_table_that_is_a_folder_is_reported(tmp_path):
    data = tiny_root.make(tmp_path).data
    data.catalog("llm_models").unlink()
    data.catalog("llm_models").mkdir()
    with pytest.raises(CatalogError, match="cannot be read"):
        catalogs.load(data)


def test_an_edit_is_seen_and_an_unchanged_table_is_not_read_again(tmp_path):
    data = tiny_root.make(tmp_path).data
    first = catalogs.load(data)
    assert catalogs.load(data) is first
    table = data.catalog("concepts_metadata")
    table.write_text(table.read_text() + "new-one,New\n")
    assert "new-one" in catalogs.load(data).concepts


def test_an_edit_within_a_block_that_holds_the_catalogs_is_seen_after_it(tmp_path):
    data = tiny_root.make(tmp_path).data
    table = data.catalog("concepts_metadata")
    with catalogs.held():
        before = set(catalogs.load(data).concepts)
        table.write_text(table.read_text() + "new-one,New\n")
        with catalogs.held():
            assert set(catalogs.load(data).concepts) == before
        assert set(catalogs.load(data).concepts) == before
    assert set(catalogs.load(data).concepts) == {*before, "new-one"}


def test_concept_text_falls_back_to_paragraph_then_sentence_then_name(tmp_path):
    data = tiny_root.make(tmp_path).data
    moat = catalogs.load(data).concepts["moat"]
    for level in ("article", "sentence"):
        data.concept(level, "moat").parent.mkdir(parents=True, exist_ok=True)
        data.concept(level, "moat").write_text(f"\n the {level} \n\n")
    data.concept("paragraph", "moat").write_text("the paragraph\n")
    assert concept_text(data, "article", moat) == "the article"
    data.concept("article", "moat").unlink()
    assert concept_text(data, "article", moat) == "the paragraph"
    data.concept("paragraph", "moat").unlink()
    assert concept_text(data, "article", moat) == "the sentence"
    assert concept_text(data, "paragraph", moat) == "the sentence"
    data.concept("sentence", "moat").unlink()
    assert concept_text(data, "article", moat) == "Moat"
    assert concept_file(data, "article", "moat") is None


def test_a_sentence_falls_back_to_the_paragraph_before_the_name(tmp_path):
    data = tiny_root.make(tmp_path).data
    assert concept_text(data, "sentence", catalogs.load(data).concepts["moat"]) == "What a moat is, in a paragraph."


def test_a_concept_text_that_is_not_utf8_is_reported_with_its_file(tmp_path):
    data = tiny_root.make(tmp_path).data
    data.concept("paragraph", "moat").write_bytes(b"caf\xe9")
    with pytest.raises(DayDreamError, match=r"moat\.txt: not UTF-8"):
        concept_text(data, "paragraph", catalogs.load(data).concepts["moat"])
