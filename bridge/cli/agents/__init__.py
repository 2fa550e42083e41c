"""The admin API as tools for agents: the table of tools, their answers, and the server on stdio."""
