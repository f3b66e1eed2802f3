"""The published archives that psim fetches and reads as they are.

Each is checked by an MD5: those of CIFAR stand on their author's page, those of MovieLens beside
the archives. WikiText-2's authors gave none; its MD5 is the one that PyTorch's text library pins.
An MD5 finds a damaged or another file; it does not prove who made it.
"""

from __future__ import annotations

from dataclasses import dataclass

_CIFAR = "https://www.cs.toronto.edu/~kriz"
_MOVIELENS = "https://files.grouplens.org/datasets/movielens"
_WIKITEXT = "https://s3.amazonaws.com/research.metamind.io/wikitext"


@dataclass(frozen=True, slots=True)
class Archive:
    """``file``: its name, at ``site`` and in the cache. More than ``largest`` bytes are refused."""

    name: str
    site: str
    file: str
    largest: int
    md5: str


ARCHIVES: dict[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive(
            "cifar10",
            _CIFAR,
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c32a1d4ab5d03f1284b67883e8d87530",
        ),
        Archive(
            "cifar100",
            _CIFAR,
            "cifar-100-binary.tar.gz",
            168_513_733,
            "03b5dce01913d631647c71ecec9e9cb8",
        ),
        Archive(
            "ml-100k",
            _MOVIELENS,
            "ml-100k.zip",
            4_924_029,
            "0e33842e24a9c977be4e0107933c0723",
        ),
        Archive("ml-1m", _MOVIELENS, "ml-1m.zip", 8 << 20, "c4d9eecfca2ab87c1945afe126590906"),
        Archive(
            "ml-20m",
            _MOVIELENS,
            "ml-20m.zip",
            198_702_078,
            "cd245b17a1ae2cc31bb14903e1204af3",
        ),
        Archive(
            "wikitext2",
            _WIKITEXT,
            "wikitext-2-v1.zip",
            8 << 20,
            "542ccefacc6c27f945fb54453812b3cd",
        ),
    )
}
"""By the name that `psim data get` takes."""
