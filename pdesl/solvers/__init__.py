"""The methods, and what they share: networks, optimisers, training."""
