"""Cohorts for the tests of the pages: texts that mean harm, and many of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stores import COHORT, Store
from workflow_lib import pages
from workflow_lib.files import write_json, write_text
from workflow_lib.results import cross, reports

MARK = "alert-was-reached"
"""What hostile texts try to set as the page's title."""

RUN = f"document.title='{MARK}'"
HOSTILE = {
    "script": f"# A script\n\n<script>{RUN}</script> and </script><script>{RUN}</script>",
    "handler": f'<img src=x onerror="{RUN}"> <svg onload="{RUN}"> <body onload={RUN}> <details open ontoggle="{RUN}">',
    "links": f"[one](javascript:{RUN}) [two](JaVaScRiPt:{RUN}) [three](data:text/html,<script>{RUN}</script>) "
    f"[four](vbscript:x) [five](file:///etc/passwd) <javascript:{RUN}> [good](https://example.org/a?b=1&c=2)",
    "images": "![seen](https://example.org/pixel.png) ![data](data:image/png;base64,AAAA)",
    "breakout": f"</textarea></title></style></template></iframe>--></pre></article>]]><script>{RUN}</script>",
    "json": f'{{"a": "</script><script>{RUN}</script>"}} \\u2028 \u2028 \u2029 {{{{ 7 * 7 }}}} {{% raw %}}',
    "markdown": "# Unbalanced **bold _and `code [link](http://\n\n> > > > quote\n\n| a | b\n|---\n\n```\nnever closed",
    "nested": "[" * 3000 + ">" * 3000 + "*" * 3000 + "\n" + "> " * 500 + "deep",
    "long": "word " * 20_000 + "x" * 100_000,
    "wide": "w" * 5_000 + "\n\n```\n" + "c" * 5_000 + "\n```\n\n|" + " a |" * 200 + "\n|" + "---|" * 200,
    "direction": "# \u202egnorw yaw eht\n\nThis \u202e is turned \u2066 and isolated, \u202d never closed",
    "control": "a NUL \x00 an escape \x1b[31mred\x1b[0m a bell \x07 a C1 \x9b31m a DEL \x7f lines\r\nof\rall kinds",
    "style": '<style>*{display:none}</style><link rel=stylesheet href="https://example.org/x.css"><base href="//x">',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://example.org/"><form action="https://example.org">',
    "drawing": f'<svg xmlns="http://www.w3.org/2000/svg"><script>{RUN}</script>'
    f'<a href="javascript:{RUN}"><text>x</text></a></svg>',
    "comment": f"<!-- > <script>{RUN}</script> --> <!--[if IE]><script>{RUN}</script><![endif]--> <![CDATA[ ]]> <?x ?>",
    "surrogate": "a lone surrogate \ud800 and a noncharacter \uffff",
}


HOSTILE_NAME = f'"><img src=x onerror={RUN}> \u202e </script>\x1b[31m'
HOSTILE_NAMES = (HOSTILE_NAME.replace("\x1b", ""), "constructor", "toString")
HOSTILE_ADDRESSES = (
    f"#q=<img src=x onerror={RUN}>&group=constructor&sort=__proto__&rows=toString&judge=valueOf&combo=%00",
    f"#a=javascript:{RUN}&b=../../../secret&q=%22%3E%3Cscript%3E{RUN}%3C/script%3E",
    f"?a=data:text/html,<script>{RUN}</script>&q=x#<svg onload={RUN}>",
)
"""What may follow the address of a page, in a link that somebody was sent."""


def write_pages(store: Store) -> Path:
    """Write tables and pages of a small store; returns index.html."""
    store.write_membership()
    reports.write(store.settings, COHORT, store.membership)
    return pages.write_cohort(store.settings, COHORT, store.membership)


