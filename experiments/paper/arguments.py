"""The command line of a typed function, with lists as a shell writes them: ``--runs a b``."""

from collections.abc import Collection, Sequence
from typing import Any

from jsonargparse import ArgumentParser


class Parser(ArgumentParser):
    """A parser whose options take several words; jsonargparse alone wants ``--runs+=a --runs+=b`` or JSON."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.lists: set[str] = set()
        super().__init__(*arguments, **settings)

    def add_argument(self, *flags: str, **settings: Any) -> Any:
        if f"{flags[0]}+" in flags:  # jsonargparse adds this flag to every list
            self.lists.add(flags[0])
            settings.setdefault("metavar", f"{flags[0].removeprefix('--').upper()}...")
        return super().add_argument(*flags, **settings)

    def parse_args(self, args: Sequence[str], *more: Any, **settings: Any) -> Any:
        return super().parse_args(join_words(args, self.lists), *more, **settings)


def join_words(arguments: Sequence[str], lists: Collection[str]) -> list[str]:
    """Rewrites options of several words for jsonargparse.

    A list that is given more than once is one list of all its words. A list without words is empty.

    Args:
        arguments: as typed.
        lists: flags of the options that are lists; the others of several words are tuples.

    Example:
        >>> join_words(["--runs", "a", "b", "--images", "0", "3", "--seed", "1"], {"--runs"})
        ['--runs=[]', '--runs+=a', '--runs+=b', '--images=[0, 3]', '--seed', '1']
    """
    options: list[list[str]] = []
    for argument in arguments:
        if argument.startswith("--") or not options:
            options.append([argument])
        else:
            options[-1].append(argument)
    written: list[str] = []
    for first, *words in options:
        flag, equals, word = first.partition("=")
        if flag in lists:
            empty = f"{flag}=[]"  # instead of the default
            written += [empty] if empty not in written else []
            written += [f"{flag}+={value}" for value in ([word] if equals else []) + words]
        elif len(words) > 1:
            written.append(f"{flag}=[{', '.join(words)}]")
        else:
            written += [first, *words]
    return written
