"""The data sets that psim knows by name.

Those of the LIBSVM site (Chang and Lin, "LIBSVM: a library for support vector machines", ACM TIST
2(3):27, 2011) are checked by the SHA-256 of their plain text. Two ship with scikit-learn:

* ``digits``: 1,797 images of 8 x 8 pixels, divided by 16 so that they lie in [0, 1]. The classes
  are the even digits (-1) and the odd ones (+1).
* ``breast_cancer``: 569 samples of 30 measurements, each column standardized to mean 0 and
  (population) standard deviation 1. The classes are malignant (-1) and benign (+1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psim.errors import DataError
from psim.problems.datasets import LIBSVM_NAMES, SHIPPED_NAMES

SITE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary"
"""Serves each file as plain text, under its name."""


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """``rows`` N, ``dimension`` d; ``text_bytes`` and ``sha256`` are those of the plain text.

    More than one hash where copies differ in what does not matter; none for what ships.
    """

    name: str
    rows: int
    dimension: int
    text_bytes: int = 0
    sha256: tuple[str, ...] = ()

    @property
    def shipped(self) -> bool:
        """Whether scikit-learn brings it."""
        return not self.sha256

    def check(self, path: Path, rows: int) -> None:
        """DataError unless its file has all rows."""
        if rows != self.rows:
            raise DataError(
                f"{path}: has {rows} samples, and {self.name} has {self.rows}: is it complete? To "
                "use it as it is, give its path"
            )


KNOWN: dict[str, KnownDataset] = {
    dataset.name: dataset
    for dataset in (
        KnownDataset("digits", 1_797, 64),
        KnownDataset("breast_cancer", 569, 30),
        KnownDataset(
            "a9a",
            32_561,
            123,
            2_329_875,
            ("f5d5ffd8d865ff41328e7ee043e4b020816914ff6843ff15b98905ddbedce906",),
        ),
        KnownDataset(
            "a9a.t",
            16_281,
            123,
            1_164_628,
            ("1f448a153f0320399a7e40836eb207655b0bde0f21fc941cc472193daa9f5de9",),
        ),
        KnownDataset(
            "madelon",
            2_000,
            500,
            7_788_989,
            (
                "34f9d790481f42d468c4a59515e6c7bb1dcfa5b0c5339e584b998db13f2d6464",
                "4801c452441772b47674fa8deb3724b1cb897eff49ccd8d47078367080c05b54",
            ),
        ),
        KnownDataset(
            "madelon.t",
            600,
            500,
            2_336_699,
            ("ae60251b63a46c6ace348b77749e79e25d4098d629d1dead2852c3d4daf1f8ea",),
        ),
        KnownDataset(
            "mushrooms",
            8_124,
            112,
            879_712,
            ("f39a4eb628dc61a7d43760815b061c9e497aa728ce1ad8bde57a09ef6043b538",),
        ),
        KnownDataset(
            "phishing",
            11_055,
            68,
            3_620_168,
            ("0cf66ef36604c393da9359b2e5d894a2df8aee31fd184633cefa138add2ef08a",),
        ),
        KnownDataset(
            "w8a",
            49_749,
            300,
            3_478_238,
            ("6a9fa8fd5f524303240a5db07d4b3d4a51e8b7b4b20a914105d8e3e8c81640f2",),
        ),
    )
}
"""By name. madelon's second hash is that of the same text with its one zero (row 578, feature 106)
written out."""

assert set(KNOWN) == {*SHIPPED_NAMES, *LIBSVM_NAMES}
