"""The page of the explorer and its server."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from jsonargparse.typing import NonNegativeInt

from ugvae.errors import ConfigError
from ugvae.experiments.explore import compare, components, group, swap, walk
from ugvae.experiments.explore.source import Explored, load

SYSTEM, MONOSPACE = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # no font is fetched
STYLE = Path(__file__).with_name("style.css")
KEPT = 3600  # seconds that an uploaded file is kept


def page(explored: Explored, other: Path | None = None) -> gr.Blocks:
    """The page: a tab for each view that the model can have, and the reasons why it has no others.

    Args:
        explored: the model and its images.
        other: folder of a second model, to compare with.
    """
    left_out = reasons(explored)
    views = {"Walk": walk, "Group": group, "Swap": swap, "Components": components}
    with gr.Blocks(title=f"ugvae: {explored.name}", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as blocks:
        gr.Markdown(f"# {explored.name}\n{summary(explored)}")
        for name, reason in left_out.items():
            gr.Markdown(f"{name} is left out: {reason}.")
        for name, view in views.items():
            if name not in left_out:
                with gr.Tab(name):
                    view.build(explored)
        if other is not None:
            with gr.Tab("Compare"):
                compare.build(explored, other)
    return blocks


def summary(explored: Explored) -> str:
    """The sizes of the model and the images, in a line."""
    model = explored.model
    sizes = {"z": model.z_dim, "beta": model.beta_dim, "components": model.num_components}
    words = [f"{name} {size}" for name, size in sizes.items() if size]
    return f"{', '.join(words)}; {len(explored.table):,} held-out images of {explored.data.title}"


def reasons(explored: Explored) -> dict[str, str]:
    """Why the model has no such view, by its name."""
    name, left_out = type(explored.model).__name__, {}
    if not explored.model.beta_dim:
        left_out["Group"] = left_out["Swap"] = f"{name} has no beta"
    if not explored.model.num_components:
        left_out["Components"] = f"{name} has no mixture"
    return left_out


def explore(
    run: Path,
    compare: Path | None = None,
    port: NonNegativeInt | None = None,
    host: str = "127.0.0.1",
    browser: bool = True,
    settings: Sequence[str] = (),
) -> None:
    """Opens a page that shows what z, d and beta do.

    Args:
        run: folder of a trained run, or of save_pretrained, which takes --data NAME and its settings too
        compare: a second such folder, of a model of the same images
        port: of the server; by default the first free one from 7860 on
        host: address that it listens on; 127.0.0.1 is this machine alone
        browser: open the page in the browser
        settings: changed settings of the data

    Raises:
        ConfigError: no such folder, a port that is taken, or settings that do not suit the data or the model.
        DataError: the data are missing or damaged.
    """
    print(f"Loading {run} and encoding held-out images ...", flush=True)
    blocks = page(load(run, settings), compare)
    try:
        _, address, _ = launch(blocks, host, port, browser)
    except OSError as error:
        raise ConfigError(f"port: {error}") from error
    print(f"The explorer is at {address}; Ctrl+C ends it", flush=True)
    blocks.block_thread()


def launch(blocks: gr.Blocks, host: str = "127.0.0.1", port: int | None = None, browser: bool = False) -> tuple:
    """Starts the server in a thread of its own; gives Gradio's app and the address."""
    return blocks.launch(
        server_name=host,
        server_port=port,
        inbrowser=browser,
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
        footer_links=[],
        theme=gr.themes.Base(font=SYSTEM, font_mono=MONOSPACE),
        css_paths=STYLE,
    )
