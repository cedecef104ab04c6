"""The page of an essay: judges who disagree come first; calls are shown as they are on record, changes as they are."""

import re
from html.parser import HTMLParser

from tests.page_data import changed, write_pages
from tests.stores import Store
from workflow_lib.pages import exchanges, versions


class Text(HTMLParser):
    """The text of the elements of a page that have a class or a name."""

    def __init__(self, path, wanted):
        super().__init__()
        self.wanted, self.depth, self.found = wanted, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        if tag in ("meta", "link", "input", "br", "hr"):
            return
        is_wanted = self.wanted in (tag, *(dict(attrs).get("class") or "").split())
        self.depth.append(is_wanted)
        if is_wanted:
            self.found.append("")

    def handle_endtag(self, tag):
        if self.depth:
            self.depth.pop()

    def handle_data(self, data):
        if any(self.depth):
            self.found[-1] += data


def texts_of(store, essay, wanted):
    page = store.data.cohort("small").page.parent / "essays" / f"{essay.gen_id}.html"
    return [" ".join(text.split()) for text in Text(page, wanted).found]


def test_template_on_which_the_judges_disagree_comes_first_and_the_dissenter_within_it(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    for template, scores in {"novelty": (6, 6, 7), "style": (2, 8, 8)}.items():
        for judge, score in zip(("j1", "j2", "j3"), scores, strict=True):
            store.evaluation(essay, template, judge, score=score)
    write_pages(store)
    groups = texts_of(store, essay, "h3")
    assert [group for group in groups if "apart" in group] == [
        "style judges 6.00 of 9 apart",
        "novelty judges 1.00 of 9 apart",
    ]
    heads = texts_of(store, essay, "judgement-head")
    assert [head.split()[0] for head in heads] == ["2j1", "8j2", "8j3", "7j3", "6j1", "6j2"]


def test_apart_is_counted_in_points_of_9_whatever_the_scale(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    for judge, score in (("j1", 5), ("j2", 10)):
        store.evaluation(essay, "ten", judge, score=score)
    write_pages(store)
    assert "ten judges 4.50 of 9 apart" in texts_of(store, essay, "h3")


def test_call_is_shown_as_the_stored_attempt_has_it(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    judgement = store.evaluation(essay, recorded={"attempt": 2})
    request = {"model": "org/judge-1", "messages": [{"role": "user", "content": "secret"}], "temperature": 0.1}
    store.attempt(judgement, 1, ".failed", reason="timeout", tries=[{}, {}, {}], started_at="2026-01-01T00:00:00+00:00")
    (store.files(judgement).attempts / "0001.json").unlink()
    store.attempt(
        judgement, 2, answer="Well.\nSCORE: 7", endpoint="openrouter", finish_reason="stop", tries=1,
        request=request | {"max_tokens": 512, "seed": 7, "stop": ["<b>"]}, started_at="2026-01-01T00:10:00+00:00",
        usage={"prompt_tokens": 2142, "completion_tokens": 132}, cost_usd=0.0125, duration_s=3.5,
    )  # fmt: skip
    write_pages(store)
    call = next(text for text in texts_of(store, essay, "call") if "2,142" in text)
    assert call.startswith("The call: 2,142 + 132 tokens, 3.5 s, $0.0125, 2 attempts")
    for part in (
        "endpoint openrouter",
        "temperature 0.1",
        "max_tokens 512",
        "seed 7",
        'stop ["<b>"]',
        "finish_reason stop",
    ):
        assert part.replace(" ", "") in call.replace(" ", ""), part
    assert "secret" not in call
    found = exchanges.of(store.files(judgement))
    assert [(one.number, one.outcome, one.is_used, one.tries) for one in found.attempts] == [
        (1, "failed: timeout", False, 3),
        (2, "answer", True, 1),
    ]


def test_text_without_attempts_says_so(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(old=True), old=True)
    judgement = store.evaluation(essay, old=True)
    for path in store.files(judgement).attempts.glob("*"):
        path.unlink()
    write_pages(store)
    assert exchanges.of(store.files(judgement)) is None
    assert any("No call is on record; cost unknown." in text for text in texts_of(store, essay, "judgement"))


def test_damaged_attempt_stops_no_page(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    judgement = store.evaluation(essay)
    (store.files(judgement).attempts / "0001.json").write_text('{"usage": [1], "request": "x", "cost_usd": true')
    write_pages(store)
    [attempt] = exchanges.of(store.files(judgement)).attempts
    assert (attempt.outcome, attempt.cost_usd, attempt.prompt_tokens) == ("answer", None, None)


def test_changed_template_is_shown_as_a_difference_of_the_prompts(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(), raw="An essay that is judged. " * 20)
    store.evaluation(essay)
    template = store.data.template("evaluation", "novelty")
    write_pages(store)
    assert texts_of(store, essay, "del") == []
    with changed(template, "Judge <i>strictly</i>:\n{{ response }}"):
        write_pages(store)
    assert texts_of(store, essay, "del") == ["Struck out", "Judge:"]
    assert "Judge <i>strictly</i>:" in texts_of(store, essay, "ins")
    page = store.data.cohort("small").page.parent / "essays" / f"{essay.gen_id}.html"
    assert "<i>" not in page.read_text()


def test_text_that_was_judged_is_shown_when_the_essay_has_changed_and_is_no_change_of_the_template(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft(), raw="The text that was judged.")
    store.evaluation(essay, recorded={"parent_attempt": 1})
    store.files(essay).raw.write_text("A newer text.")
    store.files(essay).parsed.write_text("A newer text.")
    write_pages(store)
    [page] = texts_of(store, essay, "html")
    assert "An earlier text." in page and "The text that was judged." in page
    assert "A newer text." not in page
    assert texts_of(store, essay, "changes") == []


def test_difference_has_all_words_of_both_and_leaves_out_what_is_common():
    common = "same words " * 200
    parts = versions.difference(f"{common}old end {common}", f"{common}new end {common}")
    assert [part.kind for part in parts] == ["skipped", "same", "gone", "new", "same", "skipped"]
    assert [part.text for part in parts[2:4]] == ["old ", "new "]
    assert re.fullmatch(r"[\d,]+ characters that are the same", parts[0].text)
    assert versions.difference("a", "a") == []


def test_difference_of_very_long_texts_goes_by_lines():
    old = "".join(f"line {number} of many words\n" for number in range(2000))
    parts = versions.difference(old, old.replace("line 1000 of", "line 1000 has"))
    assert [part.text for part in parts if part.kind in ("gone", "new")] == [
        "line 1000 of many words\n",
        "line 1000 has many words\n",
    ]
