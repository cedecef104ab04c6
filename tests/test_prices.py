"""What calls cost by price: the row's own, else that of genai-prices, else unknown."""

import csv
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data import providers

from tests import tiny_root
from tests.project import SOURCE, clean_environment
from workflow_lib import catalogs
from workflow_lib.calls import costs
from workflow_lib.catalogs import Model, prices
from workflow_lib.paths import DataRoot

NOW = datetime.now(UTC)
SHIPPED = catalogs.load(DataRoot(SOURCE / "data")).models
HOSTED = [model for model in SHIPPED.values() if model.endpoint == "openrouter" and prices.package_price(model)]


def row(model: str, endpoint: str = "openrouter", given: tuple[float | None, float | None] = (None, None)) -> Model:
    template = next(iter(SHIPPED.values()))
    return replace(template, model=model, endpoint=endpoint, input_usd_per_mtok=given[0], output_usd_per_mtok=given[1])


def by_package(model: Model, asked: int, answered: int, at: datetime = NOW, **more) -> float:
    """Return what the package's own calculation says."""
    context = more.pop("context", None)
    usage = genai_prices.Usage(input_tokens=asked, output_tokens=answered, **more)
    found = genai_prices.calc_price(
        usage, model.model, provider_id=model.endpoint, genai_request_timestamp=at, price_context=context
    )
    return float(found.total_price)


def test_no_shipped_row_has_a_price_by_hand_without_need():
    assert len(HOSTED) > 15
    with open(SOURCE / "data" / "1_raw" / "llm_models.csv", encoding="utf-8", newline="") as lines:
        for cells in csv.DictReader(lines):
            model = SHIPPED[cells["id"]]
            if prices.own_price(model):
                assert prices.package_price(model) is None, f"{model.model_id}: clear its price, the package has one"
                assert cells["notes"], f"{model.model_id}: say in the column notes where its price comes from"
            else:
                assert prices.price(model), f"{model.model_id}: the package does not know it, give it a price"


@pytest.mark.parametrize("model", HOSTED, ids=lambda model: model.model_id)
def test_calls_cost_what_the_package_calculates(model):
    price = prices.price(model)
    assert price.source == f"genai-prices {genai_prices.__version__}"
    borders = [rates.above for rates in price.tiers[1:]]
    for asked in (0, 1, 5_000, *borders, *(border + 1 for border in borders)):
        for cached in (0, asked // 3, asked):
            expected = by_package(model, asked, 700, cache_read_tokens=cached)
            assert price.usd(asked, 700, cached) == pytest.approx(expected)


def tiered() -> list[Model]:
    return [model for model in HOSTED if len(prices.price(model).tiers) > 1]


def test_a_prompt_above_the_border_of_a_tier_pays_more_for_all_its_tokens():
    assert tiered()
    for model in tiered():
        price = prices.price(model)
        border = price.tiers[1].above
        at_it, above_it = price.usd(border, 100), price.usd(border + 1, 100)
        assert above_it > 1.4 * at_it


@pytest.mark.parametrize("model", HOSTED, ids=lambda model: model.model_id)
def test_a_ceiling_is_never_below_what_a_call_can_cost(model):
    price = prices.price(model)
    for size in (1, 1_000, 150_000, 400_000):
        ceiling = costs.ceiling_usd(model, size, 1_000)
        for asked in (0, size // 4, size - 1, size):
            for written in (0, asked):
                assert price.usd(asked, 1_000, written=written) <= ceiling + 1e-12
    for short in price.tiers[1:]:
        # bytes that cannot be more tokens than the border reach no dearer tier
        assert costs.ceiling_usd(model, short.above, 0) < costs.ceiling_usd(model, short.above + 1, 0)


def test_the_price_of_a_time_of_day_counts_and_a_ceiling_takes_the_dearest():
    model = row("deepseek-chat", "deepseek")
    midnight = NOW.replace(hour=0, minute=0)
    hours = [midnight + timedelta(hours=hour) for hour in range(24)]
    by_hour = [by_package(model, 10_000, 1_000, at) for at in hours]
    assert len(set(by_hour)) > 1
    for at, expected in zip(hours, by_hour, strict=True):
        price = prices.price(model, at)
        assert price.usd(10_000, 1_000) == pytest.approx(expected)
        assert price.most_usd(10_000, 1_000) == pytest.approx(max(by_hour))


def test_a_price_in_the_row_wins_and_half_a_price_is_none():
    known = HOSTED[0]
    own = replace(known, input_usd_per_mtok=7.0, output_usd_per_mtok=0.0)
    assert (prices.price(own).input, prices.price(own).output, prices.price(own).source) == (7.0, 0.0, "llm_models.csv")
    assert prices.price(replace(known, input_usd_per_mtok=7.0)) is None
    assert prices.price(replace(known, output_usd_per_mtok=7.0)) is None


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("vendor/unheard-of", "openrouter"),
        # a server of one's own serves models of that name, at another price
        ("openai/gpt-oss-120b", "ollama"),
        ("gpt-5", "my-openai-gateway"),
        ("sim-writer-a", "offline"),
    ],
)
def test_what_the_package_does_not_know_is_unknown(name, endpoint):
    model = row(name, endpoint)
    assert prices.price(model) is None and prices.batch_price(model) is None
    assert costs.ceiling_usd(model, 10, 10) is None
    assert costs.bill(model, {"prompt_tokens": 1, "completion_tokens": 1}, None) == costs.Bill()


