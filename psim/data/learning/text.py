"""Text for language models: words, and ``<eos>`` at the end of every line, as WikiText has it
(Merity, Xiong, Bradbury and Socher 2016).

The vocabulary is that of the training part, in the order of first appearance; a word of the test
part that is not in it is ``<unk>``. A part is one stream of T tokens, cut into ⌊(T - 1)/L⌋
sequences of L = ``bptt`` tokens; the target of a token is the one that follows it. What is left at
the end is not used, and every sequence starts anew: no state is carried over.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from psim.data.learning.places import absent, find
from psim.data.learning.settings import Settings
from psim.data.libsvm import LARGEST_TEXT, read_text
from psim.errors import DataError
from psim.problems.batches import Batch
from psim.problems.examples import Learning
from psim.registry import Model
from psim.vectors import torch

END, UNKNOWN = "<eos>", "<unk>"

PartName = Literal["train", "valid", "test"]
TOKENS: dict[PartName, int] = {"train": 2_088_628, "valid": 217_646, "test": 245_569}
"""Of WikiText-2, with the ends of lines, as published."""
_SUBFOLDER = "text"
_ARCHIVE = "wikitext-2-v1.zip"


class Parts(Model):
    """Which part of WikiText-2 stands for which."""

    train: PartName = "train"
    test: PartName = "test"


class TextSettings(Settings):
    """``bptt``: L, the tokens of a sequence."""

    bptt: int = Field(35, ge=1)


class WikitextSettings(TextSettings):
    """``parts``: what is trained and tested on."""

    parts: Parts = Parts()


class TextFileSettings(TextSettings):
    """``test``: a file to test on."""

    test: str | None = None


class Sequences:
    """Sequences of L tokens: inputs and targets are int64 of shape (B, L)."""

    labels: None = None

    def __init__(self, tokens: NDArray[np.int64], length: int) -> None:
        self.tokens, self.length = tokens, length

    @property
    def count(self) -> int:
        return max(0, len(self.tokens) - 1) // self.length

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        places = which[:, None] * self.length + np.arange(self.length)
        return torch.from_numpy(self.tokens[places]), torch.from_numpy(self.tokens[places + 1])

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return f"sequences of {self.length}".encode(), self.tokens.astype("<i8")


def open_text(path: Path, settings: TextFileSettings) -> Learning:
    """A file to train on, and ``settings.test``, whose path may start at the first one's folder."""
    train = tokens(read_text(path), path)
    if settings.test is None:
        return _learning(train, None, settings.bptt, str(path))
    other = path.parent / settings.test
    return _learning(train, tokens(read_text(other), other), settings.bptt, str(path))


def open_wikitext(settings: WikitextSettings) -> Learning:
    """WikiText-2, from ``wikitext2_train.txt`` and so on, or its published folder or archive.

    DataError where a part is missing or has another number of tokens than published.
    """
    parts = settings.parts
    train, test = _part(parts.train), _part(parts.test)
    note = ""
    if (parts.train, parts.test) != ("train", "test"):
        note = (
            f"WikiText-2's {parts.train} part stands in for the training part and {parts.test} is "
            "tested: the perplexity is not comparable with published ones"
        )
    return _learning(train, test, settings.bptt, "wikitext2", note)


def tokens(content: bytes, source: Path) -> list[str]:
    """The words of UTF-8 text, with the ends of lines. Raises DataError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: is no UTF-8 text: {error}") from None
    return text.replace("\n", f" {END} ").split()


def _part(name: PartName) -> list[str]:
    names = [f"wikitext2_{name}.txt{suffix}" for suffix in ("", ".xz", ".gz", ".bz2")]
    names += [f"wikitext-2/wiki.{name}.tokens", _ARCHIVE]
    path = find(names, _SUBFOLDER)
    if path is None:
        hint = (
            ""
            if name != "train"
            else (
                ". With the other parts alone, `parts: {train: valid, test: test}` in dataset_args "
                "trains on the valid part and says so"
            )
        )
        fix = f"`psim data get wikitext2` fetches all parts{hint}"
        raise absent(f"wikitext2 (its {name} part)", names, _SUBFOLDER, fix)
    found = tokens(_member(path, name) if path.name == _ARCHIVE else read_text(path), path)
    if len(found) != TOKENS[name]:
        raise DataError(
            f"{path}: has {len(found)} tokens, and WikiText-2's {name} part {TOKENS[name]}: is it "
            "complete? To use it as it is, give its path"
        )
    return found


def _member(path: Path, name: PartName) -> bytes:
    """A part out of the published archive."""
    member = f"wikitext-2/wiki.{name}.tokens"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return file.read(LARGEST_TEXT)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: has no {member} that can be read: {error}") from None


def _learning(
    train: Sequence[str], test: Sequence[str] | None, bptt: int, source: str, note: str = ""
) -> Learning:
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*train, UNKNOWN]))}
    made = [
        Sequences(np.array([numbers.get(w, numbers[UNKNOWN]) for w in part], np.int64), bptt)
        for part in (train, test)
        if part is not None
    ]
    for sequences in made:
        if not sequences.count:
            raise DataError(
                f"{source}: {len(sequences.tokens)} tokens make no sequence of bptt = {bptt} and "
                f"the token that follows: use bptt <= {max(1, len(sequences.tokens) - 1)}"
            )
    sizes = {"vocabulary": len(numbers)}
    return Learning(made[0], made[1] if test is not None else None, "language", note, sizes)
