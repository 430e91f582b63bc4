"""Every setting, its default and why. Read once at start from the environment (``GATEWAY_...``) and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.fhir.systems import BASE

HERE = Path(__file__).parent.parent


class Settings(BaseSettings):
    """One deployment. Frozen: what was read at start holds until the stop."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="forbid")

    kind: Literal["demo", "test", "production"] = Field(
        default="production", description="Written once into database and keys; demo and production never mix."
    )
    data: Path = Field(default=Path("data"), description="Folder of the embedded database (SQLite).")
    keys: Path | None = Field(default=None, description="Folder of the keys; beside the data folder unless set, never in it.")
    database_url: str = Field(default="", description="A PostgreSQL address (libpq form or URL); empty means embedded SQLite.")
    url: str = Field(default="http://127.0.0.1:8080", description="Where others reach this gateway, without a path.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; behind a TLS proxy in production.")
    port: int = Field(default=8080, description="Port to listen on.")
    canonical_base: str = Field(default=BASE, description="Canonical base of our own codes; production needs its own.")
    mappings: Path = Field(default=HERE / "mappings", description="Maps, codes, topics and wording.")
    agreements: Path = Field(default=HERE / "mappings" / "agreements", description="Agreements in force (*.toml).")
    deliver: bool = Field(default=True, description="Whether this process also delivers notices.")
    retry_seconds: str = Field(
        default="", description="Waits between deliveries, comma separated; empty: ten steps over 76 hours."
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of /metrics (Prometheus), on 127.0.0.1 alone; 0: none."
    )
    http_client: Literal["httpx", "httpx2"] = Field(
        default="httpx", description="The library whose transport notices are posted with: the one of httpx, or of httpx2."
    )
    private_receivers: str = Field(
        default="", description="Private networks that receivers may stand in, comma separated (CIDR)."
    )
    quota_persons_per_hour: int = Field(
        default=30, ge=1, description="How many different people a user of a client may ask about within an hour."
    )
    quota_listed_per_day: int = Field(
        default=1000, ge=1, description="How many different people a client may newly put on case lists within a day (UTC)."
    )
    session_idle_minutes: int = Field(
        default=15, ge=1, le=60, description="After how many minutes without use somebody is signed out of the pages."
    )
    session_hours: int = Field(default=10, ge=1, le=12, description="How long a sign-in lasts at most.")
    checkpoint_seconds: float = Field(default=10.0, description="How often the head of the access log is signed; at most 60.")

    records_mb: int = Field(default=64, ge=1, le=1024, description="Largest body of records that is answered at once, in MB.")
    handed_in_mb: int = Field(
        default=2048, ge=1, description="Largest file of records that is handed in to be loaded later, in MB."
    )
    unapproved_maps: Literal["allow", "warn", "refuse"] = Field(
        default="warn", description="What becomes of records whose map no approver of their sender has approved as it is."
    )
    listeners: str = Field(
        default="", description="File of what is listened to beside HTTP: HL7 v2 over MLLP, folders of dropped files."
    )

    @property
    def keys_folder(self) -> Path:
        """Where the keys are: beside the data folder, so that a copy of the data alone opens nothing."""
        return self.keys or self.data.with_name(self.data.name + ".keys")

    @property
    def database_file(self) -> Path:
        return self.data / "gateway.sqlite"

    @property
    def retry_steps(self) -> tuple[float, ...]:
        return tuple(float(part) for part in self.retry_seconds.split(",") if part.strip())

    @property
    def on_postgres(self) -> bool:
        return bool(self.database_url)
