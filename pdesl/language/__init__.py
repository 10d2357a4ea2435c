"""The text of a `.pde` file and its syntax tree."""
