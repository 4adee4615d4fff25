"""Which columns the columns of a DataFrame are made from, read from its plan.

Belongs here: frames that stand for tables without an engine, and the walk through the plan that a function makes of
them. It knows Spark Connect's relations and expressions one by one: one that is not known here is an error, because a
walk that passed over it would miss what it reads. Which tables there are belongs in ``columns``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pyspark.sql import types as T  # noqa: N812 - the field's name for it
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import Range, Read
from pyspark.sql.connect.proto.expressions_pb2 import Expression
from pyspark.sql.connect.proto.relations_pb2 import Aggregate, Join, SetOperation
from pyspark.sql.connect.types import proto_schema_to_pyspark_data_type

from lakehouse.engines.connect_mode import switched_on
from lakehouse.errors import LakehouseError

_PART = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")
_WORD = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`((?:[^`]|``)*)`|([^\W\d]\w*)""")
"""A name in SQL text, or a text in quotes, which has none."""
_GENERATORS = {"explode", "explode_outer", "posexplode", "posexplode_outer"}
"""Functions that make several rows of one."""


class LineageError(LakehouseError):
    """Nobody can tell which columns a column is made from; the message names the table and what is not known."""

    code = "lineage"


class TableColumn(NamedTuple):
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        """``silver.transactions.amount``."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class ColumnOrigin:
    """What a column is made from.

    Attributes:
        values: the columns that its values are computed from.
        rows: the columns that decide which rows the values are computed over, and which rows there are: those of
            windows, filters, joins and groups.
    """

    values: frozenset[TableColumn] = frozenset()
    rows: frozenset[TableColumn] = frozenset()

    @property
    def all(self) -> frozenset[TableColumn]:
        """Both."""
        return self.values | self.rows


@dataclass(frozen=True)
class FrameLineage:
    """What a frame is made from.

    Attributes:
        columns: what each of its columns is made from.
        rows: the columns that decide which rows it has.
    """

    columns: Mapping[str, ColumnOrigin]
    rows: frozenset[TableColumn]


def trace_function(
    function: Callable[..., Any], inputs: Mapping[str, str], columns: Callable[[str], T.StructType]
) -> FrameLineage:
    """Return what the frame is made from that a function makes of tables. No engine is asked.

    Args:
        function: takes frames, as keyword arguments, and returns a frame.
        inputs: the tables that its parameters stand for.
        columns: returns a table's columns.

    Raises:
        LineageError: the plan has something that is not known here.
    """
    session = _Planner(columns)
    with switched_on():
        frame = function(**{parameter: DataFrame(Read(table), session) for parameter, table in inputs.items()})
        made = session.walk(frame._plan.plan(session))  # noqa: SLF001 - no public way to a frame's plan
    origins = {each.name: ColumnOrigin(each.origin.values, each.origin.rows) for each in made.columns}
    return FrameLineage(origins, made.rows)


class _Planner:
    """What a frame needs of a session, and of its client, to make plans: it tells columns and computes nothing."""

    def __init__(self, columns: Callable[[str], T.StructType]) -> None:
        self._columns = columns
        self._walk = _Walk(columns)
        self.session_id = "lineage"
        self.is_mock_session = True

    @property
    def client(self) -> _Planner:
        return self

    def schema(self, plan: Any) -> T.StructType:
        """Answer a frame that is asked for its columns, as an engine would."""
        columns = self.walk(plan.root).columns
        return T.StructType([T.StructField(c.name, c.type) if c.type else _Computed(c.name) for c in columns])

    def range(self, *numbers: int) -> DataFrame:
        """Return rows of numbers, which are made from no column."""
        return DataFrame(Range(0, len(numbers), 1), self)

    def walk(self, relation: Any) -> _Frame:
        return self._walk.frame(relation)

    def _set_relation_in_plan(self, plan: Any, relation: Any) -> None:
        plan.root.CopyFrom(relation)

    def __getattr__(self, name: str) -> Any:
        raise LineageError(f"`{name}` of a session computes something; lineage has plans only")


class _Computed(T.StructField):  # type: ignore[misc]  # pyspark is not typed for us
    """A column that is computed. Only an engine knows its type: whoever asks for it is told so, and not misled."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def dataType(self) -> T.DataType:  # noqa: N802 - pyspark's name
        raise LineageError(f"the function asks for the type of {self.name}, which is computed: only an engine knows it")

    def needConversion(self) -> bool:  # noqa: N802 - pyspark's name
        return False


