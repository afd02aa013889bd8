"""Check that the text of a formula is arithmetic and nothing else, before anything evaluates it."""

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.errors import CurveError

FUNCTIONS: Mapping[str, Callable[[float], float]] = {"sqrt": math.sqrt, "exp": math.exp, "log": math.log}
"""What a formula may call."""
_LONGEST = 100_000
"""Characters of a formula; what is derived from a user's equation is some thousands."""
_LARGEST_POWER = 100

_ARITHMETIC = (
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow),
    *(ast.UnaryOp, ast.USub, ast.UAdd),
    *(ast.Name, ast.Load, ast.Constant, ast.Call),
)
_DEFINITION = (
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Assign,
    ast.Store,
    ast.Return,
    ast.Tuple,
    ast.List,
)


def names_in(formula: str) -> frozenset[str]:
    """List the free names of an expression. Raises: CurveError if it contains anything but arithmetic."""
    tree = _parsed(formula)
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise CurveError(f"{formula!r} is not one expression")
    _require_arithmetic(ast.walk(tree.body[0].value), formula, _ARITHMETIC)
    _require_small_powers(tree, formula)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    if names & FUNCTIONS.keys():
        raise CurveError(f"{formula!r}: {', '.join(sorted(names & FUNCTIONS.keys()))} is a function")
    return frozenset(names)


def function_from(
    source: str, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
) -> Callable[..., tuple[Any, ...]]:
    """Compile the source of one function definition. It takes floats, or what `functions` take.

    Raises: CurveError if it does more than arithmetic.
    """
    tree = _parsed(source)
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise CurveError("a compiled formula is not one function")
    definition = tree.body[0]
    _require_arithmetic(ast.walk(definition), definition.name, _ARITHMETIC + _DEFINITION)
    if definition.decorator_list or definition.args.defaults:
        raise CurveError("a compiled formula has decorators or defaults")
    namespace: dict[str, object] = {"__builtins__": {}, **functions}
    exec(compile(tree, f"<{definition.name}>", "exec"), namespace)  # noqa: S102 - arithmetic, as checked above
    made: Callable[..., tuple[Any, ...]] = namespace[definition.name]  # type: ignore[assignment]
    return made


def _require_small_powers(tree: ast.AST, formula: str) -> None:
    """Refuse powers such as 9**9**9, whose evaluation would not end. Raises: CurveError."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            for part in (node.left, node.right):
                named = any(isinstance(each, ast.Name) for each in ast.walk(part))
                if not named and abs(_number(part)) > _LARGEST_POWER:
                    raise CurveError(
                        f"{formula!r} has a power beyond {_LARGEST_POWER}, or of a power of numbers"
                    )


def _number(node: ast.AST) -> float:
    """Evaluate a number, its negative or a fraction of numbers; infinity for any other expression without names."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return value
        case ast.BinOp(
            op=ast.Div(), left=ast.Constant(value=int() as above), right=ast.Constant(value=int() as below)
        ):
            return above / below if below else math.inf
    return math.inf


def _parsed(text: str) -> ast.Module:
    if len(text) > _LONGEST:
        raise CurveError(f"a formula of {len(text)} characters is too long")
    try:
        return ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CurveError(f"{text!r} is not a formula: {error}") from error


def _require_arithmetic(nodes: Iterable[ast.AST], formula: str, allowed: tuple[type[ast.AST], ...]) -> None:
    for node in nodes:
        if not isinstance(node, allowed):
            raise CurveError(f"{formula!r} is not arithmetic: {type(node).__name__} in it")
        if isinstance(node, ast.Constant) and (type(node.value) not in (int, float)):
            raise CurveError(f"{formula!r} is not arithmetic: {node.value!r} in it")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            raise CurveError(f"{formula!r} calls something else than {', '.join(FUNCTIONS)}")
        if isinstance(node, ast.Call) and (len(node.args) != 1 or node.keywords):
            raise CurveError(f"{formula!r} calls a function with other than one argument")
