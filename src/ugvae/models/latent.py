"""What every model does with its latents: encode, decode, sample, weigh draws. No training and no Lightning here.

Axes: G groups, B images per group, T draws per image, C channels, H and W pixels.
"""

import torch
from einops import repeat
from torch import Tensor

from ugvae.distributions import DiagonalGaussian, product_of_gaussians, standard_normal_log_prob
from ugvae.models.bound import GlobalDraw
from ugvae.networks.heads import full_precision
from ugvae.networks.likelihoods import Likelihood


class LatentModel:
    """Encoder to q(z | x), decoder from z or [z, beta], a prior to sample from.

    Where the prior is not z ~ N(0, I), or there is a global latent, a model says so in ``sample_z``, ``_log_prior``
    and ``beta_factors``; sampling and the importance-weighted bound follow.

    Attributes:
        likelihood: p(x | z, beta), of what the decoder gives.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the global latent, 0 if there is none.
        prior_expert: whether N(0, I) is one more factor of q(beta | X, Z).
        local_posterior: ``given_x``, q(z | x), the paper's; or ``given_beta``, q(z | x, beta), where beta is inferred
            first and the local latents of a group see it.
        num_components: K, 0 if there is no mixture.
        condition_dim: dimensions of what drives the mixture, the argument of ``prior``.
    """

    image_shape: tuple[int, int, int]
    likelihood: Likelihood
    z_dim: int
    beta_dim = 0
    prior_expert = False
    local_posterior = "given_x"
    num_components = 0
    condition_dim = 0

    def checked(self, images: Tensor) -> Tensor:
        """Images ``(G, B, C, H, W)``, uint8 or float in [0, 1], as floats of the model's type on its device.

        Raises:
            ValueError: wrong shape, type or range; the message says what was expected.
        """
        c, h, w = self.image_shape
        if images.ndim != 5 or tuple(images.shape[2:]) != (c, h, w) or 0 in images.shape:
            raise ValueError(f"images: expected (G, B, {c}, {h}, {w}) with G, B ≥ 1, got {tuple(images.shape)}")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images: expected uint8, or float in [0, 1], got {images.dtype}")
        images = self.to_unit(images.to(self.device))
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images: expected values in [0, 1], got {low:.3g} to {high:.3g}")
        return images

    def checked_mask(self, mask: Tensor | None, images: Tensor) -> Tensor | None:
        """A mask ``(G, B)`` on the model's device.

        Raises:
            ValueError: it is not bool, has another shape than the images, or leaves a group empty.
        """
        if mask is None:
            return None
        if mask.dtype != torch.bool or mask.shape != images.shape[:2] or not mask.any(1).all():
            expected = f"bool {tuple(images.shape[:2])} with an image in each group"
            raise ValueError(f"mask: expected {expected}, got {mask.dtype} {tuple(mask.shape)}")
        return mask.to(self.device)

    def encode(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Float images ``(G, B, C, H, W)`` in [0, 1] to features h ``(G, B, 256)``.

        Args:
            images: as above.
            mask: which images there are, bool ``(G, B)``. The others are not encoded, so that they are in no statistic
                of BatchNorm; their features are 0. On a GPU this waits for the mask.
        """
        flat = images.flatten(0, 1)
        if mask is None:
            return self.encoder(flat).unflatten(0, images.shape[:2])
        rows = mask.flatten().nonzero().squeeze(1)
        h = self.encoder(flat[rows])
        return h.new_zeros(len(flat), h.shape[1]).index_copy(0, rows, h).unflatten(0, images.shape[:2])

    def _decode(self, latent: Tensor) -> Tensor:
        """Decoder inputs (G, B, latent_dim) to logits (G, B, C, H, W) in full precision."""
        return full_precision(self.decoder(latent.flatten(0, 1))).unflatten(0, latent.shape[:2])

    def decode_logits(self, z: Tensor, beta: Tensor | None = None) -> Tensor:
        """Latents to the logits ``(G, B, C, H, W)`` that the likelihood takes; arguments as of ``decode``."""
        if (beta is None) != (self.beta_dim == 0):
            raise ValueError(f"beta: expected {f'(G, {self.beta_dim})' if self.beta_dim else None}")
        if beta is None:
            return self._decode(z)
        return self._decode(torch.cat([z, beta.unsqueeze(1).expand(-1, z.shape[1], -1)], -1))

    def decode(self, z: Tensor, beta: Tensor | None = None) -> Tensor:
        """Latents to image means ``(G, B, C, H, W)`` in [0, 1].

        Args:
            z: ``(G, B, z_dim)``.
            beta: ``(G, beta_dim)``; None if the model has no global latent.
        """
        return self.likelihood.mean(self.decode_logits(z, beta))

    def log_likelihood(self, images: Tensor, z: Tensor, beta: Tensor | None = None) -> Tensor:
        """Log p(x | z, beta), nats per image ``(G, B)``, of float images ``(G, B, C, H, W)`` in [0, 1]."""
        return self.likelihood.log_prob(images, self.decode_logits(z, beta))

    @torch.no_grad()
    def sample(self, groups: int, group_size: int, component: int | None = None, beta: Tensor | None = None) -> Tensor:
        """Draws the latents from the prior and decodes; the image means ``(groups, group_size, C, H, W)``.

        Args:
            groups: G.
            group_size: B.
            component: the component of every image; None draws one for each from Cat(1/K).
            beta: the global latents, ``(groups, beta_dim)``; None draws them from N(0, I).

        Raises:
            ValueError: component outside 0 … K − 1, or given to a model without a mixture; beta of another shape, or
                given to a model without a global latent.
        """
        if component is not None and not 0 <= component < self.num_components:
            expected = f"0 to {self.num_components - 1}" if self.num_components else "None: there is no mixture"
            raise ValueError(f"component: expected {expected}, got {component}")
        if beta is not None and (not self.beta_dim or beta.shape != (groups, self.beta_dim)):
            expected = (groups, self.beta_dim) if self.beta_dim else "None: there is no global latent"
            raise ValueError(f"beta: expected {expected}, got {tuple(beta.shape)}")
        if beta is None and self.beta_dim:
            beta = self.standard_normal(groups, self.beta_dim)
        d = None
        if component is not None:
            d = torch.full((groups, group_size), component, device=self.device)
        elif self.num_components:
            d = torch.randint(self.num_components, (groups, group_size), device=self.device)
        return self.decode(self.sample_z(groups, group_size, d, beta), beta)

    def standard_normal(self, *shape: int) -> Tensor:
        """Draws of N(0, 1), of the model's type and on its device."""
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def sample_z(self, groups: int, group_size: int, d: Tensor | None, beta: Tensor | None) -> Tensor:
        """A sample of p(z | d, beta), ``(G, B, z_dim)``.

        Args:
            groups: G.
            group_size: B.
            d: components, ``(G, B)``; None without a mixture.
            beta: ``(G, beta_dim)``; None if the model has no global latent.
        """
        return self.standard_normal(groups, group_size, self.z_dim)

    def q_z(self, h: Tensor, beta: Tensor | None = None) -> DiagonalGaussian:
        """The local posterior q(z | x), or q(z | x, beta) where ``local_posterior`` is ``given_beta``.

        Args:
            h: features, ``(G, B, 256)``.
            beta: ``(G, beta_dim)``; without effect on q(z | x).
        """
        if self.local_posterior == "given_beta":
            h = torch.cat([h, beta.unsqueeze(1).expand(-1, h.shape[1], -1)], -1)
        return self.z_head(h)

    def beta_factors(self, h: Tensor, z: Tensor | None = None) -> DiagonalGaussian:
        """The Gaussian factor of each image in q(beta | X, Z), ``(G, B, beta_dim)``; only where there is a beta.

        Args:
            h: features, ``(G, B, 256)``.
            z: local latents, ``(G, B, z_dim)``; None where beta is inferred before them.
        """
        raise TypeError(f"{type(self).__name__} has no global latent")

    def q_beta(self, h: Tensor, z: Tensor | None = None, mask: Tensor | None = None) -> DiagonalGaussian | None:
        """q(beta | X, Z), the product of all factors (paper, eq. 8-9), ``(G, beta_dim)``; None without a global latent.

        Args:
            h: features, ``(G, B, 256)``.
            z: local latents, ``(G, B, z_dim)``; None where beta is inferred before them.
            mask: which images there are, bool ``(G, B)``; all by default.
        """
        return product_of_gaussians(self.beta_factors(h, z), self.prior_expert, mask) if self.beta_dim else None

    def _log_prior(self, z: Tensor, h: Tensor, beta: Tensor | None) -> Tensor:
        """Log p(z | beta) with d summed out, (G, N), for z (G, N, z_dim) of images with features h (G, N, 256).

        A model with more local latents draws them here, and adds log p − log q of theirs.
        """
        return standard_normal_log_prob(z)

    def draw_global(self, images: Tensor, mask: Tensor | None = None) -> GlobalDraw:
        """First half of the importance-weighted bound: Z⁰ ~ q(Z | X), then beta ~ q(beta | X, Z⁰).

        Where beta is inferred before the local latents, it is beta ~ q(beta | X) alone.

        Args:
            images: float ``(G, B, C, H, W)`` in [0, 1].
            mask: which images there are, bool ``(G, B)``; all by default.
        """
        h = self.encode(images, mask)
        if not self.beta_dim:
            return GlobalDraw(h, self.q_z(h), None, h.new_zeros(len(h)))
        first = None if self.local_posterior == "given_beta" else self.q_z(h).sample()
        q_beta = self.q_beta(h, first, mask)
        beta = q_beta.sample()
        return GlobalDraw(h, self.q_z(h, beta), beta, standard_normal_log_prob(beta) - q_beta.log_prob(beta))

    def local_log_weights(self, images: Tensor, draw: GlobalDraw, samples: int) -> Tensor:
        """Second half: log p(x | z, beta) + log p(z | beta) − log q(z | x) at fresh z ~ q(z | x).

        Args:
            images: those of ``draw``, ``(G, B, C, H, W)``.
            draw: what ``draw_global`` gave.
            samples: T, draws of z per image.

        Returns:
            nats, ``(G, T, B)``.
        """
        q_z = DiagonalGaussian(*(repeat(part, "g b z -> g t b z", t=samples) for part in draw.z))
        z = q_z.sample()
        flat, h = z.flatten(1, 2), repeat(draw.h, "g b h -> g (t b) h", t=samples)
        logits = self.decode_logits(flat, draw.beta).unflatten(1, z.shape[1:3])
        log_prior = self._log_prior(flat, h, draw.beta).unflatten(1, z.shape[1:3])
        return self.likelihood.log_prob(images.unsqueeze(1), logits) + log_prior - q_z.log_prob(z)

    def to_unit(self, images: Tensor) -> Tensor:
        """Images as the model's float type, on their own device: bytes divided by 255, floats as they are."""
        return images.to(self.dtype) if images.is_floating_point() else images.to(self.dtype) / 255
