"""One module a resource: the rows of its endpoints, and the functions that answer them."""
