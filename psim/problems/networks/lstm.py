"""A word language model with long short-term memory (Hochreiter and Schmidhuber 1997).

It is the network of Sahu et al., Tables 1 and 3, who take it from the experiments of PowerSGD
(Vogels et al. 2019): 28,949,319 parameters, with 28,869 words.
"""

from __future__ import annotations

import torch
from torch import nn

from psim.errors import ConfigError
from psim.problems.networks.sizes import check_sizes

SPREAD = 0.1
"""Embeddings and decoder start uniform in [-SPREAD, SPREAD]."""


class WordModel(nn.Module):
    """Embedding, LSTM layers and decoder, with dropout before, between and after the LSTM layers.

    ``tied`` makes the decoder's matrix the embedding's (Press and Wolf 2017). Every sequence starts
    from a zero state, so that a gradient depends on its minibatch alone.
    """

    def __init__(
        self, vocabulary: int, embedding: int, hidden: int, layers: int, dropout: float, tied: bool
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocabulary, embedding)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True, dropout=between)
        self.decoder = nn.Linear(hidden, vocabulary)
        nn.init.uniform_(self.embedding.weight, -SPREAD, SPREAD)
        nn.init.zeros_(self.decoder.bias)
        if tied:
            self.decoder.weight = self.embedding.weight
        else:
            nn.init.uniform_(self.decoder.weight, -SPREAD, SPREAD)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Logits of each next word, (B, L, V), from the words so far, int64 (B, L)."""
        states, _ = self.lstm(self.dropout(self.embedding(words)))
        logits: torch.Tensor = self.decoder(self.dropout(states))
        return logits


def lstm(
    vocabulary: int,
    embedding: int = 650,
    hidden: int = 650,
    layers: int = 3,
    dropout: float = 0.4,
    tied: bool = True,
) -> nn.Module:
    """A word language model: int64 (B, L) -> logits (B, L, V), V = ``vocabulary``.

    The defaults are those of Sahu et al.: of width 650 it has 651 V + 10,155,600 parameters.
    """
    check_sizes(vocabulary=vocabulary, embedding=embedding, hidden=hidden, layers=layers)
    if tied and embedding != hidden:
        raise ConfigError(
            f"{embedding} differs from hidden = {hidden}: make them equal, or set tied: false",
            "embedding",
        )
    return WordModel(vocabulary, embedding, hidden, layers, dropout, tied)
