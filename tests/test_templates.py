"""Templates: strict, in a sandbox, and a model's text is never one of them."""

import pytest

from workflow_lib.catalogs import templates
from workflow_lib.errors import DayDreamError, TemplateError
from workflow_lib.stages import STAGE


def written(folder, text: str | bytes):
    path = folder / "t.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder, text: str, stage: str = "essay", *, at_check: bool = True) -> TemplateError:
    """Return the error of a template, which must come at the check before any call, or at rendering."""
    path = written(folder, text)
    variables = {name: "x" for name in STAGE[stage].variables}
    with pytest.raises(TemplateError) as caught:
        templates.check(path, stage) if at_check else templates.render(path, stage, variables)
    assert caught.value.file == str(path)
    return caught.value


def test_variables_of_each_stage(tmp_path):
    draft = written(tmp_path, "{% for c in concepts %}{{ c.name }}={{ c.content }};{% endfor %}{{ concepts | length }}")
    concepts = [{"name": "B", "content": "b"}, {"name": "A", "content": "a"}]
    assert templates.render(draft, "draft", {"concepts": concepts}) == "B=b;A=a;2"
    essay = written(tmp_path, "{{ draft_block }}|{{ links_block }}")
    templates.check(essay, "essay")
    assert templates.render(essay, "essay", {"draft_block": "d", "links_block": "d"}) == "d|d"
    judge = tmp_path / "judge.txt"
    judge.write_text("{{ response }}")
    assert templates.render(judge, "evaluation", {"response": "r"}) == "r"


def test_all_undefined_variables_are_named_at_once(tmp_path):
    error = refusal(tmp_path, "{{ drft_block }} {% if other %}{{ draft_block }}{% endif %} {{ response }}")
    assert error.reason == "undefined variables drft_block, other, response"
    assert "essay has draft_block, links_block" in error.hint


def test_one_undefined_variable_is_named_in_the_singular(tmp_path):
    assert refusal(tmp_path, "{{ concept }}", "draft").reason == "undefined variable concept"


def test_rendering_names_them_as_well(tmp_path):
    assert "other, third" in refusal(tmp_path, "{{ other }}{{ third }}", at_check=False).reason


def test_an_undefined_attribute_is_reported(tmp_path):
    path = written(tmp_path, "{% for c in concepts %}{{ c.contents }}{% endfor %}")
    with pytest.raises(TemplateError, match=r"undefined value: .*contents"):
        templates.render(path, "draft", {"concepts": [{"name": "A", "content": "a"}]})


@pytest.mark.parametrize(
    ("text", "line"),
    [("one\ntwo {% if %}\n", 2), ("{{ draft_block }}\n\n{{ draft_block", 3), ("{{ draft_block | nofilter }}", 1)],
)
def test_a_syntax_error_is_reported_with_its_line(tmp_path, text, line):
    error = refusal(tmp_path, text)
    assert error.place == f"line {line}"
    assert "not valid Jinja2" in error.reason


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ draft_block.__class__.__base__.__subclasses__() }}",
        "{{ draft_block.format.__globals__ }}",
        "{{ ''|attr('__class__')|attr('__mro__') }}",
        "{{ '{0.__class__.__mro__}'.format(draft_block) }}",
    ],
)
def test_the_sandbox_holds(tmp_path, text):
    path = written(tmp_path, text)
    try:
        rendered = templates.render(path, "essay", {"draft_block": "x", "links_block": "x"})
    except TemplateError as error:
        assert "not allowed" in error.reason or "undefined" in error.reason
    else:
        assert "class" not in rendered


@pytest.mark.parametrize("text", ["{% include 'x.txt' %}", "{% import '/etc/passwd' as p %}", "{% extends 'a' %}"])
def test_including_other_files_is_an_error_before_any_call(tmp_path, text):
    assert "include" in refusal(tmp_path, text).reason


def test_a_models_text_is_a_value_and_never_a_template(tmp_path):
    path = written(tmp_path, "{{ draft_block }}")
    hostile = "{{ 7*7 }} {% include '/etc/passwd' %} <script>&amp;</script> {#"
    assert templates.render(path, "essay", {"draft_block": hostile, "links_block": hostile}) == hostile


def test_newlines_at_the_end_are_kept_as_jinja_keeps_them(tmp_path):
    assert templates.render(written(tmp_path, "a\n"), "essay", {}) == "a"
    other = tmp_path / "u.txt"
    other.write_text("a\n\n\n")
    assert templates.render(other, "essay", {}) == "a\n\n"


def test_a_value_keeps_its_own_newlines(tmp_path):
    path = written(tmp_path, "<{{ draft_block }}>")
    assert templates.render(path, "essay", {"draft_block": "a\r\nb\n\n"}) == "<a\r\nb\n\n>"


def test_a_missing_template_is_reported(tmp_path):
    with pytest.raises(TemplateError, match=r"none\.txt: no such template file") as caught:
        templates.check(tmp_path / "none.txt", "essay")
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"caf\xe9 {{ draft_block }}", "{{ draft_block }}".encode("utf-16")])
def test_a_template_that_is_not_utf8_is_reported(tmp_path, content):
    with pytest.raises(DayDreamError, match=r"t\.txt: not UTF-8"):
        templates.check(written(tmp_path, content), "essay")


def test_a_template_that_is_a_folder_is_reported(tmp_path):
    (tmp_path / "t.txt").mkdir()
    with pytest.raises(DayDreamError, match=r"t\.txt"):
        templates.check(tmp_path / "t.txt", "essay")


@pytest.mark.parametrize(
    "text", ["{{ 1 / 0 }}", "{{ draft_block + 1 }}", "{{ range(10 ** 9) | length }}", "{{ [][0] }}"]
)
def test_an_error_while_rendering_is_one_message(tmp_path, text):
    assert refusal(tmp_path, text, at_check=False).reason


def test_an_edit_is_seen(tmp_path):
    path = written(tmp_path, "old {{ draft_block }}")
    assert templates.render(path, "essay", {"draft_block": "x"}) == "old x"
    path.write_text("newer {{ draft_block }}")
    assert templates.render(path, "essay", {"draft_block": "x"}) == "newer x"
