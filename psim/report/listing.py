"""What a config may name: methods, compressors, problems, networks and data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psim.registry import Piece, known

if TYPE_CHECKING:
    from psim.registry import Family


def listing(what: str) -> str:
    """One entry a name: what it is, where it comes from, and its parameters with their defaults."""
    if what == "datasets":
        return _datasets()
    if what == "networks":
        return _networks()
    family: Family = what  # type: ignore[assignment]
    return "\n".join(_entry(name, piece) for name, piece in known(family).items())


def _entry(name: str, piece: type[Piece]) -> str:
    source = f" ({piece.paper})" if piece.paper else ""
    defaults = {
        key: field.get_default(call_default_factory=True)
        for key, field in piece.model_fields.items()
    }
    parameters = ", ".join(
        key if field.is_required() else f"{key}: {defaults[key]}"
        for key, field in piece.model_fields.items()
        if field.is_required() or defaults[key] not in (None, {}, ())
    )
    lines = [f"{piece.summary()}{source}", *_promises(piece), f"{{{parameters}}}"]
    return "\n".join(f"{name if line is lines[0] else '':<15} {line}" for line in lines)


def _promises(piece: type[Piece]) -> list[str]:
    """The classes that a compressor belongs to; nothing of other pieces."""
    promises = getattr(piece, "promises", None)
    return [] if promises is None else [f"promises {promises}"]


def _networks() -> str:
    from psim.problems.networks.names import NETWORKS

    rows = [
        f"{name:<15} {network.summary}{f' ({network.paper})' if network.paper else ''}"
        for name, network in NETWORKS.items()
    ]
    return "\n".join([*rows, f"{'module:callable':<15} any other that makes an nn.Module"])


def _datasets() -> str:
    from psim.data.archives import ARCHIVES
    from psim.data.known import KNOWN
    from psim.problems.datasets import LEARNING_NAMES

    rows = [
        (
            name,
            f"N = {dataset.rows:<7} d = {dataset.dimension}",
            "ships with scikit-learn" if dataset.shipped else "psim data get, or PSIM_DATA",
        )
        for name, dataset in KNOWN.items()
    ]
    for name in LEARNING_NAMES:
        if name not in KNOWN:
            files = f"psim data get ({ARCHIVES[name].file}), or " if name in ARCHIVES else ""
            files = "psim data get ml-100k, ml-1m or ml-20m, or " if name == "movielens" else files
            rows.append((name, "for networks", f"{files}PSIM_DATA"))
    return "\n".join(f"{name:<21} {what:<20} {where}" for name, what, where in rows)
