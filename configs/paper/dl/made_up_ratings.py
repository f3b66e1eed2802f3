"""Made-up ratings of MovieLens' form for sahu-table-4-small.yaml: ``made_up_ratings:parts``.

MovieLens may not be passed on, so that what is shown with it here must do without.
"""

from __future__ import annotations

import numpy as np

from psim.data.learning.ranking import RankingSettings, learning
from psim.data.learning.ratings import Ratings
from psim.problems.examples import Learning

TRAITS = 4
"""Of a user, and of an item; their product says how well the two fit."""
SHARPNESS = 3.0
"""How much an item that fits is preferred; 0 is chance."""


def parts(users: int, items: int, each: int, seed: int = 0, test_negatives: int = 100) -> Learning:
    """Every user rates ``each`` of the items, drawn without replacement, item j in proportion to
    exp(``SHARPNESS`` a·b_j / ``TRAITS``), where a and b_j are the normal traits of the two, at
    random times. The latest is held out, as everywhere.
    """
    draws = np.random.default_rng(seed)
    tastes, kinds = draws.normal(size=(users, TRAITS)), draws.normal(size=(items, TRAITS))
    fit = SHARPNESS * tastes @ kinds.T / TRAITS
    # The largest k of logits with Gumbel noise are k draws without replacement.
    chosen = np.argsort(-(fit + draws.gumbel(size=fit.shape)), axis=1)[:, :each]
    order = draws.permuted(np.tile(np.arange(each), (users, 1)), axis=1)
    found = Ratings(
        np.repeat(np.arange(users), each),
        chosen.ravel().astype(np.int64),
        order.ravel().astype(np.int64),
    )
    settings = RankingSettings(test_negatives=test_negatives, seed=seed)
    return learning(found, settings, "made-up ratings")
