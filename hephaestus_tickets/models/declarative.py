"""What all tables share."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import UserDefinedType

CLOCK = text("clock_timestamp()")
# JSON has no narrower type than Any: what a column holds is parsed by schemas on the way in.
Json = Any


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it off the class as it stands
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        list[str]: JSONB(),
        list[dict[str, Any]]: JSONB(),  # Any: JSON
        dict[str, Any]: JSONB(),  # Any: JSON
    }
