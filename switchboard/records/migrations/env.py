"""Called by alembic. The connection, and the transaction around it, belong to ``migrations.upgrade``."""

from alembic import context

from switchboard.records import clinic_models, models, paper_models

TABLES = (models, clinic_models, paper_models)
"""Every module that has tables: what is not imported is not compared."""

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.Base.metadata,
    transactional_ddl=True,
    compare_type=True,
)
context.run_migrations()
