"""Members of highest score, against sorting."""

import math

import numpy as np
import pytest

from fastalliance.kernels.interpret import interpreted
from fastalliance.kernels.ranking import mark_highest


def _expected(scores, wanted):
    eligible = [i for i, score in enumerate(scores) if score > -math.inf]
    ranked = sorted(eligible, key=lambda i: (-scores[i], i))
    marked = np.zeros(len(scores))
    marked[ranked[:wanted]] = 1.0
    return marked


def _marked(scores, wanted, function=mark_highest):
    members = np.full((scores.shape[1], 3, scores.shape[0]), 7.0)
    keys = np.empty(scores.shape[1], dtype=np.int64)
    function(scores, np.asarray(wanted, dtype=np.int64), keys, members[:, 1])
    assert (members[:, [0, 2]] == 7.0).all()
    return members[:, 1].T


SCORES = {
    "uniform": lambda rng, n: rng.random(n),
    "both signs": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(-2, 3, n).astype(float),
    "all equal": lambda rng, n: np.full(n, 0.25),
    "zeros of both signs": lambda rng, n: rng.choice([0.0, -0.0], n),
    "extremes": lambda rng, n: rng.choice([math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0], n),
    "not eligible": lambda rng, n: rng.choice([-math.inf, math.nan, 0.5, 0.75], n),
    "nobody eligible": lambda rng, n: np.full(n, -math.inf),
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("n_members", [1, 2, 7, 200])
def test_mark_highest__sorting(kind, n_members):
    rng = np.random.default_rng(n_members)
    for wanted in {0, 1, n_members // 10, n_members // 2, n_members - 1, n_members}:
        scores = np.stack([SCORES[kind](rng, n_members) for _ in range(8)])
        expected = np.stack([_expected(row, wanted) for row in scores])
        np.testing.assert_array_equal(_marked(scores, [wanted] * 8), expected)


def test_mark_highest__another_number_in_every_lane():
    scores = np.random.default_rng(5).random((8, 50))
    wanted = np.arange(8) * 3
    assert _marked(scores, wanted).sum(axis=1).tolist() == wanted.tolist()


def test_mark_highest__interpreted():
    scores = np.random.default_rng(6).normal(size=(2, 30))
    compiled = _marked(scores, [4, 0])
    np.testing.assert_array_equal(compiled, _marked(scores, [4, 0], interpreted(mark_highest)))
