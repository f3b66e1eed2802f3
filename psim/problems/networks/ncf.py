"""Neural matrix factorization (He, Liao, et al. 2017, "Neural collaborative filtering").

With user u and item i, two embeddings of each, p and q, and equation (12) there, to which the
authors' code adds b::

    φ_GMF = p_u ⊙ q_i
    φ_MLP = relu(W_m … relu(W_1 [p'_u; q'_i] + b_1) … + b_m)
    logit = hᵀ[φ_GMF; φ_MLP] + b

Sahu et al., Tables 1 and 4, train it on MovieLens-20M: 138,493 users and 26,744 items make
31,832,577 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from psim.errors import ConfigError
from psim.problems.networks.sizes import check_sizes

EMBEDDING_STD = 0.01


class NeuralFactorization(nn.Module):
    """NeuMF; dropout follows each ReLU.

    Embeddings start normal with standard deviation 0.01 (Section 4.1); dense layers as in the
    authors' code: Glorot uniform, the last one LeCun uniform, biases at 0.
    """

    def __init__(
        self, users: int, items: int, factors: int, layers: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.gmf_users = nn.Embedding(users, factors)
        self.gmf_items = nn.Embedding(items, factors)
        self.mlp_users = nn.Embedding(users, layers[0] // 2)
        self.mlp_items = nn.Embedding(items, layers[0] // 2)
        self.hidden = nn.ModuleList(
            nn.Linear(width, following) for width, following in pairwise(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(factors + layers[-1], 1)
        self._initialize()

    def _initialize(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Embedding):
                nn.init.normal_(layer.weight, std=EMBEDDING_STD)
            elif isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        limit = (3.0 / self.last.in_features) ** 0.5
        nn.init.uniform_(self.last.weight, -limit, limit)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Logits of shape (...), from pairs of a user and an item, int64 (..., 2)."""
        user, item = pairs.unbind(-1)
        factorized = self.gmf_users(user) * self.gmf_items(item)
        perceived = torch.cat([self.mlp_users(user), self.mlp_items(item)], -1)
        for layer in self.hidden:
            perceived = self.dropout(layer(perceived).relu())
        logits: torch.Tensor = self.last(torch.cat([factorized, perceived], -1))
        return logits.squeeze(-1)


def ncf(
    users: int,
    items: int,
    factors: int = 64,
    layers: Sequence[int] = (256, 256, 128, 64),
    dropout: float = 0.5,
) -> nn.Module:
    """NeuMF: pairs of a user and an item, int64 (..., 2) -> logits (...).

    ``factors`` is the length of a GMF embedding. ``layers`` are the widths of the perceptron, of
    which the first is that of its input: two embeddings of half that length. The defaults are those
    of Sahu et al.: 192 (users + items) + 107,073 parameters.
    """
    check_sizes(users=users, items=items, factors=factors)
    for width in layers:
        check_sizes(layers=width)
    if not layers or layers[0] % 2:
        raise ConfigError(
            f"{list(layers)!r}: the first width must be there and even, two embeddings share it",
            "layers",
        )
    return NeuralFactorization(users, items, factors, layers, dropout)
