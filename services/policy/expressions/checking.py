"""Checks a parsed CEL expression before it may judge anything: known names, fitting types, few functions, few loops.

The library evaluates CEL without looking at types beforehand; a slip would show on the day a version is judged.
The language is a subset: no regular expressions, no times, no objects, no conversions between text and numbers.
Whole numbers (counts) and measured numbers do not mix, so `1.0` is written where a metric is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lark import Token, Tree

from services.policy.expressions.names import ListOf, MapOf, Record, Type

Node = Tree[Token]

_LOOPS = {"all", "exists", "exists_one", "filter", "map"}
_TEXT_TESTS = {"startsWith", "endsWith", "contains"}
_COMPARED = {"int", "double", "string"}
_LITERALS: Mapping[str, Type] = {
    "INT_LIT": "int",
    "FLOAT_LIT": "double",
    "STRING_LIT": "string",
    "MLSTRING_LIT": "string",
    "BOOL_LIT": "bool",
}
LONGEST_NESTING = 2


class RefusedExpressionError(ValueError):
    """The text says why, for the person who writes the policy."""


@dataclass(slots=True, kw_only=True)
class Checked:
    """What is known about a sound expression."""

    needs: set[tuple[str, str]] = field(default_factory=set)
    """(map, key) pairs written out, for example ("metrics", "holdout_auc")."""
    guarded: set[tuple[str, str]] = field(default_factory=set)
    """Those asked for with has(): the expression itself says what to do without them."""
    loops: int = 0
    """How deep loops are nested."""
    nodes: int = 0


def check(tree: Node, names: Mapping[str, Type]) -> Checked:
    """Raises RefusedExpressionError unless the expression is sound and answers yes or no."""
    checked = Checked(nodes=sum(1 for _ in tree.iter_subtrees()))
    kind = _Checker(checked, dict(names), depth=0).type_of(tree)
    if kind != "bool":
        raise RefusedExpressionError(f"the expression gives {kind}, it must answer true or false")
    return checked


class _Checker:
    def __init__(self, checked: Checked, names: dict[str, Type], *, depth: int) -> None:
        self._checked = checked
        self._names = names
        self._depth = depth

    def type_of(self, node: Node) -> Type:
        rule = _RULES.get(str(node.data))
        if rule is None:
            raise RefusedExpressionError(
                f"`{str(node.data).replace('_', ' ')}` is not part of the language of policies"
            )
        return rule(self, node)

    # operators

    def by_conditional(self, node: Node) -> Type:
        parts = _parts(node)
        if len(parts) == 1:
            return self.type_of(parts[0])
        self._require(parts[0], "bool", "the condition before `?`")
        first, second = self.type_of(parts[1]), self.type_of(parts[2])
        if first != second:
            raise RefusedExpressionError(f"the two answers of `? :` differ in type: {first} and {second}")
        return first

    def by_logic(self, node: Node) -> Type:
        parts = _parts(node)
        if len(parts) == 1:
            return self.type_of(parts[0])
        for part in parts:
            self._require(part, "bool", "each side of `&&` and `||`")
        return "bool"

    def by_relation(self, node: Node) -> Type:
        parts = _parts(node)
        if len(parts) == 1:
            return self.type_of(parts[0])
        word = str(parts[0].data).removeprefix("relation_")
        left, right = self.type_of(_only(parts[0])), self.type_of(parts[1])
        if word == "in":
            wanted = right.item if isinstance(right, ListOf) else "string" if isinstance(right, MapOf) else None
            if wanted is None or left != wanted:
                raise RefusedExpressionError(f"`in` looks for {left} in {right}, which cannot hold it")
        elif left != right:
            raise RefusedExpressionError(_unequal(left, right))
        elif word not in {"eq", "ne"} and left not in _COMPARED:
            raise RefusedExpressionError(f"{left} has no order, so `<` and `>` do not apply")
        elif word in {"eq", "ne"} and isinstance(left, (MapOf, Record)):
            raise RefusedExpressionError(f"compare the parts of {left}, not the whole")
        return "bool"

    def by_arithmetic(self, node: Node) -> Type:
        parts = _parts(node)
        if len(parts) == 1:
            return self.type_of(parts[0])
        left, right = self.type_of(_only(parts[0])), self.type_of(parts[1])
        if left != right:
            raise RefusedExpressionError(_unequal(left, right))
        if left not in {"int", "double"} or (parts[0].data == "multiplication_mod" and left != "int"):
            raise RefusedExpressionError(f"{left} cannot be calculated with")
        return left

    def by_unary(self, node: Node) -> Type:
        parts = _parts(node)
        if len(parts) == 1:
            return self.type_of(parts[0])
        kind = self.type_of(parts[1])
        wanted = {"bool"} if parts[0].data == "unary_not" else {"int", "double"}
        if kind not in wanted:
            raise RefusedExpressionError(f"`{'!' if 'bool' in wanted else '-'}` does not apply to {kind}")
        return kind

    # members

    def by_wrapped(self, node: Node) -> Type:
        return self.type_of(_only(node))

    def by_name(self, node: Node) -> Type:
        word = _word(node, 0)
        if word not in self._names:
            raise RefusedExpressionError(f"the name `{word}` is not known")
        return self._names[word]

    def by_field(self, node: Node) -> Type:
        owner, word = self.type_of(_only(node)), _word(node, 1)
        if isinstance(owner, Record):
            if word not in owner.fields:
                raise RefusedExpressionError(f"there is no field `{word}`; known are {', '.join(owner.fields)}")
            return owner.fields[word]
        if isinstance(owner, MapOf):
            self._note(_only(node), word)
            return owner.value
        raise RefusedExpressionError(f"{owner} has no field `{word}`")

    def by_index(self, node: Node) -> Type:
        parts = _parts(node)
        owner, key = self.type_of(parts[0]), self.type_of(parts[1])
        if isinstance(owner, MapOf) and key == "string":
            written = _written_text(parts[1])
            if written is not None:
                self._note(parts[0], written)
            return owner.value
        if isinstance(owner, ListOf) and key == "int":
            return owner.item
        raise RefusedExpressionError(f"{owner} cannot be looked up by {key}")

    def _note(self, owner: Node, key: str) -> None:
        name = _bare_name(owner)
        if name is not None:
            self._checked.needs.add((name, key))

    def by_method(self, node: Node) -> Type:
        owner_node, word, arguments = _only(node), _word(node, 1), _arguments(node)
        if word in _LOOPS:
            return self._loop(owner_node, word, arguments)
        owner = self.type_of(owner_node)
        if word == "size" and not arguments and isinstance(owner, (ListOf, MapOf)):
            return "int"
        if word in _TEXT_TESTS and owner == "string" and len(arguments) == 1:
            self._require(arguments[0], "string", f"what `{word}` looks for")
            return "bool"
        raise RefusedExpressionError(f"`{word}` cannot be asked of {owner}")

    def _loop(self, owner_node: Node, word: str, arguments: list[Node]) -> Type:
        owner = self.type_of(owner_node)
        if not isinstance(owner, ListOf) or len(arguments) != 2:
            raise RefusedExpressionError(f"`{word}` goes over a list: list.{word}(x, condition)")
        variable = _bare_name(arguments[0])
        if variable is None or variable in self._names:
            raise RefusedExpressionError(f"`{word}` needs a new name for the item, for example x")
        if self._depth + 1 > LONGEST_NESTING:
            raise RefusedExpressionError(f"loops are nested deeper than {LONGEST_NESTING}")
        self._checked.loops = max(self._checked.loops, self._depth + 1)
        inner = _Checker(self._checked, {**self._names, variable: owner.item}, depth=self._depth + 1)
        kind = inner.type_of(arguments[1])
        if word == "map":
            return ListOf(kind)
        if kind != "bool":
            raise RefusedExpressionError(f"the condition of `{word}` gives {kind}, not true or false")
        return owner if word == "filter" else "bool"

    def by_function(self, node: Node) -> Type:
        word, arguments = _word(node, 0), _arguments(node)
        if len(arguments) == 1 and word == "has":
            return self._has(arguments[0])
        if len(arguments) == 1 and word == "size":
            kind = self.type_of(arguments[0])
            if isinstance(kind, (ListOf, MapOf)):
                return "int"
        if len(arguments) == 1 and word == "double":
            self._require(arguments[0], "int", "what `double` converts")
            return "double"
        raise RefusedExpressionError(f"there is no function `{word}` for this; known are has, size and double")

    def _has(self, argument: Node) -> Type:
        inner = _unwrapped(argument)
        if inner.data != "member_dot":
            raise RefusedExpressionError("has() asks for a field: has(metrics.holdout_auc)")
        before = set(self._checked.needs)
        self.type_of(inner)
        owner = _bare_name(_only(inner))
        if owner is not None:
            self._checked.guarded.add((owner, _word(inner, 1)))
        self._checked.needs = before
        return "bool"

    def by_list(self, node: Node) -> Type:
        kinds = [self.type_of(item) for item in _arguments(node)]
        if not kinds or any(kind != kinds[0] for kind in kinds):
            raise RefusedExpressionError("a list holds at least one item, all of one type")
        return ListOf(kinds[0])

    def by_literal(self, node: Node) -> Type:
        token = node.children[0]
        if not isinstance(token, Token) or token.type not in _LITERALS:
            raise RefusedExpressionError(f"`{token}` is not part of the language of policies")
        return _LITERALS[token.type]

    def _require(self, node: Node, wanted: Type, what: str) -> None:
        kind = self.type_of(node)
        if kind != wanted:
            raise RefusedExpressionError(f"{what} must be {wanted}, this is {kind}")


_RULES: Mapping[str, Callable[[_Checker, Node], Type]] = {
    "expr": _Checker.by_conditional,
    "conditionalor": _Checker.by_logic,
    "conditionaland": _Checker.by_logic,
    "relation": _Checker.by_relation,
    "addition": _Checker.by_arithmetic,
    "multiplication": _Checker.by_arithmetic,
    "unary": _Checker.by_unary,
    "member": _Checker.by_wrapped,
    "primary": _Checker.by_wrapped,
    "paren_expr": _Checker.by_wrapped,
    "member_dot": _Checker.by_field,
    "member_index": _Checker.by_index,
    "member_dot_arg": _Checker.by_method,
    "ident": _Checker.by_name,
    "ident_arg": _Checker.by_function,
    "literal": _Checker.by_literal,
    "list_lit": _Checker.by_list,
}
"""One line per part of the grammar that policies may use; everything else is refused."""


def _unequal(left: Type, right: Type) -> str:
    words = f"{left} and {right} do not go together"
    return f"{words}; write a metric's limit with a point, as in 1.0" if {left, right} == {"int", "double"} else words


def _parts(node: Node) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree)]


def _only(node: Node) -> Node:
    return _parts(node)[0]


def _word(node: Node, place: int) -> str:
    return str(node.children[place])


def _arguments(node: Node) -> list[Node]:
    lists = [child for child in _parts(node) if child.data == "exprlist"]
    return _parts(lists[0]) if lists else []


def _unwrapped(node: Node) -> Node:
    """The first node below that is more than a wrapper of one other."""
    while len(node.children) == 1 and isinstance(node.children[0], Tree):
        node = node.children[0]
    return node


def _bare_name(node: Node) -> str | None:
    inner = _unwrapped(node)
    return _word(inner, 0) if inner.data == "ident" else None


def _written_text(node: Node) -> str | None:
    inner = _unwrapped(node)
    token = inner.children[0] if inner.data == "literal" else None
    plain = isinstance(token, Token) and token.type == "STRING_LIT" and "\\" not in token and token[0] in "\"'"
    return str(token)[1:-1] if plain else None
