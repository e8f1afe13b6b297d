# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Tells how a build goes: plain lines, so that a terminal and the log of a CI system show the same."""

from __future__ import annotations

import threading
import time
import typing as t

#: A line comes at least this often, in seconds.
INTERVAL = 30.0
#: Seconds of work before its pace is taken for the rest.
_FIRST_PACE = 20.0


class Progress:
    """Lines with component, elapsed and remaining time. Safe to call from several threads.

    :param weights: what is to do: name → seconds on the machine the catalogue was measured on.
    :param emit: prints one line.
    """

    def __init__(
        self,
        weights: t.Mapping[str, float],
        emit: t.Callable[[str], None],
        *,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._weights = dict(weights)
        self._emit = emit
        self._clock = clock
        self._begin = clock()
        self._started: dict[str, float] = {}
        self._done: set[str] = set()
        self._last = self._begin
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        with self._lock:
            self._started[name] = self._clock()
            self._say(f"{name} ...")

    def end(self, name: str, note: str = "done") -> None:
        with self._lock:
            took = self._clock() - self._started.get(name, self._clock())
            self._done.add(name)
            self._say(f"{name} {note} in {duration(took)}")

    def say(self, text: str) -> None:
        with self._lock:
            self._say(text)

    def tick(self) -> None:
        """Print what is running, if nothing was printed for a while."""
        with self._lock:
            now = self._clock()
            if now - self._last >= INTERVAL:
                running = [name for name in self._started if name not in self._done]
                names = ", ".join(f"{name} ({duration(now - self._started[name])})" for name in running)
                self._say(f"running: {names or 'nothing yet'}")

    def _say(self, text: str) -> None:
        now = self._last = self._clock()
        tail = f"{len(self._done)} of {len(self._weights)}"
        if len(self._done) < len(self._weights):
            left = remaining(self._weights, self._done, self._started, now)
            tail += f", about {duration(left)} left"
        self._emit(f"[{duration(now - self._begin):>5}] {text}  ({tail})")


def remaining(
    weights: t.Mapping[str, float], done: t.Collection[str], started: t.Mapping[str, float], now: float
) -> float:
    """Seconds that are left: the catalogue's at first, then by the pace since the first start.

    What runs counts as far as its time went, but never as finished.
    """
    total = sum(weights.values())
    ready = sum(weights[name] for name in done if name in weights)
    for name, since in started.items():
        if name in weights and name not in done:
            ready += min(now - since, 0.95 * weights[name])
    worked = now - min(started.values(), default=now)
    if worked < _FIRST_PACE or ready <= 0:
        return total - ready
    return max(0.0, (total - ready) * worked / ready)


def duration(seconds: float) -> str:
    """1:05 for 65 seconds; hours where there are any."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


class Ticker:
    """Calls ``Progress.tick`` while a block runs."""

    def __init__(self, progress: Progress, every: float = 1.0) -> None:
        self._progress, self._every = progress, every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._end.wait(self._every):
            self._progress.tick()


__all__ = ("INTERVAL", "Progress", "Ticker", "duration", "remaining")
