"""Called by alembic. The connection, and the transaction around it, belong to ``migrations.upgrade``."""

from alembic import context

from switchboard.records.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    compare_type=True,
)
context.run_migrations()
