"""A lexer of the language for Pygments: `pygmentize -l pde`, Sphinx, MkDocs, Jupyter.

Words come from `vocabulary`; the rules are those of `grammars/pde.lark`, without their context.
"""

from __future__ import annotations

from pygments.lexer import RegexLexer, bygroups, default, words
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
    Whitespace,
)

from pdesl.run.editor.vocabulary import vocabulary

__all__ = ["PdeLexer"]


def _named(*kinds: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(w.name for w in vocabulary() if w.kind in kinds))


class PdeLexer(RegexLexer):
    """Partial differential equations in the language of pdesl."""

    name = "pdesl"
    aliases = ["pde", "pdesl"]  # noqa: RUF012
    filenames = ["*.pde"]  # noqa: RUF012
    mimetypes = ["text/x-pde"]  # noqa: RUF012
    url = "https://en.wikipedia.org/wiki/Partial_differential_equation"
    version_added = ""

    # Pygments reads this attribute once, when the class is first used.
    tokens = {  # noqa: RUF012
        "root": [
            (r"[^\S\n]+", Whitespace),
            (r"\n", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\n]*"', String.Double),
            (r"^(pdesl)(\s+)([0-9]+)", bygroups(Keyword.Namespace, Whitespace, Number)),
            (
                words(_named("block"), prefix=r"^", suffix=r"(?=\s*(\"[^\"\n]*\")?\s*:)"),
                Keyword.Declaration,
            ),
            (r"[0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?", Number, "unit"),
            (r"∂([_^]\{[^{}\n]*\}|[_^]?[^\W\d_⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*)[⁰¹²³⁴-⁹]*", Operator.Word),
            (r"∇([_^](\{[^{}\n]*\}|\w))?[²⁴·×]?|[∫□]", Operator.Word),
            (words(_named("keyword"), suffix=r"\b"), Keyword),
            (words(_named("type"), suffix=r"\b"), Keyword.Type, "unit"),
            (words(_named("operator"), suffix=r"(?=\()"), Operator.Word),
            (words(_named("function", "form"), suffix=r"(?=\s*[(²³])"), Name.Builtin),
            (words(_named("shape", "metric", "method", "choice"), suffix=r"\b"), Name.Class),
            (
                r"([^\W\d⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*)(\s*)(=)(?=[^=])",
                bygroups(Name, Whitespace, Operator),
            ),
            (r"[^\W\d⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*(\.[^\W\d⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*)*", Name),
            (r"[⁺⁻⁰¹²³⁴-⁹]+", Number),
            (r"->|→|≈|~=|<=|>=|≤|≥|±|\+/-|\*\*|[-+*/^=<>·×∈∊−]", Operator),
            (r"[_^]\{[^{}\n]*\}", Name.Variable),
            (r"[()\[\]{},:.;]", Punctuation),
            (r"∞", Number),
            (r".", Token.Error),
        ],
        "unit": [
            (
                r"(\s+)(\[[^\]\n]*[A-Za-zµμΩ°%][^\]\n]*\])",
                bygroups(Whitespace, Generic.Emph),
                "#pop",
            ),
            default("#pop"),
        ],
    }
