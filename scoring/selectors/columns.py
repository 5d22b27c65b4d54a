"""Rows of a query as arrays, by COPY in its binary format."""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970

# The bytes of the header; the number of fields of a row; the length of a field.
_HEADER, _FIELD_COUNT, _LENGTH = 19, struct.Struct(">h"), struct.Struct(">i")
_SENDERS = {"q": "int8send", "t": "timestamptz_send", "h": "int2send"}
_WIDTHS = {"q": 8, "t": 8, "h": 2}


def copy_columns(sql: str, params: Sequence[object], types: str) -> list[npt.NDArray[Any]]:
    """Columns of a query as arrays, in the order of its rows.

    ``types``: a letter for each column, ``q`` for bigint, ``t`` for timestamptz (microseconds since 2000), ``h`` for
    smallint; none may be NULL. The database joins each column to one value and sends these in one row: bringing the
    rows here one by one costs as much as finding them.
    """
    names = [f"c{place}" for place in range(len(types))]
    joined = ", ".join(f"string_agg({_SENDERS[type_]}({name}), '')" for name, type_ in zip(names, types, strict=True))
    stream = io.BytesIO()
    with connection.cursor() as cursor:
        statement = cursor.mogrify(sql, params).decode()
        rows = f"({statement}) AS found ({', '.join(names)})"
        cursor.copy_expert(f"COPY (SELECT {joined} FROM {rows}) TO STDOUT (FORMAT binary)", stream)  # noqa: S608  ours
    columns = []
    for type_, found in zip(types, next(read_rows(stream.getbuffer())), strict=True):
        width = _WIDTHS[type_]
        # None where there is no row at all.
        columns.append(np.frombuffer(found or b"", dtype=f">i{width}").astype(f"=i{width}"))
    if any(len(column) != len(columns[0]) for column in columns):
        raise ValueError("a column holds NULL")
    return columns


def whole_numbers(numbers: Iterable[int]) -> str:
    """Whole numbers as PostgreSQL reads an array; a list of parameters takes it longer to read than the rows."""
    return f"{{{','.join(map(str, numbers))}}}"


def read_rows(data: "bytes | memoryview[int]") -> "Iterator[list[Any]]":
    """The fields of each row of a COPY (PostgreSQL manual, COPY, "Binary Format"): parts of ``data``, None for NULL."""
    at, field_count, length = _HEADER, _FIELD_COUNT.unpack_from, _LENGTH.unpack_from
    while (fields := field_count(data, at)[0]) >= 0:
        at += _FIELD_COUNT.size
        row: list[Any] = []
        for _ in range(fields):
            (size,) = length(data, at)
            at += _LENGTH.size
            if size < 0:
                row.append(None)
            else:
                row.append(data[at : at + size])
                at += size
        yield row
