"""Options set from outside a file: `solver.order=5`, `parameters.κ=2`, and named profiles.

An override is a relation of the language, `block.name = value`, applied to the syntax tree before
elaboration; so it is checked like any line of the file and can reach whatever the file can say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.language.parser import parse

__all__ = ["apply_overrides"]

# Blocks in which an override may add a line that the file does not have.
_OPEN = ("initial", "solver", "verify", "fit", "sweep")
# Options of which a solver has one: what is set from outside takes the place of the other.
_INSTEAD = {"nodes": "spacing", "spacing": "nodes"}


def apply_overrides(
    module: ast.Module,
    overrides: Sequence[str],
    profile: str | None = None,
    *,
    partial: bool = False,
) -> ast.Module:
    """The module with a profile and then overrides applied, in order.

    Args:
        module: the tree of a file.
        overrides: `block.name=value` texts.
        profile: the name of a profile of the file.
        partial: the tree lacks lines that could not be read, so that an override that finds no
            line to change is no mistake.

    Raises:
        ProblemError: overrides that do not parse (E508), or that name nothing in the file (E507,
            E512 for a profile), all at once.
    """
    relations: list[ast.Relation] = []
    found: list[Diagnostic] = []
    if profile is not None:
        try:
            relations += _profile(module, profile)
        except ProblemError as error:
            found += error.diagnostics
    for text in overrides:
        try:
            relations.append(_read(text))
        except ProblemError as error:
            found += error.diagnostics
    for block in module.blocks:
        if block.name == "profile" and block.argument != profile:  # not used, and checked too
            found += _profile_mistakes(module, block, partial)
    for relation in relations:
        try:
            module = _apply(module, relation)
        except ProblemError as error:
            found += [d for d in error.diagnostics if d.code != "E507" or not partial]
    if found:
        raise ProblemError(found)
    blocks = tuple(block for block in module.blocks if block.name != "profile")
    return dataclasses.replace(module, blocks=blocks)


def _settings_of(block: ast.Block) -> tuple[list[ast.Relation], list[Diagnostic]]:
    """The settings of a profile, and what is wrong with its other lines."""
    found: list[ast.Relation] = []
    wrong: list[Diagnostic] = []
    for statement in block.statements:
        if isinstance(statement, ast.Relation) and not statement.regions:
            found.append(statement)
        else:
            wrong.append(
                Diagnostic("E513", "a line of a profile changes a line of the file", statement.span,
                           helps=("write `solver.order = 5`",))
            )  # fmt: skip
    return found, wrong


def _profile_mistakes(module: ast.Module, block: ast.Block, partial: bool) -> list[Diagnostic]:
    settings, found = _settings_of(block)
    for relation in settings:
        try:
            _apply(module, relation)
        except ProblemError as error:
            found += [d for d in error.diagnostics if d.code != "E507" or not partial]
    return found


def _profile(module: ast.Module, name: str) -> list[ast.Relation]:
    blocks = [block for block in module.blocks if block.name == "profile"]
    names = [block.argument or "" for block in blocks]
    for block in blocks:
        if block.argument == name:
            settings, wrong = _settings_of(block)
            if wrong:
                raise ProblemError(wrong)
            return settings
    guess = suggest(name, names)
    known = f"it has {', '.join(names)}" if names else f'add a block `profile "{name}":`'
    help_text = f"did you mean `{guess}`?" if guess else known
    raise ProblemError(
        [
            Diagnostic(
                "E512",
                f"the file has no profile `{name}`",
                Span(Source("--profile", name), 0, len(name)),
                helps=(help_text,),
            )
        ]
    )


def _read(text: str) -> ast.Relation:
    prefix = 'profile "set":\n    '
    result = parse(Source("--set", f"{prefix}{text}\n"))
    source = Source("--set", text)
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    statements = result.module.block("profile") if result.module is not None else ()
    single = len(statements) == 1 and result.module is not None and len(result.module.blocks) == 1
    if errors or not single or not isinstance(statements[0], ast.Relation):  # pyright: ignore[reportGeneralTypeIssues]
        reason = errors[0].message if errors else "it is no single setting"
        place = errors[0].span if errors else None
        span = Span(source, 0, len(text)) if place is None else _moved(place, source, len(prefix))
        raise ProblemError(
            [
                Diagnostic(
                    "E508", f"the setting `{text[:60]}` cannot be read: {reason}", span,
                    helps=("write `--set block.name=value`, for example `--set solver.order=5`",),
                )
            ]
        )  # fmt: skip
    return _moved(statements[0], source, len(prefix))  # pyright: ignore[reportGeneralTypeIssues]


def _moved(value: Any, source: Source, shift: int) -> Any:
    """A tree (or a part of one) with its places in another text, `shift` characters earlier."""
    if isinstance(value, Span):
        end = len(source.text)
        start = min(max(value.start - shift, 0), end)
        return Span(source, start, min(max(value.end - shift, start), end))
    if isinstance(value, tuple):
        return tuple(_moved(item, source, shift) for item in value)
    if isinstance(value, ast.Node):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return type(value)(**{name: _moved(part, source, shift) for name, part in parts.items()})
    return value


def _wrong(
    code: str, message: str, node: ast.Statement | ast.Expression, *helps: str
) -> ProblemError:
    return ProblemError([Diagnostic(code, message, node.span, helps=helps)])


def _names_in(module: ast.Module, block: str) -> list[str]:
    """The names on the left of `=` in the blocks of a name."""
    return [
        s.left.identifier
        for s in module.block(block)
        if isinstance(s, ast.Relation) and isinstance(s.left, ast.Name)
    ]


def _apply(module: ast.Module, relation: ast.Relation) -> ast.Module:
    left = relation.left
    path = left.identifier.split(".") if isinstance(left, ast.Name) else []
    if relation.operator != "=" or relation.regions or len(path) < 2:
        own = path[0] if len(path) == 1 and relation.operator == "=" else ""
        block = next((b for b in ("parameters", "solver") if own in _names_in(module, b)), "")
        raise _wrong(
            "E508", "a setting is `block.name=value`", relation,
            *((f"did you mean `{block}.{own}`?",) if block else
              ("for example `solver.order=5`", "for example `parameters.κ=2`")),
        )  # fmt: skip
    block_name, *names = path
    available = sorted({block.name for block in module.blocks} | set(_OPEN))
    if block_name not in available:
        guess = suggest(block_name, available)
        raise _wrong(
            "E507", f"the file has no block `{block_name}`", relation,
            f"did you mean `{guess}`?" if guess else f"it has: {', '.join(available)}",
        )  # fmt: skip
    if block_name == "solver" and names[-1] in _INSTEAD:
        module = _without_option(module, [*names[:-1], _INSTEAD[names[-1]]])
    blocks = list(module.blocks)
    # A line of that name comes first; a solver's option may also stand in its method's call.
    for change in (_changed_line, _changed_method) if block_name == "solver" else (_changed_line,):
        for position, block in enumerate(blocks):
            if block.name != block_name:
                continue
            for line, statement in enumerate(block.statements):
                changed = change(statement, names, relation.right, relation.span)
                if changed is not None:
                    statements = block.statements[:line] + (changed,) + block.statements[line + 1 :]
                    blocks[position] = dataclasses.replace(block, statements=statements)
                    return dataclasses.replace(module, blocks=tuple(blocks))
    if block_name not in _OPEN or len(names) > 1:
        known = _names_in(module, block_name)
        guess = suggest(names[0], known)
        raise _wrong(
            "E507", f"`{block_name}:` has no line `{'.'.join(names)} = …`", relation,
            f"did you mean `{guess}`?" if guess else f"it has: {', '.join(known)}" if known else
            "name the value under `parameters:`, where it can be set",
        )  # fmt: skip
    added = dataclasses.replace(relation, left=ast.Name(names[0], span=left.span))
    for position, block in enumerate(blocks):
        if block.name == block_name:
            blocks[position] = dataclasses.replace(block, statements=(*block.statements, added))
            break
    else:
        blocks.append(ast.Block(block_name, (added,), span=relation.span, name_span=relation.span))
    return dataclasses.replace(module, blocks=tuple(blocks))


def _without_option(module: ast.Module, names: list[str]) -> ast.Module:
    """The module without an option of its solver, wherever it stands."""

    def dropped(node: ast.Expression, path: list[str]) -> ast.Expression:
        if not isinstance(node, ast.Call):
            return node
        keywords = tuple(
            dataclasses.replace(k, value=dropped(k.value, path[1:])) if k.name == path[0] else k
            for k in node.keywords
            if k.name != path[0] or len(path) > 1
        )
        return dataclasses.replace(node, keywords=keywords)

    blocks = []
    for block in module.blocks:
        kept: list[ast.Statement] = []
        for statement in block.statements if block.name == "solver" else ():
            if _defines(statement, names[0]) and len(names) == 1:
                continue
            if isinstance(statement, ast.Relation) and isinstance(statement.left, ast.Name):
                own = statement.left.identifier
                path = names if own == "method" and names[0] != "method" else names[1:]
                if path and own in ("method", names[0]):
                    right = dropped(statement.right, path)
                    statement = dataclasses.replace(statement, right=right)
            kept.append(statement)
        is_solver = block.name == "solver"
        blocks.append(dataclasses.replace(block, statements=tuple(kept)) if is_solver else block)
    return dataclasses.replace(module, blocks=tuple(blocks))


def _changed_line(
    statement: ast.Statement, names: list[str], value: ast.Expression, span: Span | None
) -> ast.Statement | None:
    """The statement `names[0] = …` with the value in place; None for any other."""
    if isinstance(statement, ast.Membership) and len(names) == 1:
        members = [m.identifier for m in statement.members if isinstance(m, ast.Name)]
        return dataclasses.replace(statement, set=value) if members == names else None
    if not _defines(statement, names[0]):
        return None
    assert isinstance(statement, ast.Relation)
    if len(names) > 1:
        right = _inside(statement.right, names[1:], value, span)
        return None if right is None else dataclasses.replace(statement, right=right)
    # Another method keeps the options of the file's, as far as it has them.
    is_call = names[0] == "method" and isinstance(statement.right, ast.Call)
    if is_call and isinstance(value, ast.Name):
        value = dataclasses.replace(statement.right, function=value.identifier)
    return dataclasses.replace(statement, right=value, span=span)


def _changed_method(
    statement: ast.Statement, names: list[str], value: ast.Expression, span: Span | None
) -> ast.Statement | None:
    """`method = m(…)` with one of the method's options set; None for any other statement."""
    if not _defines(statement, "method"):
        return None
    assert isinstance(statement, ast.Relation)
    right = _inside(statement.right, names, value, span)
    return None if right is None else dataclasses.replace(statement, right=right)


def _defines(statement: ast.Statement, name: str) -> bool:
    return (
        isinstance(statement, ast.Relation)
        and isinstance(statement.left, ast.Name)
        and statement.left.identifier == name
    )


def _inside(
    node: ast.Expression, names: list[str], value: ast.Expression, span: Span | None
) -> ast.Expression | None:
    """A call with one of its named arguments set, at any depth; `span` is where that is asked."""
    if isinstance(node, ast.Name):
        node = ast.Call(node.identifier, (), (), span=node.span)
    if not isinstance(node, ast.Call):
        return None
    keywords = list(node.keywords)
    for position, keyword in enumerate(keywords):
        if keyword.name == names[0]:
            inner = value if len(names) == 1 else _inside(keyword.value, names[1:], value, span)
            if inner is None:
                return None
            keywords[position] = dataclasses.replace(keyword, value=inner, span=span)
            return dataclasses.replace(node, keywords=tuple(keywords))
    if len(names) > 1:
        return None
    keywords.append(ast.Keyword(names[0], value, span=span))
    return dataclasses.replace(node, keywords=tuple(keywords))
