"""Columns as every table has them: text, whole numbers and bytes only (see ``gateway.store.tables``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text_(name: str, *more: object, **options: object) -> Column[str]:
    """Text that is there, unless said otherwise."""
    return Column(name, Text, *more, nullable=bool(options.pop("nullable", False)), **options)  # type: ignore[arg-type]


def bytes_(name: str, *, nullable: bool = False, primary_key: bool = False, index: bool | None = None) -> Column[bytes]:
    """Bytes: a keyed token, or what is sealed."""
    return Column(name, LargeBinary, nullable=nullable, primary_key=primary_key, index=index)


def time_(name: str, *, nullable: bool = False, index: bool | None = None) -> Column[int]:
    """Microseconds since 1970 UTC."""
    return Column(name, BigInteger, nullable=nullable, index=index)


def count_(name: str, default: int = 0) -> Column[int]:
    """A whole number that is always there, or a flag of 0 and 1."""
    return Column(name, Integer, nullable=False, server_default=str(default))
