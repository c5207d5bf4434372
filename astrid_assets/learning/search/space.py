"""Which values of which training settings a search tries.

A space is a table: the name of a field of `TrainingSettings`, and either the list of its
values or a range. In TOML::

    batch_size = [16, 32, 64]
    learning_rate = {low = 5e-4, high = 1e-2, log = true, steps = 4}

A range of a whole number takes whole numbers; `steps` is for grids alone. How a space is
gone through is in `tuning`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from pydantic import ValidationError

from astrid_assets.learning.settings import WHERE_IT_RUNS, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optuna.distributions import BaseDistribution

Value = str | int | float | bool
Values = dict[str, Value]

GRID_STEPS = 3
"""Values of a range in a grid, where it does not say."""

NOT_SEARCHED = {
    "attempt": "the attempt with the lowest val loss is luck, not a better setting",
    "seed": "the seed with the lowest val loss is luck, not a better setting",
    "members": "more members are never worse: how many is a matter of time",
    "keep_every": "it changes nothing of what is trained",
} | dict.fromkeys(WHERE_IT_RUNS, "it says where the training runs, not what is trained")

LOSS_FIELDS = frozenset(
    {
        "pixel_loss",
        "pixel_weight",
        "focal_gamma",
        "overlap_loss",
        "overlap_weight",
        "tversky_missed",
        "candidate_weight",
        "label_smoothing",
    }
)
"""Settings that change what the val loss measures, so that trials cannot be ranked by it."""

DEFAULT_SPACE: dict[str, object] = {
    "learning_rate": {"low": 5e-4, "high": 1e-2, "log": True},
    "batch_size": [16, 32, 64],
    "base_filters": [4, 8, 16],
    "depth": [2, 3],
    "dropout": {"low": 0.0, "high": 0.3},
    "weight_decay": {"low": 1e-5, "high": 1e-2, "log": True},
    "pixel_loss": ["bce", "focal"],
    "overlap_loss": ["dice", "tversky"],
    "optimiser": ["adamw", "adam", "sgd"],
    "activation": ["relu", "leaky_relu", "silu", "gelu"],
}
"""What is searched where nothing is said."""


class BadSpace(ValueError):
    """The space cannot be searched; the message says which entry, and why."""


@dataclass(frozen=True)
class Listed:
    """One of some values."""

    values: tuple[Value, ...]

    def grid(self) -> tuple[Value, ...]:
        """Return the values."""
        return self.values

    def draw(self, rng: np.random.Generator) -> Value:
        """Return a value drawn uniformly."""
        return self.values[int(rng.integers(len(self.values)))]

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Span:
    """All numbers between two, both included; uniform, or uniform in the logarithm."""

    low: float
    high: float
    log: bool
    whole: bool
    steps: int

    def grid(self) -> tuple[Value, ...]:
        """Return `steps` values, the ends among them; whole numbers once each."""
        spaced = np.geomspace if self.log else np.linspace
        values = spaced(self.low, self.high, self.steps).tolist()
        values[0], values[-1] = self.low, self.high
        if self.whole:
            return tuple(dict.fromkeys(round(value) for value in values))
        return tuple(float(value) for value in values)

    def draw(self, rng: np.random.Generator) -> Value:
        """Return a number drawn from the range."""
        if self.whole and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        drawn = rng.uniform(low, high)
        drawn = math.exp(drawn) if self.log else drawn
        value = min(max(drawn, self.low), self.high)
        return round(value) if self.whole else float(value)

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class SearchSpace:
    """The searched settings by name, sorted."""

    axes: dict[str, Listed | Span]

    def grid(self) -> list[Values]:
        """Return every combination of the values of all axes."""
        names = list(self.axes)
        return [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*(axis.grid() for axis in self.axes.values()))
        ]

    def draws(self, count: int, seed: int) -> list[Values]:
        """Return combinations drawn at random, none twice; fewer where there are fewer."""
        rng = np.random.default_rng(seed)
        drawn: dict[tuple[Value, ...], Values] = {}
        for values in itertools.islice(self._endless(rng), 100 * count):
            drawn.setdefault(tuple(values.values()), values)
            if len(drawn) == count:
                break
        return list(drawn.values())

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the axes as Optuna's distributions."""
        return {name: axis.distribution() for name, axis in self.axes.items()}

    def _endless(self, rng: np.random.Generator) -> Iterator[Values]:
        while True:
            yield {name: axis.draw(rng) for name, axis in self.axes.items()}


