"""The codes of methods: options, what a method cannot solve, failures while solving, warnings."""

from __future__ import annotations

from pdesl.code import Code

__all__ = ["METHODS"]

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
         "d) + 1 nodes, more than there are; features need as many collocation points, and "
         "differences in time of order k need k + 1 slices.",
         "Choose a lower order or fewer features, or many more nodes or points."),
    Code("E518", "a network or a table that is too large",
         "A training holds several numbers for every weight of its network, and for every node at "
         "every time slice the values of a layer. Beyond these limits it would need more memory "
         "than machines have.",
         "Choose a smaller width and depth, fewer nodes, or fewer slices."),
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
    Code("E540", "a file of data that cannot be read",
         "Data come from a CSV, NPZ or HDF5 file in the folder of the problem's file, or below it.",
         "Check the name; the path starts at the problem's file."),
    Code("E541", "a quantity that a file of data does not have",
         "The name behind the dot of obs.u, and the coordinates, are columns of a table or arrays "
         "of the file.",
         'Use a name of the file, or say what it calls a coordinate: load("obs.csv", t="year").'),
    Code("E542", "values of a file of data that do not fit",
         "Values are numbers; arrays have their axes in the order run, time, place. What is "
         "missing is an empty entry, or NaN.",
         "Correct the entry or the shape that the message names."),
    Code("E543", "times of a file of data that cannot be",
         "Times ascend along every run, and lie in the range of time of the domain.",
         "Sort the file by time, or widen the range in domain:."),
    Code("E544", "places of a file of data that cannot be",
         "Measured places lie in the domain; a file without coordinates has one value for each "
         "point of the grid; a window starts where every field is known at every point.",
         "Add the coordinates to the file, or choose the points of the grid among them."),
    Code("E545", "settings of a fit that exclude one another",
         "window is the length of windows that start at measured states, windows the number of "
         "those that a course from initial conditions is cut into; squares are what "
         "levenberg_marquardt minimises; regularise is for closures, whose dynamics it slows down.",
         "Keep one of the two."),
)  # fmt: skip

