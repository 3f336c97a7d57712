"""Report which applications may access which APIs, why each grant exists, and how the grants changed over time."""