@dataclass(frozen=True)
class _Value:
    """What an expression is made from; of a struct also what each field is made from."""

    values: frozenset[TableColumn] = frozenset()
    rows: frozenset[TableColumn] = frozenset()
    fields: Mapping[str, _Value] = field(default_factory=dict)

    @property
    def all(self) -> frozenset[TableColumn]:
        return self.values | self.rows

    def at(self, name: str) -> _Value:
        return self.fields.get(name.lower(), self)


def _together(values: Iterable[_Value]) -> _Value:
    values = list(values)
    return _Value(
        frozenset().union(*(each.values for each in values)), frozenset().union(*(each.rows for each in values))
    )


@dataclass(frozen=True)
class _Column:
    """A column of a frame.

    Attributes:
        attribute: what stays the same when the column is passed on as it is.
        type: its type, where the plan says it.
        aliases: names of frames that may stand before the column's name.
    """

    name: str
    origin: _Value = _Value()
    type: T.DataType | None = None
    aliases: frozenset[str] = frozenset()
    attribute: object = field(default_factory=object)


@dataclass(frozen=True)
class _Frame:
    """The columns that a relation has, and what decides which rows it has."""

    columns: tuple[_Column, ...]
    rows: frozenset[TableColumn] = frozenset()

    @property
    def everything(self) -> frozenset[TableColumn]:
        return _together(column.origin for column in self.columns).all

    def decided_by(self, *more: frozenset[TableColumn]) -> _Frame:
        return replace(self, rows=self.rows.union(*more))

    def named(self, names: Iterable[str]) -> list[_Column]:
        wanted = {name.lower() for name in names}
        return [column for column in self.columns if column.name.lower() in wanted]


