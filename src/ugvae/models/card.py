"""The model card: what a model is, in Markdown, and how it is loaded."""

import inspect
import json

from ugvae.models.latent import LatentModel

METADATA = """---
library_name: ugvae
tags:
- variational-autoencoder
- representation-learning
- {name}
---
"""
USE = """## Use

```python
from {module} import {name}

model = {name}.from_pretrained("FOLDER OR HUB ID")
posterior = model.infer(images)  # (G, B, {shape}), uint8 or float in [0, 1]: G groups of B images
posterior.z.mean  # (G, B, {z_dim}){further}
model.sample(groups=4, group_size=16)  # images (4, 16, {shape})
```

The weights are in `model.safetensors`, the settings in `config.json`. Loading runs nothing from either.
"""

UNKNOWN = """## Training

Nothing is known here of its training. `ugvae export RUN` writes the card of a run, with its data,
their licence, and what was measured.
"""


def model_card(model: LatentModel, title: str | None = None, sections: str = "") -> str:
    """The text of a model card.

    Args:
        model: the model.
        title: by default the name of its class.
        sections: what is known of its training and tests, in Markdown; it comes after the use.
    """
    module, _, name = public_path(type(model)).rpartition(".")
    described = inspect.getdoc(type(model)).partition("\n\nArgs:")[0]
    further = f"; posterior.d  # (G, B, {model.num_components})" if model.num_components else ""
    further += f"; posterior.beta.mean  # (G, {model.beta_dim})" if model.beta_dim else ""
    use = USE.format(
        module=module, name=name, shape=", ".join(map(str, model.image_shape)), z_dim=model.z_dim, further=further
    )
    count, kind = sum(weight.numel() for weight in model.parameters()), str(model.dtype).removeprefix("torch.")
    settings = "\n".join(f"| `{key}` | {json.dumps(value, default=str)} |" for key, value in model.hparams.items())
    parts = [
        METADATA.format(name=name.lower()),
        f"# {title or name}\n",
        use,
        sections or UNKNOWN,
        f"## Model\n\n{described}\n",
        f"## Settings\n\n{count:,} weights, {kind}.\n\n| setting | value |\n|---|---|\n{settings}\n",
    ]
    return "\n".join(parts)


def public_path(model_class: type) -> str:
    """The name to import a class by, ``module.Class``; models of this library are in ``ugvae.models``."""
    module = "ugvae.models" if model_class.__module__.startswith("ugvae.models.") else model_class.__module__
    return f"{module}.{model_class.__qualname__}"
