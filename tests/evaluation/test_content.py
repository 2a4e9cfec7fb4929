"""What survives of an image, on images whose darkness, light and mirror axis are set by hand.

Axes: M images, N groups, B images per group.
"""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ugvae.evaluation.content import (
    Correlation,
    Probe,
    correlation,
    darkness,
    fit_probe,
    kept,
    lit_from,
    pooled,
    probe_survey,
    retrieved,
    survey,
    turned,
)


def test_pooled_images_are_averages_of_areas() -> None:
    images = torch.rand(3, 2, 32, 32)
    assert_close(pooled(images), images.unflatten(-1, (16, 2)).unflatten(-3, (16, 2)).mean((-1, -3)))
    assert pooled(torch.rand(3, 1, 5, 7)).shape == (3, 1, 5, 7)


def test_darkness_and_light_are_those_of_the_middle() -> None:
    images = torch.rand(2, 3, 16, 16)  # the margin is not looked at
    images[:, :, 4:12, 4:8], images[:, :, 4:12, 8:12] = 0.2, 0.6
    assert darkness(images) == pytest.approx([0.6, 0.6])
    assert lit_from(images) == pytest.approx([0.4, 0.4])
    assert lit_from(images.flip(-1)) == pytest.approx([-0.4, -0.4])
    assert np.isfinite(lit_from(torch.rand(2, 1, 2, 2))).all()


@pytest.mark.parametrize("shift", [-2, 0, 1])
def test_turn_follows_the_mirror_axis_whatever_the_light(shift: int) -> None:
    half = torch.rand(20, 1, 16, 8)
    symmetric = torch.cat([half, half.flip(-1)], -1)
    moved = symmetric.roll(shift, -1) + torch.linspace(0, 2, 16)  # lit from the right
    assert np.median(turned(moved)) == 2 * shift, "in half pixels"
    assert np.median(turned(moved.flip(-1))) == -2 * shift


def test_correlation_is_that_of_scipy_and_0_where_it_has_no_meaning() -> None:
    first = np.array([1.0, 2, 3, 4])
    assert correlation(first, first**3).spearman == pytest.approx(1)
    assert correlation(first, first**3).pearson == pytest.approx(np.corrcoef(first, first**3)[0, 1])
    assert correlation(first, np.ones(4)) == Correlation(0.0, 0.0)
    assert correlation(first[:1], first[:1]) == Correlation(0.0, 0.0)


def test_kept_is_1_of_the_same_and_0_by_chance() -> None:
    source = np.random.default_rng(0).normal(size=2000)
    result = kept(source, {"same": source, "opposite": -source, "other": source[::-1]})
    assert result["same"].pearson == pytest.approx(1)
    assert result["opposite"].spearman == pytest.approx(-1)
    assert abs(result["other"].pearson) < 0.1
    assert abs(result["chance"].spearman) < 0.1


def test_sources_are_found_by_what_differs_within_the_group() -> None:
    source = torch.rand(3, 10, 1, 8, 8)
    domain = 5 * torch.rand(3, 1, 1, 8, 8)
    assert retrieved(source, 0.1 * source + domain) == 1
    assert retrieved(source, source.roll(1, 1)) == 0
    assert retrieved(torch.rand(40, 10, 1, 8, 8), torch.rand(40, 10, 1, 8, 8)) < 0.2
    nothing_left = torch.full_like(source, 0.5)
    assert retrieved(source, nothing_left) < 0.2


def test_survey_has_chance_beside_every_number() -> None:
    source = torch.rand(3, 8, 1, 16, 16)
    result = survey(source, {"same": source, "lost": torch.rand(3, 8, 1, 16, 16)})
    assert result.retrieval == {"same": 1.0, "lost": pytest.approx(1 / 8, abs=0.3), "chance": 1 / 8}
    assert set(result.readings) == {"darkness", "light", "azimuth"}
    for ways in result.readings.values():
        assert ways["same"].spearman == pytest.approx(1)
        assert abs(ways["chance"].spearman) < 0.7
        assert set(ways) == {"same", "lost", "chance"}


def probe_data(num_images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images in which a pixel says the value."""
    images, values = torch.rand(num_images, 1, 4, 4), torch.arange(num_images) % 7
    images[:, 0, 1, 2] = values / 7
    return images, values


def test_probe_reads_held_out_images() -> None:
    read = fit_probe(*probe_data(300))
    images, values = probe_data(70)
    assert correlation(read(images), values.numpy()).pearson > 0.99


def test_survey_of_a_probe_takes_the_column_where_it_is_known() -> None:
    """A has the column, B not: there the source is what the probe reads of the real image."""
    learned, values = probe_data(300)
    values = torch.where(torch.arange(300) < 200, values, -1)
    images, truth = probe_data(40)
    sources = [
        (images.unflatten(0, (2, 20)), truth.view(2, 20)),
        (images.flip(-1).unflatten(0, (2, 20)), torch.full((2, 20), -1)),
    ]
    shown = {"A to B": {"same": sources[0][0], "lost": torch.rand(2, 20, 1, 4, 4)}, "B to A": {"same": sources[1][0]}}
    result = probe_survey((learned, values), sources, shown)
    there, back = result.directions["A to B"], result.directions["B to A"]
    assert there.held_out.pearson > 0.99
    assert there.source == "column"
    assert there.kept["same"].pearson > 0.99
    assert abs(there.kept["lost"].pearson) < 0.5
    assert back.held_out is None
    assert back.source == "probe"
    assert back.kept["same"].pearson == pytest.approx(1)
    few = probe_survey((learned, torch.zeros(300, dtype=torch.long)), sources, shown)
    assert few == Probe(reason="the training images have fewer than two values")
