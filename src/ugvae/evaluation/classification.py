"""Whether a group's latents tell what its images have in common (Table 1, Fig. 7, Fig. 14), with controls.

A product of factors averages features, and averages differ between kinds of group. So the posterior means of an
untrained network, and even the mean image, may solve the task. A sample of the posterior is harder: it weighs the mean
against its uncertainty. The controls classify samples of untrained networks too.

Axes: M images of a table, N groups, B images per group, F features.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from ugvae.data.known_groups import RANDOM, StructuredGroups
from ugvae.data.table import ImageTable, split_rows
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.controls import FITTED, UNTRAINED, Controls, mean_images, samples_at_information
from ugvae.evaluation.encoding import EncodedImages

Kernel = Literal["linear", "rbf"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
PIXELS = "mean image, PCA"
PERMUTED = ", permuted labels"
HELD_OUT_IMAGES = 0.5  # share of the images that test groups are drawn from
PERMUTATIONS = 3  # per seed; with a single one, kinds that lie far apart are all right or all wrong

Draw = Callable[[Tensor, int, int], StructuredGroups]  # rows (M,), groups of each kind, seed
Features = dict[str, np.ndarray]  # (N, F) by name


@dataclass(frozen=True)
class Accuracy:
    """Test accuracy over the seeds.

    Attributes:
        mean: over the seeds.
        values: one per seed.
        sd: sample s.d.; None of a single value.
    """

    mean: float
    values: list[float]
    sd: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.sd is None else f"{self.mean:.2f} ± {self.sd:.2f}"


@dataclass(frozen=True)
class Classification:
    """Accuracies of support vector machines on groups, with controls.

    Attributes:
        kinds: names of the kinds of group.
        group_size: B.
        groups_per_kind: in ``train`` and ``test``.
        seeds: of the repetitions.
        chance: accuracy of the commonest answer, by task: ``kinds``, and ``kinds and random`` given random groups.
        accuracy: by task, feature and kernel.
        images: of the parts ``train`` and ``test``.
        seconds: spent, by what took them.
        model: name of its class.
        note: what was left out, and why.
        controls_note: which controls were left out, and why.
        protocol: its name where it is another than that of ``classify_groups``.
        train_accuracy: as ``accuracy``, on the classifier's own training groups.
        information: of beta on the training groups, by seed, nats per group (``gaussian_information``): that of the
            control at the same information too.
    """

    kinds: list[str]
    group_size: int
    groups_per_kind: dict[str, int]
    seeds: list[int]
    chance: dict[str, float]
    accuracy: dict[str, dict[str, dict[str, Accuracy]]]
    images: dict[str, int] | None = None
    seconds: dict[str, float] | None = None
    model: str | None = None
    note: str | None = None
    controls_note: str | None = None
    protocol: str | None = None
    train_accuracy: dict[str, dict[str, dict[str, Accuracy]]] | None = None
    information: list[float] | None = None


class GroupLatents(NamedTuple):
    """What a network says of some groups.

    Attributes:
        beta: q(beta | X, Z), ``(N, beta_dim)``; None if the model has none.
        mean_z: the mean over a group of the posterior means of z, ``(N, z_dim)``.
    """

    beta: DiagonalGaussian | None
    mean_z: Tensor


@torch.no_grad()
def classify_groups(
    trained: EncodedImages,
    controls: Controls,
    table: ImageTable,
    draw: Draw,
    groups_per_kind: int = 200,
    seeds: Sequence[int] = range(5),
    held_out_groups: float = 0.2,
    held_out_images: float = HELD_OUT_IMAGES,
    levels: Sequence[float] = (),
) -> Classification:
    """Classifies groups by support vector machines on their latents, and on the controls.

    For each seed the rows are split in two. The training groups of the classifier come from one part and its test
    groups from the other, so no image is in both. The images are split more evenly than the groups, because the rarest
    kind must fill a group on either side.

    Features, by the trained network and by the controls: a sample and the mean of q(beta | X, Z), and the group's mean
    of z. Further controls: a sample of the untrained network at the information that the trained one has on the
    training groups; the group's mean image, reduced by a PCA of the training groups to beta_dim dimensions
    (z_dim if there is no beta); and the features of beta (mean z if there is none) with permuted training labels, the
    mean of several permutations. Random groups, if ``draw`` gives some, are a class of their own in a second task.
    Samples of the trained and of the untrained network at ``levels`` of information compare models with one another; a
    level that is out of reach in one repetition is left out.

    Args:
        trained: images by the network.
        controls: images by the same network untrained, with other weights for each seed: so their s.d. is over weights
            too.
        table: the same images, uint8.
        draw: draws groups from rows, e.g. by ``groups_where``.
        groups_per_kind: groups of each kind, in training and test together.
        seeds: of the splits, groups, samples and permutations; one repetition each.
        held_out_groups: share of the groups on which the classifier is tested.
        held_out_images: share of the rows that these are drawn from.
        levels: nats per group to which the information of beta is brought for further samples, by a scale of the means.

    Raises:
        ConfigError: too few groups or seeds, too few images for the groups, groups that share images, or a control
            that does not have one set of weights per seed.
    """
    test_groups = round(groups_per_kind * held_out_groups)
    if not 0 < test_groups < groups_per_kind:
        raise ConfigError(
            f"groups: {groups_per_kind} of each kind leave none to learn from or none for the test; take 5 or more"
        )
    if not seeds:
        raise ConfigError("seeds: at least one is needed")
    if any(len(encoded) != len(seeds) for encoded in controls.encoded.values()):
        raise ConfigError(f"seeds: controls take one set of weights for each of the {len(seeds)} seeds")
    counts = (groups_per_kind - test_groups, test_groups)
    dimensions = trained.model.beta_dim or trained.model.z_dim
    rounds: list[dict[str, dict[str, dict[str, float]]]] = []  # one per seed, by task, feature and kernel
    seconds, information = {"groups and features": 0.0, "classifiers": 0.0}, []
    for number, seed in enumerate(seeds):
        started = time.perf_counter()
        networks = {"": trained, **{f"{name} ": encoded[number] for name, encoded in controls.encoded.items()}}
        rows = split_rows(len(table), round(len(table) * held_out_images), seed)
        noise = 2 * seed, 2 * seed + 1  # seeds of training and test
        drawn = [draw(*settings) for settings in zip(rows, counts, noise, strict=True)]
        _check_drawn(*drawn)
        latents = [{name: _latents(encoded, part.groups) for name, encoded in networks.items()} for part in drawn]
        features = [_features(part, part_seed) for part, part_seed in zip(latents, noise, strict=True)]
        harder = f"{FITTED if FITTED in controls.encoded else UNTRAINED} "  # the harder control of the two
        betas = {name: [part[name].beta for part in latents if part[name].beta is not None] for name in networks}
        nats, samples = samples_at_information(betas[""], betas.get(harder, []), noise, levels)
        information += [] if nats is None else [nats]
        images = [{PIXELS: mean_images(table.images, part.groups)} for part in drawn]
        features = [{**part, **image, **sample} for part, image, sample in zip(features, images, samples, strict=True)]
        labels = [part.labels.numpy() for part in drawn]
        tasks = _tasks(labels)
        ready = time.perf_counter()
        rounds.append({task: _accuracies(features, labels, keep, dimensions, seed) for task, keep in tasks.items()})
        seconds["groups and features"] += ready - started
        seconds["classifiers"] += time.perf_counter() - ready
    return Classification(
        kinds=list(drawn[0].names.values()),
        group_size=drawn[0].groups.shape[1],
        groups_per_kind=dict(zip(("train", "test"), counts, strict=True)),
        seeds=list(seeds),
        chance={task: _commonest(labels[1][keep[1]]) for task, keep in tasks.items()},
        accuracy={
            task: {
                name: {
                    kernel: over_repetitions([result[task][name][kernel] for result in rounds]) for kernel in KERNELS
                }
                for name in rounds[0][task]
                if all(name in result[task] for result in rounds)
            }
            for task in tasks
        },
        images=dict(zip(("train", "test"), map(len, rows), strict=True)),
        seconds=seconds,
        model=type(trained.model).__name__,
        note=None if trained.model.beta_dim else "the model has no beta: mean z and pixels only",
        controls_note=controls.note,
        information=information or None,
    )


def _check_drawn(train: StructuredGroups, test: StructuredGroups) -> None:
    """Raises a ConfigError if the two parts share an image, or do not have the same kinds or sizes of groups."""
    if torch.isin(train.groups, test.groups).any():
        raise ConfigError("draw: groups for the classifier's training and test share images")
    if train.names != test.names:
        raise ConfigError(f"draw: kinds {list(train.names.values())} in training, {list(test.names.values())} in test")
    sizes = train.groups.shape[1], test.groups.shape[1]
    if sizes[0] != sizes[1]:
        raise ConfigError(f"group_size: groups of {sizes[0]} and of {sizes[1]} could be drawn; ask for smaller ones")


def _latents(encoded: EncodedImages, groups: Tensor) -> GroupLatents:
    """The latents of groups ``(N, B)``."""
    posterior = encoded.posterior(groups)
    return GroupLatents(posterior.beta, posterior.z.mean.mean(1))


def _features(latents: Mapping[str, GroupLatents], seed: int) -> Features:
    """The features of the latents of some groups by network, feature by feature."""
    features: dict[str, dict[str, Tensor]] = {"beta sample": {}, "beta mean": {}, "mean z": {}}
    for prefix, (beta, mean_z) in latents.items():
        if beta is not None:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                features["beta sample"][prefix] = beta.sample()
            features["beta mean"][prefix] = beta.mean
        features["mean z"][prefix] = mean_z
    return {
        f"{prefix}{kind}": value.float().cpu().numpy()
        for kind, by_network in features.items()
        for prefix, value in by_network.items()
    }


def _tasks(labels: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Which groups take part in each task: those of a kind, and all of them if some are random."""
    tasks = {"kinds": [part != RANDOM for part in labels]}
    if any((part == RANDOM).any() for part in labels):
        tasks["kinds and random"] = [np.ones_like(part, dtype=bool) for part in labels]
    return tasks


