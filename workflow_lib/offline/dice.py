"""Choices for the offline models that are the same on every machine and Python version."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A source of choices that is fixed by its key and the same everywhere.

    `random.Random` promises the same sequence only for `random()`; this promises it for every method.
    """

    def __init__(self, *key: object):
        self._key = hashlib.sha256("\x1f".join(map(str, key)).encode("utf-8", "surrogatepass")).digest()
        self._block = 0
        self._words: list[int] = []

    def below(self, limit: int) -> int:
        """Return an integer in ``[0, limit)``; limit is at least 1 and far below 2**32."""
        if not self._words:
            digest = hashlib.sha256(self._key + self._block.to_bytes(8, "big")).digest()
            self._block += 1
            self._words = [int.from_bytes(digest[i : i + 4], "big") for i in range(0, 32, 4)]
        return self._words.pop() % limit

    def unit(self) -> float:
        """Return a number in ``[0, 1)``."""
        return self.below(1 << 30) / (1 << 30)

    def spread(self) -> float:
        """Return a bell-shaped number in ``(-1, 1)`` with mean 0 and standard deviation 1/3."""
        return (self.unit() + self.unit() + self.unit()) / 1.5 - 1.0

    def choice(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        result = list(items)
        for i in range(len(result) - 1, 0, -1):
            j = self.below(i + 1)
            result[i], result[j] = result[j], result[i]
        return result
