"""Alembic's entry: runs the migrations on the engine that store/database.py hands over."""

from alembic import context

from store.schema import metadata

with context.config.attributes["engine"].begin() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()
