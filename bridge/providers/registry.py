"""All providers, by name. Pure.

To add a provider, add a row to one of these modules, a sample payload under `samples/` and test
vectors under `tests/`. The sources of each row are the page in `docs` and, where `evidence` is
`vector`, published values in `tests/vectors*.py`.
"""

from types import ModuleType

from bridge.providers.catalog import (
    ai,
    banking,
    billing,
    builds,
    cloud,
    code,
    commerce,
    content,
    crm,
    documents,
    forms,
    general,
    identity,
    mail,
    messaging,
    monitoring,
    payments,
    phone,
    social,
    work,
)
from bridge.providers.model import Provider

CATALOG_MODULES = (
    code,
    builds,
    monitoring,
    cloud,
    identity,
    ai,
    payments,
    messaging,
    mail,
    phone,
    social,
    banking,
    billing,
    commerce,
    forms,
    crm,
    work,
    documents,
    content,
    general,
)


def catalog_title(module: ModuleType) -> str:
    """Return the title of a module's rows, from its docstring: `Billing and subscriptions`."""
    kind = " ".join((module.__doc__ or "").split()).partition(": ")[2].partition(". Pure")[0]
    return kind[:1].upper() + kind[1:]


#: Every row, by name, in the order of listings and docs.
PROVIDERS: dict[str, Provider] = {
    row.name: row for module in CATALOG_MODULES for row in module.ROWS
}