class _Walk:
    """The walk through plans. A relation that stands in a plan twice is walked once."""

    def __init__(self, columns: Callable[[str], T.StructType]) -> None:
        self._columns = columns
        self._frames: dict[int, _Frame] = {}

    def frame(self, relation: Any) -> _Frame:
        """Return what a relation has."""
        number = relation.common.plan_id if relation.common.HasField("plan_id") else -1
        if number < 0 or number not in self._frames:
            kind = relation.WhichOneof("rel_type")
            if kind not in _RELATIONS:
                raise LineageError(f"the relation `{kind}` is not known to lineage")
            self._frames[number] = _RELATIONS[kind](self, getattr(relation, kind))
        return self._frames[number]

    def table(self, read: Any) -> _Frame:
        table = read.named_table.unparsed_identifier
        return _Frame(
            tuple(
                _Column(each.name, _Value(frozenset({TableColumn(table, each.name)})), each.dataType)
                for each in self._columns(table).fields
            )
        )

    def numbers(self, _: Any) -> _Frame:
        return _Frame((_Column("id", _Value(), T.LongType()),))

    def project(self, project: Any) -> _Frame:
        frame = self.frame(project.input)
        return replace(frame, columns=self._listed(project.expressions, frame)).decided_by(
            *[self._multiplies(each, frame) for each in project.expressions]
        )

    def with_columns(self, made: Any) -> _Frame:
        frame = self.frame(made.input)
        columns = list(frame.columns)
        for each in made.aliases:
            for column in self._made(Expression(alias=each), frame):
                places = [n for n, there in enumerate(columns) if there.name.lower() == column.name.lower()]
                if not places:
                    columns.append(column)
                for place in places:
                    columns[place] = column
        multiplied = [self._multiplies(each.expr, frame) for each in made.aliases]
        return replace(frame, columns=tuple(columns)).decided_by(*multiplied)

    def filter(self, kept: Any) -> _Frame:
        frame = self.frame(kept.input)
        return frame.decided_by(self._value(kept.condition, frame).all)

    def sort(self, sort: Any) -> _Frame:
        """Which rows come first: a limit would take those."""
        frame = self.frame(sort.input)
        return frame.decided_by(*[self._value(each.child, frame).all for each in sort.order])

    def unchanged(self, relation: Any) -> _Frame:
        return self.frame(relation.input)

    def aliased(self, alias: Any) -> _Frame:
        frame, names = self.frame(alias.input), frozenset({alias.alias.lower()})
        return replace(frame, columns=tuple(replace(each, aliases=names) for each in frame.columns))

    def renamed(self, renaming: Any) -> _Frame:
        frame = self.frame(renaming.input)
        names = {each.col_name.lower(): each.new_col_name for each in renaming.renames}
        return replace(
            frame,
            columns=tuple(
                _renamed(each, names[each.name.lower()]) if each.name.lower() in names else each
                for each in frame.columns
            ),
        )

    def renamed_all(self, renaming: Any) -> _Frame:
        frame = self.frame(renaming.input)
        columns = zip(frame.columns, renaming.column_names, strict=True)
        return replace(frame, columns=tuple(_renamed(column, name) for column, name in columns))

    def drop(self, drop: Any) -> _Frame:
        frame = self.frame(drop.input)
        gone = {each.attribute for each in frame.named(drop.column_names)}
        gone |= {column.attribute for each in drop.columns for column in self._found(each, frame)}
        return replace(frame, columns=tuple(each for each in frame.columns if each.attribute not in gone))

    def deduplicated(self, distinct: Any) -> _Frame:
        frame = self.frame(distinct.input)
        if distinct.all_columns_as_keys:
            return frame.decided_by(frame.everything)
        return frame.decided_by(*[each.origin.all for each in frame.named(distinct.column_names)])

    def without_nulls(self, drop: Any) -> _Frame:
        frame = self.frame(drop.input)
        looked_at = frame.named(drop.cols) if drop.cols else frame.columns
        return frame.decided_by(*[each.origin.all for each in looked_at])

    def aggregate(self, aggregate: Any) -> _Frame:
        if aggregate.group_type not in _GROUPS:
            raise LineageError(f"{Aggregate.GroupType.Name(aggregate.group_type)} is not known to lineage")
        frame = self.frame(aggregate.input)
        groups = self._listed(aggregate.grouping_expressions, frame)
        columns = groups + self._listed(aggregate.aggregate_expressions, frame)
        return replace(frame, columns=columns).decided_by(*[each.origin.all for each in groups])

    def join(self, join: Any) -> _Frame:
        left, right = self.frame(join.left), self.frame(join.right)
        both = _Frame(left.columns + right.columns, left.rows | right.rows)
        if join.HasField("join_condition"):
            both = both.decided_by(self._value(join.join_condition, both).all)
        if join.join_type in _ONE_SIDED:
            keys = [each for side in (left, right) for each in side.named(join.using_columns)]
            return replace(both, columns=left.columns).decided_by(*[each.origin.all for each in keys])
        if not join.using_columns:
            return both
        shared = []
        for name in join.using_columns:
            (here,), (there,) = left.named([name]), right.named([name])
            both = both.decided_by(here.origin.all, there.origin.all)
            if join.join_type == Join.JOIN_TYPE_FULL_OUTER:
                shared.append(_Column(here.name, _together([here.origin, there.origin]), here.type))
            else:
                shared.append(there if join.join_type == Join.JOIN_TYPE_RIGHT_OUTER else here)
        keys = left.named(join.using_columns) + right.named(join.using_columns)
        others = [each for each in both.columns if each not in keys]
        return replace(both, columns=(*shared, *others))

    def together(self, operation: Any) -> _Frame:
        left, right = self.frame(operation.left_input), self.frame(operation.right_input)
        if operation.by_name:
            names = dict.fromkeys(each.name.lower() for each in left.columns + right.columns)
            pairs = [left.named([name]) + right.named([name]) for name in names]
        else:
            pairs = [list(pair) for pair in zip(left.columns, right.columns, strict=True)]
        columns = tuple(_Column(pair[0].name, _together(each.origin for each in pair), pair[0].type) for pair in pairs)
        frame = _Frame(columns, left.rows | right.rows)
        if operation.set_op_type == SetOperation.SET_OP_TYPE_UNION and operation.is_all:
            return frame
        return frame.decided_by(frame.everything)

    def unpivoted(self, unpivot: Any) -> _Frame:
        frame = self.frame(unpivot.input)
        if not unpivot.HasField("values"):
            raise LineageError("unpivot is known to lineage with a list of values only")
        values = [self._value(each, frame) for each in unpivot.values.values]
        names = (unpivot.variable_column_name, unpivot.value_column_name)
        made = [_Column(name, _together(values) if name == names[1] else _Value()) for name in names]
        return replace(frame, columns=(*self._listed(unpivot.ids, frame), *made))

    def _listed(self, listed: Iterable[Any], frame: _Frame) -> tuple[_Column, ...]:
        return tuple(column for each in listed for column in self._made(each, frame))

    def _made(self, expression: Any, frame: _Frame) -> Sequence[_Column]:
        """Return the columns that an expression adds to a list of them; a column that is passed on stays itself."""
        kind = expression.WhichOneof("expr_type")
        if kind == "unresolved_star":
            return self._all_of(expression.unresolved_star, frame)
        if kind == "unresolved_attribute":
            return [self._attribute(expression.unresolved_attribute, frame)]
        if kind == "alias":
            inner, names = expression.alias.expr, expression.alias.name
        else:
            inner, names = expression, [_own_name(expression)]
        value, type_ = self._value(inner, frame), self._type(inner, frame)
        return [_Column(name, value, type_) for name in names]

    def _type(self, expression: Any, frame: _Frame) -> T.DataType | None:
        kind = expression.WhichOneof("expr_type")
        if kind == "unresolved_attribute":
            return self._attribute(expression.unresolved_attribute, frame).type
        if kind == "cast" and expression.cast.HasField("type"):
            type_: T.DataType = proto_schema_to_pyspark_data_type(expression.cast.type)
            return type_
        return None

    def _multiplies(self, expression: Any, frame: _Frame) -> frozenset[TableColumn]:
        """Return the columns that decide how many rows an expression makes of one."""
        inner = expression.alias.expr if expression.WhichOneof("expr_type") == "alias" else expression
        if inner.unresolved_function.function_name in _GENERATORS:
            return self._value(inner, frame).all
        return frozenset()

    def _value(self, expression: Any, frame: _Frame) -> _Value:
        kind = expression.WhichOneof("expr_type")
        if kind not in _EXPRESSIONS:
            raise LineageError(f"the expression `{kind}` is not known to lineage: {str(expression).strip()[:200]}")
        return _EXPRESSIONS[kind](self, getattr(expression, kind), frame)

    def nothing(self, _: Any, __: _Frame) -> _Value:
        return _Value()

    def attribute(self, attribute: Any, frame: _Frame) -> _Value:
        return self._attribute(attribute, frame).origin

    def text(self, text: Any, frame: _Frame) -> _Value:
        """Take each word of SQL text that names a column for one: at worst that is a column too many."""
        words = {quoted.replace("``", "`") or plain for quoted, plain in _WORD.findall(text.expression)}
        if "select" in {word.lower() for word in words}:
            raise LineageError(f"a query in SQL text is not known to lineage: {text.expression}")
        return _together(each.origin for each in frame.named(words))

    def inside(self, holder: Any, frame: _Frame) -> _Value:
        return self._value(holder.expr, frame)

    def child(self, holder: Any, frame: _Frame) -> _Value:
        return self._value(holder.child, frame)

    def body(self, function: Any, frame: _Frame) -> _Value:
        """Its variables are elements of what the function around it is given, and counted there."""
        return self._value(function.function, frame)

    def named_argument(self, argument: Any, frame: _Frame) -> _Value:
        return self._value(argument.value, frame)

    def function(self, function: Any, frame: _Frame) -> _Value:
        arguments = [self._value(each, frame) for each in function.arguments]
        made = _together(arguments)
        if function.function_name == "struct":
            names = [_own_name(each) for each in function.arguments]
            return replace(made, fields={name.lower(): each for name, each in zip(names, arguments, strict=True)})
        return made

    def field_of(self, extraction: Any, frame: _Frame) -> _Value:
        whole = self._value(extraction.child, frame)
        literal = extraction.extraction.literal
        if literal.HasField("string"):
            return whole.at(literal.string)
        return _together([whole, self._value(extraction.extraction, frame)])

    def field_changed(self, update: Any, frame: _Frame) -> _Value:
        whole = self._value(update.struct_expression, frame)
        if not update.HasField("value_expression"):
            return whole
        return _together([whole, self._value(update.value_expression, frame)])

    def window(self, window: Any, frame: _Frame) -> _Value:
        value = self._value(window.window_function, frame)
        parts = _together(self._value(each, frame) for each in window.partition_spec)
        order = _together(self._value(each.child, frame) for each in window.order_spec)
        computed = value.values or order.values  # a place or a count is computed from the order
        return _Value(computed, value.rows | parts.all | order.all)

    def _all_of(self, star: Any, frame: _Frame) -> Sequence[_Column]:
        if star.HasField("plan_id"):
            return self._frames[star.plan_id].columns
        if not star.unparsed_target:
            return frame.columns
        (alias,) = _parts(star.unparsed_target.removesuffix(".*"))
        columns = [each for each in frame.columns if alias.lower() in each.aliases]
        if not columns:
            raise LineageError(f"there is no frame {alias}; `{alias}.*` is not known to lineage")
        return columns

    def _attribute(self, attribute: Any, frame: _Frame) -> _Column:
        """Return the column that a name means; of a struct's field, a column of what the field is made from."""
        of = self._frames[attribute.plan_id] if attribute.HasField("plan_id") else frame
        parts = _parts(attribute.unparsed_identifier)
        found, fields = _in_aliased(of, parts), parts[2:]
        if not found:
            found, fields = of.named(parts[:1]), parts[1:]
        if len({each.attribute for each in found}) != 1:
            named = ", ".join(each.name for each in of.columns)
            problem = "could be several columns" if found else "is no column"
            raise LineageError(f"`{attribute.unparsed_identifier}` {problem} among {named}")
        column = found[0]
        # Where a frame asks for a column by itself it may have got an alias since.
        column = next((each for each in frame.columns if each.attribute is column.attribute), column)
        value = column.origin
        for name in fields:
            value = value.at(name)
        return _Column(fields[-1], value) if fields else column

    def _found(self, expression: Any, frame: _Frame) -> Sequence[_Column]:
        try:
            return self._made(expression, frame)
        except LineageError:  # what is to be dropped need not be there
            return []


