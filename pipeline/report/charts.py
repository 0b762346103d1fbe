"""Charts as coordinates, which the template draws."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 340, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40

Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Tick:
    """A mark on an axis: its coordinate, and its label."""

    at: float
    text: str


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a chart; its path is `x,y x,y ...`, as SVG's polyline takes it."""

    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of WIDTH x HEIGHT, with its origin at the upper left."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    diagonal: bool
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Points],
    *,
    unit_square: bool = False,
    diagonal: bool = False,
) -> Chart:
    """Returns a chart of one or more lines.

    Args:
      title: above the chart.
      x_label: of the x axis.
      y_label: of the y axis.
      series: name of each line -> its points.
      unit_square: whether both axes run from 0 to 1; else they run over what the points span.
      diagonal: whether to draw the line x = y.
    """
    points = [point for line in series.values() for point in line]
    xs, ys = ([point[axis] for point in points] for axis in (0, 1))
    x_low, x_high = (0.0, 1.0) if unit_square else _span(xs)
    y_low, y_high = (0.0, 1.0) if unit_square else _span(ys)

    def x(value: float) -> float:
        return _scale(value, x_low, x_high, _LEFT, WIDTH - _RIGHT)

    def y(value: float) -> float:
        return _scale(value, y_low, y_high, HEIGHT - _BOTTOM, _TOP)

    least = 1 if all(float(value).is_integer() for value in xs) else 0
    return Chart(
        title,
        x_label,
        y_label,
        [Line(n, " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in p)) for n, p in series.items()],
        [Tick(x(value), f"{value:,g}") for value in _round_values(x_low, x_high, least)],
        [Tick(y(value), f"{value:,g}") for value in _round_values(y_low, y_high)],
        diagonal,
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (value - low) / (high - low) * (end - start)


def _round_values(low: float, high: float, least: float = 0) -> list[float]:
    """Returns up to six multiples of 1, 2 or 5 times a power of ten, `least` or more apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(m * power for m in (1, 2, 5, 10) if (high - low) / (m * power) <= 5)
    step = max(step, least)
    digits = max(0, 1 - math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, digits) for n in range(first, last + 1)]
