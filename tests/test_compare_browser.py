"""Two texts side by side, in one document: what differs, by how much, and which words."""

import pytest

from tests.browser import READY, choose, complaints, css, open_at, press, requested, show, wait_until
from tests.page_data import MARK, RUN, hostile, ordinary, write_pages
from tests.stores import Store

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_pages(ordinary(tmp_path_factory.mktemp("ordinary"))).parent / "compare.html"


def headings(browser):
    return [one.text for one in css(browser, ".column h3")]


def wait_for_headings(browser, *expected):
    headings_now = "JSON.stringify([...document.querySelectorAll('.column h3')].map((one) => one.textContent))"
    wait_until(browser, f"{headings_now} === JSON.stringify(arguments[0])", list(expected))


def rows(browser, table):
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((row) => [...row.cells]"
        ".map((cell) => cell.innerText))",
        f"{table} tbody tr",
    )


def test_marked_essays_are_compared_in_one_document(browser, page):
    show(browser, page.parent / "index.html")
    wait_until(browser, READY)
    for box in css(browser, "[data-pick]")[:2]:
        box.click()
    css(browser, "#tray-link")[0].click()
    wait_until(browser, "document.title.startsWith('Compare') && document.documentElement.dataset.ready")
    assert headings(browser) == ["Of clocks", "Of gardens"]
    assert css(browser, "iframe") == []
    assert complaints(browser) == [] and requested(browser) <= {"file", "data", "about"}


def test_factors_that_differ_are_marked(browser, page):
    open_at(browser, page)
    differing = browser.execute_script(
        "return [...document.querySelectorAll('#factors .differs th')].map((one) => one.innerText)"
    )
    # Of clocks and Of gardens: two essays of one draft
    assert differing == ["Essay template ≠"]
    choose(browser, "#choose-b", "3")
    differing = [row[0] for row in rows(browser, "#factors") if "≠" in row[0]]
    assert differing == ["Draft template ≠", "Draft model ≠", "Essay template ≠", "Writer ≠", "Draft ≠"]


def test_differences_stand_per_judge_and_template_with_their_n(browser, page):
    open_at(browser, page)
    choose(browser, "#choose-b", "3")
    # Of clocks 6, 6.5, 7, 7.5 and Of tides 3, 3.5, 4, 4.5, two scores each
    assert rows(browser, "#scores") == [
        ["novelty", "j1", "6.00 (2)", "3.00 (2)", "−3.00"],
        ["novelty", "j2", "7.00 (2)", "4.00 (2)", "−3.00"],
        ["style", "j1", "6.50 (2)", "3.50 (2)", "−3.00"],
        ["style", "j2", "7.50 (2)", "4.50 (2)", "−3.00"],
    ]
    assert css(browser, "#scores tfoot")[0].text == "Mean over 4 shared judge and evaluation pairs −3.00"


def test_missing_scores_have_no_difference(browser, tmp_path):
    store = Store(tmp_path)
    for replicate in (1, 2):
        essay = store.essay(store.draft(replicate=replicate))
        store.evaluation(essay, score=8 - replicate)
        if replicate == 1:
            store.evaluation(essay, judge="j2", score=3)
    page = write_pages(store).parent / "compare.html"
    open_at(browser, page)
    found = {row[1]: row[2:] for row in rows(browser, "#scores")}
    assert sorted(found["j1"][:2]) == ["6.00 (1)", "7.00 (1)"]
    assert sorted(found["j2"]) == ["3.00 (1)", "–", "–"]


def test_text_whose_page_is_missing_is_not_shown_as_another(browser, tmp_path):
    page = write_pages(ordinary(tmp_path)).parent / "compare.html"
    open_at(browser, page)
    third = css(browser, "#choose-b option")[2].text.rpartition("(")[2].rstrip(")")
    (page.parent / "essays" / f"{third}.html").unlink()
    choose(browser, "#choose-b", "2")
    wait_until(browser, "document.getElementById('text-b').innerText.includes('cannot be shown here')")
    assert headings(browser) == ["Of clocks"]
    assert css(browser, "iframe") == []
    choose(browser, "#choose-b", "3")
    wait_for_headings(browser, "Of clocks", "Of tides")