def _renamed(column: _Column, name: str) -> _Column:
    return _Column(name, column.origin, column.type)


def _in_aliased(frame: _Frame, parts: Sequence[str]) -> list[_Column]:
    if len(parts) == 1:
        return []
    return [each for each in frame.named(parts[1:2]) if parts[0].lower() in each.aliases]


def _parts(name: str) -> list[str]:
    """Return the parts of a name: ``lines.`unit price` `` has two."""
    return [quoted.replace("``", "`") or plain for quoted, plain in _PART.findall(name)]


def _own_name(expression: Any) -> str:
    """Return the name that an expression has without an alias; where engines would make one up, none that is used."""
    kind = expression.WhichOneof("expr_type")
    if kind == "alias":
        return str(expression.alias.name[0])
    if kind == "unresolved_attribute":
        return _parts(expression.unresolved_attribute.unparsed_identifier)[-1]
    if kind == "cast":
        return _own_name(expression.cast.expr)
    if kind == "unresolved_extract_value":
        return str(expression.unresolved_extract_value.extraction.literal.string)
    return ""


_GROUPS = {Aggregate.GROUP_TYPE_GROUPBY, Aggregate.GROUP_TYPE_ROLLUP, Aggregate.GROUP_TYPE_CUBE}
_ONE_SIDED = {Join.JOIN_TYPE_LEFT_SEMI, Join.JOIN_TYPE_LEFT_ANTI}
_RELATIONS: Mapping[str, Callable[[_Walk, Any], _Frame]] = {
    "read": _Walk.table,
    "range": _Walk.numbers,
    "project": _Walk.project,
    "with_columns": _Walk.with_columns,
    "with_columns_renamed": _Walk.renamed,
    "to_df": _Walk.renamed_all,
    "drop": _Walk.drop,
    "filter": _Walk.filter,
    "join": _Walk.join,
    "aggregate": _Walk.aggregate,
    "set_op": _Walk.together,
    "deduplicate": _Walk.deduplicated,
    "unpivot": _Walk.unpivoted,
    "drop_na": _Walk.without_nulls,
    "fill_na": _Walk.unchanged,
    "subquery_alias": _Walk.aliased,
    "sort": _Walk.sort,
    "limit": _Walk.unchanged,
    "hint": _Walk.unchanged,
    "repartition": _Walk.unchanged,
    "repartition_by_expression": _Walk.unchanged,
}
"""The relations that are known, by Spark Connect's names."""
_EXPRESSIONS: Mapping[str, Callable[[_Walk, Any, _Frame], _Value]] = {
    "literal": _Walk.nothing,
    "unresolved_named_lambda_variable": _Walk.nothing,
    "unresolved_attribute": _Walk.attribute,
    "expression_string": _Walk.text,
    "alias": _Walk.inside,
    "cast": _Walk.inside,
    "sort_order": _Walk.child,
    "lambda_function": _Walk.body,
    "unresolved_function": _Walk.function,
    "call_function": _Walk.function,
    "named_argument_expression": _Walk.named_argument,
    "unresolved_extract_value": _Walk.field_of,
    "update_fields": _Walk.field_changed,
    "window": _Walk.window,
}
"""The expressions that are known, likewise."""
