"""Secrets of a step in what it writes: each is replaced by `***`, also in the forms that programs print it in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, urlsplit

MASK = "***"
MIN_CHARS = 4  # of a line or a part of a secret: a shorter one would be masked all over the text


class SecretMask:
    """Masks the values of some secrets; `longest_bytes` is the length of the longest form of one."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form.encode() for value in values for form in forms_of(value)}
        ordered = sorted(forms, key=len, reverse=True)
        self.longest_bytes = len(ordered[0]) if ordered else 0
        self._pattern = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None

    def masked(self, content: bytes) -> bytes:
        """Return the content with every secret masked."""
        return self._pattern.sub(MASK.encode(), content) if self._pattern else content

    def text(self, text: str) -> str:
        """Return the text with every secret masked."""
        return self.masked(text.encode(errors="surrogateescape")).decode(errors="replace") if self._pattern else text

    def safe_length(self, content: bytes) -> int:
        """Return how much of content that goes on can be masked by itself: no secret begins in it and ends after it."""
        if self._pattern is None:
            return len(content)
        length = max(0, len(content) - self.longest_bytes + 1)
        for match in self._pattern.finditer(content):
            if match.start() < length < match.end():
                return match.end()
        return length


def forms_of(value: str) -> set[str]:
    """Return a secret, its lines, the password of a URL, and each as URLs, JSON, Python and base64 write it."""
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines()), _password(value)}
    parts = {part for part in parts if len(part) >= MIN_CHARS}
    written = {form for part in parts for form in (quote(part, safe=""), quote(part), quote_plus(part))}
    written |= {json.dumps(part, ensure_ascii=is_ascii)[1:-1] for part in parts for is_ascii in (True, False)}
    written |= {repr(part)[1:-1] for part in parts} | {base64.b64encode(part.encode()).decode() for part in parts}
    return parts | written


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
