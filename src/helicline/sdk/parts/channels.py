"""Where people are told of what needs them: `notify=[hl.slack("SLACK_URL"), hl.email("MAIL_URL")]`."""

from __future__ import annotations

from collections.abc import Sequence

from helicline.errors import Invalid
from helicline.records.notification import Channel, ChannelKind

KINDS = (
    "alert", "approval", "audit", "data", "feedback", "gate", "loop", "notification", "pipeline_run", "process",
    "revision", "rollout", "turn", "webhook",
)  # fmt: skip


def slack(secret: str, *, about: Sequence[str] = ()) -> Channel:
    """Tell a channel of Slack: `secret` names the secret with the URL of an incoming webhook.

    Args:
        about: kinds of what stands under "Needs you", like "turn", "alert", "rollout", "approval"; default: all.

    Raises:
        Invalid: a kind does not exist.

    Example:
        >>> import helicline as hl
        >>> hl.slack("SLACK_URL", about=["turn", "alert"]).name
        'slack:SLACK_URL'
    """
    return _channel("slack", secret, about)


def email(secret: str, *, about: Sequence[str] = ()) -> Channel:
    """Tell people by e-mail: the secret holds a URL like mailtos://user:password@example.com?to=team@example.com."""
    return _channel("email", secret, about)


def webhook(secret: str, *, about: Sequence[str] = ()) -> Channel:
    """Tell another program: a POST of {"title": ..., "text": ...} to the URL that the secret holds."""
    return _channel("webhook", secret, about)


def apprise(secret: str, *, about: Sequence[str] = ()) -> Channel:
    """Tell people in any way that apprise knows (Teams, Telegram, PagerDuty, ...): the secret holds its URL."""
    return _channel("apprise", secret, about)


def _channel(kind: ChannelKind, secret: str, about: Sequence[str]) -> Channel:
    if isinstance(about, str):
        raise Invalid("about", about, f"a list, like [{about!r}]")
    wrong = next((name for name in about if name not in KINDS), "")
    if wrong:
        raise Invalid(f"{kind}, about", wrong, f"of {', '.join(KINDS)}")
    return Channel(kind=kind, secret=secret, about=tuple(about))
