"""Reading an essay: the list it was reached from, marks, the judges' rail and the sheet on a phone."""

import pytest

from tests.browser import READY, complaints, css, open_at, press, requested, resize, show, wait_for_title, wait_until
from tests.page_data import MARK, RUN, hostile, ordinary, write_pages

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_pages(ordinary(tmp_path_factory.mktemp("ordinary")))


def first_essay(page):
    return sorted((page.parent / "essays").glob("*.html"))[0]


def test_next_and_previous_stay_within_the_list_that_was_filtered(browser, page):
    open_at(browser, page, "#draft_template=d-plain&sort=title&up=1")
    css(browser, "#board [data-row]")[0].click()
    wait_for_title(browser, "Of tides")
    assert css(browser, "#place")[0].text == "1 of 2 found"
    assert css(browser, "[rel=prev]") == []
    press(browser, "\ue014")
    wait_for_title(browser, "Of walls")
    assert css(browser, "#place")[0].text == "2 of 2 found"
    assert css(browser, "[rel=next]") == []
    press(browser, "u")
    wait_until(browser, "document.querySelectorAll('#board [data-row]').length === 2")
    assert "draft_template=d-plain" in browser.current_url and "sort=title" in browser.current_url
    assert complaints(browser) == []


def test_without_a_filter_the_order_is_that_of_the_cohort(browser, page):
    open_at(browser, page)
    css(browser, "#board [data-row]")[0].click()
    wait_for_title(browser, "Of clocks")
    assert css(browser, "#place")[0].text == "1 of 4" and "#" not in browser.current_url


def test_words_that_were_searched_for_are_marked(browser, page):
    open_at(browser, page, "#q=seahorses")
    css(browser, "#board [data-row]")[0].click()
    wait_for_title(browser, "Of clocks")
    wait_until(browser, READY)
    marks = browser.execute_script("return [...document.querySelectorAll('main mark')].map((one) => one.textContent)")
    assert set(marks) == {"seahorses"}
    # it stands in the draft only, which the mark brings into view
    press(browser, "n")
    wait_until(browser, "document.querySelector('mark.current').checkVisibility()")
    assert css(browser, "#mark-place")[0].text.startswith("1 of")


@pytest.mark.parametrize(
    "fragment",
    [
        f"#list=javascript:document.title='{MARK}'*../../x*{{own}}&view=javascript:{RUN}",
        "#list={own}*..*__proto__&first=-9&of=NaN&view=%3Cimg%20src=x%3E",
        f"#q=%3Cimg+src%3Dx+onerror%3D{RUN}%3E+essay&list={{own}}",
    ],
)
def test_address_cannot_lead_elsewhere(browser, page, fragment):
    path = first_essay(page)
    open_at(browser, path, fragment.format(own=path.stem))
    for link in css(browser, "[rel=prev], [rel=next], #up"):
        assert link.get_attribute("href").startswith(page.parent.as_uri())
    assert css(browser, "main img") == []
    assert browser.title != MARK and complaints(browser) == []


def test_judges_stand_beside_the_text_and_below_two_of_them(browser, page):
    open_at(browser, first_essay(page))
    place = "document.querySelector('{}').getBoundingClientRect()"
    rail, text = place.format(".rail"), place.format(".sheet")
    assert browser.execute_script(f"return {rail}.left >= {text}.right && {rail}.top < {text}.bottom")
    press(browser, "b")
    assert browser.execute_script(f"return {rail}.top >= {text}.bottom")
    press(browser, "j")
    assert browser.execute_script("return document.activeElement.closest('.rail') !== null")


def test_judges_are_a_sheet_at_the_bottom_of_a_phone(browser, page):
    resize(browser, 390, 844)
    open_at(browser, first_essay(page))
    assert not css(browser, ".judgement-head")[0].is_displayed()
    edge = "document.querySelector('.rail').getBoundingClientRect()"
    assert browser.execute_script(f"return Math.abs({edge}.bottom - innerHeight) < 2 && {edge}.height < 120")
    css(browser, "#judges > summary")[0].click()
    wait_until(browser, f"{edge}.height > 200")
    assert css(browser, ".judgement-head")[0].is_displayed()
    # the end of the page is not hidden below the closed sheet
    css(browser, "#judges > summary")[0].click()
    wait_until(browser, f"{edge}.height < 120")
    browser.execute_script("window.scrollTo(0, document.documentElement.scrollHeight)")
    wait_until(browser, f"document.querySelector('.alone').getBoundingClientRect().bottom <= {edge}.top + 1")


def test_call_is_one_click_away_by_keyboard_too(browser, page):
    open_at(browser, first_essay(page))
    summary = css(browser, ".call summary")[0]
    assert summary.is_displayed()
    summary.send_keys("\ue007")
    wait_until(browser, "document.querySelector('.call .attempts').checkVisibility()")
    assert "100" in summary.text and "$0.001" in summary.text


def test_hostile_texts_do_nothing_when_they_are_marked(browser, tmp_path):
    page = write_pages(hostile(tmp_path))
    for path in sorted((page.parent / "essays").glob("*.html")):
        open_at(browser, path, "#q=script+img+svg+title+word+onerror")
        browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert css(browser, "main img, main script, main svg, main iframe") == []
        assert browser.title != MARK and complaints(browser) == [], path
        assert requested(browser) <= {"file", "data", "about"}, path


def test_without_scripts_everything_can_be_read(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, first_essay(page))
        assert all(sheet.is_displayed() for sheet in css(browser, ".sheet"))
        assert len(css(browser, ".judgement-head")) == 8
        assert all(head.is_displayed() for head in css(browser, ".judgement-head"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
