"""The parser of PyYAML that this installation has."""

import yaml

PARSER: "type[yaml.SafeLoader | yaml.CSafeLoader]" = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML has its C parser only if it was built with libyaml. The other parser is slower and has other messages."""
IS_SLOW = PARSER is yaml.SafeLoader
