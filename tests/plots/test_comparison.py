"""The bound against the seconds of training: where the points are, their errors, their names."""

import pytest
from matplotlib.container import ErrorbarContainer

from ugvae.plots.comparison import bound_against_seconds


def test_means_errors_and_names() -> None:
    points = {"A_1": [(1.0, 10.0), (3.0, 14.0)], "B": [(5.0, 20.0)]}
    axes = bound_against_seconds(points, {"A_1": "iid", "B": "labelled"}).axes[0]
    assert axes.get_xlabel() == "seconds of training, the fastest seed"
    assert axes.get_ylabel() == "importance-weighted bound, nats per image"
    first, second = axes.containers
    assert isinstance(first, ErrorbarContainer)
    assert [first.get_label(), second.get_label()] == ["B, labelled", "A_1, iid"]  # the best bound first
    assert first.lines[0].get_xydata().tolist() == [[5.0, 20.0]]
    assert not first.lines[2]  # of one seed no error is known
    assert second.lines[0].get_xydata().tolist() == [[1.0, 12.0]]
    (bars,) = second.lines[2]
    (up,) = bars.get_segments()  # sample s.d. on both sides
    assert (up[1] - up[0]).tolist() == pytest.approx([0, 2 * 8**0.5])
    assert first.lines[0].get_marker() != second.lines[0].get_marker()
