"""Counters, histograms and gauges, made when they are first used."""

from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from nsml_core.telemetry import Attributes, Counter, Gauge, Histogram, Off


class Instruments(Off):
    """Counts and shows."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._instruments: dict[str, Any] = {}

    def add(self, counter: Counter, value: float, attributes: Attributes) -> None:
        made = self._instruments.get(counter.name)
        if made is None:
            made = self._instruments[counter.name] = self._meter.create_counter(
                counter.name, counter.unit, counter.description
            )
        made.add(value, dict(attributes))

    def record(self, histogram: Histogram, value: float, attributes: Attributes) -> None:
        made = self._instruments.get(histogram.name)
        if made is None:
            made = self._instruments[histogram.name] = self._meter.create_histogram(
                histogram.name,
                histogram.unit,
                histogram.description,
                explicit_bucket_boundaries_advisory=histogram.boundaries,
            )
        made.record(value, dict(attributes))

    def set(self, gauge: Gauge, value: float, attributes: Attributes) -> None:
        shown = self._instruments.get(gauge.name)
        if shown is None:
            shown = self._instruments[gauge.name] = _Shown()
            self._meter.create_observable_gauge(
                gauge.name, [shown.observe], gauge.unit, gauge.description
            )
        shown.values[tuple(sorted(attributes.items()))] = value


class _Shown:
    """The last values of a gauge; a gauge of the SDK's own would show each only once."""

    def __init__(self) -> None:
        self.values: dict[tuple[tuple[str, str | int | float | bool], ...], float] = {}

    def observe(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(value, dict(key)) for key, value in tuple(self.values.items())]
