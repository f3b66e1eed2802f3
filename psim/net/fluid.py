"""When flows that share a bottleneck finish: the fluid model with max-min fair rates.

At every instant flow i runs at min(cap_i, level): the level is the one at which the capacity
is used up, or infinite where the caps alone keep the flows below it. Those are the max-min fair
rates (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2) for one shared link behind
links of one flow each. Rates change only when a flow enters or is complete, so the instants follow
event by event, to rounding, without a time step.

Two observations make an event cheap:

1. Flows with one cap always run at one rate. A *group* counts the bits served to each of
   its flows, and a flow is complete when the count has grown by the flow's size.
2. Groups at the level all advance alike. Measured in *fair service* (the integral of the level,
   in bits) their completions do not move when the level does; measured in seconds, those of
   the groups at their cap do not. One heap each gives the next completion.

An event then costs O(log n), and O(log n) for each group that the level has passed since the last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from math import inf
from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def finish_times(starts: ArrayLike, bits: ArrayLike, caps: ArrayLike, capacity: float) -> Floats:
    """Instants (s) at which flows are complete that enter at `starts` (s) and carry `bits`.

    Flow i never runs faster than caps[i] > 0 (bits/s), all together never faster than `capacity`
    > 0 (bits/s); both may be infinite. A flow of 0 bits is complete at its start, and one that
    starts at infinity (it never does) at infinity.
    """
    starts, bits, caps = _floats(starts), _floats(bits), _floats(caps)
    assert starts.shape == bits.shape == caps.shape, (starts.shape, bits.shape, caps.shape)
    if caps.sum() <= capacity:  # sharing can't bind, whoever is active
        return starts + bits / caps
    caps = np.minimum(caps, capacity)  # changes no rate, and leaves fewer different caps
    if _all_equal(caps) and _all_equal(starts):
        return _together(starts, bits, float(caps[0]), capacity)
    return _event_by_event(starts, bits, caps, capacity)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _all_equal(values: Floats) -> bool:
    # For 20 values, faster than comparing min with max, or than asking whether all are equal.
    return bool(np.count_nonzero(values != values[0]) == 0)


def _together(starts: Floats, bits: Floats, cap: float, capacity: float) -> Floats:
    """Closed form for flows that start together with one cap: they finish in order of size.

    While the j smallest are complete, the n - j others run at min(cap, capacity / (n - j)), and
    the next is complete when the difference of their sizes has been served.
    """
    order = bits.argsort()
    rates = np.minimum(cap, capacity / np.arange(len(bits), 0, -1))
    finish = starts.copy()
    steps = bits[order]
    steps[1:] -= steps[:-1]
    finish[order] += (steps / rates).cumsum()
    return finish


def _event_by_event(starts: Floats, bits: Floats, caps: Floats, capacity: float) -> Floats:
    finish = starts.copy()
    entering = np.flatnonzero((bits > 0) & (starts < inf))
    entering = entering[starts[entering].argsort(kind="stable")]
    columns = (each[entering].tolist() for each in (starts, bits, caps))
    bottleneck = _Bottleneck(capacity)
    for flow, start, size, cap in zip(entering.tolist(), *columns, strict=True):
        for done, instant in bottleneck.run(start):
            finish[done] = instant
        bottleneck.enter(flow, size, cap)
    for done, instant in bottleneck.run(inf):
        finish[done] = instant
    return finish


class _Group:
    """Active flows with one cap (bits/s), which are all served alike."""

    __slots__ = ("cap", "flows", "pace", "served", "side", "since", "stamp")

    def __init__(self, cap: float, side: _Side) -> None:
        self.cap = cap
        self.flows: list[tuple[float, int]] = []  # heap: the count that completes a flow; the flow
        self.served = 0.0  # the count (bits) when the side's clock showed `since`
        self.stamp = 0  # of its valid entry in its side's heap; older entries are skipped
        self.join(side)

    def join(self, side: _Side) -> None:
        self.side, self.since = side, side.clock
        self.pace = 1.0 if side.at_level else self.cap  # bits served per unit of the side's clock

    def settle(self) -> None:
        """Bring the count up to the side's clock."""
        self.served += self.pace * (self.side.clock - self.since)
        self.since = self.side.clock

    def due(self) -> float:
        """What the side's clock will show when the next flow is complete."""
        return self.since + (self.flows[0][0] - self.served) / self.pace


_BY_CAP = attrgetter("cap")


