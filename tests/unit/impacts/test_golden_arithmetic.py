"""Published arithmetic, reproduced by the functions of the product and by the figures of its catalogue."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_aifootprint.catalogue import TrainingRow, default_catalogue
from pytest_aifootprint.impacts.electricity import device_energy_kwh, electricity_carbon_kg
from pytest_aifootprint.impacts.hardware import cpu_embodied_kg, embodied_share_g, memory_embodied_kg
from pytest_aifootprint.impacts.lineage import line_of
from pytest_aifootprint.impacts.remote import server_model
from pytest_aifootprint.impacts.training import count_per_use, life_cycle_kg, parity_uses, parity_years, with_ancestors
from pytest_aifootprint.impacts.water import site_l, source_l
from pytest_aifootprint.quantities import Joules, LitresPerKwh, Range, difference, total
from pytest_aifootprint.quantities.units import J_PER_KWH, J_PER_WH

TABLE = (Path(__file__).parent / "golden.csv").read_text(encoding="utf-8")
GOLDEN = {row["id"]: row for row in csv.DictReader(TABLE.splitlines())}
ROWS = {row.model_id: row for row in default_catalogue().training}
BLOOM = ROWS["bloom-176b"]
HOUR_S = 3600.0
INSTANT = 1e30
"""Tokens per second so high that only the GPUs' energy is left."""


def known(value: float | None) -> float:
    assert value is not None
    return value


def run_kwh(row: TrainingRow, *, pue: float | None = None) -> float:
    """A row's energy from its hours, watts and PUE."""
    return device_energy_kwh(known(row.gpu_hours), known(row.gpu_watts), pue if pue is not None else row.pue or 1.0)


def run_kg(row: TrainingRow) -> float:
    return electricity_carbon_kg(run_kwh(row), known(row.grid_g_per_kwh))


def ratio(part: float, whole: float) -> float:
    """By the range algebra, as every quotient of ours."""
    return (Range(part) / Range(whole)).central


def bloom_idle_kwh() -> float:
    """Of the whole training and of the part that computed, the difference: as the row has them."""
    return difference(Range(known(BLOOM.kwh[2])), Range(known(BLOOM.kwh[1]))).central


def li_water_l(kwh: float) -> tuple[float, float]:
    """On-site and off-site litres with the factors of Li et al."""
    it_energy_j = Joules(Range(kwh * J_PER_KWH))
    wue, ewif = LitresPerKwh(Range(0.55)), LitresPerKwh(Range(3.142))
    return site_l(it_energy_j, wue).central, source_l(it_energy_j.scale(1.17), ewif).central


def ecologits_water_ml() -> float:
    it_energy_j = Joules(Range(server_model(10, 10).energy_j(1000)))
    wue, ewif = LitresPerKwh(Range(0.5)), LitresPerKwh(Range(3.1321))
    return total((site_l(it_energy_j, wue), source_l(it_energy_j.scale(1.2), ewif))).central * 1000


def google_water_ml() -> float:
    return site_l(Joules(Range(0.24 / 1.09 * J_PER_WH)), LitresPerKwh(Range(1.15))).central * 1000


def gpus_of_405b() -> float:
    return server_model(405, 405, tps=INSTANT).per_token_j / server_model(405, 10, tps=INSTANT).per_token_j


def kwh_with_parents(name: str) -> float:
    """BLOOMZ as the paper counts it: its fine-tuning and the pretraining of its parent."""
    return with_ancestors(*(known(row.kwh[1]) for row in line_of(ROWS[name], default_catalogue())))


