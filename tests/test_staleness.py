import pytest

from tests.stores import ABSENT, CATALOGS, Store
from workflow_lib.files import write_text
from workflow_lib.generations.state import States


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def chain(store):
    draft = store.draft()
    essay = store.essay(draft)
    return draft, essay, store.evaluation(essay)


def own(store, *entries):
    return [state.stale for state in States(store.settings).each(entries)]


def reasons(store, *entries):
    return [state.stale_reasons for state in States(store.settings).each(entries)]


def test_untouched_generations_are_current(store, chain):
    assert own(store, *chain) == ["false", "false", "false"]
    assert reasons(store, *chain) == [(), (), ()]


def test_edited_template_makes_its_generations_stale_and_no_others(store, chain):
    write_text(store.data.template("essay", "e-plain"), "Write well on:\n{{ draft_block }}")
    assert own(store, *chain) == ["false", "true", "false"]
    assert reasons(store, *chain) == [(), ("prompt",), ()]


def test_edited_concept_makes_the_drafts_stale_that_use_it(store):
    first, second = store.draft(combo=0), store.draft(combo=2)
    write_text(store.data.concept("paragraph", "c1"), "What c1 really is.\n")
    assert own(store, first, second) == ["true", "false"]


def test_changed_parent_text_makes_its_child_stale(store, chain):
    write_text(store.files(chain[1]).parsed, "Another essay.")
    assert own(store, *chain) == ["false", "false", "true"]
    assert reasons(store, *chain) == [(), (), ("parent",)]


def test_changed_parent_is_seen_even_if_the_template_is_gone(store, chain):
    store.data.template("evaluation", "novelty").unlink()
    assert own(store, chain[2]) == ["unknown"]
    write_text(store.files(chain[1]).parsed, "Another essay.")
    assert own(store, chain[2]) == ["true"]


@pytest.mark.parametrize("gone", ["answer", "parent", "template", "catalog row"])
def test_what_cannot_be_compared_is_unknown(store, chain, gone):
    draft, _, evaluation = chain
    if gone == "answer":
        store.files(evaluation).raw.unlink()
    elif gone == "parent":
        store.files(chain[1]).parsed.unlink()
    elif gone == "template":
        store.data.template("evaluation", "novelty").unlink()
    else:
        write_text(store.data.catalog("evaluation_templates"), "template_id,parser\nstyle,in_last_line\n")
    assert own(store, draft, evaluation) == ["false", "unknown"]


def test_older_record_is_compared_by_its_prompt_file(store, chain):
    files = store.files(chain[1])
    store.amend(files.raw_metadata, prompt_sha256=ABSENT, parent_sha256=ABSENT)
    assert own(store, chain[1]) == ["false"]
    write_text(files.prompt, "Something else.")
    assert own(store, chain[1]) == ["true"]
    write_text(files.prompt, "")
    assert own(store, chain[1]) == ["unknown"]
    files.prompt.unlink()
    assert own(store, chain[1]) == ["unknown"]


def test_copy_is_stale_when_its_original_changed(store):
    draft = store.draft()
    recorded, old = store.essay(draft, "e-copy"), store.essay(draft, "e-copy", replicate=2, old=True)
    assert own(store, recorded, old) == ["false", "false"]
    write_text(store.files(draft).parsed, "Another draft.")
    assert own(store, recorded, old) == ["true", "true"]


def test_copy_that_an_older_tool_stripped_is_current(store):
    draft = store.draft()
    copy = store.essay(draft, "e-copy", old=True)
    write_text(store.files(draft).parsed, store.files(draft).parsed.read_text() + "\n\n")
    assert own(store, copy) == ["false"]


def test_row_is_as_stale_as_its_lineage(store, chain):
    evaluation = chain[2]

    def of_row():
        return States(store.settings).stale_lineage(store.membership.lineage(evaluation))

    assert of_row() == "false"
    store.files(chain[0]).raw.unlink()
    assert of_row() == "unknown"
    write_text(store.data.template("essay", "e-plain"), "Write well on:\n{{ draft_block }}")
    assert of_row() == "true"


def test_without_catalogs_everything_is_unknown(store, chain):
    for name in CATALOGS:
        store.data.catalog(name).unlink()
    assert own(store, *chain) == ["unknown"] * 3