class _Side:
    """The groups at their cap, or those at the level, in the order of their completions."""

    def __init__(self, *, at_level: bool) -> None:
        self.at_level = at_level
        self.clock = 0.0  # fair service (bits) if at the level, else the time (s)
        self.load = 0.0  # the flows' paces added up: flows if at the level, else bits/s
        self.groups: list[_Group] = []  # by cap, ascending
        self._completions: list[tuple[float, int, _Group]] = []  # heap: due, stamp, group
        self._stamps = count(1)

    def add(self, group: _Group) -> None:
        insort(self.groups, group, key=_BY_CAP)
        group.join(self)
        self.load += group.pace * len(group.flows)

    def remove(self, group: _Group) -> None:
        del self.groups[bisect_left(self.groups, group.cap, key=_BY_CAP)]
        group.stamp = 0
        # A sum kept by adding and subtracting gathers rounding: an empty side starts afresh.
        self.load = self.load - group.pace * len(group.flows) if self.groups else 0.0

    def schedule(self, group: _Group) -> None:
        group.stamp = next(self._stamps)
        heappush(self._completions, (group.due(), group.stamp, group))

    def next_due(self) -> tuple[float, _Group | None]:
        """What the clock shows at the next completion, and the group it happens in."""
        while self._completions:
            due, stamp, group = self._completions[0]
            if group.side is self and group.stamp == stamp:
                return max(due, self.clock), group  # rounding must not turn the clock back
            heappop(self._completions)
        return inf, None


class _Bottleneck:
    """The shared link. Caps on the capped side are below the level, on the other side above."""

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._capped, self._shared = _Side(at_level=False), _Side(at_level=True)
        self._groups: dict[float, _Group] = {}

    def enter(self, flow: int, size: float, cap: float) -> None:
        """Let a flow of `size` > 0 bits enter now."""
        group = self._groups.get(cap)
        if group is None:  # on the capped side, until the next balance
            group = self._groups[cap] = _Group(cap, self._capped)
            self._capped.add(group)
        group.settle()
        heappush(group.flows, (group.served + size, flow))
        group.side.load += group.pace
        group.side.schedule(group)

    def run(self, until: float) -> Iterator[tuple[int, float]]:
        """Go on to the instant `until` (s); yield each flow that is complete by then, and when."""
        while self._groups and self._capped.clock < until:
            self._balance()
            now, level = self._capped.clock, self._level()
            due, group = self._capped.next_due()
            fair_due, fair_group = self._shared.next_due()
            fair_instant = now + (fair_due - self._shared.clock) / level if fair_group else inf
            if fair_instant < due:
                due, group = fair_instant, fair_group
            if group is None or due > until:
                self._advance(until, level)
                return
            self._advance(due, level)
            if group is fair_group:
                self._shared.clock = fair_due
            yield from self._complete(group)
        self._capped.clock = until

    def _level(self) -> float:
        """The rate (bits/s) of the flows that their caps don't hold below it."""
        left = self._capacity - self._capped.load
        if not self._shared.groups:  # all at their caps: or too many, and some must leave that side
            return inf if left >= 0 else 0.0
        return left / self._shared.load

    def _balance(self) -> None:
        """Put every group on its side of the level, largest caps first down, smallest first up.

        Each move shifts the level towards the cap of the group moved, never past it, so that no
        move undoes another.
        """
        capped, shared = self._capped, self._shared
        while capped.groups and capped.groups[-1].cap > self._level():
            self._move(capped.groups[-1], shared)
        while shared.groups and shared.groups[0].cap <= self._level():
            self._move(shared.groups[0], capped)

    def _move(self, group: _Group, side: _Side) -> None:
        group.settle()
        group.side.remove(group)
        side.add(group)
        side.schedule(group)

    def _advance(self, instant: float, level: float) -> None:
        if self._shared.groups:
            self._shared.clock += level * (instant - self._capped.clock)
        self._capped.clock = instant

    def _complete(self, group: _Group) -> Iterator[tuple[int, float]]:
        """The group's next flow is complete, and all that need no more service than it."""
        group.settle()
        group.served = group.flows[0][0]  # what it is but for rounding
        while group.flows and group.flows[0][0] <= group.served:
            group.side.load -= group.pace
            yield heappop(group.flows)[1], self._capped.clock
        if group.flows:
            group.side.schedule(group)
        else:
            group.side.remove(group)
            del self._groups[group.cap]
