"""Properties that are worked out when they are first asked for, and then kept."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):
    """Like `functools.cached_property`, whose lock makes the threads of Python 3.11 wait for each other.

    Two threads may both work the value out; it must not matter whose is kept.
    """

    def __init__(self, function: Callable[[Any], T]):
        self._function = function
        self._name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        # from now on the instance's own attribute comes first: this class has no __set__
        value = instance.__dict__[self._name] = self._function(instance)
        return value
