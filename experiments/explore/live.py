"""A picture that follows its controls, and messages where one of them cannot be."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from ugvae.errors import ConfigError, DataError
from ugvae.experiments.explore.picture import SAVE, View, picture_html
from ugvae.experiments.explore.source import Explored

Options = Mapping[str, Component | list[Component]]  # controls by the name of the argument that they set
QUIETLY = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}


def live(view: View, explored: Explored, options: Options, **constants: Any) -> gr.HTML:
    """A view's picture, made now and again whenever a control is moved; while one drags, of the last place alone.

    Args:
        view: of this package.
        explored: its first argument.
        options: the controls of its others; a list of controls gives a list.
        constants: arguments that no control sets.
    """
    controls = [one for control in options.values() for one in (control if isinstance(control, list) else [control])]

    def again(*moved: Any) -> str:
        arguments = {**constants, **_by_name(options, moved)}
        return answer(lambda: picture_html(view, view(explored, **arguments), explored, arguments))

    shown = gr.HTML(again(*(control.value for control in controls)), js_on_load=SAVE)
    for control in controls:
        control.input(again, controls, shown, **QUIETLY)
    return shown


def _by_name(options: Options, moved: Sequence[Any]) -> dict[str, Any]:
    """The values of all controls, one after the other, by the names of the arguments."""
    rest = iter(moved)
    return {
        name: [_value(one, next(rest)) for one in control] if isinstance(control, list) else _value(control, next(rest))
        for name, control in options.items()
    }


def _value(control: Component, moved: Any) -> Any:
    """The value of a control; of one that was emptied, the value that it began with."""
    return control.value if moved is None else moved


def answer(made: Callable[[], str]) -> str:
    """What a function makes; where a setting or a file cannot be, the message in its place."""
    try:
        return made()
    except (ConfigError, DataError) as error:
        return f'<p class="refused" role="alert">{escape(str(error))}</p>'
