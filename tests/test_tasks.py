"""The readable keys of the task tables, and the ids that are made of keys: the latter never change."""

from workflow_lib import ids
from workflow_lib.cohorts import tasks
from workflow_lib.cohorts.membership import Entry, Membership

DRAFT = Entry("draft", "d_1", "one", "", "combo_v1_x", "plain", "wa", 1)


def essay(model: str, *, counts_model: bool = True, scope: str = "") -> Entry:
    gen_id = ids.essay_id("d_1", "told", 2, model if counts_model and model != "wa" else None)
    return Entry("essay", scope or gen_id, "one", "d_1", "combo_v1_x", "told", model, 2)


def key_of(entry: Entry) -> object:
    return next(tasks.task_rows(Membership([DRAFT, entry]), "essay")[1])["essay_task_id"]


def test_the_key_of_an_essay_names_its_model_where_the_gen_id_counts_it() -> None:
    assert key_of(essay("wa")) == "combo_v1_x__plain__wa__1__told__2"
    assert key_of(essay("wb")) == "combo_v1_x__plain__wa__1__told__wb__2"
    # an older tool's store: ids.essay_model is `never`
    assert key_of(essay("wb", counts_model=False)) == "combo_v1_x__plain__wa__1__told__2"
    assert key_of(essay("wb", scope="0123456789abcdef")) == "combo_v1_x__plain__wa__1__told__wb__2"


def test_ids_of_a_cohort_of_its_own_are_what_they_were() -> None:
    def scoped(entry: Entry) -> str:
        return tasks.scoped_task_id(entry, Membership([DRAFT, entry]).parent)

    # frozen: with another key every answer of such a cohort would be bought again
    assert scoped(essay("wa")) == "combo_v1_x__plain__wa__1__told__2"
    assert scoped(essay("wb")) == "combo_v1_x__plain__wa__1__told__2__wb"
    assert ids.cohort_scoped_id("essay", scoped(essay("wb")), "one") == "79e6dpchskcsdfgl"
