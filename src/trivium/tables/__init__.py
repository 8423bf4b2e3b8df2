"""Tables: a file or a data frame becomes a schema and arrays."""
