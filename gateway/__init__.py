"""The Think Family Gateway: status lookups and change notices between adult and children's services."""

__version__ = "0.1.0"
