"""What a bridge offers: its resources, each with the rows of its endpoints and their functions.

The admin API answers it over HTTP, the console and the commands in process.
"""