def test_words_that_differ_are_marked_where_the_draft_is_shared(browser, tmp_path):
    store = Store(tmp_path)
    draft = store.draft()
    one = store.essay(draft, "e-plain", raw="# Title\n\nThe loop *dreams* of walls at night, and sleeps.")
    two = store.essay(draft, "e-other", raw="# Title\n\nThe loop dreams of gardens at night; it never sleeps.")
    far = store.essay(store.draft("d-other"), raw="Quite another text.")
    page = write_pages(store).parent / "compare.html"
    open_at(browser, page, f"#a={one.gen_id}&b={two.gen_id}")
    marked = lambda side: [found.text for found in css(browser, f"#text-{side} mark")]  # noqa: E731
    assert marked("a") == ["walls", "and"]
    assert marked("b") == ["gardens", "it never"]
    # 8 of 10 and 8 of 11 words, the titles counted
    assert "Made from the same draft. 76 % of the words are in both" in css(browser, "#shared")[0].text
    open_at(browser, page, f"#a={one.gen_id}&b={far.gen_id}")
    assert marked("a") == [] and css(browser, "#shared")[0].text == ""
    css(browser, "#words")[0].click()
    assert marked("b") == ["Quite another text"]


def test_back_keys_and_selectors_agree(browser, page):
    open_at(browser, page)
    press(browser, "\ue014")
    wait_for_headings(browser, "Of clocks", "Of walls")
    assert css(browser, "#choose-b")[0].get_attribute("value") == "2"
    press(browser, "s")
    wait_for_headings(browser, "Of walls", "Of clocks")
    choose(browser, "#choose-a", "3")
    wait_for_headings(browser, "Of tides", "Of clocks")
    browser.back()
    wait_for_headings(browser, "Of walls", "Of clocks")
    assert css(browser, "#choose-a")[0].get_attribute("value") == "2"
    browser.back()
    wait_for_headings(browser, "Of clocks", "Of walls")
    browser.forward()
    wait_for_headings(browser, "Of walls", "Of clocks")
    assert complaints(browser) == []


def test_both_texts_scroll_together_unless_the_reader_does_not_want_it(browser, tmp_path):
    store = Store(tmp_path)
    for number, length in ((1, 400), (2, 200)):
        store.essay(store.draft(replicate=number), raw="A line of words.\n\n" * length)
    open_at(browser, write_pages(store).parent / "compare.html")
    share = "((one) => one.scrollTop / (one.scrollHeight - one.clientHeight))(document.getElementById('text-{}'))"
    script = "const one = document.getElementById('text-a'); one.scrollTop = (one.scrollHeight - one.clientHeight) / 2"
    browser.execute_script(script)
    wait_until(browser, f"Math.abs({share.format('b')} - 0.5) < 0.01")
    press(browser, "l")
    browser.execute_script(script.replace("/ 2", "/ 4"))
    wait_until(browser, f"Math.abs({share.format('a')} - 0.25) < 0.01")
    assert browser.execute_script(f"return Math.abs({share.format('b')} - 0.5) < 0.01")


def test_way_back_keeps_the_view_of_the_cohort(browser, page):
    open_at(browser, page, "#view=draft_template%3Dd-plain")
    press(browser, "u")
    wait_until(browser, "document.querySelectorAll('#board [data-row]').length === 2")


@pytest.mark.parametrize(
    "asked", [f"javascript:document.title='{MARK}'", "../../../x", "https://example.org/", "__proto__"]
)
def test_address_shows_only_what_is_in_the_cohort(browser, page, asked):
    open_at(browser, page, f"#a={asked}&b={asked}&view={asked}")
    assert headings(browser) == ["Of clocks", "Of gardens"]
    assert css(browser, "#up")[0].get_attribute("href").startswith((page.parent / "index.html").as_uri())
    assert browser.title != MARK and complaints(browser) == []


def test_hostile_texts_do_nothing_side_by_side(browser, tmp_path):
    page = write_pages(hostile(tmp_path)).parent / "compare.html"
    open_at(browser, page)
    for number in range(0, 14, 2):
        browser.execute_script("document.getElementById('words').checked || document.getElementById('words').click()")
        choose(browser, "#choose-a", str(number))
        choose(browser, "#choose-b", str(number + 1))
        assert (
            browser.execute_script(
                "return document.querySelectorAll('main img, main iframe, main script, main svg').length"
            )
            == 0
        )
    protocols = browser.execute_script("return [...document.querySelectorAll('.column a')].map((one) => one.protocol)")
    assert set(protocols) <= {"https:", "http:", "mailto:"}
    assert browser.title != MARK and RUN not in browser.current_url
    assert complaints(browser) == [] and requested(browser) <= {"file", "data", "about"}


def test_without_scripts_every_text_is_linked(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, page)
        assert [one.text for one in css(browser, "noscript a")] == ["Of clocks", "Of gardens", "Of walls", "Of tides"]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
