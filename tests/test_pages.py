import base64
import json
import os
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from benchmarks import pages as drawn
from tests.page_data import HOSTILE, HOSTILE_NAMES, MARK, changed, hostile, ordinary, write_cross, write_pages
from tests.stores import COHORT, Store
from workflow_lib import pages
from workflow_lib.contents import FIGURES
from workflow_lib.pages import numbers, search, texts
from workflow_lib.pages import reports as page_reports
from workflow_lib.pages.essay import SCRIPTS
from workflow_lib.results import reports

ALLOWED = {"a", "p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "ul", "ol", "li"} | {
    "blockquote", "hr", "br", "table", "thead", "tbody", "tr", "th", "td"
}  # fmt: skip
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """A page's elements, links, data and whether every element is closed where it should be."""

    def __init__(self, path: Path):
        super().__init__(convert_charrefs=True)
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.mismatched: list[str] = []
        self.text = ""
        self.data: dict[str, str] = {}
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mismatched.append(tag)

    def handle_data(self, data):
        attributes = self.tags[-1][1] if self.tags else {}
        if self.open and self.open[-1] == "script":
            self.data[attributes.get("id") or ""] = data
        elif not self.open or self.open[-1] != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def html_folder(store: Store) -> Path:
    return store.data.cohort(COHORT).page.parent


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory):
    store = hostile(tmp_path_factory.mktemp("hostile"))
    write_pages(store)
    return store


@pytest.fixture(scope="module")
def ordinary_store(tmp_path_factory):
    store = ordinary(tmp_path_factory.mktemp("ordinary"))
    write_pages(store)
    write_cross(store)
    return store


