"""The expression language: JMESPath with flowbridge's functions, compiled once."""
