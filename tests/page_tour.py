"""Every page of a folder as a reader meets it: how well it can be seen, and whether all of it can be reached."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.browser import show

UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
SOURCE = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
AXE = """
const done = arguments[arguments.length - 1];
const lines = ({ id, nodes }) => nodes.map((one) => `${id}: ${one.html.slice(0, 160)}`);
axe.run(document, { resultTypes: ["violations"] })
  .then(({ violations }) => done(violations.flatMap(lines)), (error) => done([String(error)]));
"""


def every_page(folder: Path) -> list[Path]:
    """Return the pages of a folder: all that lie at its top, and the first and last of each folder in it."""
    found = sorted(folder.glob("*.html"))
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        inside = sorted(below.glob("*.html"))
        found += dict.fromkeys([*inside[:1], *inside[-1:]])
    return found


def unfold(browser: Any, path: Path, fragment: str = "") -> None:
    """Open a page and all that is folded in it."""
    show(browser, path, fragment)
    browser.execute_script(UNFOLD)


def asked(browser: Any, check: str) -> list[str]:
    """Return what a function of page_tour.js finds wrong with the open page."""
    return browser.execute_script(f"{SOURCE}; return tour.{check}();")


def press_everything(browser: Any, word: str) -> int:
    """Use every control of the open page and every key; returns how many controls were used.

    Args:
        browser: with a page open.
        word: what is written into every field.
    """
    script = f"{SOURCE}; tour.pressEverything(arguments[0]).then(arguments[1], arguments[1]);"
    browser.set_script_timeout(120)
    return browser.execute_async_script(script, word)


def violations(browser: Any) -> list[str]:
    """Return what axe-core finds wrong with the open page, by all rules that are on by default."""
    browser.execute_script(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    return browser.execute_async_script(AXE)