def test_every_page_has_a_policy_without_unsafe_sources(hostile_store):
    found = sorted(html_folder(hostile_store).rglob("*.html"))
    assert len(found) == 3 + len(HOSTILE) + len(HOSTILE_NAMES)
    for path in found:
        metas = [meta for meta in Page(path).of("meta") if meta.get("http-equiv")]
        assert [meta["http-equiv"] for meta in metas] == ["Content-Security-Policy"]
        policy = metas[0]["content"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy


def test_hostile_texts_add_no_element_or_attribute(hostile_store):
    for path in sorted((html_folder(hostile_store) / "essays").glob("*.html")):
        page = Page(path)
        assert not page.mismatched, path
        assert not page.open
        assert len(page.of("script")) == 1 + len(SCRIPTS)
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")], path
            assert tag not in ("img", "iframe", "form", "base", "object", "embed", "link") or attributes == {
                "rel": "icon",
                "href": "data:,",
            }


def test_links_lead_to_the_web_or_to_files_of_the_folder(hostile_store):
    folder = html_folder(hostile_store).resolve()
    for path in sorted(folder.rglob("*.html")):
        for link in Page(path).of("a"):
            href = link.get("href")
            if href is None:
                continue
            address = urlsplit(href)
            assert address.scheme in ("", "http", "https", "mailto"), href
            if address.scheme:
                assert {"noopener", "noreferrer", "nofollow"} <= set((link["rel"] or "").split())
            elif address.path:
                target = (path.parent / unquote(address.path)).resolve()
                assert target.exists() and target.is_relative_to(folder), href


def test_folder_of_the_pages_carries_every_table_and_names_the_files_of_the_store(ordinary_store):
    page = html_folder(ordinary_store) / "index.html"
    cohort = ordinary_store.data.cohort(COHORT)
    for table in (*cohort.reports.glob("*/*.csv"), cohort.failures):
        carried = page.parent / "tables" / table.relative_to(cohort.reports)
        assert carried.read_bytes() == table.read_bytes()
        assert str(carried.relative_to(page.parent)) in {link.get("href") for link in Page(page).of("a")}
    for path in sorted(page.parent.rglob("*.html")):
        assert "can be sent alone" in Page(path).text
        for link in Page(path).of("a"):
            if "data-stored" in link:
                assert (path.parent / unquote(link["data-stored"])).exists() and not link.get("href")
    essay = sorted((page.parent / "essays").glob("*.html"))[0]
    names = {Path(link["data-stored"]).name for link in Page(essay).of("a") if "data-stored" in link}
    assert {"raw.txt", "parsed.txt"} <= names


@pytest.mark.slow
def test_tables_of_earlier_runs_are_no_longer_carried(tmp_path):
    store = ordinary(tmp_path)
    page = write_pages(store)
    left = page.parent / "tables" / "summary" / "old.csv"
    left.write_text("gone\n")
    write_pages(store)
    assert not left.exists() and (left.parent / "costs.csv").exists()


def test_nothing_of_a_hostile_text_is_lost(hostile_store):
    essay = next(entry for entry in hostile_store.entries if entry.stage == "essay")
    page = Page(html_folder(hostile_store) / "essays" / f"{essay.gen_id}.html")
    assert page.text.count("<script>document.title='" + MARK) >= 3


def test_controls_are_shown_as_signs():
    assert texts.visible("a\x00b\x1b[31m\x7f\x9b\r\nc\rd\te") == "a␀b␛[31m␡\ufffd\nc\nd\te"


def test_lone_surrogates_become_replacement_characters():
    assert texts.visible("a\ud800b") == "a\ufffdb"


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_markdown_yields_only_harmless_elements(name):
    rendered = str(texts.markdown(HOSTILE[name]))
    assert set(re.findall(r"<([a-z0-9]+)", rendered)) <= ALLOWED
    for href in re.findall(r'href="([^"]*)"', rendered):
        assert urlsplit(href).scheme in ("http", "https", "mailto")


def test_markdown_renders_structure_below_the_page_title():
    assert texts.markdown('# A\n\n*b* [c](https://example.org/?x=1&y="2")', below=2) == (
        '<h3 dir="auto">A</h3>\n<p><em>b</em> <a href="https://example.org/?x=1&amp;y=%222%22"'
        ' rel="noopener noreferrer nofollow ugc" target="_blank">c</a></p>\n'
    )


def test_images_are_not_shown():
    assert "<img" not in texts.markdown("![alt](https://example.org/x.png)")


def test_very_long_text_is_shown_as_it_is():
    text = "*a* " * (texts.MAX_MARKDOWN // 4 + 1)
    assert texts.markdown(text).startswith('<pre class="verbatim" dir="auto">*a* *a*')


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# The *title*\n\nText.", "The title"),
        ("\n\n**Bold** beginning. Then more.", "Bold beginning. Then more."),
        ("One sentence that is long enough to be cut off somewhere. " * 3, None),
        ("", ""),
        ("***\n\n[link](http://x) text", "link text"),
    ],
)
def test_title_is_the_first_heading_or_sentence(text, title):
    found = texts.first_words(text)
    assert found == (title if title is not None else "One sentence that is long enough to be cut off somewhere.")


def test_json_in_a_page_cannot_end_its_element(hostile_store):
    page = Page(html_folder(hostile_store) / "index.html")
    data = json.loads(page.data["data"])
    assert len(data["documents"]["gen_id"]) == len(HOSTILE) + len(HOSTILE_NAMES)
    index = Page(html_folder(hostile_store) / "search.html").data["index"]
    assert "<" not in page.data["data"] and "<" not in index and ">" not in index
    assert any("<script>" in excerpt for excerpt in json.loads(index)["excerpts"])