def parse_space(table: Mapping[str, object], base: TrainingSettings | None = None) -> SearchSpace:
    """Return the space that a table describes; an empty one stands for `DEFAULT_SPACE`.

    Parameters
    ----------
    table
        A list of values, or low, high, log and steps, by the name of a setting.
    base
        The settings that are not searched; every single value must fit them.

    Raises
    ------
    BadSpace
        With the first entry that cannot be searched, and why.
    """
    entries = dict(table) or DEFAULT_SPACE
    axes: dict[str, Listed | Span] = {}
    for name in sorted(entries):
        if name not in TrainingSettings.model_fields:
            raise BadSpace(f"{name} is no setting of a training, they are: {_names()}")
        if name in NOT_SEARCHED:
            raise BadSpace(f"{name} is not searched: {NOT_SEARCHED[name]}")
        axes[name] = _axis(name, entries[name])
    if base is not None:
        for name, axis in axes.items():
            _check_values(name, axis, base)
    return SearchSpace(axes)


def with_values(base: TrainingSettings, values: Mapping[str, object]) -> TrainingSettings:
    """Return settings with some values in place of theirs, checked as a whole."""
    return TrainingSettings.model_validate(base.model_dump(mode="json") | dict(values))


def _axis(name: str, entry: object) -> Listed | Span:
    if isinstance(entry, list | tuple):
        if not entry or not all(isinstance(value, str | int | float | bool) for value in entry):
            raise BadSpace(f"{name} needs at least one value, each a text or a number")
        return Listed(tuple(dict.fromkeys(entry)))
    if isinstance(entry, dict):
        return _span(name, entry)
    raise BadSpace(
        f"{name} is {entry!r}: write a list of values, or a range such as "
        "{low = 0.001, high = 0.01, log = true}"
    )


def _span(name: str, entry: Mapping[str, object]) -> Span:
    unknown = sorted(set(entry) - {"low", "high", "log", "steps"})
    if unknown:
        raise BadSpace(f"the range of {name} has low, high, log and steps, no {unknown[0]}")
    low, high = entry.get("low"), entry.get("high")
    if not _is_number(low) or not _is_number(high):
        raise BadSpace(f"the range of {name} needs the numbers low and high")
    if not low < high:
        raise BadSpace(f"the range of {name} needs a low end below its high end {high:g}")
    log, steps = bool(entry.get("log", False)), entry.get("steps", GRID_STEPS)
    if log and low <= 0:
        raise BadSpace(f"the range of {name} is logarithmic: its low end {low:g} must be above 0")
    if not isinstance(steps, int) or steps < 2:
        raise BadSpace(f"steps of {name} must be a whole number of at least 2, not {steps!r}")
    kind = TrainingSettings.model_fields[name].annotation
    if kind not in (int, float):
        raise BadSpace(f"{name} is no number: write the list of its values")
    if kind is int and not (float(low).is_integer() and float(high).is_integer()):
        raise BadSpace(f"{name} is a whole number: so are the ends of its range")
    return Span(float(low), float(high), log, kind is int, steps)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_values(name: str, axis: Listed | Span, base: TrainingSettings) -> None:
    ends = axis.values if isinstance(axis, Listed) else (axis.grid()[0], axis.grid()[-1])
    for value in ends:
        try:
            with_values(base, {name: value})
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise BadSpace(f"{name} cannot be {value!r}: {said}") from error


def _names() -> str:
    return ", ".join(_searchable())


def _searchable() -> Sequence[str]:
    return sorted(set(TrainingSettings.model_fields) - set(NOT_SEARCHED))
