"""What a server tells Prometheus of itself."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sqlfeat.store.looks import Looks
from sqlfeat.store.serving_log import ServingLog

CONTENT_TYPE = CONTENT_TYPE_LATEST
CHECKS = ("psi", "shift", "spread", "missing", "new_categories", "range", "volume", "freshness", "duplicates", "schema",
          "skew", "performance")  # fmt: skip
_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one server; labels are routes, status codes and error codes: never what a client chose."""

    def __init__(self, *, snapshot: Callable[[], float], age: Callable[[], float], ready: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._answers = _Answers()
        self._registry.register(self._answers)
        self.answered, self.gave = self._answers.answered, self._answers.gave
        self._errors = Counter("sqlfeat_errors", "Errors by code", ["code"], registry=self._registry)
        self._refused = Counter(
            "sqlfeat_refused", "Requests that were not looked at", ["reason"], registry=self._registry
        )
        for name, told, of in (
            ("sqlfeat_snapshot", "The snapshot that is served", snapshot),
            ("sqlfeat_snapshot_age_seconds", "Since the instant of that snapshot", age),
            ("sqlfeat_ready", "Whether requests can be answered", ready),
        ):
            Gauge(name, told, registry=self._registry).set_function(of)

        self._error_of = lru_cache(maxsize=200)(self._errors.labels)
        self._refused_for = lru_cache(maxsize=200)(self._refused.labels)

    def failed(self, code: str) -> None:
        self._error_of(code).inc()

    def refused(self, reason: str) -> None:
        self._refused_for(reason).inc()

    def watch(self, log: ServingLog) -> None:
        """Tell of a log, too: rows written, rows lost and why, rows that wait."""
        self._registry.register(_LogFigures(log))

    def look_at(self, looks: Looks) -> None:
        """Tell of what monitoring has found last, too."""
        self._registry.register(_LookFigures(looks))

    def text(self) -> bytes:
        """All of them in Prometheus' own format."""
        text: bytes = generate_latest(self._registry)
        return text


class _Answers(Collector):
    """Counts of answers, of their rows and of how long they took: a few microseconds less each than Prometheus' own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: Tally[tuple[str, int]] = Tally()
        self._rows: Tally[str] = Tally()
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        place = bisect_left(_BUCKETS, seconds)
        with self._lock:
            self._statuses[route, status] += 1
            if route not in self._seconds:
                self._seconds[route], self._buckets[route] = 0.0, [0] * (len(_BUCKETS) + 1)
            self._seconds[route] += seconds
            self._buckets[route][place] += 1

    def gave(self, route: str, rows: int) -> None:
        """Count the rows of an answer."""
        with self._lock:
            self._rows[route] += rows

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("sqlfeat_requests", "Answers", labels=["route", "status"])
        seconds = HistogramMetricFamily("sqlfeat_request_seconds", "From request to answer", labels=["route"])
        rows = CounterMetricFamily("sqlfeat_rows", "Rows answered", labels=["route"])
        with self._lock:
            for (route, status), count in self._statuses.items():
                requests.add_metric([route, str(status)], count)
            for route, counts in self._buckets.items():
                edges = [*map(str, _BUCKETS), "+Inf"]
                seconds.add_metric([route], list(zip(edges, accumulate(counts), strict=True)), self._seconds[route])
            for route, count in self._rows.items():
                rows.add_metric([route], count)
        yield from (requests, seconds, rows)


class _LogFigures(Collector):
    """What became of the rows of a log; it counts them itself."""

    def __init__(self, log: ServingLog) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        written = CounterMetricFamily("sqlfeat_log_rows", "Rows written to the log")
        written.add_metric([], self._log.written)
        lost = CounterMetricFamily("sqlfeat_log_dropped", "Rows that the log lost", labels=["reason"])
        lost.add_metric(["queue-full"], self._log.dropped)
        lost.add_metric(["cannot-write"], self._log.failed)
        waiting = GaugeMetricFamily("sqlfeat_log_waiting", "Rows that wait to be written to the log")
        waiting.add_metric([], self._log.waiting)
        yield from (written, lost, waiting)


class _LookFigures(Collector):
    """What monitoring has found last; labels are names of the project: what is watched, its columns, its metrics."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    def collect(self) -> Iterator[Metric]:
        def gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"sqlfeat_monitor_{name}", told, labels=["subject", *labels])

        breaches = gauge("breaches", "Thresholds that were broken when it was looked at last", "check")
        warnings = gauge("warnings", "Warnings of the last look", "check")
        psi = gauge("psi", "Population stability index of a column against its baseline", "column")
        missing = gauge("missing_ratio", "Share of rows in which a column has no value", "column")
        performance = gauge("performance", "The metric that counts, of rows whose labels are known", "metric")
        rows = gauge("rows", "Rows that were looked at")
        newest = gauge("newest_row_timestamp_seconds", "Time of the newest row that was looked at")
        at = gauge("last_run_timestamp_seconds", "When it was looked at last")
        age = gauge("age_seconds", "Since it was looked at last")
        now = datetime.now(UTC)
        for look in self._looks.all():
            for family, counts in ((breaches, look.breaches), (warnings, look.warnings)):
                for check in CHECKS:
                    family.add_metric([look.name, check], counts.get(check, 0))
            for family, values in ((psi, look.psi), (missing, look.missing), (performance, look.performance)):
                for name, value in values.items():
                    family.add_metric([look.name, name], value)
            rows.add_metric([look.name], look.rows)
            if look.newest_row is not None:
                newest.add_metric([look.name], look.newest_row.timestamp())
            at.add_metric([look.name], look.checked_at.timestamp())
            age.add_metric([look.name], (now - look.checked_at).total_seconds())
        yield from (breaches, warnings, psi, missing, performance, rows, newest, at, age)
