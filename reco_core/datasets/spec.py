"""How a source is to be read. Everything has a default that detects; whatever is given overrides the detection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Format = Literal["auto", "movielens", "recbole", "csv", "parquet", "jsonl", "sequences"]
AUTO = "auto"
# a tab, a blank, or one or two marks that are neither letters, digits, quotation marks nor line ends
_SEPARATOR = r"^([\t \x01]|[!#-/:-@\[-`{-~]{1,2})$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# command lines and forms can only say "null" as text
_OptionalColumn = Annotated[str | None, BeforeValidator(lambda given: None if given == "null" else given)]


class Mapping(_Section):
    """Column names of the log. `auto` detects; null says that there is no such column."""

    user: str = Field(AUTO, description="Column with the user's id.")
    item: str = Field(AUTO, description="Column with the item's id.")
    timestamp: _OptionalColumn = Field(
        AUTO, description="Column with the time; null: the file has none and is in time order."
    )
    rating: _OptionalColumn = Field(AUTO, description="Column with the rating; null: ignore ratings.")

    features: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = Field(
        (),
        max_length=32,
        description="Further columns of the log that features are made of, such as the device. The rating is there "
        "without being named.",
    )


class ItemsSpec(_Section):
    """The item table: a file in the same folder or zip as the log, or beside it. `auto` detects; null: none."""

    path: str = Field(AUTO, description="File, relative to the source's folder.")
    id: str = Field(AUTO, description="Column with the item's id.")
    title: _OptionalColumn = Field(AUTO, description="Column with the title.")
    categories: _OptionalColumn = Field(
        AUTO, description="Column with categories: a list, or text split by `|` or `,`."
    )


class UsersSpec(_Section):
    """The user table: a file in the same folder or zip as the log, or beside it. `auto` detects; null: none."""

    path: str = Field(AUTO, description="File, relative to the source's folder.")
    id: str = Field(AUTO, description="Column with the user's id.")


class DatasetSpec(_Section):
    """The whole of it; JSON-able, and the same before and after a round trip through JSON."""

    format: Format = Field("auto", description="Format of the log.")
    path: str | None = Field(None, description="The log's file inside the folder or zip, if several could be it.")
    mapping: Annotated[Mapping, BeforeValidator(lambda given: Mapping() if given is None else given)] = Field(
        Mapping(), description="Columns of the log; null: all detected."
    )
    items: ItemsSpec | None = Field(ItemsSpec(), description="The item table; null: read none.")
    users: UsersSpec | None = Field(UsersSpec(), description="The user table; null: read none.")
    separator: str | None = Field(
        None, pattern=_SEPARATOR, description="Field separator of CSV files, such as `;` or `::`; null: detected."
    )
    header: bool | None = Field(
        None, description="Whether CSV files start with column names; null: detected. Without, columns are column_1 ..."
    )
    encoding: Literal["utf-8", "latin-1"] = Field("utf-8", description="Encoding of CSV files.")
    on_bad_rows: Literal["reject", "skip"] = Field(
        "reject", description="What a bad row does: makes the dataset invalid, or is left out and counted."
    )
