"""The expression language: JMESPath with our functions, compiled once."""
