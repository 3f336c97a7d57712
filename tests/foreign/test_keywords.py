import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.tenant_filter import substitute
from reconciler.foreign.keywords import KeywordText, VariableNames, replace_keywords, to_text, variable_value

texts = st.text(st.sampled_from("ab#@\"'\\$ {}KEY\n"), max_size=30)
mappings = st.dictionaries(
    st.sampled_from(["KEY", "KE", "a", "OTHER"]), st.sampled_from(["x", "##a##", 1, ["b"], True])
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: ##URL##/x", "a: https://x/x"),
        ("a: @@LIST@@", 'a: ["a","b"]'),
        ("a: '@@LIST@@'", 'a: ["a","b"]'),
        ('a: "@@URL@@"', 'a: "https://x"'),
        ("a: ##LIST##", "a: a,b"),
        ("a: ##NUMBER##", "a: 1"),
        ("a: ##CHAIN##", "a: https://x/y"),
        ("a: ##NONE## @@NONE@@", "a: ##NONE## @@NONE@@"),
        ("##URL####URL##", "https://xhttps://x"),
        ("##BACK##", "\\1\\\\"),
    ],
)
def test_keywords_are_replaced_like_auth0_deploy_cli(text: str, expected: str) -> None:
    values = {"CHAIN": "##URL##/y", "URL": "https://x", "LIST": ["a", "b"], "NUMBER": 1.0, "BACK": "\\1\\\\"}

    assert replace_keywords(text, values) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (None, "null"), (1.5, "1.5"), ([1, None, "a"], "1,,a"), ({}, "[object Object]")]
)
def test_values_become_text_as_in_javascript(value: object, text: str) -> None:
    assert to_text(value) == text


@given(texts, mappings)
def test_a_text_with_tokens_can_be_restored(text: str, values: dict[str, object]) -> None:
    for is_json in (False, True):
        keywords = KeywordText(text, values, is_json=is_json)
        quoted = {f'"{token}"': each.marker for token, each in keywords.keywords.items() if is_json and each.is_json}
        restored = keywords.text
        for token, marker in quoted.items():
            restored = restored.replace(token, marker)
        assert keywords.restore(restored) == text


@given(
    st.text(st.sampled_from("ab${} #"), max_size=20).filter(lambda text: not text.endswith("$")),
    st.sampled_from(["dev", "${x}", "$", "a b"]),
)
def test_a_template_gives_the_text_that_the_tool_sends(text: str, value: str) -> None:
    written = f"{text}##KEY##{text}"
    keywords, names = KeywordText(written, {"KEY"}), VariableNames({"KEY"})

    template = names.template(keywords.parts(keywords.text), ())

    assert substitute(template, {"KEY": value}) == replace_keywords(written, {"KEY": value})


def test_a_text_that_looks_like_a_token_stays_a_text() -> None:
    keywords = KeywordText("##KEY##", {"KEY"})

    assert keywords.parts("kq7z") == ["kq7z"]
    assert keywords.restore("kq7z kq0z") == "kq7z ##KEY##"


def test_keys_become_valid_and_unique_names() -> None:
    names = VariableNames({"ENV", "1ST", "k_1ST", "domain", "a-b"})

    assert {key: names[key] for key in ("ENV", "1ST", "k_1ST", "domain", "a-b")} == {
        "ENV": "ENV",
        "1ST": "k_1ST_2",
        "k_1ST": "k_1ST",
        "domain": "domain_2",
        "a-b": "k_a_b",
    }


@pytest.mark.parametrize("value", ["", "a\nb", ["a"], {}, None, "x" * 9000])
def test_an_invalid_value_does_not_become_a_variable(value: object) -> None:
    assert variable_value("KEY", {"KEY": value}) is None