_CAPABILITIES = (
    Code("E523", "a sweep that cannot be",
         "A line of sweep: names a parameter, or an option such as solver.order, and lists values. "
         "pdesl sweep solves the problem for every combination of them, at most 1,000.",
         "Write κ ∈ [0.1, 1, 10], or solver.order = [2, 4]."),
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
         "Choose method_of_lines, which solves systems of ordinary differential equations, or add "
         "a spatial coordinate to domain:."),
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
         "Results are written at given times of the range, at the end, after every so many steps "
         "of a method that steps in time, or when an inequality between numbers becomes true.",
         'Write every 0.1: u -> "u.h5", at 0.5: u -> "u.h5", at end: u -> "u.h5", every 10 steps: '
         'u -> "u.h5", or when max(u) > 2: u -> "u.h5".'),
    Code("E621", "output of something that is no quantity",
         "Written are fields, expressions of them and their derivatives at every node, values at "
         "a place, u(x=0.5, y=0), and measures of the whole domain: ∫(u²), mean(u), min(u), "
         "max(u), norm(u).",
         "Write one of these; a place needs a number for every spatial coordinate."),
    Code("E622", "values that a file of ParaView does not hold",
         "A file .vtu holds one time, and neither it nor .xdmf a problem in time alone.",
         "Write a series as .xdmf, which ParaView opens too, or as .h5; a table over time as .csv "
         "or .h5."),
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
         "Choose method_of_lines, which solves for fields without a time derivative with every "
         "step, or a method that solves all times at once; write ∂t(u − ∂x² u) = f as ∂t m = f and "
         "u − ∂x² u = m with another field m."),
    Code("E629", "a condition on an integral in a problem in time",
         "∫(p) = 0 fixes a field that is free by a constant at every moment. method_of_lines does "
         "so with every step; a network would need a constant that changes in time.",
         "Choose method_of_lines, or fix the value of the field on a part of the boundary."),
    Code("E630", "a steady problem for a method that steps in time",
         "The method advances fields from initial values, and the problem has no time.",
         "Choose rbf_fd, or add a time coordinate to domain:."),
    Code("E632", "a boundary condition that cannot be solved with every step",
         "Boundary values follow from the others at every moment, so a condition cannot hold a "
         "time derivative that its field's equation gives. In a fit they follow by a linear system "
         "that does not change: there it must be linear as well, with coefficients that stay; data "
         "may change in time.",
         "Choose dt_pinn or pinn, or write the condition in another form."),
    Code("E633", "a domain that the discretisation in space does not have",
         "finite_difference has a grid over a box, fourier one over a box that is periodic in "
         "every direction; a problem in time alone has no space to discretise.",
         "Choose space = rbf_fd(…), which takes any domain; remove space = … where there is none."),
    Code("E634", "an equation that holds at every moment, and that an integrator does not keep",
         "A field without a time derivative, such as a pressure or a stream function, follows from "
         "an equation in space that is solved along with every step; so do boundary conditions "
         "that are not linear. Exponential integrators and series do not solve it; a pressure "
         "must stand linearly in the others' equations, and not on a grid of central differences, "
         "which do not see it where it alternates from node to node.",
         "Choose time = imex_rk3 or dirk3, and space = rbf_fd(…) or fourier(…)."),
    Code("E635", "a stiff part that is not diagonal in Fourier space",
         "A coefficient that depends on place or time couples all wave numbers.",
         "Choose space = finite_difference(…), or mark a constant part as stiff."),
    Code("E636", "an exponential integrator without a diagonal",
         "etd1, etdrk2 and etdrk4 need the exponential of the stiff part, which is at hand where "
         "that is diagonal: constant coefficients on a periodic box.",
         "Choose time = imex_rk4(…)."),
    Code("E648", "an explicit integrator for a stiff problem",
         "Steps of an explicit method are at most about 1/λ for the largest eigenvalue λ of the "
         "stiff part, however smooth the solution is.",
         "Choose time = imex_rk4, which steps as long as the solution allows."),
    Code("E640", "nothing to fit, or nothing to learn",
         "sinode finds unknown numbers and closures by comparing a model with data.",
         "State data:, fit: and what is unknown; another method solves a problem without them."),
    Code("E641", "a course without a start",
         "A course starts from initial conditions, which may be unknown, or at measured states, "
         "for which every field is measured itself.",
         "Add the field to initial:, or to fit:."),
    Code("E642", "a formula that the state of a system does not give",
         "Models of measurements and inputs of closures are formulas in the fields and in their "
         "time derivatives below the highest one.",
         "Write the highest time derivative by the right-hand side of its equation."),
    Code("E643", "a stiff part that cannot be learned with",
         "The implicit terms are linear with factors that are known, or unknown numbers times a "
         "known function of place: they are solved for in every step.",
         "Let the term stand in nonstiff(…), or write its coefficient as a sum of such products."),
    Code("E644", "a boundary condition that is learned",
         "Boundary values are solved for along with every step, by a matrix that is made once; "
         "unknown numbers may stand in the data of a condition.",
         "Let the unknown stand beside the data."),
    Code("E645", "a closure without a grid",
         "Convolutions, and derivatives of closures, need the neighbours that a periodic grid "
         "gives; a closure takes fields and coordinates, and no other closure.",
         "Choose mlp(…), with the derivatives that it needs as inputs."),
    Code("E647", "a size beyond the memory",
         "What a run holds at a time is counted before it starts: values of networks at all nodes, "
         "operators, Jacobians and Gram matrices, the optimiser's matrix.",
         "Take the number of the message, a smaller network, an optimiser or a linear solver that "
         "keeps less, or more devices: what scales with points is divided among them."),
    Code("E646", "something that a method does not give",
         "A method that fits gives a model in a folder, and no solution; only arrays of points, "
         "samples or windows are divided among devices, and not factors and transforms of a whole.",
         "Use pdesl run and pdesl predict; leave --devices out, or choose what the message names."),
)  # fmt: skip

