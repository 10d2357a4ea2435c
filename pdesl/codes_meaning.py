"""The codes of mistakes in meaning: names, expressions, domains, conditions, options, methods.

They are found behind the syntax, by elaboration, on jet space, by the options of methods, and
while a problem is solved.
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
         "Operators, functions, pi, exact and unknown belong to the language.",
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
         "Data are derived from a known solution, so it needs a formula for every unknown field.",
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
)  # fmt: skip

_OPTIONS = (
    Code("E501", "an unknown method", "No method has this name.",
         "Use one of the names in the message, or pdesl list solvers."),
    Code("E502", "an unknown option", "An option that is not known would be ignored, so it is "
         "refused.",
         "Correct the name; pdesl list solvers shows the options of every method."),
    Code("E503", "an option of a wrong type",
         "An option is a whole number, a number, a name, true or false, as its method says.",
         "Write a value of the type that the message names."),
    Code("E504", "an option out of its range",
         "The method cannot work with this value.", "Write a value in the range of the message."),
    Code("E505", "data without a file", "A data set is read from a file.",
         'Write obs = load("run.h5").'),
    Code("E506", "an option given twice", "One of the two values would be ignored.",
         "Keep one of them."),
    Code("E507", "a setting of something that the file does not have",
         "--set and profiles change lines of the file, and options of solver:, verify:, fit: and "
         "sweep:.",
         "Use one of the names in the message."),
    Code("E508", "a setting that cannot be read",
         "A setting is the name of a block, a point, a name, = and a value.",
         "Write --set solver.order=5 or --set parameters.κ=2."),
    Code("E509", "a method that is no name", "A method is chosen by its name.",
         "Write method = dt_pinn(order=4)."),
    Code("E510", "an option without its name",
         "Options have names, since their order would be easily mistaken.",
         "Write dt_pinn(order=4)."),
    Code("E511", "a measurement of no data set",
         "The left of ≈ is a column of a data set, the right what the model says of it.",
         "Write obs.u ≈ u, with obs declared under data:."),
    Code("E512", "an unknown profile", "A profile is a block of the file, chosen by its name.",
         "Use the name of a profile of the file."),
    Code("E513", "a line of a profile that changes nothing",
         "A profile is made of settings of the file's lines.", "Write solver.order = 5."),
    Code("E514", "too few nodes for the order",
         "A stencil of order p for derivatives of order θ in d dimensions has 2 C(p + θ - 1 + d, "
         "d) + 1 nodes, more than there are; and features need as many collocation points.",
         "Choose a lower order or fewer features, or many more nodes or points."),
    Code("E515", "an unknown choice inside an option",
         "An optimiser, a discretisation in space or an integrator in time has a name from a "
         "table, and this is none of them.",
         "The message names those there are."),
    Code("E530", "nodes by number and by spacing at once, or by neither",
         "Nodes are placed by their number or by the distance between neighbours; each follows "
         "from the other.",
         "Keep one of them: nodes=2000, spacing=0.05 or spacing=0.01 + 0.1 x²."),
    Code("E531", "a spacing that is no function of the place",
         "The distance between nodes is a number, or a formula in the spatial coordinates and "
         "parameters, in up to three dimensions. Nodes are the same at all times and are placed "
         "before any field is known.",
         "Write it with coordinates, numbers and parameters."),
    Code("E532", "a spacing that is not positive everywhere",
         "Neighbours have a positive, finite distance at every place of the domain.",
         "Add a smallest spacing, 0.01 + …"),
    Code("E533", "a spacing that needs too many nodes",
         "The number of nodes is estimated from the spacing before any is placed, and this many "
         "would not fit into memory.",
         "Take a larger spacing, at least where it is smallest."),
    Code("E534", "a file of nodes that cannot be read",
         "Nodes are read from CSV, NPZ or HDF5 files of bounded size, whose path is relative to "
         "the problem's file.",
         'Write load("nodes.csv") for a file beside the problem.'),
    Code("E535", "a file of nodes with something missing",
         "Every node has its coordinates, its kind (interior or boundary) and, on the boundary, "
         "its normal: columns such as x, y, kind, nx, ny.",
         "Add the column, or the rows, that the message names."),
    Code("E536", "a file of nodes with a value that cannot be",
         "Coordinates and normals are finite numbers; the kind is interior or boundary, or 0 or "
         "1.",
         "Correct the row; rows are counted from 1 behind the header."),
    Code("E537", "a normal that does not point outside",
         "Conditions on derivatives, and the nodes outside the boundary, need the outward normal "
         "at every boundary node.",
         "Turn the normal round, or check the region under domain:."),
    Code("E538", "nodes at places where they cannot be",
         "Nodes lie inside the region or, within a quarter of their spacing, on its boundary, "
         "each at a place of its own.",
         "Check the region under domain: against the file; leave out nodes that stand twice."),
    Code("E539", "an unknown part of the boundary in a file of nodes",
         "The parts of the boundary are those of the region, by name or by number from 0.",
         "Use one of its names, or leave the column out: every node then belongs to the nearest "
         "part."),
    Code("E516", "a convergence study without a known solution",
         "The order of convergence is measured on errors, and errors need a solution to compare "
         "with.",
         "Add a manufactured: block, verify: with the exact solution, or a reference run."),
    Code("E517", "a ladder that is none",
         "A convergence study refines one option of the method through two or more values.",
         "Write nodes = [400, 800, 1600] under verify:."),
    Code("E520", "a time integrator without the size of its steps",
         "Multistep and exponential integrators do not estimate their error, so they cannot choose "
         "their steps.",
         "Write time = sbdf2(dt=0.01), or choose imex_rk4, which finds its steps."),
    Code("E521", "numbers of points that do not fit the coordinates",
         "A grid has one number of points for all coordinates, or one for each.",
         "Write points=64, or points=[64, 32] in two dimensions."),
    Code("E522", "a reference that cannot be used",
         "reference = … under verify: names a method whose run stands for the exact solution where "
         "none is known.",
         "Write reference = method_of_lines(…), and state no known solution beside it."),
)  # fmt: skip

_CAPABILITIES = (
    Code("E602", "an operator that has no form in curved space",
         "With a metric, □ of a vector of space, an operator along one family of coordinates, and "
         "second derivatives of tensors could be meant in several ways.",
         "Say with indices what is meant, ∇^{μ} ∇_{μ} A^{ν}."),
    Code("E603", "a field at another point, or over the whole domain",
         "An equation is local: its fields stand at the point where it holds. Integrals, averages "
         "and values elsewhere cannot be solved for.",
         "Write the field alone; observables belong under output:."),
    Code("E604", "indices on what is no tensor, or a tensor without them",
         "Indices stand on the tensors of a metric (g, Γ, R, G, δ, ε), on vectors, and on what is "
         "declared with indices, A_{μ}(t, x) : tensor or F_{μν} = … under let:.",
         "Declare the tensor, or leave out the indices; a scalar has none."),
    Code("E605", "an unknown metric", "No metric has this name.",
         "Spell it out, ds² = …."),
    Code("E606", "the derivative of a jump",
         "A step, the sign or the slope of an absolute value jumps, and a jump has no derivative "
         "that could be computed with.",
         "Smooth it: (1 + tanh(u/δ))/2 for a step, sqrt(u² + δ²) for |u|."),
    Code("E611", "unknown parameters that the method does not find",
         "The method solves for fields alone.",
         "Give the parameter a value, --set parameters.NAME=…."),
    Code("E612", "a closure that the method does not learn",
         "The method solves for fields alone.", "Write the term as a formula."),
    Code("E613", "data that the method does not fit", "The method solves equations alone.",
         "Remove the blocks fit: and data:."),
    Code("E614", "a problem in time alone", "The method solves problems in space.",
         "Add a spatial coordinate to domain:."),
    Code("E615", "too many dimensions for stencils",
         "Stencils of nodes are made in up to three dimensions.", "Choose pinn, --solver pinn."),
    Code("E616", "a periodic direction that the method does not have",
         "The networks of this method, or its tanh features, are not periodic.",
         "Choose dt_pinn, whose stencils wrap around, or random_features with kind=sin."),
    Code("E617", "a field that does not depend on every coordinate",
         "The method computes all fields on the same nodes.",
         "Declare the field over all coordinates, with an equation that keeps it constant."),
    Code("E618", "a derivative of an order that the method does not reach",
         "Networks are differentiated up to order 4.",
         "Choose dt_pinn for derivatives in space, or introduce a field for a derivative."),
    Code("E619", "a time-dependent problem for a steady method",
         "The method solves one linear or nonlinear system, without time.",
         "Choose method_of_lines, dt_pinn or pinn."),
    Code("E620", "output at times that cannot be",
         "Fields are written at given times of the range, or at the end; a method chooses its "
         "steps by itself, so that their number says nothing.",
         'Write every 0.1: u -> "u.h5", at 0.5: u -> "u.h5", or at end: u -> "u.h5".'),
    Code("E621", "output of something that is no field", "Fields can be written yet.",
         "Name the fields; what is made of them can be computed from the file."),
    Code("E626", "no evolution equation",
         "A method that steps in time needs a time derivative of every field from the equations; "
         "a constraint such as ∇·v = 0 gives none.",
         "Give every field an equation with its time derivative, or choose a method that solves "
         "all times at once."),
    Code("E627", "a highest time derivative that stands nonlinearly",
         "Evolution form solves the equations for the highest time derivatives, which needs them "
         "to stand linearly, (1 + u²) ∂t u rather than (∂t u)².",
         "Solve the equation for the highest time derivative by hand."),
    Code("E628", "an equation in space at every moment",
         "A spatial derivative of the highest time derivative of the same field, ∂t∂x² u, or a "
         "field without time derivative in its own Laplacian would have to be solved for at every "
         "moment.",
         "Choose a method that solves all times at once, or solve for the highest time derivative "
         "by hand."),
    Code("E630", "a steady problem for a method that steps in time",
         "The method advances fields from initial values, and the problem has no time.",
         "Choose rbf_fd, or add a time coordinate to domain:."),
    Code("E632", "a boundary condition that cannot be solved with every step",
         "Boundary values follow from the others by a linear system that is factorised once. A "
         "condition that is nonlinear, holds a time derivative, or has a coefficient that changes "
         "in time is no part of it; data that change in time are.",
         "Choose dt_pinn or pinn, or write the condition in a linear form."),
    Code("E633", "a domain that the discretisation in space does not have",
         "finite_difference has a grid over a box, fourier one over a box that is periodic in "
         "every direction.",
         "Choose space = rbf_fd(…), which takes any domain."),
    Code("E635", "a stiff part that is not diagonal in Fourier space",
         "A coefficient that depends on place or time couples all wave numbers.",
         "Choose space = finite_difference(…), or mark a constant part as stiff."),
    Code("E636", "an exponential integrator without a diagonal",
         "etd1, etdrk2 and etdrk4 need the exponential of the stiff part, which is at hand where "
         "that is diagonal: constant coefficients on a periodic box.",
         "Choose time = imex_rk4(…)."),
)  # fmt: skip

_NUMERICS = (
    Code("E740", "a solution that is not finite on the way",
         "A step in time led to values that are no numbers: the step is too large for a term that "
         "is not implicit, a term is undefined for a value that it met, or the solution blows up.",
         "Take a smaller dt, choose steps by rtol, or mark stiff terms with stiff(…)."),
    Code("E741", "a step in time that vanishes",
         "However small the step, the estimated error stays above the tolerance; or there are too "
         "many steps.",
         "End the time range before the solution blows up or jumps, or raise rtol."),
    Code("E742", "boundary conditions that do not fix a value each",
         "At a node of the boundary each condition determines one nodal value of a field that it "
         "holds. Here there is no such assignment.",
         "State a condition for each field, or two for a field of order 4."),
    Code("E743", "a singular matrix in a step of time",
         "The equations of an implicit step, or the boundary conditions alone, do not determine "
         "all nodal values.",
         "Check the boundary conditions, or take other nodes."),
    Code("E700", "a failure while solving",
         "The computation could not go on; the message says at which step.",
         "Follow the advice of the message."),
    Code("E702", "a boundary condition without nodes",
         "The condition holds on a part of the boundary that is smaller than the distance of the "
         "nodes.",
         "Take more nodes, or a larger part of the boundary."),
    Code("E703", "a solution that is not finite",
         "The trained network gives no finite value at some test points.",
         "Choose precision = float64, or a smaller network."),
    Code("E704", "a singular matrix",
         "The equations do not determine the solution, as in a problem with derivatives on the "
         "whole boundary, whose solution is known up to a constant; or the nodes do not serve.",
         "Fix the solution at one part of the boundary, or use other nodes."),
    Code("E705", "Newton's method without an end",
         "The steps did not become small: the start is far from a solution, or there is none.",
         "Allow more iterations, weaken the nonlinearity and strengthen it step by step, or choose "
         "dt_pinn."),
    Code("E706", "a matrix that does not determine every field",
         "There are not as many conditions at the nodes as values to be found.",
         "Check the boundary conditions of each field."),
    Code("E709", "factors that do not fit in memory",
         "A direct solver keeps the triangular factors of its matrix. In the plane they hold about "
         "N log N numbers for N nodes, in space N^(4/3), times the width of the stencils.",
         "Take fewer nodes or a lower order, or a method that trains a network."),
    Code("E707", "a compared method that failed",
         "A comparison needs the result of every method that it names; the message of the one "
         "that failed is part of this one.",
         "Mend what that message names, or leave the method out of --solvers."),
)  # fmt: skip

_FILES = (
    Code("E801", "neither a file nor a problem of that name",
         "A problem is given by the path of a file that ends in .pde, or by the name of one that "
         "comes with pdesl.",
         "Check the path; pdesl list problems shows the names."),
)  # fmt: skip

_WARNINGS = (
    Code("W910", "a name that is never used",
         "It may be a slip: another name may stand where this one was meant.",
         "Remove it, or use it."),
    Code("W930", "a chart that degenerates inside the domain",
         "An entry of the metric or of its inverse grows without bound: at the horizon of a black "
         "hole in coordinates that end there, on the axis of polar coordinates, at a singularity. "
         "No method is accurate near such a place.",
         "Choose a chart that is regular there, such as kerr_schild, or a domain that leaves the "
         "place out."),
    Code("W931", "an equation that is ill-posed in time",
         "The highest derivatives of an equation in time decide whether data at the start "
         "determine a solution. Where it is elliptic, or short waves grow without bound, they do "
         "not; inside a horizon, for one, the time of Schwarzschild's coordinates is no time.",
         "Check the signs of the highest derivatives, or choose a domain in which they are right."),
    Code("W920", "initial and boundary data that disagree",
         "At the start, the initial data do not satisfy the boundary condition. The solution jumps "
         "there, and no method is accurate near a jump.",
         "Make one of them fit the other, or let the boundary data start from the initial ones."),
    Code("W940", "a solution that is free by a constant",
         "The equations and conditions of a steady problem hold only derivatives of a field (as "
         "with Neumann conditions on the whole boundary, or periodic directions alone), so that "
         "with one solution every sum with a constant is another. There may also be none, unless "
         "sources and fluxes balance. A direct solver finds a singular matrix; a trained network "
         "takes any of the solutions.",
         "Fix the value of the field on a part of the boundary, or add a term in the field."),
)  # fmt: skip

MEANING: tuple[Code, ...] = (
    *_NAMES, *_EXPRESSIONS, *_DOMAINS, *_OPTIONS, *_CAPABILITIES, *_NUMERICS, *_FILES,
    *_WARNINGS,
)  # fmt: skip
