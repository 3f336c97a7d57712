"""Pure: runs that plan or apply many tenants in several jobs."""
