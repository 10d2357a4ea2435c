"""How many conditions each field has at a boundary point, when conditions may couple fields.

A condition that holds several fields (a traction, an outflow) serves one of them, whichever
needs it. So a set of conditions is right when each can be given to a field that it holds such
that every field gets between its least and its greatest number. By the theorem of Mendelsohn
and Dulmage (Canadian Journal of Mathematics 10, 1958, theorem 1) the two bounds can be judged
apart: if one assignment serves all conditions within the greatest numbers and another gives
every field its least number, then one does both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["surplus", "wanting"]


def _assign(choices: Sequence[Sequence[str]], room: Mapping[str, int]) -> list[str | None]:
    """A field for as many conditions as possible, by augmenting paths."""
    held: dict[str, list[int]] = {name: [] for name in room}

    def place(condition: int, tried: set[str]) -> bool:
        for name in choices[condition]:
            if name in tried or room.get(name, 0) == 0:
                continue
            tried.add(name)
            if len(held[name]) < room[name]:
                held[name].append(condition)
                return True
            for position, other in enumerate(held[name]):
                if place(other, tried):
                    held[name][position] = condition
                    return True
        return False

    for condition in range(len(choices)):
        place(condition, set())
    found: list[str | None] = [None] * len(choices)
    for name, conditions in held.items():
        for condition in conditions:
            found[condition] = name
    return found


def surplus(choices: Sequence[Sequence[str]], most: Mapping[str, int]) -> list[int]:
    """The conditions, by position, that find no field with room left.

    Args:
        choices: for each condition the fields that it holds.
        most: the greatest number of conditions of each field.
    """
    return [i for i, name in enumerate(_assign(choices, most)) if name is None]


def wanting(choices: Sequence[Sequence[str]], least: Mapping[str, int]) -> list[str]:
    """The fields that cannot all get their least number of conditions."""
    given = [name for name in _assign(choices, least) if name is not None]
    return [name for name, number in least.items() if given.count(name) < number]
