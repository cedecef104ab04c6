import pytest

from tests.score_table import table
from workflow_lib.results import analysis


@pytest.mark.parametrize(
    ("count", "spread", "expected"),
    [
        (1, 0.0, "insufficient_data"),
        (2, 1.0, "high_agreement"),
        (2, 1.01, "moderate_agreement"),
        (2, 2.0, "moderate_agreement"),
        (2, 3.0, "low_agreement"),
        (2, 3.5, "poor_agreement"),
    ],
)
def test_range_decides_the_class(count, spread, expected):
    assert analysis.stability(count, spread) == expected


def test_variance_is_computed_over_all_over_templates_and_over_judges():
    frame = table(
        *(
            {"evaluation_llm_model": judge, "evaluation_template": template, "score": score}
            for judge, template, score in (("j1", "a", 4), ("j1", "b", 6), ("j2", "a", 8), ("j2", "b", None))
        )
    )
    rows = analysis.variance_analysis(frame).to_dict("records")
    overall, by_judge, only_one, *by_template = rows
    assert {key: overall[key] for key in analysis.VARIANCE_COLUMNS[9:]} == {
        "count": 3,
        "mean": "6.00",
        "std": "2.00",
        "min": "4.00",
        "max": "8.00",
        "range": "4.00",
        "coefficient_of_variation": "0.33",
        "num_templates": 2,
        "num_models": 2,
        "stability_classification": "poor_agreement",
    }
    assert (by_judge["analysis_type"], by_judge["evaluation_llm_model"]) == ("template_variance", "j1")
    assert (by_judge["range"], by_judge["evaluation_template"]) == ("2.00", "")
    assert (only_one["std"], only_one["stability_classification"]) == ("", "insufficient_data")
    assert [(row["evaluation_template"], row["count"]) for row in by_template] == [("a", 2), ("b", 1)]


def test_zero_mean_has_no_coefficient_of_variation():
    frame = table({"score": 0}, {"score": 0, "evaluation_llm_model": "j2"})
    assert analysis.variance_analysis(frame)["coefficient_of_variation"][0] == ""


def test_without_scores_there_are_headers():
    frame = table({"score": None}, {"score": None, "evaluation_llm_model": "j2"})
    assert len(analysis.variance_analysis(frame)) == 0
