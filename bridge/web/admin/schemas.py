"""JSON Schemas of the answers of the admin API, by name: those of records, and of lists of them.

Every key of a record is always present, unless it is optional. Contents are null for a token
without the scope `bodies`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from bridge.api import problems
from bridge.api.endpoint import LIST, Endpoint
from bridge.api.parameters import SCREEN
from bridge.services import records
from bridge.services.records.json_record import JsonRecord
from bridge.services.records.json_schema import Schema, page_of, with_screen
from bridge.web.admin import endpoints

_RECORD_MODULES: Final = [
    import_module(f"{records.__name__}.{module.name}")
    for module in iter_modules(records.__path__)
    if module.name.endswith("_records")
]
RECORDS: Final[dict[str, JsonRecord[object]]] = {
    value.name: value
    for module in (endpoints, problems, *_RECORD_MODULES)
    for value in vars(module).values()
    if isinstance(value, JsonRecord) and value.name
}


def _list(endpoint: Endpoint) -> Schema:
    schema = page_of(str(endpoint.schema).removesuffix(LIST), **endpoint.list_keys)
    has_screen = SCREEN in endpoint.parameters
    return with_screen(schema) if has_screen else schema


SCHEMAS: Final[dict[str, Schema]] = {
    **{name: value.schema for name, value in RECORDS.items()},
    **{
        endpoint.schema: _list(endpoint)
        for endpoint in endpoints.ENDPOINTS
        if endpoint.schema and endpoint.schema not in RECORDS
    },
}