_NUMERICS = (
    Code("E637", "a boundary condition that couples networks",
         "Every field has a network of its own, whose velocity is solved for alone; a condition on "
         "two fields would tie them together.",
         "Write conditions on one field each, or choose method_of_lines."),
    Code("E638", "initial values that an ansatz cannot take",
         "An exponential ansatz, lift + factor · exp(network), stays above its boundary values, "
         "and an exact start has the initial values beside the conditions that hold exactly; "
         "these values are not above, or do not meet the conditions.",
         'Choose ansatz = "linear", start = "fit", or boundary = "penalty"; or mend the initial '
         "values."),
    Code("E649", "a linear solve that float32 does not help",
         "Mixed precision makes the matrix or the preconditioner of a linear solve in float32 and "
         "refines with products in float64; that converges where float32 resolves the "
         "regularisation.",
         "Give linear a regularisation of 1e-6 or more, another solver, or choose precision = "
         "float64."),
    Code("E770", "an initial fit above its budget",
         "The networks do not come near enough to the initial values, and an evolution cannot be "
         "better than its start.",
         "Take wider networks, more frequencies, samples or iterations of the fit, or raise "
         "fit_budget; look whether the initial values jump or miss the boundary condition."),
    Code("E780", "more devices than there are",
         "Work is divided among the devices that JAX has when it starts: graphics processors, or "
         "virtual devices of the processor, whose number is fixed before.",
         "Ask for fewer, or run pdesl run --devices N on a machine without graphics processors, "
         "which makes N virtual devices; in Python set "
         "XLA_FLAGS=--xla_force_host_platform_device_count=N before JAX starts."),
    Code("E771", "a residual above its budget from the start",
         "The networks cannot move as the equations ask: the least-squares problem for their "
         "velocity leaves more than residual_budget. Later on such a residual ends a run with the "
         "result so far.",
         "Take wider networks, more samples or frequencies, or raise residual_budget; a boundary "
         "condition that the equations contradict leaves a residual as well."),
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
    Code("E760", "a time scheme that the terms do not allow",
         "Exponential methods need φ functions of the stiff part, which sparse and matrix-free "
         "operators do not have; the continuous adjoint and adaptive methods step explicitly "
         "with given tableaux.",
         "Take another scheme, or another way to the gradient."),
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
    Code("E708", "data that no solution fits",
         "Where conditions on the flux hold on the whole boundary, the integral of the source over "
         "the domain is that of the flux over the boundary; otherwise there is no solution.",
         "Correct the source or the flux."),
    Code("E709", "factors that do not fit in memory",
         "A direct solver keeps the triangular factors of its matrix. In the plane they hold about "
         "N log N numbers for N nodes, in space N^(4/3), times the width of the stencils.",
         "Take fewer nodes or a lower order, or a method that trains a network."),
    Code("E707", "a compared method that failed",
         "A comparison needs the result of every method that it names; the message of the one "
         "that failed is part of this one.",
         "Mend what that message names, or leave the method out of --solvers."),
    Code("E753", "too many values for a full matrix",
         "On nodes the stiff part of a learned system is a full matrix, whose size is limited.",
         "Take fewer nodes, or a periodic grid."),
    Code("E750", "a misfit that is not finite",
         "The course of the model left the range of numbers: a step of the optimiser was too "
         "large, windows are too long for an unstable model, or steps in time too long for what "
         "is not implicit.",
         "Take a smaller rate, shorter windows, a smaller dt, or mark stiff terms with stiff(…)."),
    Code("E755", "a course that its steps do not get through",
         "Adaptive steps are dt and its halvings, so many at most. A course that grows beyond "
         "bounds, a stiff term that is not marked, or a small rtol with a method of low order ask "
         "for more.",
         "Raise rtol or most_steps, take a method of higher order, or mark stiff terms."),
    Code("E751", "too many numbers for a full Jacobian",
         "levenberg_marquardt differentiates every residual with respect to every learned number.",
         "Choose optimizer = adam(…) or lbfgs."),
    Code("E752", "a prediction that is not finite",
         "A model is only as good as its data: far from them it may be unstable.",
         "Start nearer to them, or fit longer windows."),
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
         "The equations and conditions hold only derivatives of a field without initial data (as "
         "with Neumann conditions on the whole boundary, or periodic directions alone), so that "
         "with one solution every sum with a constant is another. There may also be none, unless "
         "sources and fluxes balance. A direct solver finds a singular matrix; a trained network "
         "takes any of the solutions.",
         "Fix the value of the field on a part of the boundary, or add a term in the field."),
    Code("W941", "a known solution that nearly satisfies an equation or a condition",
         "The solution stated in verify: misses it by a small part, such as a soliton at the ends "
         "of a finite interval. Errors are measured against it all the same.",
         "Take a larger domain, or data that the solution has, u = exact(u)."),
)  # fmt: skip

METHODS: tuple[Code, ...] = (*_OPTIONS, *_CAPABILITIES, *_NUMERICS, *_FILES, *_WARNINGS)
