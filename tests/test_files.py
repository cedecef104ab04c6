"""Files are replaced whole or not at all, and texts survive unchanged."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_lib import files
from workflow_lib.errors import CatalogError, DayDreamError, nearest
from workflow_lib.tables import read_rows, render, spreadsheet_safe


def test_written_text_is_the_bytes_given(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    files.write_text(path, "one\r\ntwo\n\x00\u2028Ä")
    assert path.read_bytes() == b"one\r\ntwo\n\x00\xe2\x80\xa8\xc3\x84"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_any_text_can_be_written_and_only_lone_surrogates_change(text):
    kept = files.encode(text).decode("utf-8")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        assert "\ufffd" in kept or any(ord(char) > 0xFFFF for char in kept)
    else:
        assert kept == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("end\ud83d", "end\ufffd"), ("\ud83d\ude00", "\U0001f600")],
)
def test_a_lone_surrogate_becomes_the_replacement_character(text, kept):
    assert files.encode(text).decode("utf-8") == kept
    assert files.sha256_text(text) == files.sha256_text(kept)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"kept": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        files.write_bytes(path, "text is no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_files_get_the_permissions_that_the_umask_leaves(tmp_path):
    files.write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_json_is_ascii_indented_and_ends_with_one_newline(tmp_path):
    files.write_json(tmp_path / "a.json", {"é": ["\ud800", 1]})
    assert (tmp_path / "a.json").read_bytes() == b'{\n "\\u00e9": [\n  "\\ud800",\n  1\n ]\n}\n'
    assert files.read_json(tmp_path / "a.json") == {"é": ["\ud800", 1]}


def test_reading_keeps_line_ends_and_drops_a_bom(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert files.read_text(tmp_path / "a.txt") == "one\r\ntwo\rthree\n"


@pytest.mark.parametrize("content", [b"caf\xe9", b"\xff\xfea\x00"])
def test_text_that_is_not_utf8_is_refused_with_its_file(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DayDreamError, match=r"a\.txt: not UTF-8 text"):
        files.read_text(tmp_path / "a.txt")


def test_broken_json_is_refused_with_its_file(tmp_path):
    (tmp_path / "a.json").write_text('{"half": ')
    with pytest.raises(DayDreamError, match=r"a\.json: not valid JSON") as caught:
        files.read_json(tmp_path / "a.json")
    assert caught.value.hint


def test_exclusive_creation_has_one_winner_among_threads(tmp_path):
    path = tmp_path / "claim"
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda number: files.create_exclusively(path, str(number) * 1000), range(64)))
    assert won.count(True) == 1
    assert path.read_text() == str(won.index(True)) * 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["claim"]


def test_staged_files_move_together_and_an_error_moves_none(tmp_path):
    folder = tmp_path / "cohort"
    files.write_text(folder / "a.txt", "old")

    def fail_halfway() -> None:
        with files.staged(folder) as stage:
            (stage / "a.txt").write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert (folder / "a.txt").read_text() == "old"
    with files.staged(folder) as stage:
        (stage / "a.txt").write_text("new")
        (stage / "tasks").mkdir()
        (stage / "tasks" / "b.txt").write_text("b")
    assert (folder / "a.txt").read_text() == "new"
    assert (folder / "tasks" / "b.txt").read_text() == "b"
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.txt", "tasks"]


def test_reserved_room_becomes_exactly_the_content(tmp_path):
    room = files.Room(tmp_path / "held", 100_000)
    assert (tmp_path / "held").stat().st_blocks * 512 >= 100_000
    room.fill(b"short", tmp_path / "0001.json", durable=True)
    assert (tmp_path / "0001.json").read_bytes() == b"short"
    given_up = files.Room(tmp_path / "held", 100_000)
    given_up.give_up()
    assert [entry.name for entry in tmp_path.iterdir()] == ["0001.json"]


def test_a_room_that_was_removed_is_filled_nevertheless(tmp_path):
    room = files.Room(tmp_path / "held", 100)
    (tmp_path / "held").unlink()
    room.fill(b"late", tmp_path / "0001.json", durable=True)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("0001.json", b"late")]


def test_room_that_the_disk_does_not_have_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"space|large"):
        files.Room(tmp_path / "held", 1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_file_and_text_agree(tmp_path):
    files.write_text(tmp_path / "a", "Grüße")
    assert files.sha256_file(tmp_path / "a") == files.sha256_text("Grüße")


@given(st.lists(st.tuples(st.text("ab,\"'\n é=", max_size=8), st.text("xy;\t", max_size=4)), max_size=6))
def test_tables_read_back_as_written_and_stripped(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("t") / "a.csv"
    files.write_text(path, render(("one", "two"), ({"one": one, "two": two} for one, two in cells)))
    expected = [(one.strip(), two.strip()) for one, two in cells if one.strip() or two.strip()]
    assert [(row["one"], row["two"]) for row in read_rows(path, ("one", "two"))] == expected


def test_an_unclosed_quote_is_reported_with_file_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,name\nx,"open\ny,z\n')
    with pytest.raises(CatalogError, match=r"a\.csv: line 3: not readable as CSV"):
        read_rows(path, ("id",))


def test_formulas_are_made_harmless_for_spreadsheets():
    assert [spreadsheet_safe(text) for text in ("=1+1", "+x", "-x", "@x", "plain", "")] == [
        "'=1+1",
        "'+x",
        "'-x",
        "'@x",
        "plain",
        "",
    ]


def test_the_nearest_name_is_offered_or_else_what_is_known():
    assert nearest("noveltie", ["novelty", "style"]) == "did you mean 'novelty'?"
    assert nearest("zzz", ["novelty", "style"]) == "known: novelty, style"
    assert nearest("zzz", []) == "there are none yet"
    assert nearest("zzz", (f"n{number:02d}" for number in range(20))).endswith("n11 and 8 more")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_access_is_an_os_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        files.write_text(tmp_path / "a", "")
