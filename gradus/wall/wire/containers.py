"""Containers that are made of the other side's words, where making them could run text or take too long."""

import collections
import keyword
import operator
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from gradus.wall.wire.nodes import WireError

MOST_ALIKE = 64  # keys of one container with the same hash


def require_spread(keys: list[Any]) -> None:
    """Refuse keys that were chosen to have the same hash: n of them cost n² / 2 comparisons.

    Of sets inside one another each is compared with all that are like it, and so are the sets in it: few
    that are alike on each of many levels cost as much as many on one, and no signal interrupts that.

    Raises:
        WireError: If there are such keys.
    """
    hashes = list(map(hash, keys))
    if len(set(hashes)) == len(hashes):
        return
    alike = collections.Counter(hashes)
    if max(alike.values()) > MOST_ALIKE or any(map(_sets_inside, keys)):
        raise WireError("keys that were chosen to have the same hash")


def _sets_inside(key: Any) -> bool:
    """Whether it is, or holds, a set of sets (hashable, so it holds no list or dict)."""
    if isinstance(key, frozenset):
        return any(isinstance(part, frozenset | tuple) for part in key)
    return isinstance(key, tuple) and any(map(_sets_inside, key))


class _Record(tuple[Any, ...]):
    """What named tuples can do."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: ClassVar[dict[str, Any]] = {}

    def __new__(cls, *items: Any, **named: Any) -> "_Record":
        if problem := _unfit(cls._fields, len(items), named):
            raise TypeError(f"{cls.__name__}.__new__() {problem}")
        return cls._make([*items, *(named[field] for field in cls._fields[len(items) :])])

    @classmethod
    def _make(cls, items: Iterable[Any]) -> "_Record":
        made = tuple.__new__(cls, items)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **named: Any) -> "_Record":
        return self._make([named.get(field, item) for field, item in self._asdict().items()])

    def __repr__(self) -> str:
        inside = ", ".join(f"{field}={item!r}" for field, item in self._asdict().items())
        return f"{type(self).__name__}({inside})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


def _unfit(fields: tuple[str, ...], count: int, named: Collection[str]) -> str:
    """What Python says where `count` items and these named ones are not just one for each field."""
    for name in named:
        if name not in fields:
            return f"got an unexpected keyword argument {name!r}"
        if name in fields[:count]:
            return f"got multiple values for argument {name!r}"
    if count > len(fields):
        return f"takes {len(fields) + 1} positional arguments but {count + 1} were given"
    missing = [repr(field) for field in fields[count:] if field not in named]
    if not missing:
        return ""
    if len(missing) > 1:
        comma = "," if len(missing) > 2 else ""
        missing = [*missing[:-2], f"{missing[-2]}{comma} and {missing[-1]}"]
    some = len(fields) - count - len(named)
    return f"missing {some} required positional argument{'s' if some > 1 else ''}: {', '.join(missing)}"


def named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """A class like those of `collections.namedtuple`, which runs text that holds the names."""
    names = (name, *fields)
    if len(set(fields)) < len(fields) or not all(map(str.isidentifier, names)):
        raise WireError("a named tuple with odd names")
    if any(map(keyword.iskeyword, names)) or any(field.startswith("_") for field in fields):
        raise WireError("a named tuple with odd names")
    members: dict[str, Any] = {
        field: property(operator.itemgetter(place)) for place, field in enumerate(fields)
    }
    members |= {"_fields": fields, "__match_args__": fields, "__slots__": ()}
    return type(name, (_Record,), members)
