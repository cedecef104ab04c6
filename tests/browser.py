"""A headless Chromium for tests that look at pages as a person would."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# our scripts say so when a page is at work
READY = "document.documentElement.dataset.ready"


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start a browser with a profile of its own; skip where there is none, fail where there must be one.

    Args:
        profile: an empty folder.
    """
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        _missing("selenium is not installed")
    binary = next((found for name in BINARIES if (found := shutil.which(name))), None)
    driver_binary = shutil.which("chromedriver")
    if binary is None or driver_binary is None:
        _missing("no chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver_binary))
    browser.set_page_load_timeout(60)
    try:
        yield browser
    finally:
        browser.quit()


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI the pages must be looked at")
    pytest.skip(reason)


def complaints(browser: Any) -> list[str]:
    """Return what the browser's console said since the last time: errors, refused scripts and styles."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requested(browser: Any) -> set[str]:
    """Return the schemes of all requests since the last time."""
    found = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.add(message["params"]["request"]["url"].split(":", 1)[0])
    return found


def resize(browser: Any, width: int, height: int = 900) -> None:
    """Give the page another size, in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(browser: Any, scheme: str) -> None:
    """Say that the reader's system is ``light`` or ``dark``, and wants no motion: clicks must hit."""
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def set_back(browser: Any) -> None:
    """Leave a page, its size, its colours, and what the browser has on record."""
    prefer(browser, "light")
    resize(browser, 1440)
    browser.get("about:blank")
    complaints(browser)
    requested(browser)


@contextmanager
def without_scripts(browser: Any) -> Iterator[None]:
    """Show pages as they are without JavaScript; what a test asks the page itself still runs."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def css(browser: Any, selector: str) -> list[Any]:
    """Return the elements that a selector finds."""
    return list(browser.find_elements("css selector", selector))


def show(browser: Any, path: Path, fragment: str = "") -> None:
    """Open a page from disk, also where the address differs from the present one in its fragment alone."""
    browser.get("about:blank")
    browser.get(path.as_uri() + fragment)


def open_at(browser: Any, path: Path, fragment: str = "") -> None:
    """Open a page as `show` does, and wait until its scripts are at work."""
    show(browser, path, fragment)
    wait_until(browser, READY)


def wait_until(browser: Any, script: str, *arguments: Any) -> Any:
    """Wait until an expression of the page's language is true and return its value; fails after 30 s."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 30).until(lambda one: one.execute_script(f"return {script}", *arguments))


def wait_for_title(browser: Any, title: str) -> None:
    """Wait until a page with this title has come and its script has run; fails after 30 s."""
    wait_until(browser, "document.readyState === 'complete' && document.title.startsWith(arguments[0])", title)


def choose(browser: Any, selector: str, value: str) -> None:
    """Choose a value of a selector."""
    from selenium.webdriver.support.select import Select

    Select(css(browser, selector)[0]).select_by_value(value)


def press(browser: Any, *keys: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def focused(browser: Any) -> str:
    """Return the text of the element that has the focus."""
    return str(browser.execute_script("return document.activeElement.textContent"))
