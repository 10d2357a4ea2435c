"""Coordinates, fields, operators and problems as symbols; nothing here imports JAX."""