@pytest.mark.slow
def test_same_input_gives_the_same_bytes(tmp_path):
    first, second = ordinary(tmp_path / "a"), ordinary(tmp_path / "b")
    for store in (first, second, first):
        write_pages(store)
        write_cross(store)
    for one, other in zip(*(sorted(s.root.rglob("html/**/*.*")) for s in (first, second)), strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one


@pytest.mark.slow
def test_pages_of_departed_generations_are_removed(tmp_path):
    store = ordinary(tmp_path)
    page = write_pages(store)
    gone = next(entry for entry in store.entries if entry.stage == "essay")
    (page.parent / "plots" / "old.svg").write_text("")
    (page.parent / "essays" / "notes.txt").write_text("mine")
    store.entries = [entry for entry in store.entries if gone.gen_id not in (entry.gen_id, entry.parent_gen_id)]
    write_pages(store)
    names = {path.name for path in page.parent.rglob("*") if path.is_file()}
    assert f"{gone.gen_id}.html" not in names
    assert "old.svg" not in names
    assert "notes.txt" in names
    assert len(list((page.parent / "essays").glob("*.html"))) == 3


def test_essays_stand_in_order_of_their_mean(ordinary_store):
    data = json.loads(Page(html_folder(ordinary_store) / "index.html").data["data"])
    assert data["documents"]["title"] == ["Of clocks", "Of gardens", "Of walls", "Of tides"]
    assert data["levels"]["essay_template"] == ["e-other", "e-plain"]
    columns = [[data["levels"]["judge"][j], data["levels"]["evaluation_template"][t]] for j, t in data["columns"]]
    assert columns == [["j1", "novelty"], ["j1", "style"], ["j2", "novelty"], ["j2", "style"]]
    # Of clocks: second draft, second essay template
    assert data["scores"][0] == [0, 6, 0, 6, 2, 7, 2, 7, 1, 6.5, 1, 6.5, 3, 7.5, 3, 7.5]


def test_essay_page_shows_mean_lineage_and_each_answer(ordinary_store):
    best = json.loads(Page(html_folder(ordinary_store) / "index.html").data["data"])["documents"]["gen_id"][0]
    page = Page(html_folder(ordinary_store) / "essays" / f"{best}.html")
    assert "6.75" in page.text
    assert "adjusted 6." in page.text and "±" not in page.text
    assert "1 of 4" in page.text
    assert page.text.count("SCORE: ") == 8
    assert "seahorses" in page.text and "What c1 is." in page.text
    assert {link["href"] for link in page.of("a") if link.get("rel") in ("prev", "next")} == {
        f"{json.loads(Page(html_folder(ordinary_store) / 'index.html').data['data'])['documents']['gen_id'][1]}.html"
    }


def test_prompts_leave_out_the_text_that_stands_above(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(), raw="A long essay. " * 40)
    store.evaluation(essay)
    write_pages(store)
    page = Page(html_folder(store) / "essays" / f"{essay.gen_id}.html")
    assert page.text.count("A long essay.") == 40 + 2  # its first sentence is the page's title and heading
    assert "the essay's text, as above" in page.text


def test_missing_score_is_not_a_low_one(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    store.evaluation(essay, score=8)
    store.evaluation(essay, judge="j2", raw="No score here.", state="raw", failure=("parse", "no_score_last_lines"))
    page = Page(write_pages(store))
    data = json.loads(page.data["data"])
    assert data["scores"] == [[0, 8, 1, -1]]
    assert "Partial." in page.text and "1 of 2 evaluations have a score" in page.text
    assert "no_score_last_lines" in page.text
    own = Page(html_folder(store) / "essays" / f"{essay.gen_id}.html")
    assert "8.00" in own.text and "1 without a score" in own.text and "No score here." in own.text


@pytest.mark.slow
def test_offline_models_are_named_as_such(tmp_path):
    store = ordinary(tmp_path)
    assert "offline simulation" not in Page(write_pages(store)).text.lower()
    catalog = store.data.catalog("llm_models")
    with changed(catalog, catalog.read_text().replace("w1,org/writer-1,openrouter", "w1,org/writer-1,offline")):
        page = Page(write_pages(store))
        assert "Offline simulation." in page.text
        assert json.loads(page.data["data"])["offline"] == ["w1"]
        by_w1 = next(entry for entry in store.entries if entry.stage == "essay" and entry.llm_model_id == "w1")
        by_w2 = next(entry for entry in store.entries if entry.stage == "essay" and entry.llm_model_id == "w2")
        assert "offline simulation" in Page(html_folder(store) / "essays" / f"{by_w1.gen_id}.html").text
        assert "offline simulation" not in Page(html_folder(store) / "essays" / f"{by_w2.gen_id}.html").text


def test_offline_answers_are_known_by_their_record_too(tmp_path):
    store = Store(tmp_path)
    store.draft(recorded={"endpoint": "offline"})
    assert "offline simulation" in Page(write_pages(store)).text.lower()


def test_unknown_cost_is_not_zero(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(recorded={"cost_usd": None}))
    store.evaluation(essay)
    data = json.loads(Page(write_pages(store)).data["data"])
    assert data["documents"]["cost"] == [None]


def test_served_by_another_model_is_counted(tmp_path):
    store = Store(tmp_path)
    store.draft(recorded={"served_model": "org/cheaper"})
    store.draft(replicate=2)
    assert "1 answer was served by another model" in Page(write_pages(store)).text


def test_cohort_may_end_at_drafts(tmp_path):
    store = Store(tmp_path)
    draft = store.draft(raw="# Only a draft\n\nText.")
    page = write_pages(store)
    assert (page.parent / "drafts" / f"{draft.gen_id}.html").exists()
    data = json.loads(Page(page).data["data"])
    assert data["documents"]["folder"] == ["drafts"]
    assert data["documents"]["title"] == ["Only a draft"]
    assert "heatmap" not in Page(page).source.split("<main")[1].split("</main>")[0]


def test_cohort_in_which_everything_failed_has_a_page(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(state="failed", failure=("call", "timeout", "No <answer> came.")), state="absent")
    store.evaluation(essay, state="absent")
    page = Page(write_pages(store))
    assert "1 failure on record" in page.text and "No <answer> came." in page.text
    own = Page(html_folder(store) / "essays" / f"{essay.gen_id}.html")
    assert "timeout: No <answer> came." in own.text and "There is no text." in own.text


def test_store_of_an_older_tool_has_pages(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(old=True), old=True)
    store.evaluation(essay, old=True, score=5)
    data = json.loads(Page(write_pages(store)).data["data"])
    assert data["scores"] == [[0, 5]]
    assert data["documents"]["cost"] == [None]


def test_copied_essay_is_shown_once(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(raw="Said once."), "e-copy")
    store.evaluation(essay)
    write_pages(store)
    page = Page(html_folder(store) / "essays" / f"{essay.gen_id}.html")
    assert "the draft's text again" in page.text
    assert len([one for one in page.of("article") if one["class"] == "sheet"]) == 1


def test_scores_of_different_scales_are_averaged_in_points_of_9(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    store.evaluation(essay, score=4.5)
    store.evaluation(essay, "ten", score=10)
    write_pages(store)
    assert "6.75 of 9" in Page(html_folder(store) / "essays" / f"{essay.gen_id}.html").text


def test_search_index_decodes_to_the_texts_of_each_word():
    contents = (
        ["the loop dreams", "The walls", "loop the loop", "the dreams\u00e9", "", "the sea"] + ["far"] * 200 + ["off"]
    )
    words, packed = search.build(contents)
    assert sorted(words) == sorted({word for text in contents for word in search.words(text)})
    numbers = decoded(packed)
    for word in words:
        head, at, found = next(numbers), -1, set()
        for _ in range(head // 2):
            at += next(numbers) + 1
            found.add(at)
        expected = {number for number, text in enumerate(contents) if word in search.words(text)}
        assert (set(range(len(contents))) - found if head % 2 else found) == expected
    assert list(numbers) == []


def decoded(packed):
    """Yield the numbers of seven bits per byte."""
    value = shift = 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def test_search_reaches_drafts_judgements_and_their_ids(ordinary_store):
    packed = json.loads(Page(html_folder(ordinary_store) / "search.html").data["index"])
    whole = zlib.decompress(base64.b64decode(packed["data"]))
    length, postings = struct.unpack(">II", whole[:8])
    words = whole[8 : 8 + length].decode().split("\n")
    assert {"seahorses", "gardens", "well"} <= set(words)
    judgements, ids = whole[8 + length + postings], whole[9 + length + postings :].decode().split("\n")
    assert judgements == 1 and packed["judgements"]
    every = {entry.gen_id[:8] for entry in ordinary_store.entries if entry.stage == "evaluation"}
    assert {one for line in ids for one in line.split()} == every


def test_score_that_does_not_count_is_shown_and_in_no_mean(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    store.evaluation(essay, score=8)
    store.evaluation(essay, judge="j2", score=2, recorded={"served_model": "org/another"})
    write_pages(store)
    page = Page(html_folder(store) / "essays" / f"{essay.gen_id}.html")
    assert "8.00" in page.text and "5.00" not in page.text
    assert page.text.count("does not count") == 1
    data = json.loads(Page(html_folder(store) / "index.html").data["data"])
    assert sorted(data["scores"][0]) == [-1, 0, 1, 8]


def test_essay_page_shows_only_failures_that_still_stand(tmp_path):
    store = Store(tmp_path)
    done = store.essay(store.draft())
    store.fail(done, "call", "timeout", "It took too long.")
    open_one = store.essay(store.draft(replicate=2), state="failed", failure=("call", "timeout"))
    for essay in (done, open_one):
        store.evaluation(essay, state="done" if essay is done else "absent")
    write_pages(store)
    folder = html_folder(store) / "essays"
    assert "timeout" not in Page(folder / f"{done.gen_id}.html").text
    assert "timeout: It did not work." in Page(folder / f"{open_one.gen_id}.html").text


def test_page_says_when_essays_were_judged_by_others(tmp_path):
    store = Store(tmp_path)
    for combo in range(3):
        essay = store.essay(store.draft(combo=combo))
        for judge in ("j1", "j2")[: 2 if combo else 1]:
            store.evaluation(essay, judge=judge, score=5 + combo)
    write_pages(store)
    text = Page(html_folder(store) / "index.html").text
    assert "Not all essays had the same judges" in text
    assert "j1 j2 by novelty: 2; j1 by novelty: 1." in text


def test_essays_are_ranked_by_adjusted_scores(tmp_path):
    store = Store(tmp_path)
    # j2 is strict and did not see the essay of the first combo
    for combo, scores in enumerate(
        (
            (6,),
            (7, 3),
            (8, 4),
        )
    ):
        essay = store.essay(store.draft(combo=combo))
        for judge, score in zip(("j1", "j2"), scores, strict=False):
            store.evaluation(essay, judge=judge, score=score)
    write_pages(store)
    data = json.loads(Page(html_folder(store) / "index.html").data["data"])["documents"]
    order = [store.membership.by_id[gen_id].combo_id for gen_id in data["gen_id"]]
    assert order == [store.combos[2], store.combos[1], store.combos[0]]
    assert [found[3] for found in data["adjusted"]] == [1, 2, 3]


def test_mean_is_none_without_values():
    assert numbers.mean_of([1, 2, 3, 4]) == (4, 2.5)
    assert numbers.mean_of([]) == (0, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "unknown"), (0, "$0.00"), (0.00123, "$0.00123"), (1234.5, "$1,234.50"), (-0.016, "−$0.016")],
)
def test_money_keeps_small_amounts(value, shown):
    assert numbers.usd(value) == shown


def test_evidence_of_every_finding_is_on_the_page(ordinary_store):
    page = Page(html_folder(ordinary_store) / "index.html")
    ids = {attributes["id"] for _, attributes in page.tags if attributes.get("id")}
    places = {link["href"] for link in page.of("a") if (link.get("href") or "").startswith("#")}
    assert len(places) > 5 and {place[1:] for place in places} <= ids


def test_plots_are_files_without_scripts_or_addresses(ordinary_store):
    plots = sorted((html_folder(ordinary_store) / "plots").glob("*.svg"))
    assert {path.stem for path in plots} == set(FIGURES)
    for path in plots:
        source = path.read_text(encoding="utf-8")
        assert "<script" not in source
        assert set(re.findall(r"https?://[^\"']+", source)) == {"http://www.w3.org/2000/svg"}


def test_cross_page_shows_each_cohort_s_own_tables_and_leads_to_their_rows(ordinary_store):
    page = Page(ordinary_store.data.cross_page)
    assert "32 evaluations in all, 32 with a score that counts." in page.text
    cohort = os.path.relpath(ordinary_store.data.cohort(COHORT).page, page.path.parent)
    stored = {link["data-stored"] for link in page.of("a") if link.get("data-stored", "").startswith(cohort)}
    assert f"{cohort}#difference-generation_template-e-other-e-plain-crossed" in stored
    assert {cohort, f"{cohort}#differences", f"{cohort}#judges"} <= stored
    ids = {
        attributes["id"]
        for _, attributes in Page(html_folder(ordinary_store) / "index.html").tags
        if "id" in attributes
    }
    assert {unquote(link.partition("#")[2]) for link in stored if "#" in link} <= ids
    [row] = [
        row
        for row in page_reports.rows(ordinary_store.data.cohort(COHORT).analysis("level_means"))
        if row["draft_template"] == "d-plain" and row["factor"] == "draft_template"
    ]
    assert numbers.points(row["mean"]) in page.text and "no interval, 1 combo, 16 scores" in page.text


@pytest.mark.slow
def test_cohort_page_leads_to_the_page_over_all_cohorts_once_there_is_one(tmp_path):
    store = ordinary(tmp_path)
    page = write_pages(store)
    [link] = [link for link in Page(page).of("a") if "7_cross_experiment" in (link.get("data-stored") or "")]
    target = page.parent / unquote(link["data-stored"])
    hidden = '<span class="way-up" hidden>'
    assert hidden in page.read_text(encoding="utf-8") and not target.exists()
    before = page.stat().st_mtime_ns
    assert write_cross(store).resolve() == target.resolve()
    shown = page.read_text(encoding="utf-8")
    assert hidden not in shown and '<span class="way-up">' in shown
    assert page.stat().st_mtime_ns == before
    assert write_pages(store).read_text(encoding="utf-8") == shown


def test_prices_on_the_pages_are_those_of_the_table_that_they_name(ordinary_store):
    cohort = ordinary_store.data.cohort(COHORT)
    rows = page_reports.rows(cohort.summary("text_costs"))
    assert {row["cost_usd"] for row in rows if row["stage"] == "draft"} == {"0.001000"}
    prices = {row["gen_id"]: float(row["cost_usd"]) for row in rows}
    shown = json.loads(Page(cohort.page).data["data"])["documents"]
    assert dict(zip(shown["gen_id"], shown["cost"], strict=True)).items() <= prices.items()
    essay = Page(cohort.page.parent / "essays" / f"{shown['gen_id'][0]}.html")
    assert "../tables/summary/text_costs.csv" in [link.get("href") for link in essay.of("a")]
    assert numbers.usd(prices[shown["gen_id"][0]]) in essay.text


@pytest.mark.slow
def test_cross_page_names_cohorts_without_tables(tmp_path):
    store = ordinary(tmp_path)
    write_pages(store)
    store.write_membership("later", [entry for entry in store.entries if entry.llm_model_id != "j2"])
    page = Page(write_cross(store))
    assert "Without means of their own yet: later." in page.text
    for picture in page.text.split("Means in each cohort")[1:]:
        assert "later" not in picture


def test_importing_pages_does_not_import_pandas(tmp_path):
    import subprocess
    import sys

    code = "import sys, workflow_lib.pages; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_tables_must_be_there_first(tmp_path):
    store = ordinary(tmp_path)
    store.write_membership()
    with pytest.raises(FileNotFoundError):
        pages.write_cohort(store.settings, COHORT, store.membership)
    reports.write(store.settings, COHORT, store.membership)
    assert pages.write_cohort(store.settings, COHORT, store.membership).exists()


@pytest.mark.slow
def test_page_of_300_essays_is_smaller_than_half_a_megabyte(tmp_path):
    settings = drawn.store(tmp_path, 300, 12, is_empty=False)
    drawn.build(settings)
    page = settings.data.cohort(drawn.COHORT).page
    assert page.stat().st_size < 500_000
    assert len(json.loads(Page(page).data["data"])["scores"]) == 300
    # what it takes to compare two texts does not grow with all texts
    assert (page.parent / "compare.html").stat().st_size < 250_000
    words = zlib.decompress(base64.b64decode(json.loads(Page(page.parent / "search.html").data["index"])["data"]))
    assert len(words[8 : 8 + struct.unpack(">I", words[:4])[0]].split()) > 10_000
