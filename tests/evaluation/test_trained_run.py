"""A run is evaluated on the data that it was trained with, or says what has changed."""

from pathlib import Path

import pytest
import torch

from tests.data.image_folder import write_image_folder
from tests.data.pictures import save_picture
from ugvae.data.loading import describe_data
from ugvae.datamodules import ImageFolderDataModule
from ugvae.errors import DataError
from ugvae.evaluation.trained_run import refuse_changed
from ugvae.runs.checkpoints import SETTINGS


def test_run_on_changed_data_is_refused_with_what_changed(tmp_path: Path) -> None:
    root, run = tmp_path / "images", tmp_path / "version_0"
    write_image_folder(root, num_images=40)
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("data: ImageFolderDataModule\n")

    def data(**settings) -> ImageFolderDataModule:
        return ImageFolderDataModule(str(root), image_size=8, cache_workers=1, **settings)

    description = describe_data(data())
    assert [description[f"{name} images"] for name in ("training", "validation", "test")] == [31, 6, 3]
    torch.save({"global_step": 1, SETTINGS: {"model": "UGVAE", **description}}, run / "checkpoints" / "best.ckpt")
    refuse_changed(run, data(group_size=3, seed=7))  # settings that are not about the images
    save_picture(root / "cat" / "0002.jpg", 77, 48, 40)
    with pytest.raises(DataError, match=r"version_0: the data have changed .* \(content of the (training|val|test)"):
        refuse_changed(run, data())
    save_picture(root / "cat" / "new.jpg", 5, 48, 40)
    with pytest.raises(DataError, match=r" images: \d+, now \d+; .* or set data.accept_changed to true"):
        refuse_changed(run, data())
    refuse_changed(run, data(accept_changed=True))
    torch.save({"global_step": 1}, run / "checkpoints" / "best.ckpt")  # an earlier version
    refuse_changed(run, data())
