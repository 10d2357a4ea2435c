"""The table of codes: what each message means, why it is one, and how to put it right.

E001-E099 files and characters, E100-E199 syntax, E200-E299 names, E300-E399 the meaning of
expressions, E400-E499 domains and conditions, E500-E599 data, fits, options and output,
E600-E699 what a method cannot solve, E700-E799 failures while solving, E800-E899 files that are
written, W900-W999 warnings.
"""

from __future__ import annotations

from pdesl.code import Code
from pdesl.codes_meaning import MEANING
from pdesl.codes_methods import METHODS

__all__ = ["CODES", "Code", "explain"]


_FILES = (
    Code("E001", "a file that cannot be read",
         "The file does not exist, is a folder, or may not be read.",
         "Check the path and the permissions."),
    Code("E002", "a file that is not UTF-8",
         "Mathematics needs more than ASCII, and only UTF-8 says which character a byte means.",
         "Save the file as UTF-8; every editor offers it under “encoding”."),
    Code("E003", "a tab",
         "A tab is as wide as the editor makes it, so indentation by tabs cannot be read with "
         "certainty.",
         "Indent with four spaces. Most editors turn tabs into spaces on demand."),
    Code("E004", "a semicolon", "A line is one statement; nothing ends it but its end.",
         "Put each statement on a line of its own."),
    Code("E005", "a brace",
         "Blocks are indented, sets are written as regions, and braces hold indices only, as in "
         "g^{μν}.",
         "Group with round brackets; write a power as x^(n + 1)."),
    Code("E006", "an invisible character",
         "Control characters, zero-width characters and marks that turn the direction of text "
         "make a file read differently from how it looks.",
         "Delete the character; retyping the line is the surest way."),
    Code("E007", "too many brackets inside one another",
         "The nesting is limited to 300 brackets, so that no file can exhaust the compiler.",
         "Name parts of the expression under let:."),
    Code("E008", "a file that is too large",
         "A problem has at most a million characters, 10,000 statements, and 60,000 words and "
         "signs.",
         "Keep numbers in a data file and read it with load(\"file\")."),
    Code("E009", "a statement that is too long",
         "A statement has at most 5,000 words and signs and 150 operations inside one another; a "
         "sum of n terms is n - 1 operations inside one another.",
         "Name parts of it under let:."),
    Code("E010", "a number out of range",
         "Numbers are computed in floating point, which ends at about 1e308 and 1e-308, and have "
         "at most 400 digits.",
         "Choose units in which the number is nearer to 1."),
    Code("E011", "a power that is too high",
         "Powers of numbers are limited to 1000, so that no file can ask for endless work.",
         "Write the number itself, or an exponential."),
    Code("E012", "a character without a meaning",
         "The language has no such sign, or not at this place.",
         "The message names the usual way to write it."),
    Code("E099", "too many mistakes", "After a hundred mistakes the rest is not shown.",
         "Correct the first ones; the others often vanish with them."),
)  # fmt: skip