def hostile(folder: Path) -> Store:
    """Return a store in which every hostile text is a draft, an essay and a judge's answer, and names mean harm, too.

    Names that are no safe ids come from a membership.csv of an older tool; some that are safe are those of
    properties that every object of a script has.
    """
    store = Store(folder)
    concepts = store.data.catalog("concepts_metadata")
    concepts.write_text(concepts.read_text().replace("First", '"' + HOSTILE_NAME.replace('"', '""') + '"'))
    write_json(store.data.cohort(COHORT).manifest, {"notes": HOSTILE_NAME, "experiment_id": HOSTILE_NAME})
    for number, text in enumerate(HOSTILE.values(), start=1):
        draft = store.draft(replicate=number, raw=text)
        essay = store.essay(draft, raw=text)
        store.evaluation(essay, raw=f"{text}\nSCORE: {number % 9}", score=number % 9)
        store.evaluation(essay, judge="j2", raw=text, state="raw", failure=("parse", "no_score_last_lines", text[:400]))
        store.evaluation(essay, judge="j3", score=3, recorded={"served_model": HOSTILE_NAME, "endpoint": HOSTILE_NAME})
    for name in HOSTILE_NAMES:
        draft = store.draft(name, name, state="absent")
        essay = store.essay(draft, name, state="absent")
        judgement = store.evaluation(essay, name, name, state="absent")
        for entry, text in ((draft, "A draft."), (essay, "An essay."), (judgement, "7.0\n")):
            write_text(store.files(entry).raw, text)
            write_text(store.files(entry).parsed, text)
    return store


def varied(folder: Path) -> Store:
    """Return a store of three combos with two scales, failures, an answer of another model, and a draft alone."""
    store = Store(folder)
    store.draft("d-third", raw="# A draft alone\n\n### Of a lower level\n\nNo essay was made of it.")
    for combo in range(3):
        for shift, (template, model) in enumerate((("d-plain", "w1"), ("d-other", "w2"))):
            essay = store.essay(
                store.draft(template, model, combo=combo), raw=f"Essay {combo} of {model}.\n\n#### Deep"
            )
            for judge, kindness in (("j1", 0), ("j2", 1), ("w1", 0.5)):
                for replicate in (1, 2):
                    score = 2 + combo + 2 * shift + kindness + (replicate == 2) * (judge == "j1")
                    store.evaluation(essay, "novelty", judge, replicate, score=score)
                store.evaluation(essay, "ten", judge, score=score + 1)
            store.evaluation(
                essay, "style", "j1", raw="No score.", state="raw", failure=("parse", "no_score_last_lines")
            )
            store.evaluation(essay, "style", "j2", score=1, recorded={"served_model": "org/another"})
            store.evaluation(essay, "style", "j3", state="absent")
    failed = store.essay(store.draft(replicate=2, state="failed", failure=("call", "timeout")), state="absent")
    store.evaluation(failed, state="absent")
    return store


def single(folder: Path) -> Store:
    """Return a store of one essay with one score."""
    store = Store(folder)
    store.evaluation(store.essay(store.draft()))
    return store


def ordinary(folder: Path) -> Store:
    """Return a store with two drafts, each with two essays, scored by two judges and two templates, twice."""
    store = Store(folder)
    for place, (template, model) in enumerate((("d-plain", "w1"), ("d-other", "w2"))):
        text = f"A *loop* that dreams.\n\nThe {('first', 'second')[place]} draft wonders about seahorses."
        draft = store.draft(template, model, raw=text)
        for shift, essay_template in enumerate(("e-plain", "e-other")):
            title = ("Of tides", "Of walls", "Of gardens", "Of clocks")[2 * place + shift]
            essay = store.essay(draft, essay_template, raw=f"# {title}\n\nAn essay on **{title.lower()}** and more.")
            for judge, kindness in (("j1", 0), ("j2", 1)):
                for evaluation_template in ("novelty", "style"):
                    for replicate in (1, 2):
                        score = 3 + 2 * place + shift + kindness + (evaluation_template == "style") * 0.5
                        store.evaluation(essay, evaluation_template, judge, replicate, score=score)
    return store


def write_cross(store: Store) -> Path:
    """Write the tables and the page over all cohorts; returns the page."""
    return pages.write_cross(store.settings, cross.write(store.settings))


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """Replace a file's text for a while."""
    before = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)
