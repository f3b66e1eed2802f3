"""Text for language models."""

from __future__ import annotations

import lzma
import zipfile

import numpy as np
import pytest

from psim.data.learning import text
from psim.data.learning.open import open_learning
from psim.errors import ConfigError, DataError

TRAIN = " the cat sat \n the dog sat on the cat \n\n"
TRAIN_WORDS = TRAIN.split()
END = "<eos>"
TEST = "the bird sat\n"
STREAM = [*TRAIN_WORDS[:3], END, *TRAIN_WORDS[3:], END, END]


def test_a_file_is_one_stream_cut_into_sequences(tmp_path):
    (tmp_path / "train.txt").write_text(TRAIN)
    (tmp_path / "test.txt.xz").write_bytes(lzma.compress(TEST.encode()))
    args = {"bptt": 3, "test": "test.txt.xz"}
    found = open_learning(str(tmp_path / "train.txt"), args)
    words = [*dict.fromkeys(STREAM), "<unk>"]
    assert (found.task, dict(found.sizes)) == ("language", {"vocabulary": len(words)})
    assert found.train.count == 3  # 12 tokens: the last sequence lacks a target
    assert found.train.labels is None
    inputs, targets = found.train.batch(np.array([2, 0]))
    assert [[words[n] for n in row] for row in inputs.tolist()] == [STREAM[6:9], STREAM[:3]]
    assert [[words[n] for n in row] for row in targets.tolist()] == [STREAM[7:10], STREAM[1:4]]
    inputs, targets = found.test.batch(np.array([0]))
    assert [words[n] for n in inputs[0].tolist()] == ["the", "<unk>", "sat"]
    assert [words[n] for n in targets[0].tolist()] == ["<unk>", "sat", "<eos>"]


@pytest.mark.parametrize("folder", ["wikitext-2", "wikitext-2-v1.zip"])
def test_the_published_forms_must_be_whole(own_folders, monkeypatch, folder):
    parts = {"train": TRAIN, "valid": TEST, "test": TEST + TEST}
    if folder.endswith("zip"):
        with zipfile.ZipFile(own_folders[0] / folder, "w") as archive:
            for part, words in parts.items():
                archive.writestr(f"wikitext-2/wiki.{part}.tokens", words)
    else:
        (own_folders[0] / folder).mkdir()
        for part, words in parts.items():
            (own_folders[0] / folder / f"wiki.{part}.tokens").write_text(words)
    with pytest.raises(DataError, match=r"has 12 tokens, and WikiText-2's train part 2088628"):
        open_learning("wikitext2", {})
    monkeypatch.setattr(text, "TOKENS", {"train": 12, "valid": 4, "test": 8})
    found = open_learning("wikitext2", {"bptt": 3})
    assert (found.train.count, found.test.count, found.note) == (3, 2, "")
    swapped = open_learning("wikitext2", {"bptt": 3, "parts": {"train": "valid"}})
    assert (swapped.train.count, swapped.test.count) == (1, 2)
    assert "not comparable" in swapped.note


def test_what_is_not_there_or_too_short(own_folders, tmp_path):
    with pytest.raises(DataError, match=r"its train part.*psim data get wikitext2.*parts: "):
        open_learning("wikitext2", {})
    path = tmp_path / "short.txt"
    path.write_text("two words\n")
    with pytest.raises(DataError, match=r"3 tokens make no sequence of bptt = 35 .* bptt <= 2"):
        open_learning(str(path), {})
    with pytest.raises(DataError, match=r"none\.txt: no such file"):
        open_learning(str(path), {"bptt": 2, "test": "none.txt"})
    with pytest.raises(ConfigError, match="no images to augment"):
        open_learning(str(path), {}, ["flip"])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="no UTF-8"):
        open_learning(str(path), {})


def test_the_real_parts_have_the_published_tokens(real_file):
    real_file("text/wikitext2_valid.txt.xz")
    found = open_learning("wikitext2", {"parts": {"train": "valid", "test": "test"}})
    assert (len(found.train.tokens), len(found.test.tokens)) == (217_646, 245_569)
    assert found.sizes["vocabulary"] == 13_776 + 1  # its words, <unk> among them, and <eos>
    assert found.train.count == 217_645 // 35
