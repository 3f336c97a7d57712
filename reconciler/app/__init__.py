"""The use cases of the commands, without click: load, plan, approve, apply, report."""
