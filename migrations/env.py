"""Alembic's environment. It knows the tables and the engine that it is given, nothing else of the gateway."""

from alembic import context

from gateway.store.tables import metadata

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
