"""Plants a mutant in this very process: every function of the file that differs gets the mutant's code.

The functions stay the same objects, so whoever imported or registered one before meets the mutant. That costs
milliseconds where importing the program anew costs seconds.
"""

from __future__ import annotations

import ast
import gc
import types
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tests.mutation.finding import ROOT, Mutant, mutated


class Planting:
    """Knows the program's functions, as they are when it is made: after everything was imported."""

    def __init__(self) -> None:
        self._functions: dict[str, list[types.FunctionType]] = defaultdict(list)
        gc.unfreeze()  # what the web server froze before it forks is an object like any other
        for found in gc.get_objects():
            if type(found) is types.FunctionType and found.__code__.co_filename.startswith(str(ROOT)):
                self._functions[found.__code__.co_filename].append(found)

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[int]:
        """Yields how many functions are the mutant's inside the block; 0 means that none of them was imported."""
        was = self.replace(mutant.path, mutated((ROOT / mutant.path).read_text(), mutant))
        forget_prepared()
        try:
            yield len(was)
        finally:
            for function, code in was:
                function.__code__ = code
            forget_prepared()

    def replace(self, path: str, tree: ast.Module) -> list[tuple[types.FunctionType, types.CodeType]]:
        """Gives the file's functions the code of `tree`, whose lines are the file's. Returns what they had before."""
        filename = str(ROOT / path)
        module = compile(tree, filename, "exec")
        new = {(code.co_qualname, code.co_firstlineno): code for code in _inner(module)}
        was = []
        for function in self._functions[filename]:
            old = function.__code__
            code = new.get((old.co_qualname, old.co_firstlineno))
            if code is not None and code != old:
                function.__code__ = code
                was.append((function, old))
        return was


def forget_prepared() -> None:
    """Queries whose SQL is made once are made anew: by the mutant's code, and afterwards by the program's."""
    from misentinel.store.prepared import PreparedQuery

    for found in gc.get_objects():
        if type(found) is PreparedQuery:
            found._made = None


def _inner(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner(constant)