_SYNTAX = (
    Code("E100", "a sign or word at the wrong place",
         "Nothing that may stand here starts with this sign or word.",
         "Compare the line with the examples in the manual."),
    Code("E101", "something is missing",
         "An operator, a bracket or a comma needs something on both sides.",
         "Write what is missing, or delete the sign."),
    Code("E102", "a line that states nothing",
         "A statement is an equation with =, a membership with ∈, a declaration with a colon, or "
         "a line with every, at or when.",
         "Write the missing sign."),
    Code("E103", "a sign is missing between two values",
         "A product needs no sign where it can be read in one way: 2 x, u ∂x u. Behind a name, "
         "a number or a text in quotes would look like a slip.",
         "Write * for a product."),
    Code("E104", "a sign of another language", "An equation is written with one =.",
         "Write =, ≈, ≤, ≥, < or >."),
    Code("E105", "two signs in a row", "x + -1 or = = looks like a slip.",
         "Delete one of the signs, or put brackets around a negative value: x + (-1)."),
    Code("E106", "several statements in one line",
         "A line is one statement about one thing.",
         "Put each on a line of its own; write several values as a tuple, (a, b)."),
    Code("E107", "a schedule that cannot be read",
         "An output is a time, a colon, what to write, an arrow, and a file in quotes.",
         'Write: every 0.1: u, v -> "result.h5"'),
    Code("E108", "a word of the language as a name",
         "The words on, in, every, at and when structure a line, so they are no names.",
         "Choose another name."),
    Code("E109", "a square bracket at the wrong place",
         "Square brackets hold a unit behind a number or a type, a list such as [0, 1], or, "
         "without a space before them, the number of a component.",
         "Write 9.81 [m/s²], T : scalar [K], x ∈ [0, 1] or v[1]."),
    Code("E110", "a sign that separates statements inside one",
         "A colon, ∈ and = stand once in a statement, outside of brackets.",
         "Options of a call are written name=value, directly behind the bracket or a comma."),
    Code("E111", "a bracket that is never closed",
         "An open bracket continues the line, so everything below would belong to it.",
         "Close it."),
    Code("E112", "a bracket that closes nothing",
         "Each closing bracket belongs to an opening one of the same kind.",
         "Delete it, or add the missing bracket."),
    Code("E113", "a text in quotes without its end",
         "A text in quotes ends on the line on which it starts.", 'Write the closing ".'),
    Code("E120", "an unknown block", "A file is made of blocks with fixed names.",
         "Use one of the names in the message."),
    Code("E121", "a block without its colon", "The name of a block ends with a colon.",
         "Write the colon."),
    Code("E122", "an empty block", "A block without statements says nothing.",
         "Write its statements below it, indented, or delete it."),
    Code("E123", "a wrong indentation",
         "Names of blocks start in the first column; all the statements of a block are indented "
         "alike. A line goes on in the next only inside brackets.",
         "Indent all statements by four spaces; put brackets around what spans lines."),
    Code("E124", "a statement outside of a block",
         "What a statement means hangs on its block: = states an equation under equations: and "
         "defines a number under parameters:.",
         "Put it below the name of a block, indented by four spaces."),
    Code("E125", "a statement behind the name of a block",
         "The statements of a block stand below its name.",
         "Move it to the next line, indented by four spaces."),
    Code("E126", "a block that stands twice",
         "Of some blocks (domain, solver, …) a file has one; two could contradict one another.",
         "Put all the lines into one block."),
    Code("E127", "a profile without a name",
         "A profile is a set of changes that is chosen by its name.",
         'Write profile "quick":'),
    Code("E128", "a block with a name that it cannot have",
         "Only profiles have names, and those in quotes.", "Delete the name."),
    Code("E129", "an unknown version of the language",
         "The first line names the version of the language by a whole number.",
         "Write pdesl 1, or update pdesl."),
    Code("E130", "the version at the wrong place",
         "The version says how to read the file, so it comes first.",
         "Move it to the first line."),
    Code("E140", "a quotient before a product",
         "1/2 a b is (1/2) a b to some and 1/(2 a b) to others.",
         "Write the brackets."),
    Code("E141", "a derivative before a product",
         "∂x u c is (∂x u) c to some and ∂x(u c) to others. An operator acts on what directly "
         "follows it, so ∇²u c, without a space, is (∇²u) c.",
         "Write the brackets."),
    Code("E142", "a product that looks like a call",
         "κ(4 + x) with a number κ is a product on paper; without a space it is a call.",
         "Write a space for the product, κ (4 + x), or define κ as a function under let:."),
    Code("E143", "a derivative without its space",
         "∂xu could be ∂x u or a derivative along a coordinate xu.", "Write ∂x u."),
    Code("E144", "chained relations",
         "a = b = c states two equations; in another block it could be a slip.",
         "Write two lines."),
    Code("E145", "a derivative as a fraction",
         "∂u/∂t is a notation, not a quotient, and cannot be computed with.",
         "Write ∂t u or dt(u); ∂²u/∂x² is ∂x²u or dx(u, 2)."),
    Code("E146", "a power of a power",
         "x^y^z is x^(y^z) to some and (x^y)^z to others.", "Write the brackets."),
    Code("E147", "a product behind a product of vectors",
         "a·b c is (a·b) c to some and a·(b c) to others.", "Write the brackets."),
    Code("E148", "a negative power of a function",
         "sin⁻¹(x) is the inverse function to some and 1/sin(x) to others.",
         "Write asin(x) or 1/sin(x)."),
    Code("E149", "a power or a component",
         "v^μ beside other indices μ could be a component or a power.",
         "Write v^{μ} for the component."),
    Code("E150", "a name or a Laplacian",
         "Δu could be a name, as in Δt, or the Laplacian of u.",
         "Write ∇²u for the Laplacian, or declare the name."),
    Code("E160", "a derivative that cannot be read",
         "dx(u) takes what to differentiate and, if it is not 1, a whole number: the order.",
         "Write dx(u), dx(u, 2) or ∂x²u."),
    Code("E161", "a power of ∇", "∇² is the Laplacian and ∇⁴ that of the Laplacian; odd powers of "
         "∇ have no agreed meaning.",
         "Write ∇²u, or ∇(∇²u) for the gradient of the Laplacian."),
    Code("E162", "an index that cannot be read",
         "Braces behind ^ and _ hold indices: single letters or digits, or names with spaces "
         "between them.",
         "Write g^{μν}, Γ^{σ}_{mu nu}; write a power as x^(n + 1)."),
    Code("E163", "a value without a name behind one with a name",
         "Values without names are told by their place, so they come first.",
         "Put them first, or name them all."),
    Code("E164", "an option given twice", "One of the two values would be ignored.",
         "Keep one of them."),
    Code("E165", "an output without a file",
         "every and at write files; stop writes none.",
         'Write: at end: u -> "result.h5", or: when max(u) > 1e3: stop'),
    Code("E167", "a function without brackets",
         "sin x y could be sin(x) y or sin(x y).", "Write the brackets: sin(x)."),
    Code("E168", "a coordinate named n", "∂n u and dn(u) are the derivative along the outward "
         "normal, so n is no coordinate.",
         "Give the coordinate another name."),
    Code("E169", "a unit that cannot be read",
         "A unit is made of names of units, products, quotients and whole or fractional powers.",
         "Write [kg m²/s²], [W/(m K)], [1/s] or [m^(1/2)]."),
    Code("E170", "a quotient before a product in a unit",
         "W/m K is W K/m to some and W/(m K) to others.", "Write the brackets."),
    Code("E171", "a declaration of something that is no name",
         "Only names are declared: coordinates in front of ∈, fields with the coordinates that "
         "they depend on in front of the colon.",
         "Write x, y ∈ Ω or u(t, x) : scalar."),
)  # fmt: skip

_GEOMETRY = (
    Code("E440", "a region or nodes that cannot be",
         "The region, or the nodes asked for, contradict themselves.",
         "Check the numbers that describe the region."),
    Code("E441", "a shape whose parts do not fit together",
         "Centres, corners and vertices have one number for each coordinate, and regions that "
         "are combined have the same dimension.",
         "Give every point as many numbers as there are coordinates."),
    Code("E442", "a number that no shape can have",
         "Lengths and radii are positive, and coordinates, functions and nodes are finite.",
         "Check the number, its sign, and what it is computed from."),
    Code("E443", "an empty region",
         "No point lies inside: bounds or radii are in the wrong order, the regions of an "
         "intersection do not meet, a difference takes everything away, or the function of a "
         "level set is not negative anywhere in its box.",
         "Write the smaller bound first; check positions, sizes, and signs."),
    Code("E444", "a boundary that meets itself",
         "A polygon or closed curve must not cross, touch or repeat itself, and must close: "
         "else inside and outside are not defined.",
         "List the vertices in their order along the boundary; check the period of a curve."),
    Code("E445", "a boundary without a normal",
         "Conditions on a boundary need its outward normal, and there is none where the gradient "
         "of a level-set function vanishes.",
         "Use a function that crosses zero with a slope, such as a distance."),
    Code("E446", "a periodic direction where there can be none",
         "Unions and intersections of periodic regions are not defined, and holes must lie "
         "within one period.",
         "Cut holes out of a periodic box with a difference; shift the box so that its ends pass "
         "between the holes."),
    Code("E447", "a node spacing that cannot be used",
         "Nodes need their number or their spacing; a spacing is positive and finite everywhere.",
         "Choose the number of nodes, or a positive spacing, but not both."),
    Code("E448", "more nodes than fit in memory",
         "A spacing that is small for the size of the region asks for too many nodes, or for a "
         "search among too many places.",
         "Use a larger spacing or fewer nodes."),
    Code("E449", "too few nodes for the region",
         "At this number or spacing of nodes none fits inside the region, or a gap or a hole of "
         "it is far narrower than the spacing.",
         "Use more nodes or a smaller spacing."),
)  # fmt: skip

_RESULTS = (
    Code("E800", "a result that could not be written",
         "The solution was computed, but the file system refused to take it.",
         "Read the reason in the message; choose another folder with -o FOLDER."),
    Code("E810", "an output folder that cannot be used",
         "The folder for the results cannot be made, or something else has its name. This is found "
         "out before any training begins.",
         "Choose another folder with -o FOLDER."),
    Code("E811", "an output folder that may not be written",
         "The folder, or the one that it would be made in, may not be written by you. This is "
         "found out before any training begins.",
         "Change its permissions, or choose another folder with -o FOLDER."),
    Code("E812", "an output folder in use",
         "Another run is writing into this folder. Two runs would mix their results.",
         "Wait for the other run to end, or choose another folder with -o FOLDER. A run that was "
         "killed does not hold its folder."),
    Code("E813", "an output file outside the output folder",
         "The names of a problem file stay inside the folder that you chose, so that no file from "
         "elsewhere can overwrite yours. Absolute paths, .., hidden names, backslashes, colons, "
         "links that lead out and the name metrics.json are refused.",
         "Give a plain name such as \"solution.h5\"; -o FOLDER says where it goes."),
    Code("E814", "an output file of an unknown format",
         "The suffix of a file chooses its format, and this one is not known.",
         "End the name in .h5, .csv, .npz, .vtu or .xdmf; that of a movie in .gif or, with ffmpeg, "
         ".mp4."),
    Code("E815", "a file that could not be written",
         "The disk is full, or it failed while a file was written. What was in the folder before "
         "is still there, and nothing in it is half written.",
         "Free some space, or choose a folder on another disk with -o FOLDER."),
    Code("E816", "a file that is no result",
         "The file cannot be read as a solution that pdesl wrote: it is damaged, in another "
         "format, or of a later layout.",
         "Give the solution.h5 that pdesl run wrote."),
    Code("E817", "a field that cannot be saved under its name",
         "Result files hold other quantities under names of their own: the coordinates, node, "
         "node_kind, boundary_part, network, history, normal_x and the like, and u_exact and "
         "u_error beside a field u.",
         "Give the field another name."),
    Code("E818", "a movie that cannot be made",
         "A movie shows a field in space over time.",
         "Draw the pictures of the result without --movie."),
    Code("E830", "no fitted model to run",
         "pdesl predict takes the folder of a fit, with the start of every field.",
         "Name the folder that pdesl run wrote, and give the start as the message says."),
    Code("E831", "a checkpoint that cannot be resumed from",
         "A run leaves a checkpoint in its output folder until it "
         "reaches its end; a fit keeps its own, and goes on if the problem is the same but for how "
         "long. A damaged one, or one of another version of pdesl, might go on differently.",
         "Give the folder of a run that was interrupted or killed, or run it without --resume."),
)  # fmt: skip

_STENCILS = (
    Code("E710", "too few nodes for the order",
         "A finite-difference formula of order p on scattered nodes needs a stencil of a certain "
         "number of nodes, and along a periodic direction a stencil must stay within half a "
         "period.",
         "Use more nodes, or a lower order."),
    Code("E711", "two nodes at one place",
         "A formula cannot tell two nodes apart that coincide.",
         "Remove one of the two."),
    Code("E712", "a stencil that is unusable",
         "The nodes nearest to a point lie on a curve or surface of low degree, or are so uneven "
         "that no digit of the formula is left.",
         "Add nodes there, use ghost nodes, or use a larger stencil or a lower order."),
    Code("E713", "stencils asked for with arguments that do not fit together",
         "Shapes, multi-indices, degree, exponent and stencil size depend on one another.",
         "The message says which of them do not fit."),
)  # fmt: skip

_TRAINING = (
    Code("E701", "a loss that is not finite",
         "The loss or its gradient is NaN or infinite, so no direction of descent exists.",
         "Look for expressions that are undefined at a point or for a value (a quotient by zero, "
         "a root or logarithm of a negative number), or lower the learning rate of adam."),
    Code("E720", "float64 where JAX works in float32",
         "JAX rounds every number to float32 unless it is told otherwise before it starts.",
         "Set the environment variable JAX_ENABLE_X64=1 before Python starts, or choose float32."),
    Code("E721", "too many parameters for SSBroyden",
         "Its memory grows to a matrix of parameters × parameters numbers.",
         "Choose the optimiser lbfgs, a smaller network, or raise its option `largest`."),
)  # fmt: skip

_WARNINGS = (
    Code("W901", "a look-alike of a character",
         "Unicode has several characters that look alike (µ and μ, ∆ and Δ, ⋅ and ·). They are "
         "read as one, but a search in the file will not find them together.",
         "Write the usual one; pdesl fmt does it for the whole file."),
    Code("W902", "a Cyrillic letter among Latin or Greek ones",
         "It looks like a Latin letter and makes another name.", "Write the Latin letter."),
    Code("W903", "a special space",
         "A no-break or thin space, often copied from a PDF, is read as a plain one.",
         "Write a plain space."),
    Code("W904", "a byte order mark",
         "UTF-8 needs none; it is ignored.", "Save the file as UTF-8 without a byte order mark."),
)  # fmt: skip

_TABLES = (
    _FILES, _SYNTAX, MEANING, METHODS, _GEOMETRY, _RESULTS, _STENCILS, _TRAINING, _WARNINGS,
)  # fmt: skip
CODES: dict[str, Code] = {
    code.code: code
    for code in sorted((c for table in _TABLES for c in table), key=lambda c: (c.code[0], c.code))
}


def explain(code: str) -> str:
    """The page of a code: title, reason, a wrong example with its message, and the remedy.

    Raises:
        KeyError: there is no such code.
    """
    page = CODES[code]
    parts = [f"{page.code}: {page.title}", page.why]
    example = _example(code)
    if example:
        parts.append("For example, this is refused:" if code[0] == "E" else "For example:")
        parts.append("\n".join(f"    {line}".rstrip() for line in example.splitlines()))
    parts.append(f"What to do: {page.fix}")
    return "\n\n".join(parts) + "\n"


def _example(code: str) -> str:
    """The malformed file of a code without its header, shortened; empty where there is none."""
    from pdesl.resources import malformed_folder

    try:
        paths = sorted(malformed_folder().glob(f"{code}*.pde"))
    except FileNotFoundError:
        return ""
    if not paths:
        return ""
    text = paths[0].read_bytes().decode("utf-8", "replace").lstrip("\ufeff")
    lines = [line for line in text.splitlines() if not line.startswith(("# expect ", "# stage:"))]
    # What is asked from outside stands in the header, too.
    lines = [line.replace("# set: ", "# with --set ", 1) for line in lines]
    shown = [line if len(line) <= 90 else f"{line[:87]}…" for line in lines[:20]]
    return "\n".join(shown + ["…"] * (len(lines) > 20)).strip("\n")
