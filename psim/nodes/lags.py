"""How late this machine was on the real clock, message by message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOO_SLOW = 0.01
"""The share of a round by which the median message may be late before the run is not honest."""


class Lags:
    """Seconds by which messages came after their emulated instants; 0 for those that came before,
    and were held.
    """

    def __init__(self) -> None:
        self._late: list[NDArray[np.float64]] = []

    def add(self, received: NDArray[np.float64], arrived: NDArray[np.float64]) -> None:
        """A round's messages: when they came here, and when they were due."""
        self._late.append(np.maximum(received - arrived, 0.0))

    def summary(self, elapsed: float) -> dict[str, object] | None:
        """Median, 99th percentile and maximum in seconds and as shares of a mean round, of rounds
        that took ``elapsed`` emulated seconds together; and a warning where the machine was too
        slow for the network asked for.
        """
        if not self._late or elapsed <= 0:
            return None
        late = np.concatenate(self._late)
        mean_round = elapsed / len(self._late)
        seconds = {
            "median": float(np.median(late)),
            "p99": float(np.quantile(late, 0.99)),
            "max": float(late.max()),
        }
        shares = {f"{name}_share": value / mean_round for name, value in seconds.items()}
        return {**seconds, **shares, "warning": _warning(shares["median_share"])}


def _warning(share: float) -> str | None:
    if share <= TOO_SLOW:
        return None
    return (
        f"this machine was too slow for the network asked for: half of the messages were late by "
        f"more than {100 * share:.1f} % of a round, so wall times are longer than that network's"
    )
