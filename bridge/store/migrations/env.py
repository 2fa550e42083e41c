"""Alembic's entry point: run the migrations on the connection passed by `upgrade`."""

from alembic import context

from bridge.store.tables.schema import metadata

for table in metadata.tables.values():
    for index in table.indexes:
        index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
