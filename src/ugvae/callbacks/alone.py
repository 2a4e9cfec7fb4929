"""What comes beside and after training fails alone: a figure, a score or a report that fails costs itself only."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from ugvae.errors import OutputError


class Alone:
    """Runs blocks that may fail. A failure is one warning that names the block; a full disk is told of once for all.

    Args:
        meanwhile: what goes on, for the warning.

    Attributes:
        failed: names of the blocks that have failed.

    Example:
        >>> alone = Alone("training goes on")
        >>> with alone("figure curves"):
        ...     pass
    """

    def __init__(self, meanwhile: str) -> None:
        self.meanwhile = meanwhile
        self.failed: set[str] = set()
        self._told: set[str] = set()

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Runs a block.

        Args:
            what: its name.
        """
        try:
            yield
        except Exception as error:  # whatever is wrong with it, the training that it comes after is worth more
            full = isinstance(error, OutputError)
            cause, topic = ("", "output") if full else (f"{type(error).__name__}: ", what)
            if topic not in self._told:
                rank_zero_warn(f"{what} left out ({cause}{error}); {self.meanwhile} without")
            self._told.add(topic)
            self.failed.add(what)
