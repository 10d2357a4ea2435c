"""What names mean while a module is read, and how a mistake in it is told.

A mistake is raised where it is found and reported by the reader of the statement, who goes on
with the next one. A name whose declaration is wrong, or that was reported as unknown, is
`poisoned`: what uses it is left out without a further message, since that would only repeat
the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import sympy

from pdesl.diagnostics import Diagnostic, Span
from pdesl.symbolic.functions import FUNCTIONS
from pdesl.symbolic.operators import OPERATORS
from pdesl.symbolic.tensor_components import Geometry

__all__ = [
    "FollowUp", "Mistake", "Scope", "TensorEntry", "UserFunction", "Value", "components",
    "mistake", "misused", "rank_words",
]  # fmt: skip

Value = sympy.Expr | sympy.ImmutableDenseMatrix

# Names with a meaning of their own that are neither operators nor elementary functions, and
# those that have one in front of a bracket only.
_RESERVED = frozenset(("pi", "π", "exact", "unknown", "integral"))
_RESERVED_CALLS = frozenset(
    ["load", "norm", "sum", "prod", "mean", "dot", "cross", "outer", "transpose", "trace"]
)


class Mistake(Exception):
    """Located mistakes on the way from syntax to symbols, mostly one."""

    def __init__(self, *diagnostics: Diagnostic):
        self.diagnostics = diagnostics
        super().__init__("; ".join(d.message for d in diagnostics))


class FollowUp(Mistake):
    """A statement that cannot be read because of a mistake that is reported elsewhere."""


def mistake(
    code: str,
    message: str,
    span: Span | None,
    *helps: str,
    label: str = "",
    related: tuple[tuple[Span, str], ...] = (),
) -> Mistake:
    return Mistake(Diagnostic(code, message, span, label, related, tuple(h for h in helps if h)))


@dataclass(frozen=True, slots=True)
class UserFunction:
    """`r(x) = …` of a `let` block."""

    arguments: tuple[sympy.Symbol, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor that a file declares: its components by the positions of its indices.

    `sides` says where its indices stand, `spatial` which of them have no component along time.
    """

    sides: tuple[str, ...]
    spatial: tuple[bool, ...]
    entries: Mapping[tuple[int, ...], sympy.Expr]


def _no_geometry() -> Geometry:
    return Geometry((), ())


@dataclass(slots=True)
class Scope:
    """What names mean; filled block by block while a module is elaborated.

    `later` are the kinds of names that the module declares anywhere, for messages about a name
    that is used before it has a value; `space_known` tells whether `space` holds every spatial
    coordinate, which it does not when a line of the domain could not be read; `curved` tells
    whether the file states a metric, and `geometry` gives coordinates and metric for indices;
    `tensors` are what has indices.
    """

    values: dict[str, Value] = field(default_factory=dict)
    functions: dict[str, UserFunction] = field(default_factory=dict)
    declared: dict[str, Span | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    space: tuple[str, ...] = ()
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exact: bool = False
    poisoned: set[str] = field(default_factory=set)
    later: Mapping[str, str] = field(default_factory=dict)
    space_known: bool = True
    curved: bool = False
    tensors: dict[str, TensorEntry] = field(default_factory=dict)
    geometry: Callable[[], Geometry] = _no_geometry

    def declare(self, name: str, kind: str, span: Span | None, value: Value | None = None) -> None:
        """Give a name its meaning. Raises `Mistake`."""
        if name in self.declared:
            first = self.declared[name]
            raise mistake(
                "E203",
                f"`{name}` is already declared as a {self.kinds[name]}",
                span,
                "give one of the two another name",
                related=((first, "first declared here"),) if first else (),
            )
        reserved = name in _RESERVED or (kind == "function" and name in _RESERVED_CALLS)
        if name in OPERATORS or name in FUNCTIONS or reserved:
            raise mistake(
                "E204", f"`{name}` has a meaning in the language and cannot be redefined", span,
                f"choose another name, `{name}_0` for one",
            )  # fmt: skip
        if "." in name:
            raise mistake(
                "E204", f"`{name}` cannot be declared: a dot leads to an array of a data set", span,
                f"choose another name, `{name.replace('.', '_')}` for one",
            )  # fmt: skip
        self.declared[name] = span
        self.kinds[name] = kind
        if value is not None:
            self.values[name] = value

    def poison(self, names: Iterable[str]) -> None:
        """Names without a meaning because of a mistake that is reported."""
        self.poisoned.update(name for name in names if name and name not in self.declared)

    def refuse_poisoned(self, name: str) -> None:
        """Raises `FollowUp` for a name that is poisoned."""
        if name in self.poisoned:
            raise FollowUp

    def refuse_unknown_space(self) -> None:
        """Raises `FollowUp` where the number of dimensions is not known."""
        if not self.space_known:
            raise FollowUp

    def inner(self, values: Mapping[str, Value]) -> Scope:
        """A scope in which some names have another meaning; what is used counts for both."""
        kinds = {name: kind for name, kind in self.kinds.items() if name not in values}
        poisoned = self.poisoned
        if not poisoned.isdisjoint(values):
            poisoned = poisoned - set(values)
        return Scope(
            {**self.values, **values}, self.functions, self.declared, kinds, self.used, self.space,
            self.families, self.exact, poisoned, self.later, self.space_known,
            self.curved, self.tensors, self.geometry,
        )  # fmt: skip

    def names(self, kind: str) -> list[str]:
        """The declared names of a kind."""
        return [name for name, own in self.kinds.items() if own == kind]


def components(value: Value) -> tuple[sympy.Expr, ...]:
    """The components of a vector; a scalar is its own only component."""
    return tuple(value) if isinstance(value, sympy.MatrixBase) else (value,)  # pyright: ignore[reportArgumentType]


def rank_words(value: Value) -> str:
    if not isinstance(value, sympy.MatrixBase):
        return "a scalar"
    if value.cols == 1:
        return f"a vector of {value.rows} component{'s' if value.rows != 1 else ''}"
    return f"a {value.rows}×{value.cols} tensor"


def misused(name: str, kind: str, span: Span | None) -> Mistake:
    """A name that has a meaning, which does not fit here."""
    article = "an" if kind[0] in "aeiou" else "a"
    match kind:
        case "tensor":
            return mistake("E604", f"`{name}` is a tensor, and stands without its indices", span,
                           f"write `{name}_{{μ}}`, with an index for each of its own")  # fmt: skip
        case "data set":
            words = f"name one of its columns, `{name}.u`, in `fit:`"
        case "region":
            words = f"a condition holds `on ∂{name}`; coordinates are declared by `x, y ∈ {name}`"
        case "parameter" | "quantity" | "function":
            words = "a value is made of numbers, parameters and definitions that do not need it"
        case _:
            words = "parameters are numbers; a formula with coordinates and fields is defined " \
                    "under `let:`"  # fmt: skip
    return mistake("E205", f"`{name}` is {article} {kind} and cannot be used here", span, words)
