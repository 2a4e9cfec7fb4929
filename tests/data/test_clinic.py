"""The made-up clinic: what its table says is in its images, and given groups read it whole."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.clinic import write_clinic
from tests.helpers.cached_folder import make
from ugvae.data.table import SPLITS


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("clinic")
    return folder, write_clinic(folder)


def test_groups_are_patients_of_1_to_40_images(clinic: tuple[Path, list[dict]]) -> None:
    folder, rows = clinic
    data = make(folder, channels=1, image_size=28, grouping="given", group_column="patient")
    tables = [data.table(split) for split in SPLITS]
    assert sum(map(len, tables)) == len(rows) == 1230
    sizes = torch.cat([table.columns["patient"] for table in tables]).bincount()
    assert (len(sizes), int(sizes.min()), int(sizes.max())) == (60, 1, 40)
    by_file = {row["file_name"]: row for row in rows}
    for table in tables:
        for number, file in enumerate(table.files):
            assert data.names["patient"][table.columns["patient"][number]] == by_file[file]["patient"]
            assert float(table.columns["thickness"][number]) == by_file[file]["thickness"]
    seen = torch.cat([batch["index"][batch["index"] >= 0] for batch in data.train_dataloader()])
    assert sorted(seen.tolist()) == list(range(len(tables[0])))


def test_images_show_what_the_table_says(clinic: tuple[Path, list[dict]]) -> None:
    folder, _ = clinic
    table = make(folder, channels=1, image_size=28).table("train")
    images = table.images[:, 0].double() / 255
    brightest = images.flatten(1).amax(1)
    site = table.columns["site"]
    assert brightest[site == 1].max() < 0.67 < 0.95 < brightest[site == 0].median()
    ink = (images / brightest[:, None, None]).mean((1, 2))
    assert np.corrcoef(ink, table.columns["thickness"])[0, 1] > 0.8
    rows, columns = torch.meshgrid(torch.arange(28.0) - 13.5, torch.arange(28.0) - 13.5, indexing="ij")
    lean = (images * rows * columns).sum((1, 2)) / (images * rows**2).sum((1, 2))
    assert abs(np.corrcoef(lean, table.columns["slant"])[0, 1]) > 0.7
