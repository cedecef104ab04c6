"""Filters, search, history and lists of the cohort's page, as a reader with a browser meets them."""

import pytest

from tests.browser import choose, complaints, css, focused, open_at, press, show, wait_for_title, wait_until
from tests.page_data import MARK, RUN, ordinary, write_pages
from tests.stores import Store

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_pages(ordinary(tmp_path_factory.mktemp("ordinary")))


def titles(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#board [data-row]')].map((one) => one.innerText)"
    )


def wait_for_titles(browser, *expected):
    wait_until(
        browser,
        "JSON.stringify([...document.querySelectorAll('#board [data-row]')].map((one) => one.innerText))"
        " === JSON.stringify(arguments[0])",
        list(expected),
    )


def chips(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#chips [data-chip]')].map((one) => one.innerText)"
    )


def count(browser):
    return css(browser, "#count")[0].text


def test_chips_show_what_is_set_and_take_it_back(browser, page):
    open_at(browser, page)
    assert count(browser) == "4 of 4 texts, 32 scores"
    assert chips(browser) == []
    choose(browser, "#filter-draft_template", "d-other")
    choose(browser, "#filter-judge", "j1")
    assert [text.split("\n")[-1] for text in chips(browser)] == ["Draft template: d-other ×", "Judge: j1 ×"]
    assert count(browser) == "2 of 4 texts, 8 scores"
    # the keyboard goes on where the chip was
    css(browser, "[data-chip=draft_template]")[0].send_keys("\ue007")
    assert count(browser) == "4 of 4 texts, 16 scores"
    assert browser.execute_script("return document.activeElement.dataset.chip") == "judge"
    press(browser, "\ue007")
    assert chips(browser) == []
    assert browser.execute_script("return document.activeElement.id") == "search"


def test_back_undoes_a_choice_and_returns_from_an_essay(browser, page):
    open_at(browser, page)
    choose(browser, "#filter-draft_template", "d-plain")
    css(browser, "#board thead th.title button")[0].click()
    assert titles(browser) == ["Of tides", "Of walls"]
    css(browser, "#board [data-row]")[1].click()
    wait_for_title(browser, "Of walls")
    browser.back()
    wait_for_titles(browser, "Of tides", "Of walls")
    assert css(browser, "#filter-draft_template")[0].get_attribute("value") == "d-plain"
    browser.back()
    wait_for_titles(browser, "Of walls", "Of tides")
    browser.back()
    wait_for_titles(browser, "Of clocks", "Of gardens", "Of walls", "Of tides")
    browser.forward()
    wait_for_titles(browser, "Of walls", "Of tides")
    assert complaints(browser) == []


def test_link_to_a_section_keeps_the_filters(browser, page):
    open_at(browser, page, "#draft_template=d-plain")
    css(browser, ".sections a[href='#tables']")[0].click()
    wait_until(browser, "location.hash === '#tables'")
    assert titles(browser) == ["Of walls", "Of tides"]
    css(browser, "#filter-essay_template")[0].location_once_scrolled_into_view  # noqa: B018
    choose(browser, "#filter-essay_template", "e-plain")
    assert titles(browser) == ["Of tides"]
    browser.back()
    wait_for_titles(browser, "Of walls", "Of tides")


def test_focus_survives_sorting(browser, page):
    open_at(browser, page)
    button = css(browser, "#board thead th.title button")[0]
    button.send_keys("\ue007")
    assert focused(browser) == "Essay"
    assert css(browser, "#board th[aria-sort=ascending]")[0].text == "Essay"
    press(browser, "\ue007")
    assert focused(browser) == "Essay"
    assert css(browser, "#board th[aria-sort=descending]")[0].text == "Essay"
    assert titles(browser) == ["Of walls", "Of tides", "Of gardens", "Of clocks"]


def test_an_address_leads_to_its_result(browser, page):
    open_at(browser, page, "#draft_template=d-plain")
    place = "document.getElementById('leaderboard').getBoundingClientRect()"
    wait_until(browser, f"{place}.top < innerHeight / 2 && scrollY > 0")
    # and the heading is not hidden below the bar
    assert browser.execute_script(
        f"return {place}.top >= document.getElementById('tools').getBoundingClientRect().bottom - 1"
    )
    open_at(browser, page, "#draft_template=d-plain&to=heatmap")
    wait_until(browser, "document.getElementById('heatmap').getBoundingClientRect().top < innerHeight")


def test_an_address_that_asks_for_nonsense_shows_everything(browser, page):
    open_at(browser, page, "#draft_template=nowhere&group=constructor&rows=__proto__&sort=x&shown=9")
    assert len(titles(browser)) == 4
    assert chips(browser) == []
    assert complaints(browser) == []


def test_search_marks_words_in_names_and_says_where_others_stand(browser, page):
    open_at(browser, page, "#q=garden")
    marks = "[...document.querySelectorAll('#board mark')].map((one) => one.textContent)"
    assert browser.execute_script(f"return {marks}")[0] == "garden"
    open_at(browser, page, "#q=seahorse")
    assert len(titles(browser)) == 4
    assert css(browser, "#board .found")[0].text == "found in: draft"
    open_at(browser, page, "#q=score+well")
    assert len(titles(browser)) == 4
    assert css(browser, "#board .found")[0].text == "found in: judgements"
    open_at(browser, page, "#q=w2")
    assert titles(browser) == ["Of clocks", "Of gardens"]
    assert "names" in css(browser, "#board .found")[0].text


