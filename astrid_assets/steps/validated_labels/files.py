"""Files of labels: CSV, Parquet and JSON lines, read and written row by row.

What a row means is in `importing`; here are only its columns and the three formats.
CSV and JSON lines are streamed both ways. Parquet is gathered column by column.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Format = Literal["csv", "parquet", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson",
}

MAX_FILE_BYTES = 512 * 2**20
MAX_LINE_BYTES = 64 * 2**10  # of JSON lines and of a CSV field; notes are far shorter

Value: TypeAlias = str | int | float | bool | None
FileRow: TypeAlias = dict[str, Value]

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class BadFile(ValueError):
    """A file that holds no table of labels; the message says why."""


class BadLine(ValueError):
    """A line that cannot be read; the others can."""


def format_of(path: Path) -> Format:
    """Return the format a file's name says; BadFile when it says none."""
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise BadFile(f"{path.name}: labels are read from {', '.join(SUFFIXES)}") from None


def read_rows(path: Path) -> Iterator[tuple[int, FileRow | BadLine]]:
    """Yield (line, row) of a file; a line that cannot be read comes as `BadLine`.

    Raises
    ------
    BadFile
        If it is too large, or not of the format its name says.
    """
    kind = format_of(path)
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise BadFile(
            f"{path.name} has {size // 2**20} MiB, {MAX_FILE_BYTES // 2**20} at most "
            "are taken: split it"
        )
    if kind == "csv":
        return _read_csv(path)
    if kind == "jsonl":
        return _read_jsonl(path)
    return _read_parquet(path)


def written(rows: Iterable[FileRow], columns: dict[str, type], kind: Format) -> Iterator[bytes]:
    """Yield the bytes of a file with these rows.

    Parameters
    ----------
    columns
        Name and type (`str`, `int`, `float` or `bool`) of every column, in their order.
    """
    if kind == "csv":
        return _csv(rows, list(columns))
    if kind == "jsonl":
        return _jsonl(rows, list(columns))
    return _parquet(rows, columns)


def _read_csv(path: Path) -> Iterator[tuple[int, FileRow | BadLine]]:
    csv.field_size_limit(MAX_LINE_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", strict=True)
        try:
            names = reader.fieldnames
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadFile(f"{path.name} is no CSV in UTF-8: {error}") from error
        if not names:
            raise BadFile(f"{path.name} is empty: the first line names the columns")
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, BadLine(str(error))
                continue
            except UnicodeDecodeError as error:
                raise BadFile(f"{path.name} is not in UTF-8 near line {reader.line_num}") from error
            if "" in row:
                yield reader.line_num, BadLine("it has more values than columns")
                continue
            yield (
                reader.line_num,
                {name: _unquoted(value) if value else None for name, value in row.items()},
            )


def _read_jsonl(path: Path) -> Iterator[tuple[int, FileRow | BadLine]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                yield number, BadLine(f"it is longer than {MAX_LINE_BYTES} bytes")
                continue
            if not line.strip():
                continue
            yield number, _object(line)


def _object(line: bytes) -> FileRow | BadLine:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadLine(f"it is no JSON: {error}")
    if not isinstance(found, dict):
        return BadLine("it is no JSON object")
    nested = [name for name, item in found.items() if isinstance(item, dict | list)]
    if nested:
        return BadLine(f"{nested[0]!r:.40} holds more than one value")
    return found


def _read_parquet(path: Path) -> Iterator[tuple[int, FileRow | BadLine]]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadFile(f"{path.name} is no Parquet file: {error}") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield (
            number,
            {
                name: value
                if value is None or isinstance(value, str | int | float | bool)
                else str(value)
                for name, value in row.items()
            },
        )


def _csv(rows: Iterable[FileRow], columns: list[str]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_quoted(row.get(name)) for name in columns])
        if buffer.tell() > MAX_LINE_BYTES:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _quoted(value: Value) -> Value:
    # A spreadsheet runs text that starts like a formula; a quote keeps it text.
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return "'" + value
    return value


def _unquoted(value: str) -> str:
    if value.startswith("'") and value[1:].startswith(FORMULA_SIGNS):
        return value[1:]
    return value


def _jsonl(rows: Iterable[FileRow], columns: list[str]) -> Iterator[bytes]:
    for row in rows:
        ordered = {name: row.get(name) for name in columns}
        yield json.dumps(ordered, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _parquet(rows: Iterable[FileRow], columns: dict[str, type]) -> Iterator[bytes]:
    import polars as pl

    types = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
    schema = {name: types[kind] for name, kind in columns.items()}
    found = list(rows)
    gathered = {name: [row.get(name) for row in found] for name in columns}
    buffer = io.BytesIO()
    pl.DataFrame(gathered, schema=schema).write_parquet(buffer)
    yield buffer.getvalue()
