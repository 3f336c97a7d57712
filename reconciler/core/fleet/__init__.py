"""Fleet runs. A fleet run plans or applies many tenants in several pipeline jobs."""
