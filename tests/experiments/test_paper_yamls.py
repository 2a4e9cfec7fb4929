"""The YAMLs of the authors' own setting: each differs from the paper's in nothing that their code fixes."""

import pytest
import yaml

from tests.helpers import EXPERIMENTS
from ugvae import models

PAPER = {  # Table 2: z_dim, beta_dim, K; epochs; 0.9 of 162,770 + 256 images in batches of 128 where it is known
    "mnist_paper": ((10, 20, 10), 8, None),
    "celeba_paper": ((20, 50, 20), 20, None),
    "celeba_faces_paper": ((40, 40, 40), 10, -(-int(0.9 * (162_770 + 256)) // 128)),
    "cars_chairs_paper": ((20, 20, 20), 10, None),
    "cars3d_cars_paper": ((20, 50, 20), 50, None),
}


def test_every_yaml_of_the_paper_is_known() -> None:
    assert {path.stem for path in EXPERIMENTS.glob("*_paper.yaml")} == set(PAPER)


@pytest.mark.parametrize("name", PAPER)
def test_setting_is_that_of_the_authors(name: str) -> None:
    sizes, epochs, batches = PAPER[name]
    config = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text())
    shape = (1, 28, 28) if name == "mnist_paper" else (3, 64, 64)
    model = models.UGVAE(shape, **config["model"]["init_args"])
    assert (model.z_dim, model.beta_dim, model.num_components) == sizes
    assert model.hparams["x_std"] ** 2 == pytest.approx(0.2)
    assert (model.learning_rate, model.schedule, model.warmup_steps) == (5e-3, "constant", 0)
    assert model.start_at_mean == (name != "mnist_paper"), "the others have no mlp"
    assert (model.hparams["local_posterior"], model.hparams["independence"]) == ("given_x", 0.0)
    data = config["data"]["init_args"]
    assert (data["groups_per_batch"], data["group_size"]) == (1, 128)
    assert data.get("grouping", "random") == ("mixed" if "domains" in data else "random")
    assert "proportions" not in data, "half of the images are of each domain"
    trainer = config["trainer"]
    assert (trainer["max_epochs"], trainer.get("limit_train_batches")) == (epochs, batches)
    assert trainer["gradient_clip_val"] is None
    assert trainer.get("precision") == (None if name == "mnist_paper" else "32-true")
