"""Texts, names and addresses that mean harm, on every page and at every control: nothing runs, nothing is loaded."""

from collections import defaultdict
from pathlib import Path

import pytest

from tests.browser import complaints, requested, resize
from tests.page_data import HOSTILE_ADDRESSES, MARK, RUN, hostile, write_cross, write_pages
from tests.page_tour import asked, press_everything, unfold

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HARMLESS = {"file", "data", "about"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Path]:
    """Return every page of a cohort whose texts and names mean harm, and the page over all cohorts."""
    store = hostile(tmp_path_factory.mktemp("hostile"))
    folders = (write_pages(store).parent, write_cross(store).parent)
    return [path for folder in folders for path in sorted(folder.rglob("*.html"))]


def assert_harmless(browser, path):
    assert browser.title != MARK, path
    assert browser.current_url.split("#")[0].split("?")[0] == path.as_uri(), path
    assert complaints(browser) == [], path
    assert requested(browser) <= HARMLESS, path


def test_texts_and_names_do_nothing(browser, pages):
    for path in pages:
        unfold(browser, path)
        assert_harmless(browser, path)
        assert browser.find_element("css selector", ".alone").is_displayed()
        protocols = browser.execute_script(
            "return [...document.querySelectorAll('a[href]')].map((one) => one.protocol)"
        )
        assert set(protocols) <= {"file:", "https:", "http:", "mailto:"}, path


def test_controls_do_nothing_but_their_work(browser, pages):
    kinds = defaultdict(list)
    for path in pages:
        kinds[path.parent.parent.parent.name + path.name if path.parent.name == "html" else path.parent.name].append(
            path
        )
    for some in kinds.values():
        # one of each kind is enough for most controls; names that are properties of objects come last
        for path in dict.fromkeys([some[0], *some[-2:]]):
            unfold(browser, path)
            assert press_everything(browser, f"<img src=x onerror={RUN}>") > 0
            assert_harmless(browser, path)


def test_addresses_do_nothing(browser, pages):
    tops = [path for path in pages if path.parent.name == "html"]
    for path in tops:
        for address in HOSTILE_ADDRESSES:
            unfold(browser, path, address)
            assert_harmless(browser, path)
            assert browser.find_element("css selector", ".alone").is_displayed()


@pytest.mark.parametrize("width", [320, 1440])
def test_long_words_and_deep_quotes_make_no_page_wide(browser, pages, width):
    resize(browser, width)
    for path in pages:
        unfold(browser, path)
        assert asked(browser, "wide") == [], path


def test_direction_marks_stay_inside_their_text(browser, pages):
    turned, found = 0, []
    for path in pages:
        unfold(browser, path)
        turned += len(asked(browser, "turned"))
        found += [f"{path.name}: {line}" for line in asked(browser, "turning")]
    assert turned
    assert found == []
