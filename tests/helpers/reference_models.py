"""The baselines restated plainly: one group, one image, one component at a time, with variances instead of logarithms.

``BOUNDS`` has one function per model: (model, images, *noise) to its terms, its ``total`` and its ``objective``, nats
per group.

Axes: G groups, B images.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.helpers.reference import component_of, kl_normal, linear_gaussian, log_normal, reference_elbo
from ugvae.models import BaseVAE, VampPriorVAE

Terms = dict[str, Tensor]


def encode(model: BaseVAE, image: Tensor) -> Tensor:
    return model.encoder(image[None])[0]


def log_likelihood(model: BaseVAE, image: Tensor, latent: Tensor) -> Tensor:
    decoded = torch.sigmoid(model.decoder(latent[None])[0])
    return log_normal(image, decoded, torch.full_like(image, model.x_std**2))


def kl_standard(mean: Tensor, variance: Tensor) -> Tensor:
    return kl_normal(mean, variance, torch.zeros_like(mean), torch.ones_like(mean))


def stack(rows: list[list[Terms]]) -> Terms:
    """Terms of each image of each group to terms ``(G, B)``."""
    return {name: torch.stack([torch.stack([image[name] for image in row]) for row in rows]) for name in rows[0][0]}


def vae_image(model: BaseVAE, image: Tensor, noise: Tensor) -> tuple[Tensor, Terms]:
    """The sampled z of one image, and its terms."""
    mean, variance = linear_gaussian(model.z_head, encode(model, image))
    z = mean + variance.sqrt() * noise
    return z, {"reconstruction": log_likelihood(model, image, z), "kl_z": kl_standard(mean, variance)}


def vae(model: BaseVAE, images: Tensor, z_noise: Tensor) -> Terms:
    terms = stack(
        [
            [vae_image(model, *pair)[1] for pair in zip(*group, strict=True)]
            for group in zip(images, z_noise, strict=True)
        ]
    )
    total = (terms["reconstruction"] - terms["kl_z"]).sum(1)
    return {**terms, "total": total, "objective": total}


def beta_vae(model: BaseVAE, images: Tensor, z_noise: Tensor) -> Terms:
    terms = vae(model, images, z_noise)
    return {**terms, "objective": (terms["reconstruction"] - model.beta * terms["kl_z"]).sum(1)}


def mlvae(model: BaseVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> Terms:
    rows, kl_beta = [], []
    for group, z_draws, beta_draw in zip(images, z_noise, beta_noise, strict=True):
        precision = torch.full_like(beta_draw, 1.0 if model.prior_expert else 0.0)
        weighted = torch.zeros_like(beta_draw)
        for image in group:
            mean, variance = linear_gaussian(model.beta_head, encode(model, image))
            precision, weighted = precision + 1 / variance, weighted + mean / variance
        beta = weighted / precision + precision.rsqrt() * beta_draw
        kl_beta.append(kl_standard(weighted / precision, 1 / precision))
        rows.append([style_image(model, *one, beta) for one in zip(group, z_draws, strict=True)])
    return grouped_terms(rows, kl_beta)


def gvae(model: BaseVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> Terms:
    rows, kl_beta = [], []
    for group, z_draws, beta_draw in zip(images, z_noise, beta_noise, strict=True):
        codes = [linear_gaussian(model.beta_head, encode(model, image)) for image in group]
        mean = sum(code[0] for code in codes) / len(codes)
        variance = sum(code[1] for code in codes) / len(codes)
        kl_beta.append(kl_standard(mean, variance))
        beta = mean + variance.sqrt() * beta_draw
        rows.append([style_image(model, *one, beta) for one in zip(group, z_draws, strict=True)])
    return grouped_terms(rows, kl_beta)


def style_image(model: BaseVAE, image: Tensor, draw: Tensor, beta: Tensor) -> Terms:
    """The terms of one image whose z has the prior N(0, I)."""
    mean, variance = linear_gaussian(model.z_head, encode(model, image))
    latent = torch.cat([mean + variance.sqrt() * draw, beta])
    return {"reconstruction": log_likelihood(model, image, latent), "kl_z": kl_standard(mean, variance)}


def grouped_terms(rows: list[list[Terms]], kl_beta: list[Tensor]) -> Terms:
    terms = {**stack(rows), "kl_beta": torch.stack(kl_beta)}
    total = (terms["reconstruction"] - terms["kl_z"]).sum(1) - terms["kl_beta"]
    return {**terms, "total": total, "objective": total}


def neural_statistician(model: BaseVAE, images: Tensor, beta_noise: Tensor, z_noise: Tensor) -> Terms:
    rows, kl_beta = [], []
    for group, z_draws, beta_draw in zip(images, z_noise, beta_noise, strict=True):
        pooled = sum(encode(model, image) for image in group) / len(group)
        hidden = torch.relu(model.statistic_network[0](pooled))
        mean, variance = linear_gaussian(model.statistic_network[2], hidden)
        kl_beta.append(kl_standard(mean, variance))
        beta = mean + variance.sqrt() * beta_draw
        rows.append([])
        for image, draw in zip(group, z_draws, strict=True):
            mean, variance = linear_gaussian(model.z_head, torch.cat([encode(model, image), beta]))
            latent = torch.cat([mean + variance.sqrt() * draw, beta])
            kl_z = kl_normal(mean, variance, *component_of(model, 0, beta))
            rows[-1].append({"reconstruction": log_likelihood(model, image, latent), "kl_z": kl_z})
    return grouped_terms(rows, kl_beta)


def gmvae_image(model: BaseVAE, image: Tensor, z_draw: Tensor, w_draw: Tensor) -> Terms:
    h = encode(model, image)
    mean, variance = linear_gaussian(model.z_head, h)
    w_mean, w_variance = linear_gaussian(model.w_head, h)
    z, w = mean + variance.sqrt() * z_draw, w_mean + w_variance.sqrt() * w_draw
    components = [component_of(model, k, w) for k in range(model.num_components)]
    joint = torch.stack([log_normal(z, *component).exp() / model.num_components for component in components])
    pi = joint / joint.sum()  # Bayes
    return {
        "reconstruction": log_likelihood(model, image, z),
        "kl_z": sum(p * kl_normal(mean, variance, *component) for p, component in zip(pi, components, strict=True)),
        "kl_d": sum(p * torch.log(p * model.num_components) for p in pi),
        "kl_w": kl_standard(w_mean, w_variance),
    }


def gmvae(model: BaseVAE, images: Tensor, z_noise: Tensor, w_noise: Tensor) -> Terms:
    groups = zip(images, z_noise, w_noise, strict=True)
    terms = stack([[gmvae_image(model, *one) for one in zip(*group, strict=True)] for group in groups])
    total = (terms["reconstruction"] - terms["kl_z"] - terms["kl_d"] - terms["kl_w"]).sum(1)
    return {**terms, "total": total, "objective": total}


def mixture_components(model: BaseVAE) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of each component of a prior that nothing drives."""
    if isinstance(model, VampPriorVAE):
        pseudo_inputs = 1 / (1 + torch.exp(-model.pseudo_logits))
        return [linear_gaussian(model.z_head, encode(model, pseudo_input)) for pseudo_input in pseudo_inputs]
    log_variances = torch.tanh(model.prior_log_var)
    return [(mean, log_var.exp()) for mean, log_var in zip(model.prior_mean, log_variances, strict=True)]


