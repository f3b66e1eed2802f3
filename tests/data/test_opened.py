import lzma

import numpy as np
import pytest
import torch
from reference import problems as reference

from psim.data.opened import OpenedProblem, open_problem
from psim.data.read import read_rows
from psim.errors import ConfigError, DataError, UsageError
from psim.registry import Model, build

TEXT = "1 1:1 3:2\n2 2:1\n1 1:3\n2 1:1 2:2\n1 3:1\n"


def opened(workers: int = 20, seed: int = 0, **document: object) -> OpenedProblem:
    document = {"name": "logistic", "dataset": "breast_cancer", **document}
    return open_problem(build("problems", document), workers, seed)


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_f_is_the_mean_of_the_shares_however_uneven(name):
    problem = opened(dataset=name)
    rows = read_rows(name)
    assert (problem.size, problem.rows) == (rows.size, rows.count)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(problem.size))
    shares = [problem.share(rank) for rank in range(20)]
    loss = np.mean([share.loss(x) for share in shares])
    gradient = np.mean([share.gradient(x).numpy() for share in shares], axis=0)
    assert problem.mean().loss(x) == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(problem.mean().gradient(x).numpy(), gradient, rtol=1e-11, atol=1e-14)
    assert problem.pooled().loss(x) != pytest.approx(loss, rel=1e-9)


