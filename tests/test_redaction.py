"""What a server says reaches no file, log or screen with a key in it."""

import pytest

from workflow_lib import redaction

KEY = "sk-proj-abc/DEF+0123456789"


@pytest.fixture(autouse=True)
def _known():
    redaction.learn(KEY, "short", "", None, "hunter22")


@pytest.mark.parametrize(
    "words",
    [
        f"bad key {KEY}!",
        f"bad key {KEY.upper()}!",
        "bad key sk-proj-abc%2FDEF%2B0123456789!",
        "bad key sk-proj-abc\\/DEF+0123456789!",
    ],
)
def test_a_key_is_taken_out_as_it_is_and_as_urls_and_json_write_it(words):
    assert redaction.text(words) == "bad key [key]!"


def test_short_values_are_placeholders_and_stay():
    assert redaction.text("a short text") == "a short text"


def test_in_answers_only_what_is_too_long_to_be_a_word_is_taken_out():
    answer = f"hunter22 said {KEY}"
    assert redaction.text(answer, redaction.SHORTEST_IN_ANSWERS) == "hunter22 said [key]"
    assert redaction.text(answer) == "[key] said [key]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host:8/v1?key=abc#x", "https://host:8/v1"),
        ("https://host/v1", "https://host/v1"),
        ("http://[::1", "http://[::1"),
        ("http://me:pass@[::1", "http://[::1"),
    ],
)
def test_an_address_is_shown_without_user_query_and_fragment(url, shown):
    assert redaction.address(url) == shown


def test_addresses_inside_words_lose_the_same():
    said = "see https://me:pass@host/a?token=abc&b=1, or what? no=yes"
    assert redaction.message(said) == "see https://host/a, or what? no=yes"


def test_what_an_address_carries_is_known_in_every_form():
    redaction.learn_address("https://someone:p%40ssw0rd@host/v1?api-key=qwertz123")
    for secret in ("p@ssw0rd", "p%40ssw0rd", "qwertz123", "c29tZW9uZTpwQHNzdzByZA=="):
        assert redaction.text(f"x {secret} x") == "x [key] x"
    assert redaction.text("someone") == "someone"
