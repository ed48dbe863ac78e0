"""Published measurements beside ours: ``python -m pytest_aifootprint.impacts.validation``.

Prints the two tables of ``docs/explanation/numbers.md``. Nothing is tuned to these figures, but the class ranges of
images and videos are made of them; a point that stays outside the range is printed as such.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from msgspec import Struct

from pytest_aifootprint.catalogue import default_catalogue
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.contract import CallImpact
from pytest_aifootprint.impacts.electricity import electricity_carbon_kg
from pytest_aifootprint.impacts.grids import resolve_grid
from pytest_aifootprint.impacts.pricer import Pricer
from pytest_aifootprint.impacts.training import parity_years
from pytest_aifootprint.quantities import Range, total
from pytest_aifootprint.quantities.units import J_PER_WH


class Published(Struct, frozen=True):
    """A published figure and the call that it is compared with.

    Attributes:
        what, source, boundary: of the figure. value: (low, high), equal for a single figure, in ``unit``.
        provider, model, operation, read, written: of our call; tokens None where the source does not tell them.
        media_s: seconds of a clip, where it does.
    """

    what: str
    source: str
    boundary: str
    value: tuple[float, float]
    unit: str
    provider: str
    model: str
    read: int | None
    written: int | None
    operation: str = "chat"
    media_s: float | None = None


_GPU = "GPU alone"
_UNKNOWN = "a model that nobody knows"


def _luccioni(task: str, wh: float, operation: str, written: int | None = None) -> Published:
    """Luccioni, Jernite & Strubell 2024, Table 2: means over several models, kWh per 1,000 inferences."""
    source, boundary = "arXiv:2311.16863, Table 2", "A100, unbatched"
    hub = "huggingface_hub"
    return Published(f"{task}, mean", source, boundary, (wh,) * 2, "Wh", hub, _UNKNOWN, None, written, operation)


def _iea(what: str, wh: float, operation: str, media_s: float | None = None) -> Published:
    """IEA, Energy and AI, 2025, Fig 1.16."""
    source, ends = "IEA 2025, Fig 1.16", (wh,) * 2
    return Published(what, source, _GPU, ends, "Wh", "unknown", _UNKNOWN, None, None, operation, media_s)


def _media(what: str, joules: float, operation: str, media_s: float | None = None) -> Published:
    """ML.ENERGY v3 (github ml-energy/leaderboard@0cd52da, 2026-02): one image or clip at a time on an H100."""
    source, ends = "ML.ENERGY v3, H100, one at a time", (joules / J_PER_WH,) * 2
    return Published(what, source, _GPU, ends, "Wh", "huggingface_hub", _UNKNOWN, None, None, operation, media_s)


_ML_ENERGY = "ML.ENERGY v3, H100, 64 at once"
POINTS = (
    Published("Gemini Apps, median prompt", "arXiv:2508.15734", "whole, with PUE", (0.24,) * 2, "Wh",
              "google_genai", "gemini-2.5-flash", None, None),
    Published("ChatGPT, average query", "Altman, June 2025", "not disclosed", (0.34,) * 2, "Wh",
              "openai", "gpt-4o", None, None),
    Published("GPT-4o, 500 tokens", "Epoch AI, February 2025", "estimate", (0.3,) * 2, "Wh",
              "openai", "gpt-4o", 100, 500),
    Published("GPT-4o, 10,000 tokens read", "Epoch AI, February 2025", "estimate", (2.4,) * 2, "Wh",
              "openai", "gpt-4o", 10_000, 500),
    Published("GPT-4o, 100,000 tokens read", "Epoch AI, February 2025", "estimate", (40.0,) * 2, "Wh",
              "openai", "gpt-4o", 100_000, 500),
    Published("frontier models, median", "arXiv:2509.20241", "node and PUE, estimate", (0.16, 0.60), "Wh",
              "openai", "gpt-5", None, None),
    Published("Mistral Large 2, 400 tokens", "Mistral LCA 2025", "life cycle, with hardware", (1.14,) * 2, "g",
              "mistralai", "mistral-large-2407", 100, 400),
    Published("Mistral Large 2, 400 tokens", "Mistral LCA 2025", "life cycle", (45.0,) * 2, "mL",
              "mistralai", "mistral-large-2407", 100, 400),
    Published("BLOOM-176B, one query", "arXiv:2211.02001", "unbatched, 75 % standby", (3.96,) * 2, "Wh",
              "huggingface_hub", "bigscience/bloom", None, None),
    Published("LLaMA-65B, 300 tokens", "arXiv:2310.03003", f"{_GPU}, unbatched", (0.25, 0.33), "Wh",
              "huggingface_hub", "huggyllama/llama-65b", 0, 300),
    Published("Llama-3.1-8B, 396 tokens", _ML_ENERGY, _GPU, (0.0130,) * 2, "Wh",
              "huggingface_hub", "meta-llama/Llama-3.1-8B-Instruct", 100, 396),
    Published("Gemma-3-12B, 718 tokens", _ML_ENERGY, _GPU, (0.0400,) * 2, "Wh",
              "huggingface_hub", "google/gemma-3-12b-it", 100, 718),
    Published("Qwen3-30B-A3B, 919 tokens", _ML_ENERGY, _GPU, (0.0566,) * 2, "Wh",
              "huggingface_hub", "Qwen/Qwen3-30B-A3B", 100, 919),
    Published("Llama-3.1-70B, 352 tokens", _ML_ENERGY, _GPU, (0.0779,) * 2, "Wh",
              "huggingface_hub", "meta-llama/Llama-3.1-70B-Instruct", 100, 352),
    Published("Llama-4-Scout, 404 tokens", _ML_ENERGY, _GPU, (0.119,) * 2, "Wh",
              "huggingface_hub", "meta-llama/Llama-4-Scout-17B-16E-Instruct", 100, 404),
    Published("Llama-3.1-405B FP8, 360 tokens", _ML_ENERGY, _GPU, (0.308,) * 2, "Wh",
              "huggingface_hub", "meta-llama/Llama-3.1-405B-Instruct", 100, 360),
    _luccioni("text classification", 0.002, "classification"),
    _luccioni("extractive question answering", 0.003, "classification"),
    _luccioni("masked language model", 0.003, "classification"),
    _luccioni("token classification", 0.004, "classification"),
    _luccioni("image classification", 0.007, "classification"),
    _luccioni("object detection", 0.038, "inference"),
    _luccioni("text generation, 10 tokens", 0.047, "completion", 10),
    _luccioni("summarization", 0.049, "completion"),
    _luccioni("image captioning", 0.063, "completion"),
    _luccioni("image generation", 2.907, "image"),
    _iea("text, small model", 0.3, "chat"),
    _iea("text, medium model", 5.0, "chat"),
    _iea("image", 1.7, "image"),
    _iea("video of 6 s", 115.0, "video", 6.0),
    _media("SANA-1.6B, an image", 417, "image"),
    _media("Stable Diffusion 3.5 medium, an image", 1581, "image"),
    _media("Stable Diffusion 3.5 large, an image", 4420, "image"),
    _media("FLUX.1-dev, an image", 7949, "image"),
    _media("CogVideoX-2B, 49 frames", 28_614, "video", 49 / 8),
    _media("CogVideoX1.5-5B, 81 frames", 335_359, "video", 81 / 8),
    _media("Wan 2.1 1.3B, 81 frames", 64_672, "video", 81 / 15),
    _media("Wan 2.1 14B, 81 frames", 289_253, "video", 81 / 15),
    _media("HunyuanVideo, 129 frames", 1_164_112, "video", 129 / 15),
)  # fmt: skip


def _amount(point: Published, impact: CallImpact) -> Range:
    if point.unit == "Wh":
        assert impact.energy_j is not None
        return impact.energy_j.scale(1 / J_PER_WH)
    if point.unit == "g":
        return total(part for part in (impact.use_carbon_g, impact.hardware_carbon_g) if part is not None)
    return total(part for part in (impact.water_site_l, impact.water_source_l) if part is not None).scale(1000)


def compare(point: Published, pricer: Pricer) -> Range:
    """Our figure for the call that a publication measured, in its unit."""
    call = AICall(
        point.operation, "validation", "remote", "live", 0, 0,
        provider=point.provider, model=point.model, input_tokens=point.read, output_tokens=point.written,
        media_s=point.media_s,
    )  # fmt: skip
    return _amount(point, pricer.call(call))


def inside(point: Published, ours: Range) -> str:
    """Yes, or how many times the published figure lies outside our 90 % range."""
    low, high = point.value
    if low > ours.high:
        return f"no, {low / ours.high:.3g} x above"
    if high < ours.low:
        return f"no, {ours.low / high:.3g} x below"
    return "yes"


def _short(value: float) -> str:
    """Three significant digits, without an exponent."""
    rounded = float(f"{value:.3g}")
    text = f"{rounded:g}"
    return f"{rounded:.12f}".rstrip("0") if "e-" in text else text


def measurements() -> Iterator[str]:
    """The rows of the table of measurements, as Markdown."""
    pricer = Pricer(resolve_grid("WOR", {}))
    yield "| published | figure | boundary | source | ours: central | ours: 90 % range | inside |"
    yield "|---|---|---|---|---|---|---|"
    for point in POINTS:
        ours = compare(point, pricer)
        low, high = point.value
        figure = _short(low) if low == high else f"{_short(low)} to {_short(high)}"
        yield (
            f"| {point.what} | {figure} {point.unit} | {point.boundary} | {point.source} | {_short(ours.central)} "
            f"{point.unit} | {_short(ours.low)} to {_short(ours.high)} | {inside(point, ours)} |"
        )


def bloom_years() -> Iterator[str]:
    """Years of use that equal BLOOM's training, by what is counted, as Markdown."""
    bloom = next(row for row in default_catalogue().training if row.model_id == "bloom-176b")
    dynamic_kg, life_cycle_kg, _ = bloom.kgco2e
    kwh = bloom.kwh[1]
    assert dynamic_kg is not None
    assert life_cycle_kg is not None
    assert kwh is not None
    # 914 kWh in 18 days on a grid of 394 g/kWh; the paper prints 19 kg a day (arXiv:2211.02001, s4.4).
    days, served_kwh, printed_kg = 18, 914.0, 19.0
    computed_kg = electricity_carbon_kg(served_kwh, 394) / days
    yield "| training | a day of use | years |"
    yield "|---|---|---|"
    yield _year("life cycle", life_cycle_kg, printed_kg, "kgCO2e", "as the paper prints it")
    yield _year("life cycle", life_cycle_kg, computed_kg, "kgCO2e", "from the paper's own inputs")
    yield _year("dynamic carbon alone", dynamic_kg, printed_kg, "kgCO2e", "as the paper prints it")
    yield _year("energy", kwh, served_kwh / days, "kWh", "from the paper's own inputs")


def _year(basis: str, whole: float, per_day: float, unit: str, how: str) -> str:
    years = f"{parity_years(whole, per_day):.3g}"
    return f"| {basis}: {whole:,.0f} {unit} | {per_day:.3g} {unit}, {how} | {years} |"


def tables() -> str:
    """Both tables, as they stand in the documentation."""
    parts: tuple[Callable[[], Iterator[str]], ...] = (measurements, bloom_years)
    return "\n\n".join("\n".join(part()) for part in parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(tables())
