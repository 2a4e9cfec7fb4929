"""Tables of images, groups of them, and how they get to the model."""
