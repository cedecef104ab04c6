"""The benchmarks measure what they say: cohorts of the size asked for, a client that asks, slower and only slower."""

import json
from dataclasses import replace

import pytest

from benchmarks import bare, ground, report, rows
from benchmarks.rows import LESS, MORE, PROCESSOR, SHARE, WALL, Row
from workflow_lib import cohorts
from workflow_lib import settings as settings_module
from workflow_lib.offline.server import OfflineServer

YARDSTICK = Row("yardstick", 10, 0.1, "ms", LESS, PROCESSOR)
TIME = Row("time", 10, 4.0, "s", LESS, WALL, target=5.0)
RATE = Row("rate", 10, 50.0, "/s", MORE, WALL, target=55.0, bare=500.0)
RATIO = Row("ratio", 10, 1.1, "x", LESS, SHARE, target=1.2)
BEFORE = [YARDSTICK, TIME, RATE, RATIO]


@pytest.mark.parametrize("count", [100, 1_000, 2_430, 10_000])
def test_a_cohort_has_as_many_generations_as_are_measured(tmp_path, count):
    made = ground.Ground(tmp_path / "cohort", count)
    given = {"data_root": str(made.folder / "data"), "cohort": ground.COHORT}
    settings = settings_module.load(given, tmp_path, {})
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, ground.COHORT))
    assert sum(expansion.manifest["counts"].values()) == count


def test_the_bare_client_sends_what_is_on_record_as_often_as_it_should(tmp_path):
    for number in range(3):
        request = {"model": "sim-judge-a", "messages": [{"role": "user", "content": "Score."}], "seed": number}
        path = tmp_path / "evaluation" / f"v_{number}" / "attempts" / "0001.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"request": request}))
    with OfflineServer(latency=0.05) as server:
        took = bare.ask_again(server.url, str(tmp_path), 7, 2)
        assert sorted(one["seed"] for one in server.requests) == [0, 0, 0, 1, 1, 2, 2]
        assert max(one["in_flight"] for one in server.requests) == 2
    assert took["calls"] == 7 and took["wall_s"] >= 4 * 0.05


@pytest.mark.parametrize(
    ("changed", "ratios"),
    [
        ([TIME], {}),
        ([replace(TIME, value=4.4)], {}),
        ([replace(TIME, value=6.0)], {"time": 1.5}),
        ([replace(TIME, value=2.0), replace(RATE, value=25.0)], {"rate": 2.0}),
        ([replace(RATIO, value=1.65)], {"ratio": 1.5}),
        # a machine of half the speed: times double, and ratios stay
        ([replace(YARDSTICK, value=0.2), replace(TIME, value=8.0)], {}),
        ([replace(YARDSTICK, value=0.2), replace(TIME, value=8.0), replace(RATIO, value=1.65)], {"ratio": 1.5}),
        # of another size
        ([replace(TIME, value=60.0, size=1_000)], {}),
    ],
)
def test_what_became_slower_is_named_with_its_ratio_and_another_machine_is_not(changed, ratios):
    found = rows.slower([YARDSTICK, *changed], BEFORE, "yardstick", 1.15)
    assert {row.measure: round(ratio, 6) for row, _, ratio in found} == ratios
    assert len(report.slower_lines(found, True)) == max(1, len(ratios))


@pytest.mark.slow
def test_results_are_read_as_they_were_written_and_the_table_names_what_was_missed(tmp_path):
    rows.write(tmp_path / "short.csv", BEFORE)
    assert rows.read((tmp_path / "short.csv").read_text()) == BEFORE
    report.write(tmp_path, "short", BEFORE, [(TIME, TIME, 1.5)], True)
    text = (tmp_path / "short.md").read_text()
    assert "| rate | 10 | 50 /s | >= 55 /s | missed by 1.10 x | 500 | 0.10 |" in text
    assert "2 of 3 targets are met." in text and "Slower than committed, 1.50 x: time (10): 4 -> 4 s" in text
    assert (tmp_path / "short.svg").read_text().startswith("<?xml")