def _accuracies(
    features: Sequence[Features], labels: Sequence[np.ndarray], keep: Sequence[np.ndarray], dimensions: int, seed: int
) -> dict[str, dict[str, float]]:
    """Test accuracies of one task by feature and kernel; each argument is a pair, of training and of test."""
    train_labels, test_labels = (part[mask] for part, mask in zip(labels, keep, strict=True))
    generator = np.random.default_rng(seed)
    accuracies = {}
    for name in features[0]:
        train, test = (part[name][mask] for part, mask in zip(features, keep, strict=True))
        if name == PIXELS:
            pca = PCA(min(dimensions, *train.shape), random_state=seed).fit(train)
            train, test = pca.transform(train), pca.transform(test)
        accuracies[name] = _by_kernel(train, test, train_labels, test_labels, one_scale=name == PIXELS)
        if name in ("beta sample", "beta mean") or ("beta mean" not in features[0] and name == "mean z"):
            several = [
                _by_kernel(train, test, generator.permutation(train_labels), test_labels) for _ in range(PERMUTATIONS)
            ]
            means = {kernel: statistics.fmean(result[kernel] for result in several) for kernel in KERNELS}
            accuracies[f"{name}{PERMUTED}"] = means
    return accuracies


def _by_kernel(
    train: np.ndarray, test: np.ndarray, train_labels: np.ndarray, test_labels: np.ndarray, one_scale: bool = False
) -> dict[str, float]:
    """Test accuracy of a support vector machine by kernel, features standardised."""
    return {
        kernel: float(classifier(kernel, train, one_scale).fit(train, train_labels).score(test, test_labels))
        for kernel in KERNELS
    }


def classifier(kernel: Kernel, train: np.ndarray, one_scale: bool = False) -> Pipeline:
    """A support vector machine on standardised features, to be fitted to ``train (N, F)``.

    With ``one_scale`` all features share one scale, that of the largest. Principal components need that: if each were
    standardised, the smallest, which are noise, would count as much as the largest.
    """
    scaler: TransformerMixin = StandardScaler()
    if one_scale:
        largest = train.std(0).max()
        scaler = FunctionTransformer(lambda features: features / largest)
    return make_pipeline(scaler, SVC(kernel=kernel))


def _commonest(labels: np.ndarray) -> float:
    """Accuracy of always answering the commonest label."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def over_repetitions(values: Sequence[float]) -> Accuracy:
    """The accuracy over repetitions on one set of images: its s.d. is no error over training seeds."""
    return Accuracy(statistics.fmean(values), list(values), statistics.stdev(values) if len(values) > 1 else None)
