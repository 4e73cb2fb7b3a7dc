"""How fast something was done is told without the pieces that a window would cut."""

import pytest

from bench.lanes import Piece, summary


def ends(period, phase, seconds):
    """Return the pieces of a core that does one after the other, which end in a window."""
    times = (phase + period * number for number in range(int(seconds / period) + 1))
    return [Piece(time, period) for time in times if time < seconds]


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.29])
@pytest.mark.parametrize("other", [0.0, 0.15, 0.2])
def test_the_rate_of_two_cores_does_not_depend_on_when_one_looks(phase, other):
    found = summary(ends(0.3, phase, 5) + ends(0.3, other, 5), cores=2)

    assert found.rate == pytest.approx(2 / 0.3, rel=0.012)
    assert (found.p50, found.p99) == (300, 300)


def test_too_few_pieces_tell_nothing():
    with pytest.raises(RuntimeError, match="too little"):
        summary([Piece(1.0, 0.3), Piece(1.1, 0.3)], cores=2)
