"""FHIR messages in, and the answers to them."""
