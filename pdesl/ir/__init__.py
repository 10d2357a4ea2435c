"""A problem as rows on jet space."""
