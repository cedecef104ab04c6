import json

import pytest

from tests.browser import choose, complaints, css, requested, show, wait_for_title, wait_until
from tests.page_data import ordinary, write_cross, write_pages
from tests.stores import COHORT

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    store = ordinary(tmp_path_factory.mktemp("ordinary"))
    path = write_pages(store)
    write_cross(store)
    return path


def rows(browser):
    return [one.text for one in css(browser, "#board [data-row]")]


def test_page_opens_from_disk_without_complaints_or_requests(browser, page):
    for path in (page, page.parent / "compare.html", *sorted((page.parent / "essays").glob("*.html"))[:2]):
        show(browser, path)
        assert complaints(browser) == []
        assert requested(browser) <= {"file", "data", "about"}
    assert "Of clocks" in rows_of_index(browser, page)[0]


def rows_of_index(browser, page):
    show(browser, page)
    return rows(browser)


def test_leaderboard_sorts_filters_and_keeps_both_in_the_address(browser, page):
    show(browser, page)
    assert rows(browser) == ["Of clocks", "Of gardens", "Of walls", "Of tides"]
    css(browser, "#board thead th.title button")[0].click()
    assert rows(browser) == ["Of clocks", "Of gardens", "Of tides", "Of walls"]
    choose(browser, "#filter-draft_template", "d-plain")
    assert rows(browser) == ["Of tides", "Of walls"]
    address = browser.current_url
    assert "draft_template=d-plain" in address
    browser.get("about:blank")
    browser.get(address)
    assert rows(browser) == ["Of tides", "Of walls"]
    css(browser, "[data-chip=draft_template]")[0].click()
    assert len(rows(browser)) == 4


def test_judge_filter_changes_means_and_counts(browser, page):
    show(browser, page)
    first = lambda: [" ".join(cell.text.split()) for cell in css(browser, "#board tbody tr:first-child td.num")]  # noqa: E731
    assert first() == ["6.75 n 8", "$0.002"]
    choose(browser, "#filter-judge", "j2")
    assert first()[0] == "7.25 n 4"
    choose(browser, "#filter-evaluation_template", "style")
    assert first()[0] == "7.50 n 2"


def test_means_of_groups_have_no_interval_of_the_script_s_own(browser, page):
    show(browser, page, "#group=draft_template")
    assert rows(browser) == ["d-other", "d-plain"]
    cells = [cell.text for cell in css(browser, "#board tbody tr:first-child td")]
    assert cells[2:4] == ["6.25", "16"]
    assert "±" not in css(browser, "#board")[0].text


def test_search_finds_words_by_their_beginning(browser, page):
    ready = "document.documentElement.dataset.ready"
    show(browser, page, "#q=GARD")
    wait_until(browser, ready)
    assert rows(browser) == ["Of gardens"]
    show(browser, page, "#q=an+essay")
    wait_until(browser, ready)
    assert len(rows(browser)) == 4
    show(browser, page, "#q=nowhere")
    wait_until(browser, ready)
    assert rows(browser) == []
    assert "Nothing fits" in css(browser, "#board")[0].text


def test_heat_map_shows_means_and_leads_to_essays(browser, page):
    show(browser, page, "#rows=draft_template,essay_template")
    table = [
        [cell.text.split() for cell in row.find_elements("css selector", "td")]
        for row in css(browser, "#heat tbody tr")
    ]
    # columns: j1 novelty, j1 style, j2 novelty, j2 style; rows: d-other e-other, d-other e-plain, d-plain ...
    assert table[0] == [["6.00", "2"], ["6.50", "2"], ["7.00", "2"], ["7.50", "2"]]
    assert table[3] == [["3.00", "2"], ["3.50", "2"], ["4.00", "2"], ["4.50", "2"]]
    css(browser, "#heat tbody tr:first-child button")[0].click()
    assert rows(browser) == ["Of clocks"]
    assert "judge=j1" in browser.current_url


def test_look_can_be_chosen_and_is_kept(browser, page):
    show(browser, page)
    look = lambda: browser.execute_script("return getComputedStyle(document.body.parentElement).backgroundColor")  # noqa: E731
    light = look()
    css(browser, "[data-theme-toggle]")[0].click()
    dark = look()
    assert dark != light
    show(browser, sorted((page.parent / "essays").glob("*.html"))[0])
    assert look() == dark
    css(browser, "[data-theme-toggle]")[0].click()
    assert look() == light


def test_keyboard_leads_through_the_pages(browser, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys):
        for key in keys:
            ActionChains(browser).send_keys(key).perform()

    show(browser, page)
    press("/", "c", "l", "o", "c", "k", Keys.ESCAPE)
    assert browser.execute_script("return document.activeElement === document.body")
    # Escape has emptied the search, too
    wait_until(browser, "document.querySelectorAll('#board [data-row]').length === 4")
    press("j", "j", Keys.ENTER)
    wait_for_title(browser, "Of gardens")
    press(Keys.ARROW_RIGHT)
    wait_for_title(browser, "Of walls")
    press(Keys.ARROW_LEFT)
    wait_for_title(browser, "Of gardens")
    press(Keys.ARROW_LEFT)
    wait_for_title(browser, "Of clocks")
    press("d")
    assert not css(browser, "article")[0].is_displayed()
    press("u")
    wait_for_title(browser, COHORT)


def test_prints_without_controls(browser, page):
    show(browser, page)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not css(browser, "#tools")[0].is_displayed()
        assert css(browser, "#board")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_cross_page_opens_and_leads_to_the_cohort(browser, page):
    path = page.parents[4] / "7_cross_experiment" / "html" / "index.html"
    show(browser, path)
    assert complaints(browser) == []
    css(browser, "main a")[0].click()
    assert browser.title.startswith(COHORT)


def test_page_data_is_what_the_script_reads(browser, page):
    show(browser, page)
    ready = "return document.documentElement.dataset.ready"
    assert browser.execute_script(ready) == "1"
    data = json.loads(browser.execute_script("return document.getElementById('data').textContent"))
    assert data["cohort"] == COHORT
