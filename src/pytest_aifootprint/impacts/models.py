"""Which model a name means, how large it is, and how sure that is. Never None: the unknown get a class range."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

from msgspec import Struct

from pytest_aifootprint.catalogue import Catalogue, LlmSize, ModelClass, TrainingRow, Triple, llm_sizes
from pytest_aifootprint.impacts.declared import DeclaredModels
from pytest_aifootprint.impacts.families import known_families, size_of_family
from pytest_aifootprint.impacts.names import exact_forms, open_form, released, short_name, size_in_name
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.quantities import Basis, Notice
from pytest_aifootprint.quantities.changed import replace

OPEN_TABLE = "huggingface_hub"
CLASS_WITHOUT_ROW = "inference"
MOST_NAMED = 6


class Model(Struct, frozen=True):
    """A model as far as its price depends on it.

    Attributes:
        id: canonical name, in factors and reports.
        kind: ``open`` for a disclosed or declared size, ``closed`` for one that ecologits guesses, ``family`` for the
            sizes of its relatives, ``class`` for a model that nobody knows.
        active_b, total_b: billions of parameters: (low, central, high).
        tps, ttft: tokens per second and seconds to the first token, where measured.
        model_class: the class range of its operation (also for tokens that nobody told).
        source: of the size.
        row: its published training, if there is one. place: the row that tells where it was trained: its own or its
            parent's.
        override: what the user says of it.
        notice: what a reader has to know of the size.
    """

    id: str
    kind: str
    active_b: Triple | None
    total_b: Triple | None
    model_class: ModelClass
    source: str
    tps: float | None = None
    ttft: float | None = None
    row: TrainingRow | None = None
    place: TrainingRow | None = None
    override: ModelOverride | None = None
    notice: Notice | None = None

    @property
    def basis(self) -> Basis:
        """Estimated from the size; assumed where no source speaks of this model: a family's or a class's range."""
        return Basis.ASSUMED if self.kind in {"class", "family"} else Basis.ESTIMATED


class ModelIndex:
    """Finds models in the user's tables, ecologits, the catalogue, and names themselves, in this order."""

    def __init__(self, catalogue: Catalogue, overrides: Mapping[str, ModelOverride]) -> None:
        """``overrides`` by the name that the user gave; case does not matter."""
        self._catalogue = catalogue
        self._declared_models = DeclaredModels(overrides)

    def find(
        self,
        names: tuple[str, ...],
        operation: str,
        table: str | None,
        parameters: int | None = None,
        *,
        relatives: bool = True,
    ) -> Model:
        """The model of a call.

        Args:
            names: as requested, then as answered; may be empty.
            operation: of the call: decides the class range.
            table: the provider's table in ecologits, looked at first.
            parameters: of an in-process model, counted.
            relatives: a family may stand in. Not for a model in the process: anybody names files and classes.

        Returns:
            A model with a size, with that of its family, or with the class range of the operation; of the latter two a
            notice tells.
        """
        classes = self._catalogue.classes
        stand_in = classes.get(operation) or classes[CLASS_WITHOUT_ROW]
        override = self._declared_models.named(names)
        lineage = self._declared_models.lineage(override)
        parent = tuple(table.parent for table in lineage if table.parent)
        row = self._row(names)
        place = row or self._row(parent)
        if stand_in.active_b is None:
            # An image or a clip is priced by the piece, whatever the model's size.
            name = _shown(names)
            message = f"{operation} with {name}: no size helps here, a class range of energy stands in"
            found = Model(
                name, "class", None, None, stand_in, stand_in.origin.source, notice=Notice("unknown-model", message)
            )
            return replace(found, row=row, place=place, override=override)
        found = (
            self._declared(names, override, parameters, stand_in)
            or self._listed(names, table, stand_in)
            or self._lent(names, lineage[1:], stand_in)
            or self._listed(parent, table, stand_in)
            or self._sized(row, names, stand_in)
            or self._told_by_name(names, stand_in)
            or self._told_by_name(parent, stand_in, "the size in its parent's name")
            or (self._related(names, table, stand_in) if relatives else None)
            or self._unknown(names, operation, stand_in)
        )
        return replace(found, row=row, place=place, override=override)

    def declare(self, override: ModelOverride) -> None:
        """Take one more table, or another in the place of one."""
        self._declared_models.add(override)

    def _declared(
        self, names: tuple[str, ...], override: ModelOverride | None, parameters: int | None, stand_in: ModelClass
    ) -> Model | None:
        if override is not None and override.params:
            size = override.params / 1e9
            return _open(override.name, size, size, stand_in, override.source)
        if parameters:
            size = parameters / 1e9
            return _open(_shown(names), size, size, stand_in, "parameters counted in the process")
        return None

    def _lent(self, names: tuple[str, ...], ancestors: tuple[ModelOverride, ...], stand_in: ModelClass) -> Model | None:
        """The size of the nearest ancestor whose table tells it."""
        for ancestor in ancestors:
            if ancestor.params:
                size = ancestor.params / 1e9
                return _open(
                    _shown(names), size, size, stand_in, f"declared by the user, of its parent {ancestor.name}"
                )
        return None

    def _listed(self, names: tuple[str, ...], table: str | None, stand_in: ModelClass) -> Model | None:
        sizes = llm_sizes()
        for name in names:
            forms = tuple(exact_forms(name))
            own = (sizes.get((table, form)) for form in forms) if table else ()
            for size in (*own, *(_by_name().get(form) for form in forms), _open_models().get(open_form(name))):
                if size is not None:
                    return _from_size(size, stand_in)
        return None

    def _sized(self, row: TrainingRow | None, names: tuple[str, ...], stand_in: ModelClass) -> Model | None:
        if row is None or not row.params_b or not names:
            return None
        return _open(row.model_id, row.active_params_b or row.params_b, row.params_b, stand_in, row.origin.source)

    def _told_by_name(
        self, names: tuple[str, ...], stand_in: ModelClass, source: str = "the size in its name"
    ) -> Model | None:
        for name in names:
            for form in reversed(tuple(exact_forms(name))):
                size = size_in_name(form)
                if size is not None:
                    return _open(form, *size, stand_in, source)
        return None

    def _related(self, names: tuple[str, ...], table: str | None, stand_in: ModelClass) -> Model | None:
        for name in names:
            members = known_families().members(name, table)
            if not members:
                continue
            size = size_of_family(members, undisclosed_times_over(self._catalogue))
            low, _, high = size.active_b
            more = f" and {len(size.names) - MOST_NAMED} more" if len(size.names) > MOST_NAMED else ""
            listed = f"{', '.join(size.names[:MOST_NAMED])}{more}"
            message = (
                f"no data knows the model {name!r}: the sizes of its family ({listed}) stand in, {low:.3g}-{high:.3g} "
                "billion active parameters"
            )
            notice = Notice("model-by-family", message)
            source = f"ecologits: the family {listed}"
            return Model(released(name), "family", size.active_b, size.total_b, stand_in, source, notice=notice)
        return None

    def _unknown(self, names: tuple[str, ...], operation: str, stand_in: ModelClass) -> Model:
        name = _shown(names)
        active = stand_in.active_b
        assert active is not None
        ratio = self._catalogue.value("mixture.total_per_active")[1] if stand_in.mixture else 1.0
        low, central, high = active
        message = (
            f"no data knows the model {name!r} ({operation}): a class of {low:g}-{high:g} billion active parameters "
            "stands in; declare params in [tool.aifootprint.models]"
        )
        return Model(
            name,
            "class",
            active,
            (low * ratio, central * ratio, high * ratio),
            stand_in,
            stand_in.origin.source,
            notice=Notice("unknown-model", message),
        )

    def _row(self, names: tuple[str, ...]) -> TrainingRow | None:
        exact, tuned = self._rows
        for name in names:
            for form in exact_forms(name):
                if form in exact:
                    return exact[form]
        return next((row for name in names if (row := tuned.get(open_form(name))) is not None), None)

    @functools.cached_property
    def _rows(self) -> tuple[Mapping[str, TrainingRow], Mapping[str, TrainingRow]]:
        exact: dict[str, TrainingRow] = {}
        tuned: dict[str, TrainingRow] = {}
        for row in self._catalogue.training:
            if row.match:
                for name in (row.model_id, *row.aliases):
                    exact.setdefault(name.lower(), row)
                    exact.setdefault(short_name(name.lower()), row)
                    tuned.setdefault(open_form(name), row)
        return exact, tuned


