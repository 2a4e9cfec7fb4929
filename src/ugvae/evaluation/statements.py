"""What a statement of the verdict is, and how it is graded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Holds = Literal["yes", "partly", "no", "not measured"]
YES, PARTLY, NO, NOT_MEASURED = "yes", "partly", "no", "not measured"


@dataclass(frozen=True)
class Statement:
    """What a run's results mean for a claim.

    Attributes:
        claim: the claim.
        holds: whether it holds.
        because: the numbers, in a sentence.
        control: what the numbers are to be compared with.
    """

    claim: str
    holds: Holds
    because: str
    control: str


def graded(passed: Sequence[bool]) -> Holds:
    """Whether a claim holds: in all that was tried, in some of it, or in nothing."""
    return YES if all(passed) else PARTLY if any(passed) else NO


def sentence(parts: Sequence[str]) -> str:
    """Parts as one sentence."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def not_measured(claim: str, command: str, why: str = "") -> Statement:
    """A statement without numbers, and the command that gives them."""
    because = f"No result of {command} for this run." if not why else f"{why}; run {command} again."
    return Statement(claim, NOT_MEASURED, because, "None.")
