import pytest

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.settings import DEFAULT_SETTINGS, Settings, settings_from


def test_the_defaults_apply_without_settings() -> None:
    assert settings_from([]) == DEFAULT_SETTINGS


def test_settings_are_set_by_name() -> None:
    given = [
        "next_on_last_page=true",
        "refuse_unknown_query=false",
        "conflict_code=none",
        "missing_api_code=inexistent=api",
        "system_grant_status=400",
        "refill=continuous",
        "refill=window",
    ]
    assert settings_from(given) == Settings(
        next_on_last_page=True,
        refuse_unknown_query=False,
        conflict_code=None,
        missing_api_code="inexistent=api",
        system_grant_status=400,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("refil=window", 'no setting "refil"; did you mean "refill"?'),
        ("?", "use one of: next_on_last_page, "),
        ("refill=sometimes", 'refill: "sometimes" is not valid; use window or continuous'),
        ("retry_after=yes", "use true or false"),
        ("retry_after", "use true or false"),
        ("system_grant_status=-1", "use a whole number"),
        ("conflict_code=", "use a text, or none"),
    ],
)
def test_an_invalid_setting_is_an_error(given: str, message: str) -> None:
    with pytest.raises(SandboxError) as raised:
        settings_from([given])
    assert message in str(raised.value)
