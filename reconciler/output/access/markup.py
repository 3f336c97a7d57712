"""Pure: build HTML. Every text is escaped unless it is already `Html`, so no caller can forget to escape."""

from html import escape

from reconciler.core.characters import visible

VOID = frozenset({"link", "meta", "br"})
"""Elements without a closing tag."""


class Html(str):
    """Text that is valid HTML. Other modules create it only from constants and from other `Html`."""

    __slots__ = ()


def text(value: str) -> Html:
    """Return the HTML of a text. Characters that a reader cannot see are shown as escapes."""
    return Html(escape(visible(value)))


def join(*parts: str | Html) -> Html:
    """Return the HTML of several parts."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def tag(name: str, /, *children: str | Html, **attributes: str) -> Html:
    """Return an element. A trailing underscore of an attribute is removed, and others become hyphens."""
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(value), quote=True)}"'
        for key, value in attributes.items()
    )
    start = f"<{name}{''.join(pairs)}>"
    return Html(start if name in VOID else f"{start}{join(*children)}</{name}>")


def verbatim(name: str, content: str, /, **attributes: str) -> Html:
    """Return a style or script element with trusted content, or with JSON that contains no `<`."""
    if f"</{name}" in content.lower() or "<!--" in content:
        raise ValueError(f"the content ends its own {name} element")
    return Html(f"{tag(name, **attributes).removesuffix(f'</{name}>')}{content}</{name}>")


def link(label: str, url: str) -> Html:
    """Return a link for an https or http URL, otherwise only the label."""
    if not url.startswith(("https://", "http://")):
        return text(label)
    return tag("a", label, href=url, rel="noopener noreferrer")
