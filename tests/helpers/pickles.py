"""Objects that run code when they are unpickled."""

from collections.abc import Callable


class Trap:
    """An object whose unpickling calls a function."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments
