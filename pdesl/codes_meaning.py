"""The codes of mistakes in meaning: names, expressions, domains and conditions.

They are found behind the syntax, by elaboration and on jet space.
"""

from __future__ import annotations

from pdesl.code import Code

__all__ = ["MEANING"]

_NAMES = (
    Code("E201", "a name that is not declared",
         "Every name of a formula is declared: a coordinate under domain:, a number under "
         "parameters:, an unknown under fields:, a formula under let:.",
         "Declare it, or correct the name. Each unknown name is reported once."),
    Code("E202", "an unknown function",
         "A name directly before a bracket is a call, and neither the language nor the file has "
         "such a function.",
         "Correct the name, define the function under let:, or write a product with a space, "
         "a (x + y)."),
    Code("E203", "a name declared twice",
         "A name has one meaning in a file, whatever the block.",
         "Give one of the two another name."),
    Code("E204", "a name that has a meaning already",
         "Operators, functions, pi, exact and unknown belong to the language; a name with a dot is "
         "that of an array in a data set.",
         "Choose another name."),
    Code("E205", "a name of another kind",
         "A region, a data set or a name that is declared for another block has no value that "
         "could stand here. Parameters, for one, are numbers and know neither coordinates nor "
         "fields.",
         "Use a name that has a value here; formulas with coordinates go under let:."),
    Code("E206", "a name that is defined by itself",
         "To compute it, its own value would be needed, perhaps through other names.",
         "Define one of the names by others, or make it a field with an equation."),
    Code("E207", "a region that is not declared",
         "A region is defined under domain:, as in Ω = disk(radius=1).",
         "Define the region, or correct its name."),
    Code("E208", "a derivative along what is no coordinate",
         "Derivatives go along the coordinates that domain: declares, or along the normal n.",
         "Correct the name, or declare the coordinate."),
    Code("E209", "a function without its arguments",
         "A function has a value only at its arguments.", "Write them in brackets: f(x)."),
    Code("E210", "a derivative along a coordinate that a field does not depend on",
         "A field is a function of the coordinates in its brackets; along any other its derivative "
         "is zero, and a term that is zero is hardly what was meant.",
         "Name the coordinate in its brackets, u(t, x), or drop the term."),
    Code("E211", "a field that is given twice",
         "A known solution has one formula for each field.", "Keep one of the two lines."),
)  # fmt: skip

_EXPRESSIONS = (
    Code("E301", "scalars and vectors that do not fit",
         "A vector and a scalar cannot be added or equated, gradients take scalars, and "
         "divergences take vectors of as many components as there are spatial coordinates.",
         "Write both sides as vectors or both as scalars; v[1] is a component, a · b a scalar "
         "product, norm(v) a length."),
    Code("E302", "the wrong number of arguments",
         "A function takes a certain number of values, and none with names.",
         "Compare with pdesl list functions."),
    Code("E303", "a number that depends on a coordinate or a field",
         "Bounds, radii, values of parameters and the like are numbers.",
         "Write numbers and parameters alone; formulas belong under let: or equations:."),
    Code("E304", "something that cannot stand in a formula",
         "Texts, regions, comparisons and deviations (±) have no value to compute with.",
         "Write a number, a name or a formula."),
    Code("E305", "a number that is too large",
         "Numbers are computed in floating point, which ends at about 1e308, and exact fractions "
         "of more than some thousand digits are refused.",
         "Choose units in which the number is nearer to 1, or write an exponential."),
    Code("E306", "an expression that is too large",
         "Definitions are put in where their names stand, and derivatives are worked out; so an "
         "expression may grow far beyond what is written. Its size and its nesting are limited.",
         "Introduce a field for a part of it, with an equation of its own."),
    Code("E307", "units that do not agree",
         "When a file names any unit, every sum and every equation is checked: a length cannot "
         "equal a time, nor stand in an exponential.",
         "Correct the formula, or give its numbers their units, as in 9.81 [m/s²]."),
    Code("E308", "exact(…) without a known solution",
         "exact(u) stands for the known solution, and the file has none.",
         "Add a manufactured: block with u = …, or give u under verify:."),
    Code("E309", "a derivative of a very high order",
         "Derivatives go up to order 12.",
         "Introduce a field for a derivative of lower order, with an equation of its own."),
    Code("E310", "a parameter without a value",
         "Its formula gives no finite real number: something is divided by zero, or a root or a "
         "logarithm has a negative argument.",
         "Correct the formula or the parameters that it is made of."),
    Code("E311", "an operator that has no meaning here",
         "∇ needs spatial coordinates, □ also time, a curl two or three dimensions, and an "
         "operator on a vector as many components as there are dimensions.",
         "Declare the coordinates, or use another operator."),
    Code("E312", "a constant that is no finite real number",
         "Something is divided by zero, a root or logarithm has a negative argument, or an "
         "exponential leaves the range of numbers.",
         "Correct the formula."),
    Code("E313", "a source without values",
         "A field of type source is data. Its values are derived from a known solution, and the "
         "file has none.",
         "Add a manufactured: block, or define the source under let: in place of its "
         "declaration."),
    Code("E314", "a known solution that misses a field",
         "Data are derived from a manufactured solution, so it needs a formula for every unknown "
         "field; one under verify: may know some of them, those of its bounds and of exact(…).",
         "Add a line for the missing field."),
    Code("E315", "a known solution of what is no field",
         "The left side of a known solution is a field, or a vector field.",
         "Write u = …, with u declared under fields:."),
    Code("E316", "a stiff part that is not linear",
         "The stiff part is solved implicitly, by linear systems: it is linear in the fields, "
         "without time derivatives, and a term of the equation, not inside a function.",
         "Mark linear terms alone with stiff(…), and leave the rest in nonstiff(…)."),
    Code("E317", "a file without an equation", "There is nothing to solve.",
         "Add a block equations: with a line such as ∇²u = 0."),
    Code("E318", "a field of unknown type",
         "A field is a scalar, a vector or a source (data that may be derived).",
         "Write u(x, y) : scalar."),
    Code("E319", "a field without its coordinates",
         "A field says what it depends on, since that decides what its equation means.",
         "Write u(t, x) : scalar."),
    Code("E320", "a closure that cannot be read",
         "A closure is a network with its inputs.", "Write c = mlp(u, hidden=(64, 64))."),
    Code("E321", "an equation that says nothing", "Both sides are the same.",
         "Write an equation that determines the field, or delete the line."),
    Code("E322", "a metric that cannot be read",
         "A metric is a line element, ds² = … with two differentials in each term, a matrix or a "
         "name with its options, and a problem has one.",
         "Write ds² = -dt² + dx² + dy², g = [[-1, 0], [0, 1]] or g = schwarzschild(mass=M)."),
    Code("E323", "a bound that cannot be read",
         "A bound under verify: compares a measured quantity of a field with a number. The "
         "quantities are order, error, relative_l2, linf and residual.",
         "Write relative_l2(u) ≤ 1e-4 or order(u) ≥ 3.5."),
    Code("E324", "more or fewer equations than unknowns",
         "Each unknown field needs one equation; a vector counts once for each component. A "
         "source is no unknown.",
         "Add or remove equations, or declare a field as a source."),
    Code("E325", "a field that no equation holds",
         "Nothing determines it.", "State an equation for it, or remove the field."),
    Code("E326", "a value that is not finite in the domain",
         "A coefficient, a source or a known solution is infinite or not real at a point of the "
         "domain, as 1/x at x = 0 or sqrt(x) for negative x.",
         "Correct the formula, or leave the point out of the domain."),
    Code("E327", "an expression that cannot be evaluated",
         "It holds a function or a number without a numerical form.",
         "Rewrite it with the functions of pdesl list functions."),
    Code("E328", "an unknown number that cannot be read",
         "unknown(…) takes a start and bounds, in order, with the start between them.",
         "Write unknown(start=1, bounds=(0, 3))."),
    Code("E329", "a component that does not exist",
         "Components are counted from 1.", "Write v[1] for the first component."),
    Code("E330", "a line that does not belong to its block",
         "Each block has lines of its own kind: definitions under parameters:, declarations under "
         "fields:, equations under equations:.",
         "Move the line to its block, or write it in the form that the message shows."),
    Code("E331", "a definition whose arguments are no names",
         "f(x) = … defines f for every x, so its arguments are names, each once.",
         "Write f(x, y) = …."),
    Code("E332", "a unit that is not known",
         "Units are those of the SI and what is derived from them, with the usual prefixes. "
         "Degrees Celsius and Fahrenheit do not start at zero and cannot be multiplied.",
         "Correct the unit, or convert the number."),
    Code("E333", "a source that cannot be derived",
         "A derived source is what the known solution leaves over in one equation; there it is a "
         "term of its own, not inside a function, a product with a field or a derivative.",
         "Let it stand alone in one equation, ∇²u = … + f."),
    Code("E334", "a known solution that holds more than coordinates",
         "A known solution is a formula in coordinates and parameters; fields, normals and "
         "operators have no value in it.",
         "Write it as a formula in the coordinates."),
    Code("E341", "an ansatz that cannot be",
         "A line of reduce: gives a field by new fields that depend on fewer of its coordinates, "
         "ψ = u Y(ℓ, m, θ, φ)/r with u(t, x).",
         "Declare the new field over the coordinates that shall be left, and build the ansatz of "
         "new fields, eigenfunctions and formulas."),
    Code("E342", "an eigenfunction with wrong arguments",
         "The angles of Y(ℓ, m, θ, φ) and legendre(ℓ, m, θ) are coordinates that no new field "
         "depends on, the degrees numbers or parameters.",
         "Write the degrees first, then the angles."),
    Code("E343", "an equation that does not separate",
         "With the ansatz every term must have the same factor in the separated coordinates, so "
         "that it can be divided out; one has another.",
         "Choose another ansatz, or several new fields with independent functions of the "
         "separated coordinates."),
    Code("E344", "a statement that a reduction leaves without meaning",
         "Behind a reduction there are the new fields and the coordinates that are left, and no "
         "metric.",
         "State conditions and known solutions for the new fields, with derivatives along "
         "coordinates."),
    Code("E345", "a domain that cannot be separated",
         "A coordinate is separated off if its range does not depend on the others.",
         "Give it an interval of its own, or leave it out of domain:, since a separated "
         "coordinate needs no range."),
    Code("E335", "a metric that cannot be",
         "The matrix of a metric has a row and a column for every coordinate, is symmetric and "
         "not degenerate, and mixes at most four coordinates with one another.",
         "Check the matrix: g[i, j] = g[j, i], and a determinant that does not vanish."),
    Code("E336", "coordinates that do not fit the metric",
         "A metric by name is one of space-time or of space, with a number of coordinates in an "
         "order that its chart fixes. Where they have names of their own, the order is theirs "
         "under domain:, or that of the option coordinates.",
         "Declare the coordinates in the order that the message shows, or write "
         "coordinates=[r, θ, φ]."),
    Code("E337", "a metric whose signature changes",
         "The numbers of negative and positive eigenvalues are the same at every point where a "
         "metric is one; between points where they differ its determinant vanishes.",
         "Correct a sign, or choose a domain in which the determinant keeps its sign."),
    Code("E338", "a domain that its chart does not cover",
         "A chart has ranges: r ≥ 0, 0 ≤ θ ≤ π, an angle once around.",
         "Choose a domain inside the chart, or another chart."),
    Code("E351", "a wrong number of indices",
         "Each tensor has a fixed number of indices: the metric two, a Christoffel symbol three, "
         "the curvature R two (Ricci) or four (Riemann).",
         "Write as many as the tensor has."),
    Code("E352", "an index that stands more than twice",
         "An index that stands twice in a product is summed over; a third one has no meaning.",
         "Use another letter for each sum."),
    Code("E353", "a sum over two indices on one side",
         "With a metric, a sum over an index takes it once above and once below; only in Cartesian "
         "coordinates, without a metric, do the sides make no difference.",
         "Move one of them, ∇_{μ} ∇^{μ} φ, or write the metric, g^{μν} ∂_{μ} φ ∂_{ν} φ."),
    Code("E354", "free indices that differ",
         "An index that is not summed over stands for every component: both sides of an equation "
         "and every term of a sum have the same ones, on the same sides.",
         "Use the same letters, or sum over the index that is too much."),
    Code("E355", "an index that cannot be",
         "An index is a letter that the file does not declare, Greek for all coordinates and Latin "
         "for space, the name of a coordinate, or the number of one.",
         "Use another letter."),
    Code("E356", "indices that the metric does not allow",
         "Moving an index, and everything that is made of the metric, needs one. A tensor of space "
         "alone can be differentiated where space does not change with time and is not mixed with "
         "it.",
         "State the metric, ds² = -dt² + dx²; declare tensors of space and time with Greek "
         "indices."),
    Code("E399", "parts that do not sum to the equation",
         "An equation is taken apart into linear, nonlinear and other terms, and the parts are "
         "compared with it at random values. They differ, which is a defect of pdesl.",
         "Please report it with the file."),
)  # fmt: skip

_DOMAINS = (
    Code("E401", "two coordinates of time", "t, time and τ over an interval name time.",
         "Keep one of them, or give the other a name of its own."),
    Code("E402", "a field over what is no coordinate",
         "The arguments of a declared field are coordinates of domain:.",
         "Add the coordinate to domain:, or leave it out."),
    Code("E403", "no part of the boundary",
         "A condition holds on ∂Ω, on a named part such as left or outer, or on a relation such as "
         "x = 0.",
         "Use one of the parts that the message names."),
    Code("E404", "too few boundary conditions",
         "An equation of order 2 in space needs one condition at each point of the boundary, one "
         "of order 4 two. None is ever assumed.",
         "State a condition for the part that the message names."),
    Code("E405", "too many boundary conditions",
         "An equation of order 2 in space takes one condition at each point of the boundary; with "
         "two, there is mostly no solution.",
         "Remove one, or say where each of them holds, on x = 0."),
    Code("E406", "too few initial conditions",
         "With time derivatives up to order n, a field needs n conditions at the start: its value, "
         "then ∂t u, and so on.",
         "Add the conditions that the message names to initial:."),
    Code("E407", "a condition where there is no boundary",
         "No point of the boundary lies in this part.",
         "Compare with the extent of the domain that the message shows."),
    Code("E408", "a known solution that does not satisfy an equation",
         "Put into the line, the known solution leaves a residual. Errors against it would mean "
         "nothing.",
         "Derive the data from the solution with exact(…) or a field of type source, or correct "
         "the solution."),
    Code("E409", "a boundary condition of too high an order",
         "The conditions of an equation of order n in space hold derivatives up to order n - 1.",
         "State a condition of lower order, u = … or ∂n u = …."),
    Code("E412", "a region that is described by more than space",
         "A region is fixed: spatial coordinates, numbers and parameters with values describe it, "
         "not fields and not time.",
         "Write it with spatial coordinates, as in function = x² + y² - 1."),
    Code("E413", "an unknown shape", "Shapes have fixed names.",
         "Use one of the shapes that the message names."),
    Code("E414", "wrong arguments of a shape",
         "Each shape has arguments of its own, by name or in order: disk(center=(0, 0), radius=1).",
         "Compare with the names in the message."),
    Code("E415", "a shape of another dimension",
         "The names in front of ∈ are the coordinates of the shape behind it, one for each of its "
         "dimensions.",
         "Name as many coordinates as the shape has dimensions."),
    Code("E416", "an interval without a point",
         "An interval is a pair of numbers, the lower bound first.", "Write x ∈ [0, 1]."),
    Code("E417", "a coordinate twice in a field",
         "A field depends on a coordinate once.", "Name each coordinate once."),
    Code("E418", "a region where none belongs",
         "Equations hold in the whole domain and initial conditions everywhere at the start; only "
         "boundary conditions say where.",
         "Move the line to boundary:, or leave out on …."),
    Code("E420", "too many dimensions",
         "A problem has at most 64 spatial coordinates, and [a, b]^n declares n of them, with n a "
         "whole number.",
         "Declare fewer coordinates."),
    Code("E421", "a boundary condition without a place",
         "It says where it holds, since the rest of the boundary needs another condition.",
         "Add on ∂Ω for the whole boundary, or a part, on x = 0."),
    Code("E422", "too many initial conditions",
         "With time derivatives up to order n, a field takes n conditions at the start, of lower "
         "order than n. A field without time derivatives takes none.",
         "Remove the line."),
    Code("E423", "an initial condition without time",
         "There is no start, since the domain has no time.",
         "Add t ∈ [0, 1] to domain:, or remove the line."),
    Code("E424", "a boundary condition in a periodic domain",
         "A domain that is periodic in every direction has no boundary.", "Remove the condition."),
    Code("E425", "a condition without an unknown field",
         "It would restrict nothing.", "State a condition for a field."),
    Code("E426", "the normal inside the domain",
         "n and ∂n belong to the boundary.",
         "Move the line to boundary:, or write ∂x u, ∂y u."),
    Code("E427", "a region of too many shapes",
         "A region is made of at most 50 shapes, each counted as often as it occurs.",
         "Describe it by one function, with level_set."),
    Code("E428", "periodic time", "Time runs from a start, at which the initial conditions hold.",
         "Write an interval, t ∈ [0, 1]."),
    Code("E429", "something that is no region",
         "Behind ∈ stands an interval, a shape, or the name of one.",
         "Write [0, 1], periodic(0, 1), disk(radius=1) or a name."),
    Code("E430", "a part of the boundary that is told by a field",
         "A part is fixed: spatial coordinates, numbers and parameters tell it.",
         "Write on x = 0, or on x² + y² < 1."),
    Code("E431", "a condition on integrals that cannot be",
         "A line of boundary: on integrals over the domain is a sum of integrals, or of means, "
         "with constant factors. It is linear in the fields and holds no derivatives of them.",
         "Write ∫(u) = 0, mean(u) = 1 or ∫(u) = ∫(exact(u))."),
    Code("E432", "a condition on an integral that fixes nothing",
         "Such a condition fixes a constant that the other equations and conditions leave free, as "
         "the pressure of a flow between walls. Where nothing is free it is one too many.",
         "Remove the line, or the condition that fixes the constant already."),
)  # fmt: skip

MEANING: tuple[Code, ...] = (*_NAMES, *_EXPRESSIONS, *_DOMAINS)