def test_batches_cost_what_the_package_knows_of_them():
    variants = [model for model in HOSTED if prices.batch_price(model).estimated is False]
    assert len(variants) > 10
    for model in variants:
        price = prices.batch_price(model)
        at_once = replace(model, model=f"{model.model}:batch")
        assert price.usd(5_000, 700, 1_000) == pytest.approx(by_package(at_once, 5_000, 700, cache_read_tokens=1_000))
        assert price.usd(5_000, 700) < prices.price(model).usd(5_000, 700)


def test_batches_of_a_provider_with_batch_rates_cost_those():
    model = row("gpt-5-mini", "openai")
    price = prices.batch_price(model)
    expected = by_package(model, 5_000, 700, context={"processing": "batch"})
    assert not price.estimated and price.usd(5_000, 700) == pytest.approx(expected)
    assert price.usd(5_000, 700) < prices.price(model).usd(5_000, 700)


def test_where_no_batch_price_is_known_half_is_estimated():
    own = row("vendor/unheard-of", given=(2.0, 10.0))
    assert (prices.batch_price(own).input, prices.batch_price(own).output) == (1.0, 5.0)
    assert prices.batch_price(own).estimated and prices.batch_price(own).source == "llm_models.csv"
    retired = next(model for model in HOSTED if prices.price(model).input and prices.batch_price(model).estimated)
    assert prices.batch_price(retired).usd(1_000, 100) == pytest.approx(prices.price(retired).usd(1_000, 100) / 2)


def test_free_variants_are_free_and_models_without_any_price_are_not():
    assert prices.price(SHIPPED["gpt-oss-20b-free"]).usd(10_000, 10_000) == 0.0
    bare = [
        info.id
        for provider in providers
        if provider.id == "openrouter"
        for info in provider.models
        if not isinstance(info.prices, list) and not vars(info.prices) and not info.id.endswith(":free")
    ]
    assert bare and all(prices.price(row(name)) is None for name in bare)


def test_a_cost_by_price_counts_the_cached_part_of_the_prompt():
    model = next(model for model in HOSTED if prices.price(model).tiers[0].cached < prices.price(model).input)
    usage = {"prompt_tokens": 1_000, "completion_tokens": 10}
    whole = costs.bill(model, usage, None)
    cached = costs.bill(model, {**usage, "cached_tokens": 800}, None)
    assert cached.usd == pytest.approx(by_package(model, 1_000, 10, cache_read_tokens=800))
    assert cached.usd < whole.usd
    assert (whole.source, whole.price_source) == ("price", prices.source())
    assert costs.bill(model, usage, 0.5) == costs.Bill(0.5, "endpoint")


def run_alone(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(SOURCE / "data")],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_prices_come_without_the_network_and_the_package_only_when_it_is_asked(tmp_path):
    tiny_root.declare(tiny_root.make(tmp_path))
    program = """
import sys
from workflow_lib import catalogs, cli, runs
from workflow_lib.catalogs import prices
from workflow_lib.paths import DataRoot

def refuse(event, arguments):
    assert not event.startswith("socket."), event

shipped = catalogs.load(DataRoot(__import__("pathlib").Path(sys.argv[1]))).models
assert cli.main(["plan", "--cohort", "one", "--data-root", "data"]) == 0
assert prices.price(shipped["sim-writer-a"]).source == "llm_models.csv"
assert "genai_prices" not in sys.modules
sys.addaudithook(refuse)
assert prices.price(shipped["gpt-6-luna"]).source.startswith("genai-prices ")
"""
    run_alone(program, tmp_path)
