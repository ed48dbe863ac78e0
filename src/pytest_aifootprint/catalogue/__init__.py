"""Factors and published figures, each with its source; read when first needed, never at import."""

from pytest_aifootprint.catalogue.llm_sizes import LlmSize, llm_sizes
from pytest_aifootprint.catalogue.loader import Catalogue, default_catalogue
from pytest_aifootprint.catalogue.rows import CloudRegion, Factor, Machine, ModelClass, Origin, Provider, TrainingRow
from pytest_aifootprint.catalogue.zones import (
    EWIF_SOURCE,
    EWIF_YEAR,
    Intensity,
    ZoneError,
    ewif_l_per_kwh,
    lookup_zone,
    number_g_per_kwh,
)
from pytest_aifootprint.quantities.tables import CatalogueError, Fields, Triple

__all__ = [
    "EWIF_SOURCE",
    "EWIF_YEAR",
    "Catalogue",
    "CatalogueError",
    "CloudRegion",
    "Factor",
    "Fields",
    "Intensity",
    "LlmSize",
    "Machine",
    "ModelClass",
    "Origin",
    "Provider",
    "TrainingRow",
    "Triple",
    "ZoneError",
    "default_catalogue",
    "ewif_l_per_kwh",
    "llm_sizes",
    "lookup_zone",
    "number_g_per_kwh",
]
