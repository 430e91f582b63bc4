"""Reports to people about their own record, records that must be kept, and the register of erasures."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, delete, exists, select, update

from gateway.store.people import PERSON_COLUMNS
from gateway.store.sql import Added, Keyed, Statement
from gateway.store.tables import (
    acknowledgement,
    audit_entry,
    call_back,
    case_list_member,
    erased_token,
    erasure,
    legal_hold,
    outbox,
    person,
    person_token,
    record,
    review,
    subject_report,
    subscription,
)

OPEN, APPROVED, WITHDRAWN = "open", "approved", "withdrawn"  # of a report
ASKED, ERASED = "asked", "erased"  # of an erasure, beside WITHDRAWN

_agency = bindparam("agency", type_=Text)
_id = bindparam("id", type_=Text)
_person = bindparam("person_id", type_=Text)
_at = bindparam("at", type_=BigInteger)
_count = bindparam("count", type_=Integer)
_sealed = bindparam("sealed", type_=LargeBinary)

# --- what the log of an agency has about a person ---

ENTRIES_ABOUT = Statement(
    select(*audit_entry.columns)
    .where(
        audit_entry.c.custodian == _agency,
        audit_entry.c.patient_token == bindparam("token", type_=LargeBinary),
        audit_entry.c.recorded >= bindparam("since", type_=BigInteger),
    )
    .order_by(audit_entry.c.recorded, audit_entry.c.id)
    .limit(_count)
)

# --- reports, each with the row of the person under whose key it is sealed ---

ADD_REPORT = Added(subject_report)
_with_person = subject_report.join(person, person.c.id == subject_report.c.person)
_reports = select(*PERSON_COLUMNS, *subject_report.columns).select_from(_with_person).where(subject_report.c.agency == _agency)
REPORT = Statement(_reports.where(subject_report.c.id == _id))
LOCK_REPORT = Statement(
    _reports.where(subject_report.c.id == _id),
    _reports.where(subject_report.c.id == _id).with_for_update(of=subject_report),
)
REPORTS = Statement(_reports.order_by(subject_report.c.asked.desc(), subject_report.c.id).limit(_count))
REPORTS_OF = Statement(select(*subject_report.columns).where(subject_report.c.person == _person))
SET_REPORT = Statement(
    update(subject_report)
    .where(subject_report.c.id == bindparam("report_id", type_=Text))
    .values(body=_sealed, state=bindparam("new_state", type_=Text), changed=_at)
)
MOVE_REPORT = Statement(
    update(subject_report)
    .where(subject_report.c.id == bindparam("report_id", type_=Text))
    .values(body=_sealed, person=bindparam("survivor", type_=Text))
)
DROP_REPORTS = Statement(delete(subject_report).where(subject_report.c.person == _person))

# --- what must be kept ---

ADD_HOLD = Added(legal_hold)
STANDING_HOLDS = Keyed(select(legal_hold.c.person, *legal_hold.columns).where(legal_hold.c.lifted.is_(None)), legal_hold.c.person)
_hold = select(*legal_hold.columns).where(legal_hold.c.agency == _agency, legal_hold.c.id == _id)
LOCK_HOLD = Statement(_hold, _hold.with_for_update())
HOLDS = Statement(
    select(*legal_hold.columns)
    .where(legal_hold.c.agency == _agency)
    .order_by(legal_hold.c.lifted.is_not(None), legal_hold.c.since.desc(), legal_hold.c.id)
    .limit(_count)
)
_this_hold = update(legal_hold).where(legal_hold.c.id == bindparam("hold_id", type_=Text))
SET_HOLD = Statement(_this_hold.values(body=_sealed))
LIFT_HOLD = Statement(_this_hold.where(legal_hold.c.lifted.is_(None)).values(body=_sealed, lifted=_at))
MOVE_HOLDS = Statement(
    update(legal_hold)
    .where(legal_hold.c.person == bindparam("loser", type_=Text))
    .values(person=bindparam("survivor", type_=Text))
)
DROP_HOLDS = Statement(delete(legal_hold).where(legal_hold.c.person == _person))

# --- erasure ---

ADD_ERASURE = Added(erasure)
_erasure = select(*erasure.columns).where(erasure.c.agency == _agency, erasure.c.id == _id)
LOCK_ERASURE = Statement(_erasure, _erasure.with_for_update())
ERASURES = Statement(
    select(*erasure.columns).where(erasure.c.agency == _agency).order_by(erasure.c.asked.desc(), erasure.c.id).limit(_count)
)
ASKED_OF = Statement(select(erasure.c.id).where(erasure.c.person == _person, erasure.c.state == ASKED))
SET_ERASURE = Statement(
    update(erasure)
    .where(erasure.c.id == bindparam("erasure_id", type_=Text), erasure.c.state == ASKED)
    .values(
        state=bindparam("new_state", type_=Text),
        body=_sealed,
        erased=bindparam("done", type_=BigInteger),
        records=bindparam("number", type_=Integer),
    )
)
ADD_ERASED_TOKEN = Added(erased_token, new_only=True)
ERASED_BEFORE = Keyed(select(erased_token.c.token, erased_token.c.agency, erased_token.c.erasure), erased_token.c.token)
# Every erasure of every agency, oldest first: for the copy of the register that stands beside the keys.
REGISTER = Statement(
    select(erasure.c.person, erasure.c.agency, erasure.c.erased).where(erasure.c.state == ERASED).order_by(erasure.c.erased)
)

# The key goes first, in place, so that no page of the file keeps it beside the row that is taken away.
SPOIL_KEY = Statement(
    update(person)
    .where(person.c.id == _person)
    .values(content_key=bindparam("noise", type_=LargeBinary), identity=bindparam("blank", type_=LargeBinary))
)
# Rows of an agency that no number leads to: of people who were joined with another row, or purged.
EMPTIED = Statement(
    select(*PERSON_COLUMNS, person.c.updated)
    .where(person.c.agency == _agency, ~exists().where(person_token.c.person == person.c.id))
    .order_by(person.c.id)
)
DROP_PERSON = Statement(delete(person).where(person.c.id == _person, person.c.agency == _agency))

# What stands about the person beside their row.
_their_notices = select(outbox.c.id).where(outbox.c.person == _person)
DROP_ANSWERS = Statement(delete(acknowledgement).where(acknowledgement.c.notice.in_(_their_notices)))
BLANK_NOTICE = Statement(
    update(outbox)
    .where(outbox.c.id == bindparam("notice", type_=Text))
    .values(
        state=bindparam("new_state", type_=Text),
        body=_sealed,
        epoch=outbox.c.epoch + 1,
        leased_until=None,
        last_result=bindparam("result", type_=Text),
        updated=_at,
    )
)
CALL_BACKS_OF = Statement(select(*call_back.columns).where(call_back.c.owner == _agency))
DROP_CALL_BACK = Statement(delete(call_back).where(call_back.c.id == bindparam("call_back_id", type_=Text)))
REVIEWS_OF = Statement(select(*review.columns).where(review.c.agency == _agency, review.c.kind != "interest"))
DROP_REVIEW = Statement(delete(review).where(review.c.id == bindparam("review_id", type_=Text)))
OWN_SUBSCRIPTIONS_ABOUT = Statement(
    select(*subscription.columns).where(
        subscription.c.agency == _agency, subscription.c.person == bindparam("token", type_=LargeBinary)
    )
)
BLANK_SUBSCRIPTION = Statement(
    update(subscription)
    .where(subscription.c.id == bindparam("subscription_id", type_=Text))
    .values(
        status="off",
        person=bindparam("nobody", type_=LargeBinary),
        body=_sealed,
        destination=None,
        version=subscription.c.version + 1,
        updated=_at,
    )
)
LISTED = Statement(select(case_list_member.c.watch).where(case_list_member.c.person == bindparam("token", type_=LargeBinary)))

# People of an agency whose month of expiry has passed and of whom nothing has changed for as long as records are kept.
EXPIRED = Statement(
    select(*PERSON_COLUMNS)
    .where(
        person.c.agency == _agency,
        person.c.expires < bindparam("month", type_=Text),
        person.c.updated < bindparam("before", type_=BigInteger),
        ~exists().where(record.c.person == person.c.id, record.c.updated >= bindparam("before", type_=BigInteger)),
        ~exists().where(erasure.c.person == person.c.id, erasure.c.state == ASKED),
        exists().where(person_token.c.person == person.c.id),
    )
    .order_by(person.c.expires, person.c.id)
    .limit(_count)
)
