"""The benchmark of predictions runs, and says of real invoices what docs/predictions.md says."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

INVOICES = ROOT.parent / "shared" / "data" / "online_retail" / "online_retail_2009_12_to_2010_11.parquet"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_predictions", ROOT / "benchmarks" / "predictions.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_fit_is_measured(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.ours(3000)
    said = capsys.readouterr().out
    assert "BG/NBD" in said
    assert "peak memory" in said


@pytest.mark.slow
@pytest.mark.skipif(not Path(INVOICES).exists(), reason="the shared test data is not beside the checkout")
def test_the_held_out_quarter_of_the_real_invoices(benchmark: Any) -> None:
    found = benchmark.held_out_quarter(INVOICES)
    print(found)
    assert found["orders_rmse"] < found["orders_rmse_naive"]
    assert found["value_gini"] > 0.7
    # the quarter before Christmas: too few are expected, and the figure says so
    assert 0.6 < found["value_bias"] < 0.8