def undisclosed_times_over(catalogue: Catalogue) -> float:
    """The 90 % spread of a size that its maker does not disclose, x/÷.

    ``exp(sqrt(ln(closed)^2 - ln(open)^2))``: what the spread of published figures is larger by for closed models than
    for open ones (``inference.closed``, ``inference.open``).
    """
    closed, disclosed = catalogue.spread("inference.closed"), catalogue.spread("inference.open")
    return math.exp(math.sqrt(math.log(closed) ** 2 - math.log(disclosed) ** 2))


def _shown(names: tuple[str, ...]) -> str:
    if not names:
        return "unknown"
    name = names[0]
    # A folder of somebody's machine has no place in a report; "organisation/name" has.
    return short_name(name) if name.count("/") > 1 or "\\" in name or name.startswith(("/", ".", "~")) else name


def _open(name: str, active_b: float, total_b: float, stand_in: ModelClass, source: str) -> Model:
    return Model(name, "open", (active_b,) * 3, (total_b,) * 3, stand_in, source)


def _from_size(size: LlmSize, stand_in: ModelClass) -> Model:
    kind = "open" if size.disclosed else "closed"
    source = f"ecologits: {size.provider}/{size.name}"
    return Model(size.name, kind, _middle(size.active_b), _middle(size.total_b), stand_in, source, size.tps, size.ttft)


def _middle(ends: tuple[float, float]) -> Triple:
    # The arithmetic mean, as ecologits reports its own ranges: prices are linear in the active parameters.
    low, high = ends
    return low, math.fsum(ends) / 2, high


@functools.cache
def _by_name() -> Mapping[str, LlmSize]:
    names: dict[str, LlmSize] = {}
    for (_, name), size in llm_sizes().items():
        names.setdefault(name, size)
        names.setdefault(short_name(name), size)
    return names


@functools.cache
def _open_models() -> Mapping[str, LlmSize]:
    names: dict[str, LlmSize] = {}
    for size in llm_sizes().values():
        if size.provider == OPEN_TABLE:
            names.setdefault(open_form(size.name), size)
    return names
