"""Settings of Hypothesis. Slow examples do not fail a test.

Each run uses the same examples, so that a run without changes has the same result. With EXAMPLES, the number of
examples per property, they are random.
"""

import os
from importlib.util import find_spec

if find_spec("hypothesis"):  # the environments that run tests/peers and tests/pipeline may not have it
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "patient",
        deadline=None,
        max_examples=int(os.environ.get("EXAMPLES", "20")),
        derandomize="EXAMPLES" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("patient")
