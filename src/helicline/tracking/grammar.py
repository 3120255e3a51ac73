"""The grammar of search filters and sort orders: `clause (AND clause)*`, without parentheses or OR."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from helicline.errors import Invalid
from helicline.records.run import Clause, Sort

MAX_FILTER = 200_000
MAX_CLAUSES = 200
MAX_LIST = 10_000
MAX_PATTERN = 4_000

TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")
    | (?P<backtick>`[^`]*`)
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<op><=|>=|!=|=|<|>)
    | (?P<punctuation>[(),.])
    | (?P<word>[\w/:@-]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
NUMERIC = frozenset({"=", "!=", "<", "<=", ">", ">="})
TEXT = frozenset({"=", "!=", "LIKE", "ILIKE"})
NULLABLE = TEXT | {"IS NULL", "IS NOT NULL"}
LISTED = TEXT | {"IN", "NOT IN"}


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """The operators of one entity, and its keys where they are fixed."""

    ops: frozenset[str]
    is_number: bool = False
    is_number_or_text: bool = False  # a number, or a quoted text
    is_filter_only: bool = False  # a run has several of them, so they cannot be sorted by
    keys: dict[str, tuple[str, frozenset[str], bool]] = {}


class Grammar(msgspec.Struct, frozen=True, kw_only=True):
    """The entities of one search: alias -> entity, and entity -> its operators and keys."""

    aliases: dict[str, str]
    kinds: dict[str, Kind]


def attribute(ops: frozenset[str], *names: str, is_number: bool = False, of: str = "") -> dict[str, Any]:
    """Return the entries of `Kind.keys` for all spellings of one attribute."""
    return {name: (of or names[0], ops, is_number) for name in names}


def parse_filter(text: str, grammar: Grammar) -> list[Clause]:
    """Return the clauses of a filter. Raises Invalid at the first invalid clause."""
    if len(text) > MAX_FILTER:
        raise Invalid("filter", f"{len(text)} characters", f"at most {MAX_FILTER} characters")
    tokens = _tokens(text)
    if not tokens:
        return []
    parser = _Parser(tokens, text, grammar=grammar)
    clauses = [parser.clause()]
    while not parser.at_end:
        parser.expect_word("AND")
        if parser.at_end:  # a trailing AND is accepted, as by the stock server
            break
        clauses.append(parser.clause())
        if len(clauses) > MAX_CLAUSES:
            raise Invalid("filter", f"more than {MAX_CLAUSES} clauses", f"at most {MAX_CLAUSES} clauses")
    return clauses


def parse_order(order_by: Sequence[str], grammar: Grammar) -> list[Sort]:
    """Return the sort keys. Raises Invalid for an unknown or repeated key."""
    sorts: list[Sort] = []
    for text in order_by:
        tokens = _tokens(text, field="order_by")
        ascending = True
        if len(tokens) > 1 and tokens[-1][0] == "word" and tokens[-1][1].upper() in ("ASC", "DESC"):
            ascending = tokens.pop()[1].upper() == "ASC"
        parser = _Parser(tokens, text, grammar=grammar, field="order_by")
        entity, key = parser.comparison_key()
        if grammar.kinds[entity].is_filter_only:
            raise Invalid("order_by", text, f"Invalid identifier type {entity!r}")
        if not parser.at_end:
            raise Invalid("order_by", text, f"Invalid ordering key in order_by clause {text!r}. `<key> [ASC|DESC]`")
        if any((sort.entity, sort.key) == (entity, key) for sort in sorts):
            raise Invalid("order_by", text, "`order_by` contains duplicate fields")
        sorts.append(Sort(entity=entity, key=key, ascending=ascending))
    return sorts


def _tokens(text: str, field: str = "filter") -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        if text[at] == "." and tokens:  # separates an entity from its key, even where the key begins with a digit
            tokens.append(("punctuation", "."))
            at += 1
            continue
        match = TOKEN.match(text, at)
        if match is None:
            raise Invalid(field, text[at : at + 60], "Invalid clause(s) in filter string: this is not understood")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], text: str, *, grammar: Grammar, field: str = "filter") -> None:
        self.tokens, self.text, self.grammar, self.field = tokens, text, grammar, field
        self.at = 0

    @property
    def at_end(self) -> bool:
        return self.at >= len(self.tokens)

    def error(self, expected: str) -> Invalid:
        near = " ".join(token for _, token in self.tokens[max(0, self.at - 2) : self.at + 3])
        return Invalid(
            self.field, self.text[:200], f"Invalid clause(s) in filter string: near {near!r}, wanted {expected}"
        )

    def take(self, expected: str) -> tuple[str, str]:
        if self.at_end:
            raise self.error(expected)
        self.at += 1
        return self.tokens[self.at - 1]

    def expect_word(self, word: str) -> None:
        kind, token = self.take(word)
        if kind != "word" or token.upper() != word:
            self.at -= 1
            raise self.error(word)

    def peek(self, token: str) -> bool:
        return not self.at_end and self.tokens[self.at][1].upper() == token

    def clause(self) -> Clause:
        entity, key = self.comparison_key()
        op = self.operator()
        kind = self.grammar.kinds[entity]
        allowed, is_number = kind.keys[key][1:] if kind.keys else (kind.ops, kind.is_number)
        key = kind.keys[key][0] if kind.keys else key
        if op not in allowed:
            raise Invalid(
                self.field, op, f"Invalid comparator {op!r} for {entity} {key!r}: one of {', '.join(sorted(allowed))}"
            )
        is_unquoted = not self.at_end and self.tokens[self.at][0] in ("number", "word")
        if kind.is_number_or_text and is_unquoted and not op.startswith("IS"):
            return Clause(entity=entity, key=key, op=op, value=self.take("a value")[1])
        return Clause(entity=entity, key=key, op=op, value=self.value(op, entity, key, is_number=is_number))

    def comparison_key(self) -> tuple[str, str]:
        first = self.name()
        if not self.peek("."):
            entity, key = "attribute", first
        else:
            alias = self.grammar.aliases.get(first)
            if alias is None:
                raise Invalid(
                    self.field, first, f"Invalid entity type {first!r}. Valid values are {sorted(self.grammar.aliases)}"
                )
            entity, key = alias, ""
            parts = []
            while self.peek("."):
                self.at += 1
                parts.append(self.name())
            key = ".".join(parts)
        return entity, self.checked_key(entity, key)

    def checked_key(self, entity: str, key: str) -> str:
        kind = self.grammar.kinds.get(entity)
        if kind is None or (kind.keys and key not in kind.keys):
            valid = sorted(kind.keys) if kind else sorted(self.grammar.aliases)
            raise Invalid(self.field, key, f"Invalid {entity} key {key!r} specified. Valid keys are {valid}")
        return kind.keys[key][0] if kind.keys and self.field == "order_by" else key

    def name(self) -> str:
        kind, token = self.take("a key")
        if kind == "backtick" or (kind == "string" and token[0] == '"'):
            return token[1:-1]
        if kind in ("word", "number"):
            return token
        self.at -= 1
        raise self.error("a key")

    def operator(self) -> str:
        kind, token = self.take("an operator")
        word = token.upper()
        if kind == "op":
            return token
        if word in ("LIKE", "ILIKE", "IN", "RLIKE"):
            return word
        if word == "NOT" and self.peek("IN"):
            self.at += 1
            return "NOT IN"
        if word == "IS":
            negated = self.peek("NOT")
            self.at += int(negated)
            self.expect_word("NULL")
            return "IS NOT NULL" if negated else "IS NULL"
        self.at -= 1
        raise self.error("an operator")

    def value(self, op: str, entity: str, key: str, *, is_number: bool) -> Any:
        if op.startswith("IS"):
            return None
        if op in ("IN", "NOT IN"):
            return self.value_list()
        kind, token = self.take("a value")
        if is_number:
            text = token[1:-1] if kind == "string" and entity == "attribute" else token
            return self.number(text, entity, key)
        if kind != "string":
            label = "parameter" if entity == "param" else entity
            raise Invalid(
                self.field,
                token,
                f"Expected a quoted string value for {label} (e.g. 'my-value'). Got value {token} for {key!r}",
            )
        text = _unquoted(token)
        if op.endswith("LIKE") and len(text) > MAX_PATTERN:
            raise Invalid(self.field, f"{len(text)} characters", f"a pattern of at most {MAX_PATTERN} characters")
        return text

    def number(self, token: str, entity: str, key: str) -> float | int:
        try:
            number = float(token)
        except ValueError:
            number = float("nan")
        if number != number or number in (float("inf"), float("-inf")):
            label = f"numeric attribute: {key}" if entity == "attribute" else f"{entity} {key!r}"
            shown = token if token.startswith(("'", '"')) else repr(token)
            raise Invalid(self.field, token, f"Expected numeric value type for {label}. Found {shown}")
        if entity == "attribute" and number == int(number):
            return max(-(2**63), min(2**63 - 1, int(number)))
        return number

    def value_list(self) -> tuple[str, ...]:
        values = []
        if self.take("(")[1] != "(":
            self.at -= 1
            raise self.error("a list in parentheses")
        while True:
            kind, token = self.take("a quoted string")
            if kind != "string":
                self.at -= 1
                raise self.error("a list of quoted strings")
            values.append(_unquoted(token))
            separator = self.take(") or ,")[1]
            if separator == ")":
                break
            if separator != "," or len(values) > MAX_LIST:
                raise self.error(f") or , and at most {MAX_LIST} values")
        return tuple(values)


def _unquoted(token: str) -> str:
    inside = token[1:-1]
    return inside.replace("''", "'") if token[0] == "'" else inside


def like(text: str, pattern: str) -> bool:
    """Return whether SQL's LIKE matches, in time proportional to the product of the lengths at most."""
    text_at = pattern_at = 0
    wildcard, start = -1, 0
    while text_at < len(text):
        if pattern_at < len(pattern) and pattern[pattern_at] == "%":
            wildcard, start = pattern_at, text_at
            pattern_at += 1
        elif pattern_at < len(pattern) and pattern[pattern_at] in ("_", text[text_at]):
            text_at, pattern_at = text_at + 1, pattern_at + 1
        elif wildcard >= 0:
            start += 1
            text_at, pattern_at = start, wildcard + 1
        else:
            return False
    return not pattern[pattern_at:].strip("%")


def satisfies(clause: Clause, value: Any) -> bool:
    """Return whether a value of a record satisfies the clause; None is a missing value."""
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (clause.op == "IS NULL")
    if value is None:
        return False
    if clause.op == "LIKE":
        return like(value, str(clause.value))
    if clause.op == "ILIKE":
        return like(value.lower(), str(clause.value).lower())
    return _COMPARE[clause.op](value, clause.value)


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}
