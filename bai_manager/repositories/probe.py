"""How the database is: server, schema, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from bai_manager.repositories.database import SchemaMissing
from bai_manager.repositories.schema import schema_state
from bai_manager.services.status.types import Answer

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database
    from bai_manager.types.clock import Clock

_FACTS = text("SELECT current_setting('server_version') AS version, clock_timestamp() AS now")


class DatabaseProbe:
    """Says the server's version, the schema's shape and revision, and how far its clock is off."""

    name = "database"

    def __init__(self, database: Database, address: str, clock: Clock) -> None:
        self._database = database
        self.address = address
        self._clock = clock

    async def ask(self) -> Answer:
        """Raises ``SchemaMissing`` too: nothing can be done with another's database."""
        async with self._database.transaction() as connection:
            facts = (await connection.execute(_FACTS)).one()
            state = await schema_state(connection)
        if state.revision is None:
            raise SchemaMissing(
                "The server answers, and the database has no Backend.AI tables.",
                hint="On one machine, 'bai-manager init' makes them; of a cluster, check the name"
                " at the end of database.dsn.",
            )
        drift = (facts.now - self._clock()).total_seconds()
        written = "" if state.supported else ", not one this program writes to"
        schema = f"schema {state.shape}, revision {state.revision}{written}"
        return Answer(
            version=facts.version.split(" ")[0], detail=f"{schema}; its clock is {drift:+.3f} s off"
        )
