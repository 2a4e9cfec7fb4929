"""How few images and groups a score or a map may have; with fewer it is left out, with the reason."""

LEAST_IMAGES = 20  # of a score: with fewer, one image is more than 5 % of it
LEAST_GROUPS = 10  # points of a map: t-SNE of fewer shows its own start
LEAST_SIZE = 2  # images of a group: one image shares its beta with no other


def too_few_images(count: int, what: str = "test images") -> str | None:
    """Why no score is made of ``count`` images; None if there are enough.

    Example:
        >>> too_few_images(4)
        '4 test images, at least 20 are needed for a number that means something'
    """
    if count >= LEAST_IMAGES:
        return None
    return f"{count} {what}, at least {LEAST_IMAGES} are needed for a number that means something"


def too_few_points(images: int, groups: int, size: int = LEAST_SIZE) -> str | None:
    """Why there is no map of ``groups`` of a ``size`` that are drawn from ``images``; None if there are enough."""
    if groups < LEAST_GROUPS:
        return f"{groups} groups, a map needs at least {LEAST_GROUPS}"
    if images < LEAST_IMAGES:
        return f"{images} images, the groups of a map need at least {LEAST_IMAGES}"
    if size < LEAST_SIZE:
        return f"the rarest value has {size} image, the groups of a map need at least {LEAST_SIZE} of every value"
    return None