def test_shares_are_the_rows_in_file_order():
    problem, rows = opened(), read_rows("breast_cancer")
    x = np.random.default_rng(1).standard_normal(30)
    for rank, cut in enumerate(reference.split(569, 20)):
        data = (x, rows.features[cut], rows.labels[cut], reference.nonconvex(0.1))
        expected = reference.logistic_gradient(*data)
        found = problem.share(rank).gradient(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_smoothness_constants_are_those_of_the_formulas():
    rows, regularizer = read_rows("breast_cancer"), reference.nonconvex(0.1)
    found = opened().smoothness()
    cuts = reference.split(569, 20)
    local = [reference.logistic_smoothness(rows.features[cut], regularizer) for cut in cuts]
    np.testing.assert_allclose(found.local, local, rtol=1e-12)
    pooled = reference.logistic_smoothness(rows.features, regularizer)
    assert found.pooled == found.chosen == pytest.approx(pooled, rel=1e-12)
    grams = [rows.features[cut].T @ rows.features[cut] / len(rows.labels[cut]) for cut in cuts]
    exact = np.linalg.eigvalsh(np.mean(grams, axis=0))[-1] / 4.0 + 0.2
    assert found.exact == pytest.approx(exact, rel=1e-12)
    assert opened(smoothness="exact").smoothness().chosen == found.exact
    assert found.exact <= np.mean(found.local)


def test_one_worker_s_constants_are_all_the_same():
    found = opened(workers=1).smoothness()
    assert found.pooled == pytest.approx(found.exact, rel=1e-14)
    assert found.local == (found.pooled,)


@pytest.mark.parametrize(
    "document",
    [
        {"regularizer": "l2", "mu": {"relative": 1e-4}},
        {"name": "least_squares"},
        {"name": "least_squares", "dataset": "digits"},
    ],
)
def test_the_minimum_of_f_has_no_gradient(document):
    problem = opened(**document, f_star="compute")
    x, value = problem.minimum()
    gradient = problem.mean().gradient(torch.from_numpy(x)).numpy()
    assert np.linalg.norm(gradient) < 1e-14 * problem.smoothness().exact * (1 + np.linalg.norm(x))
    assert problem.f_star() == value == problem.mean().loss(torch.from_numpy(x))
    again = opened(**document).minimum()
    np.testing.assert_array_equal(x, again[0])


def test_f_star_is_a_number_where_one_is_given():
    assert opened(f_star=0.25).f_star() == 0.25
    assert opened().f_star() is None
    with pytest.raises(ConfigError, match="give f_star: a number"):
        opened().minimum()


def test_the_least_squares_minimum_is_numpy_s():
    rows = read_rows("digits")
    cuts = reference.split(1797, 20)
    weights = np.concatenate(
        [np.full(c.stop - c.start, 1 / (20 * (c.stop - c.start))) for c in cuts]
    )
    root = np.sqrt(weights)
    x = np.linalg.lstsq(root[:, None] * rows.features, root * rows.labels)[0]
    expected = np.sum(weights * (rows.features @ x - rows.labels) ** 2)
    assert opened(name="least_squares", dataset="digits").minimum()[1] == pytest.approx(
        expected, rel=1e-13
    )


def test_pl_constants():
    assert opened().pl_constant() is None
    assert opened(regularizer="l2", mu=0.25).pl_constant() == 0.25
    assert opened(name="least_squares").pl_constant() > 0.0
    assert opened().lower_bound() == 0.0


def test_a_relative_mu_is_settled():
    problem = opened(regularizer="l2", mu={"relative": 1e-4})
    plain = opened(regularizer="none").smoothness().pooled
    assert problem.problem.mu == pytest.approx(1e-4 * plain, rel=1e-13)


def test_a_pool_has_more_workers_than_samples_and_epochs_of_what_each_has():
    problem = opened(workers=2000, partition="pool", rows=12, batch=5)
    assert (problem.rows, problem.per_epoch) == (24_000, 3)
    assert problem.share(1999).rows == 12
    with pytest.raises(ConfigError, match="13 exceeds the 12 samples that a worker has"):
        opened(partition="pool", rows=12, batch=13)


@pytest.mark.parametrize("keys", [{"partition": "pool"}, {"rows": 12}])
def test_a_pool_and_its_rows_go_together(keys):
    with pytest.raises(ConfigError, match="rows goes with partition: pool"):
        opened(**keys)


def test_a_shuffled_partition_follows_the_run_s_seed():
    x = torch.ones(30, dtype=torch.float64)

    def gradient(seed: int, kind: str) -> torch.Tensor:
        return opened(seed=seed, partition=kind).share(0).gradient(x)

    assert torch.equal(gradient(1, "shuffled"), gradient(1, "shuffled"))
    assert not torch.equal(gradient(1, "shuffled"), gradient(2, "shuffled"))
    assert torch.equal(gradient(1, "contiguous"), gradient(2, "contiguous"))


def test_fingerprints_are_of_the_data_not_of_the_file(tmp_path):
    def fingerprint(text: str, name: str = "data", **more: object) -> str:
        path = tmp_path / name
        path.write_bytes(lzma.compress(text.encode()) if name.endswith("xz") else text.encode())
        return opened(workers=2, dataset=str(path), **more).fingerprint

    plain = fingerprint(TEXT)
    assert len(plain) == 64
    assert fingerprint(TEXT, "data.xz") == plain
    assert fingerprint(TEXT.replace("3:2", "3:2.0")) == plain
    assert fingerprint(TEXT, name="other", lam=0.5) == plain
    for changed in (
        TEXT.replace("3:2", "3:2.0000000000000004"),
        TEXT.replace("1 3:1", "2 3:1"),
        TEXT.replace("2 2:1", "2 1:1"),
        TEXT + "1 1:1\n",
    ):
        assert fingerprint(changed) != plain
    assert fingerprint(TEXT, dimension=9) != plain


def test_a_file_s_dimension_is_its_largest_index_unless_given(tmp_path):
    path = tmp_path / "data"
    path.write_text(TEXT)
    assert opened(workers=2, dataset=str(path)).size == 3
    assert opened(workers=2, dataset=str(path), dimension=5).size == 5
    with pytest.raises(DataError, match="index 3 exceeds the dimension 2"):
        opened(workers=2, dataset=str(path), dimension=2)


def test_a_known_data_set_may_be_widened_not_narrowed():
    assert opened(dimension=33).size == 33
    with pytest.raises(DataError, match="below the 30 of breast_cancer"):
        opened(dimension=29)


def test_a_known_data_set_must_be_whole(own_folders):
    (own_folders[0] / "a9a").write_text(TEXT)
    with pytest.raises(DataError, match="has 5 samples, and a9a has 32561"):
        opened(dataset="a9a")


def test_more_workers_than_samples_are_refused():
    with pytest.raises(DataError, match="600 workers cannot share 569 samples"):
        opened(workers=600)


def test_a_rank_out_of_range_is_refused():
    with pytest.raises(UsageError):
        opened().share(20)


def test_quadratics_from_a_seed_and_from_a_file(tmp_path):
    drawn = open_problem(build("problems", {"name": "quadratic", "dimension": 4}), 3, seed=8)
    pairs = [drawn._shares.pair(rank) for rank in range(3)]
    path = tmp_path / "quadratics.npz"
    np.savez(path, A=np.stack([a for a, _ in pairs]), b=np.stack([b for _, b in pairs]))
    read = open_problem(build("problems", {"name": "quadratic", "path": str(path)}), 3, seed=0)
    x = torch.randn(4, dtype=torch.float64)
    for rank in range(3):
        assert torch.equal(drawn.share(rank).gradient(x), read.share(rank).gradient(x))
    assert drawn.smoothness() == read.smoothness()
    assert drawn.minimum()[1] == read.minimum()[1]
    assert drawn.smoothness().pooled == drawn.smoothness().exact
    assert (drawn.size, drawn.rows) == (4, None)
    assert drawn.fingerprint != read.fingerprint
    other = open_problem(build("problems", {"name": "quadratic", "dimension": 4}), 3, seed=9)
    assert other.fingerprint != drawn.fingerprint


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 damaged"])
def test_a_file_of_quadratics_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "quadratics.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        open_problem(build("problems", {"name": "quadratic", "path": str(path)}), 3, seed=0)


def test_pickled_arrays_are_not_unpickled(tmp_path):
    path = tmp_path / "quadratics.npz"
    np.savez(path, A=np.array([object()], dtype=object), b=np.zeros((1, 2)))
    with pytest.raises(DataError, match="can be read"):
        open_problem(build("problems", {"name": "quadratic", "path": str(path)}), 1, seed=0)


def test_what_is_no_problem_is_refused():
    with pytest.raises(UsageError):
        open_problem(Model(), 1, 0)
