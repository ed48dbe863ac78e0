"""The data files: every figure has a source, and a broken row says where and why."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_aifootprint.catalogue import Catalogue, CatalogueError, default_catalogue
from pytest_aifootprint.catalogue.loader import DATA, OWN_FILES
from pytest_aifootprint.catalogue.rows import Origin

CATALOGUE = default_catalogue()
EVIDENCE = ("seen", "run", "derived", "assumed", "reported")


def every_origin() -> list[tuple[str, Origin]]:
    rows = [(row.model_id, row.origin) for row in CATALOGUE.training]
    rows += [(row.key, row.origin) for row in CATALOGUE.providers.values()]
    rows += [(row.key, row.origin) for row in CATALOGUE.machines.values()]
    rows += [(row.key, row.origin) for row in CATALOGUE.factors.values()]
    rows += [(row.key, row.origin) for row in CATALOGUE.cloud_regions.values()]
    rows += [(operation, row.origin) for operation, row in CATALOGUE.classes.items()]
    return rows


@pytest.mark.parametrize(("name", "origin"), every_origin())
def test_every_row_has_a_source_a_year_and_an_evidence(name: str, origin: Origin) -> None:
    assert len(origin.source) > 3, name
    assert 2010 <= origin.year <= 2026
    assert origin.evidence.startswith(EVIDENCE)


def test_nothing_that_was_only_remembered_ships_as_a_figure() -> None:
    for file in OWN_FILES:
        rows = re.sub(r"^#.*$", "", (DATA / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert "memory" not in rows.lower().replace("in memory", ""), file


def test_the_table_of_trainings_is_the_one_that_was_collected() -> None:
    rows = {row.model_id: row for row in CATALOGUE.training}

    assert len(rows) == 140
    assert list(rows["bloom-176b"].kgco2e) == [24_690, 50_500, 50_500]
    assert rows["bloom-176b"].grid_g_per_kwh == 57
    assert rows["gopher-280b"].grid_g_per_kwh is None
    assert list(rows["palm-540b"].kgco2e) == [None, None, None]
    assert list(rows["mistral-large-2"].kgco2e) == [None, None, 20_400_000]


def test_a_tuned_models_training_never_contains_its_parents() -> None:
    rows = {row.model_id: row for row in CATALOGUE.training}

    assert rows["llama-3.3-70b"].parent == "llama-3.1-70b"
    assert rows["llama-3.3-70b"].kgco2e[1] == 12_900
    assert (rows["llama-3.1-70b"].kgco2e[1] or 0) > 100 * 12_900


def test_names_of_models_are_unique() -> None:
    names = [name.lower() for row in CATALOGUE.training if row.match for name in {row.model_id, *row.aliases}]

    assert len(names) == len(set(names))


def test_published_runs_agree_with_their_own_hours_and_watts() -> None:
    derived = [row for row in CATALOGUE.training if row.kwh_basis.startswith("derived") and row.gpu_hours]

    assert len(derived) > 20
    for row in derived:
        kwh = (row.gpu_hours or 0) * (row.gpu_watts or 0) / 1000
        assert row.kwh[1] == pytest.approx(kwh, rel=0.11), row.model_id


def test_every_provider_has_water_and_a_pue_and_the_unknown_one_is_there() -> None:
    assert CATALOGUE.provider("OpenAI").key == "openai"
    assert CATALOGUE.provider("azure-openai").key == "openai"
    assert CATALOGUE.provider(None).key == "unknown"
    assert CATALOGUE.provider("nobody").key == "unknown"
    assert CATALOGUE.provider("nobody").grid_times_over == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inference.closed", 4.5),
        ("inference.open", 3.1),
        ("grid.country", 1.17),
        ("grid.guess", 1.54),
        ("hw.provider", 2.2),
    ],
)
def test_the_default_spreads_are_those_of_the_method(key: str, value: float) -> None:
    assert CATALOGUE.spread(key) == value


@pytest.mark.parametrize("provider", ["openai", "google", "cohere", "mistral"])
def test_the_spread_of_a_single_published_wue_is_that_of_the_method(provider: str) -> None:
    low, central, high = CATALOGUE.providers[provider].wue_l_per_kwh

    assert (central / low, high / central) == pytest.approx((3.1, 3.1), rel=0.01)


@pytest.mark.parametrize(
    ("key", "gsd"),
    [
        ("inference.closed", 2.5), ("inference.open", 2), ("grid.country", 1.1), ("grid.guess", 1.3),
        ("hw.provider", 1.6), ("ewif.world", 2), ("train.high", 1.3), ("train.medium", 2), ("train.low", 3),
    ],
)  # fmt: skip
def test_a_spread_is_the_90_percent_interval_of_its_published_gsd(key: str, gsd: float) -> None:
    # ln(high / central) = 1.645 ln GSD, rounded to two digits.
    assert CATALOGUE.spread(key) == pytest.approx(gsd**1.645, rel=0.02)
    assert f"GSD {gsd:g}" in CATALOGUE.factors[key].origin.source


def test_the_constants_are_those_of_the_method() -> None:
    assert CATALOGUE.value("phi.multiplier") == (0.111, 0.43, 1.0)
    assert CATALOGUE.value("standby") == (0.0, 0.10, 0.75)
    assert CATALOGUE.value("prefill.flop_per_joule") == (1.2e11, 3.6e11, 1.2e12)
    assert CATALOGUE.value("prefill.cached_share") == (0.01, 0.05, 0.25)
    assert CATALOGUE.machines["vm"].embodied_kg == (5.0, 9.0, 16.4)


@pytest.mark.parametrize("ask", [CATALOGUE.spread, CATALOGUE.value])
def test_asking_for_a_factor_that_is_not_there_says_so(ask: Callable[[str], object]) -> None:
    with pytest.raises(CatalogueError, match=r"defaults\.toml: no factor 'nothing'"):
        ask("nothing")


# --- broken files -----------------------------------------------------------------------------------------------------

TRAINING = 'model_id = "m"\ntraining_kwh = 1\nsource = "s"\nyear = 2024\nevidence = "seen"\nconfidence = "high"\n'
PROVIDER = (
    'key = "unknown"\nnames = ["unknown"]\nzone = "WOR"\ntraining_zone = "WOR"\npue = [1, 1.1, 1.2]\n'
    'wue_l_per_kwh = [0.1, 0.2, 0.3]\nsource = "s"\nyear = 2024\nevidence = "seen"\n'
)
MACHINE = (
    'key = "vm"\nembodied_kg = [1, 2, 3]\nlife_years = [3, 4, 5]\nutilisation = [0.1, 0.2, 0.3]\n'
    'source = "s"\nyear = 2024\nevidence = "seen"\n'
)
FACTOR = 'key = "f"\ntimes_over = 2\nunit = "x"\nsource = "s"\nyear = 2024\nevidence = "seen"\n'
CLASS = (
    'operations = ["chat"]\nactive_b = [1, 2]\ninput_tokens = [1, 2]\nsource = "s"\nyear = 2024\nevidence = "seen"\n'
)


def broken(folder: Path, file: str, table: str, row: str) -> Catalogue:
    """Our data files, one of them with nothing but these rows."""
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    (folder / file).write_text(f"[[{table}]]\n{row}", encoding="utf-8")
    return Catalogue(folder)


def other_machines(*keys: str) -> str:
    return "".join(f"[[machine]]\n{MACHINE.replace('vm', key)}" for key in keys)


@pytest.mark.parametrize(
    ("file", "table", "part", "row", "message"),
    [
        ("training.toml", "training", "training", TRAINING.replace('source = "s"\n', ""), "m: source is missing"),
        ("training.toml", "training", "training", TRAINING.replace("year = 2024\n", ""), "m: year is missing"),
        ("training.toml", "training", "training", TRAINING.replace("2024", "24"), "m: year must be a year, got 24"),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace('evidence = "seen"\n', ""),
            "m: evidence is missing",
        ),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace("= 1\n", "= -1\n"),
            "m: training_kwh must be finite",
        ),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace("= 1\n", "= nan\n"),
            "m: training_kwh must be finite",
        ),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace("= 1\n", '= "1"\n'),
            "m: training_kwh must be a num",
        ),
        ("training.toml", "training", "training", TRAINING.replace('"high"', '"some"'), "m: confidence must be one of"),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace("training_kwh = 1\n", ""),
            "m: a training row needs",
        ),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.replace("training_kwh = 1\n", "training_tokens = 1e9\ntokens_source = 's'\n"),
            "m: a training row needs training_kwh, training_kgco2e, or params_b and training_tokens",
        ),
        (
            "training.toml",
            "training",
            "training",
            TRAINING + "training_tokens = 1e9\n",
            "m: training_tokens above 0 and tokens_source, where they were read, belong together",
        ),
        ("training.toml", "training", "training", TRAINING + "tokens_source = 's'\n", "m: training_tokens above 0 and"),
        (
            "training.toml",
            "training",
            "training",
            TRAINING + "training_kw = 1\n",
            "m: unknown key 'training_kw'; valid:",
        ),
        ("training.toml", "training", "training", TRAINING + "training_kwh_low = 2\n", "m: training_kwh: low, central"),
        ("training.toml", "training", "training", TRAINING + 'aliases = "x"\n', "m: aliases must be a list of texts"),
        ("training.toml", "training", "training", TRAINING + "match = 1\n", "m: match must be true or false"),
        (
            "training.toml",
            "training",
            "training",
            TRAINING.partition("\n")[2],
            "a row without model_id: model_id is missing",
        ),
        ("training.toml", "training", "training", TRAINING + "[[training]]\n" + TRAINING, "m stands there twice"),
        ("training.toml", "training", "training", "model_id = \n", "Invalid value"),
        ("training.toml", "training", "training", TRAINING + 'parent = "n"\n', "m: parent 'n' is no row, and not in"),
        ("training.toml", "training", "training", TRAINING + 'parent = "M"\n', "m: parent: a cycle, m -> m"),
        (
            "training.toml",
            "training",
            "training",
            TRAINING + 'parent = "n"\n[[training]]\n' + TRAINING.replace('"m"', '"n"') + 'parent = "m"\n',
            "m: parent: a cycle, m -> n -> m",
        ),
        (
            "providers.toml",
            "provider",
            "providers",
            PROVIDER.replace("[1, 1.1", "[0.5, 1.1"),
            "unknown: pue must be 1 or",
        ),
        (
            "providers.toml",
            "provider",
            "providers",
            PROVIDER.replace("[0.1, 0.2", "[0.3, 0.2"),
            "unknown: wue_l_per_kwh m",
        ),
        (
            "providers.toml",
            "provider",
            "providers",
            PROVIDER.replace("unknown", "known"),
            "the row 'unknown' is missing",
        ),
        ("machines.toml", "machine", "machines", MACHINE.replace("0.3]", "1.3]"), "vm: utilisation must be 1 or less"),
        (
            "machines.toml",
            "machine",
            "machines",
            MACHINE.replace("[1, 2, 3]", "[1, 2]"),
            "vm: embodied_kg must be a list",
        ),
        ("machines.toml", "machine", "machines", MACHINE.replace("[1, 2, 3]", "[0, 2, 3]"), "vm: embodied_kg must be"),
        *(
            ("machines.toml", "machine", "machines", MACHINE.replace(right, wrong), message)
            for right, wrong, message in (
                ("[3, 4, 5]", "[0, 4, 5]", "vm: life_years must be .* above 0"),
                ("[3, 4, 5]", "[-3, 4, 5]", "vm: life_years must be .* 0 or more, got -3"),
                ("[3, 4, 5]", "[5, 4, 3]", "vm: life_years must be .* in rising order"),
                ("[3, 4, 5]", "4", "vm: life_years must be a list of 3 numbers"),
                ("life_years = [3, 4, 5]\n", "", "vm: life_years must be .* above 0"),
                ("[0.1, 0.2, 0.3]", "[0, 0.2, 0.3]", "vm: utilisation must be .* above 0"),
                ("[0.1, 0.2, 0.3]", "[-0.1, 0.2, 0.3]", "vm: utilisation must be .* 0 or more, got -0.1"),
                ('source = "s"\n', "", "vm: source is missing"),
                ("year = 2024\n", "", "vm: year is missing"),
                ('key = "vm"\n', "", "a row without key: key is missing"),
                ('key = "vm"\n', 'key = "vm"\nhost_kg = -1\n', "vm: host_kg must be .* 0 or more, got -1"),
                ('key = "vm"\n', 'key = "vm"\nnames = ["x"]\n', "vm: names are of accelerators"),
                (
                    'key = "vm"\n',
                    'key = "vm"\naccelerator = true\nnames = ["H100"]\n',
                    "vm: names must be small words with one space between them, got 'H100'",
                ),
                (
                    'key = "vm"\n',
                    'key = "vm"\naccelerator = true\nper_cpu = true\n',
                    "vm: per_cpu cannot be true of an accelerator",
                ),
            )
        ),
        (
            "machines.toml",
            "machine",
            "machines",
            MACHINE
            + 'accelerator = true\nnames = ["h9"]\n[[machine]]\n'
            + MACHINE.replace('"vm"', '"x"')
            + 'accelerator = true\nnames = ["h9"]\n',
            "h9 stands there twice",
        ),
        ("defaults.toml", "factor", "factors", FACTOR.replace("= 2\n", "= 0.5\n"), "f: times_over must be 1 or more"),
        ("defaults.toml", "factor", "factors", FACTOR.replace("times_over = 2\n", ""), "f: a factor needs either"),
        ("defaults.toml", "factor", "factors", FACTOR + "value = [1, 2, 3]\n", "f: a factor needs either value or"),
        (
            "defaults.toml",
            "class",
            "classes",
            CLASS.replace("active_b = [1, 2]\n", ""),
            "a class needs either active_b",
        ),
        (
            "defaults.toml",
            "class",
            "classes",
            CLASS.replace("active_b = [1, 2]", "active_b = [0, 2]"),
            "active_b must be",
        ),
        (
            "defaults.toml",
            "class",
            "classes",
            CLASS.replace("input_tokens = [1, 2]\n", ""),
            "a class with active_b needs",
        ),
        ("defaults.toml", "class", "classes", CLASS.replace('["chat"]', "[]"), "operations is missing"),
        (
            "defaults.toml",
            "class",
            "classes",
            CLASS + "energy_wh_per_s = [1, 2]\n",
            "energy_wh_per_s needs energy_wh",
        ),
    ],
)
def test_a_broken_row_is_one_line_that_names_file_row_and_field(
    tmp_path: Path, file: str, table: str, part: str, row: str, message: str
) -> None:
    with pytest.raises(CatalogueError, match=f"{file}.*{message}") as error:
        getattr(broken(tmp_path, file, table, row), part)

    assert "\n" not in str(error.value)
    assert file in str(error.value)


@pytest.mark.parametrize(
    ("unpublished", "problem"),
    [
        ('["n"]', None),
        ('["o"]', "m: parent 'n' is no row, and not in unpublished"),
        ('["N", "m"]', "unpublished: m has a row"),
        ('"n"', "unpublished must be a list of texts, got 'n'"),
    ],
)
def test_a_parent_without_a_row_is_told_or_an_error(tmp_path: Path, unpublished: str, problem: str | None) -> None:
    text = f'unpublished = {unpublished}\n[[training]]\n{TRAINING}parent = "n"\n'
    (tmp_path / "training.toml").write_text(text, encoding="utf-8")
    if problem is None:
        assert Catalogue(tmp_path).training[0].parent == "n"
        return
    with pytest.raises(CatalogueError, match=f"training.toml: {problem}"):
        _ = Catalogue(tmp_path).training


def test_the_rows_that_the_broken_ones_are_made_from_are_whole(tmp_path: Path) -> None:
    assert broken(tmp_path, "training.toml", "training", TRAINING).training[0].model_id == "m"
    assert broken(tmp_path, "providers.toml", "provider", PROVIDER).providers["unknown"].zone == "WOR"
    machines = MACHINE + other_machines("laptop", "desktop", "server")
    assert broken(tmp_path, "machines.toml", "machine", machines).machines["vm"].host_kg == 0
    assert broken(tmp_path, "defaults.toml", "factor", FACTOR).spread("f") == 2
    classes = CLASS.replace('"chat"', '"chat", "inference", "embedding", "image", "audio"')
    assert broken(tmp_path, "defaults.toml", "class", classes).classes["chat"].active_b == pytest.approx((1, 2**0.5, 2))
