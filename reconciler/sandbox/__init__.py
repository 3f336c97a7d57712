"""A local tenant: the Management API's grants, on Starlette and SQLite."""
