"""A run's folder with made-up numbers, in the formats that training and the commands of the paper write."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.figure import Figure

from ugvae.plots.figure import save_figure
from ugvae.runs.files import save_json

FEATURES = {
    "beta sample": 0.91,
    "beta sample, permuted labels": 0.51,
    "untrained beta sample": 0.52,
    "untrained, BatchNorm fitted, beta sample": 0.54,
    "untrained, same information, beta sample": 0.58,
    "beta mean": 0.99,
    "untrained beta mean": 0.98,
    "mean image, PCA": 0.97,
}


def accuracy(mean: float) -> dict[str, Any]:
    return {kernel: {"mean": mean, "sd": 0.01, "values": [mean] * 5} for kernel in ("linear", "rbf")}


def table1() -> dict[str, Any]:
    tasks = ("kinds", "kinds and random")
    result = {
        "kinds": ["Male", "not Male"],
        "group_size": 128,
        "groups_per_kind": {"train": 160, "test": 40},
        "seeds": [0, 1, 2, 3, 4],
        "chance": {"kinds": 0.5, "kinds and random": 0.33},
        "accuracy": {task: {name: accuracy(mean) for name, mean in FEATURES.items()} for task in tasks},
    }
    paper = {task: {"linear": 0.8512, "rbf": 0.8612} for task in tasks}
    result["information"] = [9.2] * 5
    return {"results": {"Male / not Male": result}, "paper": {"Male / not Male": paper}}


def translation(fixed: float = 0.41, transported: float = 0.97) -> dict[str, Any]:
    ways = {"reconstruction": 0.03, "fixed": fixed, "transported": transported, "transported, own beta": 0.04}
    kept = {"reconstruction": 0.92, "fixed": 0.55, "transported": 0.31, "transported, own beta": 0.5}
    correlations = {way: {"pearson": value, "spearman": value} for way, value in {**kept, "chance": 0.01}.items()}
    return {
        "domains": {"column": "domain", "A": 0, "B": 1, "names": {"A": "MNIST", "B": "Digits"}},
        "content": {"column": "label", "left_out": None},
        "group_size": 128,
        "groups": 8,
        "judges": {
            name: {"A": 0.99, "B": 0.98, "A commonest": 0.1, "B commonest": 0.1} for name in ("domain", "content")
        },
        "rates": {direction: {"domain": ways, "content": kept} for direction in ("A to B", "B to A")},
        "survives": {
            direction: {"darkness": correlations, "retrieval": {**kept, "chance": 0.01}}
            for direction in ("A to B", "B to A")
        },
        "probes": {"azimuth": {"reason": "the training images have fewer than two values"}},
    }


def latent_use() -> dict[str, Any]:
    beta = {"kl": {"mean": 28.4, "sd": 1.5}, "dimensions": 20, "active_units": 7}
    beta |= {"variance_of_mean": [0.1] * 20, "between_over_posterior": [1.5] * 6 + [0.2] * 14}
    parts = {"information": 5.4, "mismatch": 23.0, "error": 0.02, "most": 6.2, "gaussian": 9.1}
    before = {**beta, "information": {**parts, "information": 0.1, "mismatch": 28.3, "gaussian": 0.1}}
    swap, small = {"pixels": 0.062, "log_likelihood_loss": 33.3}, {"pixels": 0.03, "log_likelihood_loss": 8.0}
    use = {"groups": 64, "group_size": 16, "beta": {**beta, "information": parts}, "untrained": before}
    use |= {"swap_beta": swap, "swap_z": {**swap, "pixels": 0.2}, "transported": swap, "transported_own": small}
    return {"results": {"random groups": use}}


def bound() -> dict[str, Any]:
    steps = {1: 0.2, 5: 4.1, 20: 6.2}
    bounds = [
        {"S": 1, "T": t, "mean": 400 + gain, "error": 2.0, "gain": {"mean": gain, "error": 0.1}}
        for t, gain in steps.items()
    ]
    for rung in bounds[1:]:
        rung["rise"] = {"mean": rung["gain"]["mean"] - 0.2, "error": 0.1}
    return {"groups": 32, "group_size": 16, "elbo": {"mean": 400.0, "error": 2.0, "draws": 5}, "bounds": bounds}


def factors(style: float = 0.66) -> dict[str, Any]:
    def decided(pixels: float, thickness: float, sd: float = 0.05) -> dict[str, Any]:
        shares = {"pixels": pixels, "thickness": thickness}
        return {"shares": {name: {"beta": b, "local": 1 - b, "both": 0.0, "sd": sd} for name, b in shares.items()}}

    sets = {"beta from its prior": decided(0.2, 0.71), "beta of held-out groups": decided(0.1, style)}
    sets["beta of held-out groups, z fixed"] = {**decided(0.0, 0.02), "retrieval": 0.9, "retrieval_plain": 0.95}
    return {"results": sets | {f"untrained, {name}": decided(0.6, 0.04, 0.01) for name in sets}}


def disentanglement() -> dict[str, Any]:
    def scores(value: float, **between: float) -> dict[str, Any]:
        names = ("mig", "sap", "completeness", "informativeness", "explicitness")
        factors = {"label": dict.fromkeys(names, value), "domain": dict.fromkeys(names, value + 0.1)}
        return {"factors": factors if between else {"label": factors["label"]}, **between}

    def beside(**between: float) -> dict[str, Any]:
        return {name: scores(value, **between) for name, value in values.items()}

    values = {"trained": 0.5, "untrained": 0.2, "permuted": 0.01}
    z = {"rows": 5000, "dimensions": 10, "values": {"label": 10, "domain": 2}, "bins": 20}
    z["scores"] = beside(disentanglement=0.33, modularity=0.44, factor_vae=0.66)
    beta = {"rows": 312, "dimensions": 20, "values": {"label": 10}, "group_size": 16, "scores": beside(), "bins": 20}
    return {"results": {"z": z, "beta, label": beta}, "left_out": {"row": "holds fractions"}}


def image_quality() -> dict[str, Any]:
    floor, shown = {"kid": -0.002, "kid_sd": 0.004, "fid": 0.41}, {"kid": 0.1653, "kid_sd": 0.0181, "fid": 4.56}
    few = {"images": 48, "kid": 0.2, "kid_sd": 0.1}
    return {
        "features": "own features",
        "distances": {"other real images": {"images": 2000, **floor}, "reconstructions": {"images": 2000, **shown}},
        "reconstructions": {"psnr": 18.8, "ssim": 0.861},
        "accuracy": {"label": 0.98},
        "translations": {"MNIST to Digits": {"other real images": few, "fixed z": {**few, "kid": 0.7}}},
    }


def entry(title: str, status: str = "done", reason: str | None = None, **figures: str) -> dict[str, Any]:
    drawn = [{"file": f"{name}.png", "caption": caption} for name, caption in figures.items()]
    # as an earlier version stored it: the report turns it into a command of today
    command = f"python -m experiments.paper {title.split(':')[0]} --run lightning_logs/mnist/version_0"
    return {"title": title, "status": status, "reason": reason, "seconds": 3.0, "figures": drawn, "command": command}


def save_picture(path: Path) -> None:
    figure = Figure(figsize=(1, 1), dpi=40)
    figure.subplots().plot([0, 1])
    save_figure(figure, path)


def write_run(
    directory: Path, model: str = "UGVAE", results: dict[str, Any] | None = None, grouping: str = "pure", seed: int = 3
) -> Path:
    """A folder as it is after ``make evaluate``; ``results`` in place of all of them."""
    arguments = {"group_size": 16, "groups_per_batch": 8, "grouping": grouping, "root": "data/mnist"}
    config = {
        "seed_everything": seed,
        "experiment": "mnist",
        "trainer": {"max_epochs": 12, "gradient_clip_val": 100.0},
        "model": {"class_path": f"ugvae.models.{model}", "init_args": {"z_dim": 11}},
        "data": {"class_path": "datamodules.MNISTDataModule", "init_args": arguments},
        "figures": {"every_n_epochs": 10},
    }
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    steps = np.arange(0, 500, 10)
    rows = [f"{step},{-100 + step / 3:.3f},{1000 + step}," for step in steps] + [
        f"{step},,,{step / 4}" for step in steps[::5]
    ]
    (directory / "metrics.csv").write_text("\n".join(["step,train/elbo,train/images_per_second,val/elbo", *rows]))
    sessions = [{"seconds": 100.0, "last_step": 250, "hardware": "2 cores of Some CPU, 8 GiB, no GPU"}] * 2
    trained = {"seconds": 200.0, "sessions": sessions, "epochs": 12, "steps": 500, "best_val_elbo": 123.45}
    trained |= {"hardware": {"line": "2 cores of Some CPU, 8 GiB, no GPU"}, "versions": {"torch": "2.6"}}
    save_json(trained, directory / "trained.json")
    clusters = {"nmi": 0.612, "ari": 0.5, "accuracy": 0.6, "usage_entropy": 2.2}
    parts = {"information": 1.9, "mismatch": 28.5, "error": 0.02, "most": 2.3, "gaussian": 2.2}
    test = {"metrics": {"test/elbo": 377.77}, "clusters": clusters, "beta": parts, "groups": 10, "group_size": 16}
    save_json(test, directory / "test.json")
    made = {"table1": table1, "translation": translation, "latent_use": latent_use, "bound": bound, "factors": factors}
    made |= {"disentanglement": disentanglement, "image_quality": image_quality}
    results = {name: make() for name, make in made.items()} if results is None else results
    commands = {name: entry(f"{name}: what it is") for name in results}
    commands["fig3"] = entry("fig3: walks", fig3="Look for rows that differ.")
    commands.setdefault("fig12", entry("fig12: mixture", "does not apply", "UGVAE has beta"))
    for name, result in results.items():
        save_json(result, directory / "paper" / f"{name}.json")
    save_json({"commands": commands}, directory / "paper" / "index.json")
    save_picture(directory / "paper" / "fig3.png")
    save_picture(directory / "figures" / "samples.png")
    return directory


def change(run: Path, name: str, edit: Any) -> None:
    """Edits one JSON of ``paper/`` in place."""
    path = run / "paper" / f"{name}.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def write_page(path: Path, section: str) -> Path:
    """A Markdown page with a section that a command fills, and text around it."""
    path.parent.mkdir(parents=True)
    path.write_text(f"# Page\n\nBefore.\n\n<!-- {section} -->\n\nold text\n\n<!-- /{section} -->\n\n## After\n")
    return path
