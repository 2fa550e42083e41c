"""The `match` and `when` clauses of a route."""
