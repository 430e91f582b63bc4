"""Every table of the gateway, for SQLite and PostgreSQL alike.

Columns hold text, whole numbers and bytes only, so that compiled statements need no type conversion on
either driver. Times are microseconds since 1970 UTC. Keys are random, never a sequence. What could tell of a
person is sealed; beside it stand keyed tokens, random ids, the organisation and the month of expiry.
"""

from gateway.store.columns import metadata as metadata
from gateway.store.tables.clinicians import launch_system as launch_system
from gateway.store.tables.log import audit_beside as audit_beside
from gateway.store.tables.log import audit_checkpoint as audit_checkpoint
from gateway.store.tables.log import audit_cosignature as audit_cosignature
from gateway.store.tables.log import audit_entry as audit_entry
from gateway.store.tables.log import audit_export as audit_export
from gateway.store.tables.log import audit_key as audit_key
from gateway.store.tables.log import audit_leaf as audit_leaf
from gateway.store.tables.log import audit_mark as audit_mark
from gateway.store.tables.log import audit_marked as audit_marked
from gateway.store.tables.log import audit_node as audit_node
from gateway.store.tables.log import audit_restore as audit_restore
from gateway.store.tables.log import audit_unsealed as audit_unsealed
from gateway.store.tables.log import audit_witness as audit_witness
from gateway.store.tables.log import log_head as log_head
from gateway.store.tables.log import witnessed_log as witnessed_log
from gateway.store.tables.notices import acknowledgement as acknowledgement
from gateway.store.tables.notices import call_back as call_back
from gateway.store.tables.notices import case_list as case_list
from gateway.store.tables.notices import case_list_member as case_list_member
from gateway.store.tables.notices import heartbeat as heartbeat
from gateway.store.tables.notices import inbox as inbox
from gateway.store.tables.notices import outbox as outbox
from gateway.store.tables.notices import reply as reply
from gateway.store.tables.notices import subscription as subscription
from gateway.store.tables.people import handed_in as handed_in
from gateway.store.tables.people import handed_in_part as handed_in_part
from gateway.store.tables.people import load_step as load_step
from gateway.store.tables.people import loaded_file as loaded_file
from gateway.store.tables.people import map_approval as map_approval
from gateway.store.tables.people import match_term as match_term
from gateway.store.tables.people import person as person
from gateway.store.tables.people import person_token as person_token
from gateway.store.tables.people import record as record
from gateway.store.tables.people import record_version as record_version
from gateway.store.tables.people import unmatched_code as unmatched_code
from gateway.store.tables.policy import agreement as agreement
from gateway.store.tables.policy import approver as approver
from gateway.store.tables.policy import charge as charge
from gateway.store.tables.policy import daily_turn as daily_turn
from gateway.store.tables.policy import review as review
from gateway.store.tables.policy import shield as shield
from gateway.store.tables.registry import agency as agency
from gateway.store.tables.registry import card_client as card_client
from gateway.store.tables.registry import card_feedback as card_feedback
from gateway.store.tables.registry import client as client
from gateway.store.tables.registry import identity_provider as identity_provider
from gateway.store.tables.registry import seen_assertion as seen_assertion
from gateway.store.tables.registry import session as session
from gateway.store.tables.registry import staff_member as staff_member
from gateway.store.tables.registry import standing as standing
from gateway.store.tables.subjects import erased_token as erased_token
from gateway.store.tables.subjects import erasure as erasure
from gateway.store.tables.subjects import legal_hold as legal_hold
from gateway.store.tables.subjects import subject_report as subject_report
