"""Values that were used last, as many as fit into a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps values by key until others were used later; the last one stays whatever its size.

    Parameters
    ----------
    size : callable (value) -> int
        Bytes of a value.
    max_bytes : int
        Bytes of all values that are kept.
    """

    def __init__(self, size: Callable[[V], int], max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._n_bytes = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of `key`, made now if it is not kept."""
        if key not in self._values:
            self.put(key, make())
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value, which the key does not have yet, and drop those not used for longest."""
        if key in self._values:
            return
        self._values[key] = value
        self._n_bytes += self._size(value)
        while self._n_bytes > self.max_bytes and len(self._values) > 1:
            _, dropped = self._values.popitem(last=False)
            self._n_bytes -= self._size(dropped)