REPRODUCED: dict[str, Callable[[], float]] = {
    "bloom_energy": lambda: run_kwh(BLOOM, pue=1.0),
    "bloom_dynamic_co2": lambda: electricity_carbon_kg(known(BLOOM.kwh[1]), known(BLOOM.grid_g_per_kwh)) / 1000,
    "bloom_idle_co2": lambda: electricity_carbon_kg(bloom_idle_kwh(), known(BLOOM.grid_g_per_kwh)) / 1000,
    "bloom_gpu_embodied": lambda: embodied_share_g(150, known(BLOOM.gpu_hours) * HOUR_S, 6, 0.85) / 1e6,
    "bloom_server_embodied_rate": lambda: embodied_share_g(2500, HOUR_S, 6, 0.85) / 1000,
    "bloom_server_embodied": lambda: embodied_share_g(2500, known(BLOOM.gpu_hours) / 8 * HOUR_S, 6, 0.85) / 1e6,
    "bloom_total": lambda: life_cycle_kg(24_690, 14_600, known(BLOOM.embodied_kgco2e)) / 1000,
    "bloom_pue": lambda: run_kg(BLOOM) / 1000,
    "bloom_query": lambda: count_per_use(Range(914_000), Range(230_768)).central,
    "bloom_inference_daily": lambda: electricity_carbon_kg(914, 394) / 18,
    "bloom_parity_years": lambda: parity_years(known(BLOOM.kgco2e[1]), 19),
    "bloom_parity_years_dynamic": lambda: parity_years(known(BLOOM.kgco2e[0]), 19),
    "bloom_energy_parity_years": lambda: parity_years(known(BLOOM.kwh[1]), 914 / 18),
    "bloom_idle_share": lambda: ratio(bloom_idle_kwh(), known(BLOOM.kwh[2])),
    "bloom_final_share": lambda: ratio(known(BLOOM.kwh[1]), known(ROWS["bigscience-bloom-project"].kwh[1])),
    "php_parity_7b": lambda: parity_uses(kwh_with_parents("bloomz-7b1"), 1.0e-4),
    "php_parity_3b": lambda: parity_uses(kwh_with_parents("bloomz-3b"), 7.3e-5),
    "php_parity_1b": lambda: parity_uses(kwh_with_parents("bloomz-1b1"), 6.2e-5),
    "php_parity_560m": lambda: parity_uses(kwh_with_parents("bloomz-560m"), 5.4e-5),
    "llama1_7b_energy": lambda: run_kwh(ROWS["llama-7b"]) / 1000,
    "llama1_7b_co2": lambda: run_kg(ROWS["llama-7b"]) / 1000,
    "llama1_13b_energy": lambda: run_kwh(ROWS["llama-13b"]) / 1000,
    "llama1_13b_co2": lambda: run_kg(ROWS["llama-13b"]) / 1000,
    "llama1_33b_energy": lambda: run_kwh(ROWS["llama-33b"]) / 1000,
    "llama1_33b_co2": lambda: run_kg(ROWS["llama-33b"]) / 1000,
    "llama1_65b_energy": lambda: run_kwh(ROWS["llama-65b"]) / 1000,
    "llama1_65b_co2": lambda: run_kg(ROWS["llama-65b"]) / 1000,
    "llama2_7b_co2": lambda: run_kg(ROWS["llama-2-7b"]) / 1000,
    "llama2_13b_co2": lambda: run_kg(ROWS["llama-2-13b"]) / 1000,
    "llama2_34b_co2": lambda: run_kg(ROWS["llama-2-34b"]) / 1000,
    "llama2_70b_co2": lambda: run_kg(ROWS["llama-2-70b"]) / 1000,
    "llama2_total": lambda: (
        life_cycle_kg(
            *(known(ROWS[f"llama-2-{size}b"].kgco2e[1]) for size in (7, 13, 34, 70)),
        )
        / 1000
    ),
    "li_gpt3_onsite": lambda: li_water_l(1_287_000)[0] / 1000,
    "li_gpt3_offsite": lambda: li_water_l(1_287_000)[1] / 1000,
    "li_gpt3_request": lambda: sum(li_water_l(0.004)) * 1000,
    "google_water": google_water_ml,
    "google_narrow_ratio": lambda: ratio(0.24, 0.10),
    "google_breakdown": lambda: total(Range(wh) for wh in (0.14, 0.06, 0.02, 0.02)).central,
    "google_mb_vs_lb": lambda: ratio(345, 94),
    "google_prompts_per_kwh": lambda: parity_uses(1000, 0.24),
    "mistral_per_token": lambda: count_per_use(Range(1140), Range(400)).central,
    "mistral_answers_equiv": lambda: parity_uses(known(ROWS["mistral-large-2"].kgco2e[2]) * 1000, 1.14),
    "starcoder_energy": lambda: run_kwh(ROWS["starcoder-15b"]),
    "sd_v1": lambda: run_kg(ROWS["stable-diffusion-v1"]),
    "sci_example": lambda: embodied_share_g(1000, HOUR_S, 4),
    "boavizta_cpu": lambda: cpu_embodied_kg(24 * 24.5),
    "boavizta_ram": lambda: memory_embodied_kg(32, 1.79),
    "hgx_h100_per_gpu": lambda: default_catalogue().machines["h100"].embodied_kg[0],
    "hgx_b200_per_gpu": lambda: default_catalogue().machines["b200"].embodied_kg[1],
    "ecologits_energy_wh_per_token_10b": lambda: server_model(10, 10, tps=INSTANT).per_token_j / J_PER_WH,
    "ecologits_gpus_405b": gpus_of_405b,
    "ecologits_water_10b_1000tok": ecologits_water_ml,
    "ecologits_embodied_10b_1000tok": lambda: server_model(10, 10).hardware_g(1000),
}


@pytest.mark.parametrize("name", REPRODUCED)
def test_our_functions_give_the_published_figure(name: str) -> None:
    row = GOLDEN[name]

    assert REPRODUCED[name]() == pytest.approx(float(row["expected"]), rel=float(row["rel_tol"]))


def test_every_published_row_is_reproduced() -> None:
    assert REPRODUCED.keys() == GOLDEN.keys()


def test_the_life_cycle_total_of_bloom_is_the_catalogues_figure() -> None:
    assert life_cycle_kg(24_690, 14_600, 11_200) == pytest.approx(known(BLOOM.kgco2e[1]), rel=1e-3)


def test_blooms_own_inputs_give_another_number_of_years_than_its_printed_19_kg() -> None:
    per_day = electricity_carbon_kg(914, 394) / 18

    assert per_day == pytest.approx(20.006, rel=1e-3)
    assert parity_years(50_500, per_day) == pytest.approx(6.91, rel=1e-3)
