"""The pages of a run that goes on, as a browser shows them: progress on top, and the rest as far as it has come."""

import pytest

from tests.browser import complaints, css, prefer, resize
from tests.page_tour import UNFOLD, asked, violations
from tests.small_cohort import COHORT, make_project, run_all
from workflow_lib.generations import failures
from workflow_lib.inspect import scope
from workflow_lib.inspect.progress import Progress
from workflow_lib.inspect.serving import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a cohort with its essays, one failure and no score yet."""
    settings = make_project(tmp_path_factory.mktemp("served"))
    run_all(settings, stages=["draft", "essay"])
    judged = next(entry for entry in scope.as_written(settings).membership.stage("evaluation"))
    files = settings.data.generation("evaluation", judged.gen_id)
    failures.record(files, judged, "call", "timeout", "No <b>answer</b> came within 600 s.", "Run again.")
    with Served(settings, 0) as found:
        found.note(Progress(settings).look())
        found.finish()
        essay = next(entry for entry in scope.as_written(settings).membership.stage("essay"))
        yield [found.url, f"{found.url}{COHORT}/", f"{found.url}{COHORT}/essays/{essay.gen_id}.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_pages_of_a_run_are_for_everybody(browser, served, width, scheme):
    resize(browser, width)
    prefer(browser, scheme)
    complaints(browser)
    for url in served:
        browser.get(url)
        browser.execute_script(UNFOLD)
        assert violations(browser) == [], url
        assert asked(browser, "faintText") + asked(browser, "faintShapes") + asked(browser, "wide") == [], url
        assert complaints(browser) == []


def test_first_screen_of_a_run_has_progress_money_and_failures(browser, served):
    resize(browser, 1440)
    for url in served[:2]:
        browser.get(url)
        [progress] = css(browser, ".progress")
        assert progress.rect["y"] + progress.rect["height"] < 900
        assert "$0.00 spent" in progress.text and "1 failed" in progress.text
        assert [bar.get_attribute("value") for bar in css(browser, "progress")] == ["2", "4", "0"]