def mixture_vae_image(model: BaseVAE, image: Tensor, noise: Tensor) -> Terms:
    mean, variance = linear_gaussian(model.z_head, encode(model, image))
    kls = [kl_normal(mean, variance, *component) for component in mixture_components(model)]
    scores = torch.stack([torch.exp(-kl) for kl in kls])
    pi = scores / scores.sum()
    return {
        "reconstruction": log_likelihood(model, image, mean + variance.sqrt() * noise),
        "kl_z": sum(p * kl for p, kl in zip(pi, kls, strict=True)),
        "kl_d": sum(p * torch.log(p * len(kls)) for p in pi),
    }


def mixture_vae(model: BaseVAE, images: Tensor, z_noise: Tensor) -> Terms:
    groups = zip(images, z_noise, strict=True)
    terms = stack([[mixture_vae_image(model, *one) for one in zip(*group, strict=True)] for group in groups])
    total = (terms["reconstruction"] - terms["kl_z"] - terms["kl_d"]).sum(1)
    return {**terms, "total": total, "objective": total}


def nested_vae(model: BaseVAE, images: Tensor, z_noise: Tensor, common_noise: Tensor) -> Terms:
    rows = []
    for group, z_draws, common_draws in zip(images, z_noise, common_noise, strict=True):
        outer = [vae_image(model, image, draw) for image, draw in zip(group, z_draws, strict=True)]
        seen = [z for z, _ in outer]
        if model.inner_sees == "means":
            seen = [linear_gaussian(model.z_head, encode(model, image))[0] for image in group]
        rows.append([])
        for i, (_, terms) in enumerate(outer):
            partner = seen[i + 1 if i % 2 == 0 else i - 1]
            hidden = torch.relu(model.inner_encoder[0](seen[i]))
            mean, variance = linear_gaussian(model.inner_encoder[2], hidden)
            common = mean + variance.sqrt() * common_draws[i]
            predicted = model.inner_decoder[2](torch.relu(model.inner_decoder[0](common)))
            inner = log_normal(partner, predicted, torch.ones_like(predicted))
            rows[-1].append({**terms, "inner_reconstruction": inner, "inner_kl": kl_standard(mean, variance)})
    terms = stack(rows)
    outer = (terms["reconstruction"] - model.outer_kl_weight * terms["kl_z"]).sum(1)
    inner = (terms["inner_reconstruction"] - model.inner_kl_weight * terms["inner_kl"]).sum(1)
    total = (terms["reconstruction"] - terms["kl_z"]).sum(1)
    return {**terms, "total": total, "objective": outer + inner}


def ugvae(model: BaseVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> Terms:
    terms = reference_elbo(model, images, z_noise, beta_noise)
    total = (terms["reconstruction"] - terms["kl_z"] - terms["kl_d"]).sum(1) - terms["kl_beta"]
    return {**terms, "total": total, "objective": total}


BOUNDS: dict[str, Callable[..., Terms]] = {
    "VAE": vae,
    "AdaGVAE": beta_vae,
    "AdaMLVAE": beta_vae,
    "BetaVAE": beta_vae,
    "GMMPriorVAE": mixture_vae,
    "GMVAE": gmvae,
    "GVAE": gvae,
    "MLVAE": mlvae,
    "NestedVAE": nested_vae,
    "NeuralStatistician": neural_statistician,
    "UGVAE": ugvae,
    "VampPriorVAE": mixture_vae,
}
