"""Who may ask for cards (CDS Hooks), from which pages of browsers, and what clinicians made of the cards."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, delete, select

from gateway.store.sql import Added, Statement
from gateway.store.tables import card_client, card_feedback, client

CARD_CLIENT = Statement(
    select(
        card_client.c.client,
        card_client.c.jku,
        card_client.c.purpose,
        client.c.agency,
        client.c.scopes,
        client.c.purposes,
        client.c.roles,
        client.c.jwks,
        client.c.revoked,
    )
    .select_from(card_client.join(client, client.c.id == card_client.c.client))
    .where(card_client.c.issuer == bindparam("issuer", type_=Text))
)
CARD_PURPOSES = Statement(select(card_client.c.client, card_client.c.purpose))  # whose charts ask by themselves, what for
ORIGINS = Statement(select(card_client.c.origins))
ADD_CARD_CLIENT = Added(card_client, new_only=True)
REMOVE_CARD_CLIENT = Statement(delete(card_client).where(card_client.c.client == bindparam("client_id", type_=Text)))
ADD_FEEDBACK = Added(card_feedback, new_only=True)
FEEDBACK = Statement(
    select(card_feedback.c.client, card_feedback.c.card, card_feedback.c.outcome, card_feedback.c.received, card_feedback.c.body)
    .where(card_feedback.c.client == bindparam("client_id", type_=Text))
    .order_by(card_feedback.c.received, card_feedback.c.id)
)
