"""The assignment of keys to variants: sticky, weighted, and equal on every machine."""

from __future__ import annotations

import math
from hashlib import blake2b

from helicline.records.deployment import Route

PARTS = 10_000


def point(key: str, salt: str) -> int:
    """Return the key's position in 0..9999; another salt (a rollout's id) gives another order of keys."""
    return _hash(key, salt) % PARTS


def assign(key: str, route: Route) -> int:
    """Return the revision that answers `key`.

    With one candidate a growing weight never moves a key back to stable. With several, weighted rendezvous:
    a change of one weight moves keys only to or from that variant.
    """
    candidates = [variant for variant in route.variants if variant.revision != route.stable and variant.weight_bp > 0]
    if not candidates:
        return route.stable
    if len(candidates) == 1:
        candidate = candidates[0]
        goes_to_candidate = candidate.weight_bp >= PARTS or point(key, route.salt) < candidate.weight_bp
        return candidate.revision if goes_to_candidate else route.stable
    stable_share = max(0, PARTS - sum(variant.weight_bp for variant in candidates))
    weights = [(route.stable, stable_share), *((variant.revision, variant.weight_bp) for variant in candidates)]
    return max(weights, key=lambda pair: _score(key, pair[0], weight=pair[1], salt=route.salt))[0]


def _score(key: str, revision: int, *, weight: int, salt: str) -> float:
    if weight <= 0:
        return -math.inf
    uniform = (_hash(f"{key}\0{revision}", salt) + 1) / (2**64 + 1)
    return -weight / math.log(uniform)


def _hash(key: str, salt: str) -> int:
    raw = salt.encode("utf-8", "surrogatepass")
    if len(raw) > 64:
        raw = blake2b(raw, digest_size=32).digest()
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), key=raw, digest_size=8).digest(), "big")


def key_hash(key: str, salt: str) -> str:
    """Return the hash of a key for the prediction log: 16 hex digits that do not reveal the key.

    The salt is the deployment's name, so that a unit is the same in all of its rollouts.
    """
    return f"{_hash(key, 'log:' + salt):016x}"
