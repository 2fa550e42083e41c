"""The local platform's public flow API under /api/v1.

https://docs.gumloop.com/api-reference/running-an-automation/start-automation and its neighbours;
`openapi.json` says what is served.
"""
