"""From rows on jet space to arrays: nodes, RBF-FD operators, jets of networks."""