def test_without_its_index_a_page_searches_names_and_ids_and_says_so(browser, tmp_path):
    page = write_pages(ordinary(tmp_path))
    (page.parent / "search.html").unlink()
    open_at(browser, page)
    assert count(browser) == "4 of 4 texts, 32 scores" and complaints(browser) == []
    css(browser, "#search")[0].send_keys("w2")
    wait_for_titles(browser, "Of clocks", "Of gardens")
    assert "names and ids only: search.html, with the words of the texts, cannot be opened" in count(browser)


def test_search_finds_ids_of_essays_drafts_and_judgements(browser, tmp_path):
    store = ordinary(tmp_path)
    page = write_pages(store)
    essay = next(entry for entry in store.entries if entry.stage == "essay")
    judgement = next(entry for entry in store.entries if entry.parent_gen_id == essay.gen_id)
    open_at(browser, page)
    title = browser.execute_script("return cohort.docs.title[cohort.docs.gen_id.indexOf(arguments[0])]", essay.gen_id)
    for asked in (essay.gen_id, essay.gen_id[:7], judgement.gen_id):
        open_at(browser, page, f"#q={asked}")
        assert titles(browser) == [title]
        assert "found in: id" in css(browser, "#board .found")[0].text
    open_at(browser, page, f"#q={essay.parent_gen_id}")
    assert len(titles(browser)) == 2


def test_marks_in_hostile_names_are_nothing_but_text(browser, tmp_path):
    store = Store(tmp_path)
    text = f'# <img src=x onerror="{RUN}"> onerror \u202egnorw\n\n<script>{RUN}</script> onerror & <b>onerror</b>'
    for replicate in (1, 2):
        store.evaluation(store.essay(store.draft(replicate=replicate), raw=text))
    page = write_pages(store)
    open_at(browser, page, f"#q=onerror+%3Cimg+src%3Dx+onerror%3D{RUN}%3E")
    open_at(browser, page, "#q=onerror")
    assert len(titles(browser)) == 2
    marks = browser.execute_script("return [...document.querySelectorAll('#board mark')].map((one) => one.innerHTML)")
    assert len(marks) >= 4 and set(marks) == {"onerror"}
    assert css(browser, "#board img, #board script, #board b:not(.score b)") == []
    assert browser.title != MARK and complaints(browser) == []


def test_drill_down_from_a_group_is_a_step_of_the_history(browser, page):
    open_at(browser, page, "#group=draft_template")
    css(browser, "#board [data-row]")[0].click()
    assert titles(browser) == ["Of clocks", "Of gardens"]
    browser.back()
    wait_for_titles(browser, "d-other", "d-plain")


def test_marks_for_comparison_survive_back(browser, page):
    open_at(browser, page)
    for box in css(browser, "[data-pick]")[1:3]:
        box.click()
    css(browser, "#board [data-row]")[0].click()
    wait_for_title(browser, "Of clocks")
    browser.back()
    wait_until(browser, "document.querySelectorAll('[data-pick]:checked').length === 2")
    assert css(browser, "#tray-link")[0].is_displayed()


def test_report_is_complete_without_scripts(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, page)
        text = css(browser, "#leaderboard")[0].text
        assert not css(browser, "#tools")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    for part in ("Of clocks", "Of tides", "6.75 (8)", "d-other", "e-plain", "w2", "First + Second"):
        assert part in text, part


def matrix(browser):
    rows = (
        "[...document.querySelectorAll('#matrix-table tr')].map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return [[" ".join(cell.split()) for cell in row] for row in browser.execute_script(f"return {rows}")]


@pytest.fixture(scope="module")
def two_combos(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("combos"))
    for combo, points in enumerate(((6, 7), (5, 5), (8, 2))):
        for template, score in zip(("d-plain", "d-other"), points, strict=True):
            essay = store.essay(store.draft(template, combo=combo), raw=f"# {template} of {combo}\n\nText.")
            for judge, kindness in (("j1", 0), ("j2", 1 if combo == 0 else 0)):
                for evaluation in ("novelty", "style"):
                    store.evaluation(essay, evaluation, judge, score=score + kindness)
    return write_pages(store)


def test_matrix_has_score_line_and_disagreement_of_each_combo_and_template(browser, two_combos):
    open_at(browser, two_combos)
    choose(browser, "#matrix-columns", "draft_template")
    assert matrix(browser) == [
        ["Combo", "d-other", "d-plain"],
        ["First + Second", "7.50 n 4 d-other of 0 judges 1.00 apart", "6.50 n 4 d-plain of 0 judges 1.00 apart"],
        ["First + Third", "5.00 n 4 d-other of 1 judges 0.00 apart", "5.00 n 4 d-plain of 1 judges 0.00 apart"],
        ["Second + Third", "2.00 n 4 d-other of 2 judges 0.00 apart", "8.00 n 4 d-plain of 2 judges 0.00 apart"],
    ]


def test_matrix_can_show_only_where_scores_or_judges_differ(browser, two_combos):
    open_at(browser, two_combos, "#differ=cells")
    assert [row[0] for row in matrix(browser)[1:]] == ["First + Second", "Second + Third"]
    assert css(browser, "#matrix-count")[0].text == "2 of 3 combos"
    choose(browser, "#matrix-rows", "judges")
    assert [row[0] for row in matrix(browser)[1:]] == ["First + Second"]
    assert "differ=judges" in browser.current_url
    browser.back()
    wait_until(browser, "document.querySelectorAll('#matrix-table tbody tr').length === 2")


def test_matrix_follows_the_filters_and_leads_to_the_essay(browser, two_combos):
    open_at(browser, two_combos, "#judge=j1&draft_template=d-plain")
    assert [row[1].split()[0] for row in matrix(browser)[1:]] == ["6.00", "5.00", "8.00"]
    assert "one judge" in matrix(browser)[1][1]
    css(browser, "#matrix-table a")[2].click()
    wait_for_title(browser, "d-plain of 2")
