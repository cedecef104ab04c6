"""Every page for everybody: seen, heard, by keyboard, on a phone, on paper, without JavaScript, and sent alone."""

import shutil
from pathlib import Path

import pytest

from tests.browser import complaints, css, prefer, resize, show, without_scripts
from tests.page_data import ordinary, single, varied, write_cross, write_pages
from tests.page_tour import asked, every_page, unfold, violations
from workflow_lib.pages import reports

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NARROW = (320, 390, 820, 1440)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folders of pages of three cohorts, and of the page over all of one store."""
    found = []
    for make in (varied, single, ordinary):
        store = make(tmp_path_factory.mktemp(make.__name__))
        found.append(write_pages(store).parent)
    return [*found, write_cross(store).parent]


def wrong_on(browser, folders, check):
    """Return what `check` finds wrong with the pages of folders, a line each."""
    found = []
    for path in (page for folder in folders for page in every_page(folder)):
        unfold(browser, path)
        found += [f"{'/'.join(path.parts[-6:])}: {wrong}" for wrong in check()]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, folders, scheme):
    prefer(browser, scheme)
    assert wrong_on(browser, folders, lambda: violations(browser)) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_controls_and_drawings_stand_out(browser, folders, scheme):
    prefer(browser, scheme)
    assert wrong_on(browser, folders, lambda: asked(browser, "faintText") + asked(browser, "faintShapes")) == []


def test_faint_texts_and_borders_are_found(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<p style='color:#999'>grey <b style='color:#777;font-size:30px'>large</b></p><p style='opacity:.4'>faded</p>"
        "<input style='border:1px solid #ccc' placeholder='x'><svg><rect width=9 height=9 fill='#eee' /></svg>"
    )
    unfold(browser, page)
    assert [line.rsplit(": ")[0] for line in asked(browser, "faintText")] == ['body > p "grey"', 'body > p "faded"']
    assert [line.split(":")[0] for line in asked(browser, "faintShapes")] == ["body > input", "svg > rect"]


def test_drawings_have_names(browser, folders):
    assert wrong_on(browser, folders, lambda: asked(browser, "unnamedDrawings")) == []


@pytest.mark.parametrize("width", NARROW)
def test_nothing_is_wider_than_the_window(browser, folders, width):
    resize(browser, width)
    assert wrong_on(browser, folders, lambda: asked(browser, "wide")) == []


@pytest.mark.full
def test_every_control_is_reached_and_seen_by_keyboard(browser, folders):
    assert wrong_on(browser, folders, lambda: beyond_the_keyboard(browser)) == []


def beyond_the_keyboard(browser):
    """Return the controls of the open page that Tab does not come to, or that do not show that they have the focus."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    expected = asked(browser, "controls")
    browser.execute_script("window.scrollTo(0, 0); document.activeElement.blur();")
    reached, unseen = set(), []
    for _ in range(len(expected) + 2):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        name, is_seen = asked(browser, "focused")
        if name in reached:
            break
        reached.add(name)
        unseen += [] if is_seen else [f"no mark of focus: {name}"]
    return [f"not reached: {name}" for name in expected if name not in reached] + unseen


def test_paper_gets_all_of_it_in_light_colours(browser, folders):
    prefer(browser, "dark")

    def wrong():
        browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = false; })")
        before = asked(browser, "words")
        on_paper(browser)
        return asked(browser, "notPrinted") + sorted(set(before) - set(asked(browser, "words")))[:5]

    try:
        assert wrong_on(browser, folders, wrong) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def on_paper(browser):
    """Show the open page as it is printed."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")


def test_copy_of_the_folder_has_no_link_that_leads_nowhere(browser, folders, tmp_path):
    for number, folder in enumerate(folders):
        copy = tmp_path / str(number) / "html"
        shutil.copytree(folder, copy)
        for path in every_page(copy):
            unfold(browser, path)
            for address in files_linked(browser):
                assert address.exists() and address.is_relative_to(copy), path
            assert complaints(browser) == []


def test_files_of_the_store_are_linked_where_the_pages_lie_beside_it(browser, folders):
    for folder in folders:
        store = next(parent for parent in folder.parents if parent.name == "data")
        linked = set()
        for path in every_page(folder):
            unfold(browser, path)
            linked |= {address for address in files_linked(browser) if not address.is_relative_to(folder)}
        assert linked and all(address.is_relative_to(store) and address.exists() for address in linked)


def test_report_is_complete_without_scripts(browser, folders):
    with without_scripts(browser):
        for folder in folders:
            for path in every_page(folder):
                show(browser, path)
                assert not any(shown.text for shown in css(browser, ".only-js")), path
                assert css(browser, "main h1, header h1"), path
        *cohorts, cross = folders
        for folder in cohorts:
            assert_complete(browser, folder)
        show(browser, cross / "index.html")
        text = css(browser, "main")[0].text
        means = reports.rows(cohorts[-1].parent / "analysis" / "level_means.csv")
        assert means and all(f"{float(row['mean']):.2f}" in text for row in means if row["factor"] != "recipe")
        assert all(shown.is_displayed() for shown in css(browser, "main section, main figure svg"))


def assert_complete(browser, folder: Path) -> None:
    """Findings, evidence and every text with score and link on the cohort's page; text and judgements on its own."""
    store = folder.parents[1]
    show(browser, folder / "index.html")
    assert len([shown for shown in css(browser, ".finding") if shown.is_displayed() and shown.text]) >= 5
    evidence = css(browser, "main figure")
    assert evidence and all(shown.is_displayed() for shown in evidence)
    rows = {
        link.get_attribute("href").rsplit("/", 1)[-1].removesuffix(".html"): row.text
        for row in css(browser, "#leaderboard tbody tr")
        for link in row.find_elements("css selector", "td a")
    }
    assert set(rows) == {path.stem for name in ("essays", "drafts") for path in folder.glob(f"{name}/*.html")}
    board = reports.rows(store / "reports" / "analysis" / "adjusted_scores.csv")
    assert board
    for row in board:
        assert f"{float(row['estimate']):.2f}" in rows[row["parent_gen_id"]]
    show(browser, folder / "compare.html")
    assert len(css(browser, "main li a")) == len(rows)
    for row in board[:1]:
        show(browser, folder / "essays" / f"{row['parent_gen_id']}.html")
        judged = [shown for shown in css(browser, ".judgement .mark") if shown.is_displayed()]
        assert len(judged) >= int(row["n_scores"])
        assert all(shown.is_displayed() for shown in css(browser, ".sheet"))


def files_linked(browser) -> set[Path]:
    from urllib.parse import unquote, urlsplit

    script = "return [...document.querySelectorAll('a[href]')].map((one) => one.href)"
    found = {urlsplit(href) for href in browser.execute_script(script)}
    return {Path(unquote(address.path)) for address in found if address.scheme == "file"}
