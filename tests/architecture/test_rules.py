"""Each rule of the house finds a planted breach, and leaves what is allowed alone."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.architecture import rules

RELEASED = "shown = release(holding, permit, on, base)\n"


@pytest.mark.parametrize(
    "planted",
    [
        "Permit(3, classes, basis, (), '', (), False)",
        "from gateway.disclosure import decision\ndecision.Permit(tier=3)",
        "from gateway.disclosure.decision import Permit as Leave\nleave = Leave(3)",
        "Permit[int](3)",
    ],
)
def test_a_forged_permit_is_found(planted: str) -> None:
    """Whatever way it is reached."""
    assert rules.calls_to(planted, "Permit")


def test_a_permit_that_is_asked_for_or_matched_is_left_alone() -> None:
    """Taking one as a parameter and looking whether there is one are what it is for."""
    source = "def show(permit: Permit) -> bool:\n    return isinstance(permit, Permit)\n"
    assert not rules.calls_to(source, "Permit")
    assert not rules.calls_to("import part_of\npart.release()", "release")


@pytest.mark.parametrize(
    "planted", ["Upkeep(3)", "import gateway.store.ledger\nmade = gateway.store.ledger.Outcome(answer, (line,))"]
)
def test_a_housekeeping_or_outcome_made_elsewhere_is_found(planted: str) -> None:
    """The same rule serves both names."""
    assert rules.calls_to(planted, "Upkeep") or rules.calls_to(planted, "Outcome")


@pytest.mark.parametrize(
    "planted", [RELEASED, f"{RELEASED}Outcome(shown)", f"{RELEASED}Outcome(shown, ())", f"{RELEASED}Outcome(shown, audit=())"]
)
def test_a_disclosure_off_the_record_is_found(planted: str) -> None:
    """No Outcome at all, or one without entries."""
    assert rules.discloses_off_the_record(planted)


@pytest.mark.parametrize(
    "allowed", [f"{RELEASED}Outcome(shown, (line,))", f"{RELEASED}Outcome(shown, audit=lines)", "Outcome(None, ())"]
)
def test_a_disclosure_on_the_record_is_left_alone(allowed: str) -> None:
    """And what releases nothing is another rule's."""
    assert not rules.discloses_off_the_record(allowed)


@pytest.mark.parametrize(
    "planted",
    ["import jose", "from jose import jwt", "import jose.jws as signed", "def late():\n    from jose.jws import verify"],
)
def test_a_second_door_to_a_library_is_found(planted: str) -> None:
    """Whatever the import looks like, and wherever it stands."""
    assert rules.imports_of(planted, "jose")


def test_a_library_with_a_like_name_is_left_alone() -> None:
    """``joserfc`` is not ``jose``."""
    assert not rules.imports_of("import joserfc", "jose")


@pytest.mark.parametrize(
    "planted",
    [
        "log.info(f'looked up {number}')",
        "log.info('looked up %s', number)",
        "log.warning('refused', extra={'nhs_number': number})",
        "log.warning('refused', extra=everything)",
        "log.warning('refused', extra={**everything})",
        "logging.getLogger('x').error('failed: ' + text)",
        "self.log.error(str(fault))",
        "logging.error('%s', body)",
        "logger.info('seen', stack_info=True)",
    ],
)
def test_a_log_line_that_could_carry_a_person_is_found(planted: str) -> None:
    """Values in the message, fields off the list, fields that cannot be read from the source."""
    assert rules.loose_log_lines(planted, ("notice",))


@pytest.mark.parametrize(
    "allowed",
    ["log.info('settled', extra={'notice': notice})", "log.exception('failed')", "log.error('x', exc_info=True)", "math.log(2)"],
)
def test_a_plain_log_line_is_left_alone(allowed: str) -> None:
    """A constant message and listed fields."""
    assert not rules.loose_log_lines(allowed, ("notice",))


@pytest.mark.parametrize(
    "planted", ["datetime.now(UTC)", "datetime.datetime.now()", "time.time()", "date.today()", "time.time_ns()"]
)
def test_a_clock_is_found(planted: str) -> None:
    """However it is written."""
    assert rules.clocks_read(planted)


def test_a_time_that_is_handed_in_is_left_alone() -> None:
    """``moment.at`` and ``asked.now`` are arguments."""
    assert not rules.clocks_read("clock.moment(moment.at)\nasked.now()\ntime.strftime('%Y', at)")


@pytest.mark.parametrize(
    "planted",
    [
        "from sqlalchemy import text\nrows = text('SELECT 1')",
        "db.execute(f'SELECT * FROM person WHERE id = {id}')",
        "db.execute('DELETE FROM person WHERE id = ' + id)",
        "db.execute('select %s' % name)",
        "db.execute('INSERT INTO {} VALUES (1)'.format(table))",
        "connection.exec_driver_sql('PRAGMA x')",
    ],
)
def test_sql_built_from_strings_is_found(planted: str) -> None:
    """F-strings, sums, formats, and SQLAlchemy's own text."""
    assert rules.written_sql(planted)


@pytest.mark.parametrize(
    "allowed", ["db.execute('PRAGMA synchronous=FULL')", "select(person.c.id)", "f'selected {name}'", "def text(): ...\ntext()"]
)
def test_constant_settings_and_compiled_statements_are_left_alone(allowed: str) -> None:
    """A PRAGMA is a setting, and a sentence is not SQL."""
    assert not rules.written_sql(allowed)


def test_a_long_function_is_found() -> None:
    """61 lines without the docstring; a docstring of any length costs nothing."""
    long = "def much():\n" + "    x = 1\n" * 60
    documented = 'def little():\n    """' + "Why.\n" * 100 + '    """\n    return 1\n'
    assert rules.too_large(rules.sizes(long))
    assert rules.sizes(documented) == [rules.Size("little", 2)]


def test_a_house_of_middling_functions_is_found() -> None:
    """None is too long by itself, but the median says that they are not small any more."""
    assert rules.too_large([rules.Size("one", 11)] * 3) == ["the median is 11 lines"]
    assert "fewer than nine in ten are under 30 lines" in rules.too_large(
        [rules.Size("one", 5)] * 8 + [rules.Size("two", 30)] * 2
    )


def test_a_name_without_a_docstring_is_found() -> None:
    """Modules, functions and classes; private and nested names are free."""
    source = dedent('''
        def said():
            """Says."""
            def inside(): ...

        def unsaid(): ...
        class Unsaid: ...
        def _private(): ...
        ''')
    assert rules.undocumented(source) == ["the module", "unsaid", "Unsaid"]
    assert rules.undocumented("") == []


def test_a_test_without_a_sentence_is_found() -> None:
    """Methods of test classes too."""
    assert rules.tests_without_a_sentence("class TestIt:\n    async def test_it(self): ...") == ["test_it"]


def test_words_are_read_from_the_places_where_they_are_used() -> None:
    """Refusals, what gates return, and topics; comparisons are not uses."""
    source = dedent("""
        def gate(asked):
            if asked.code == "not-a-reason":
                return "one"
            return None if asked else "two"

        Refuse(reason or "three")
        entry(refusal="" if held else "four")
        Finding(None, reason="five")
        Change("six", when, False)
        """)
    assert rules.refusal_words(source) == {"one", "two", "three", "four", "five"}
    assert rules.topic_words(source) == {"six"}
    assert rules.unknown_words({"six", "seven"}, {"six"}) == ["seven"]
    assert rules.concepts({"concept": [{"code": "a", "concept": [{"code": "b"}]}]}) == {"a", "b"}


@pytest.mark.parametrize(
    "planted",
    ["gateway/utils.py", "gateway/store/helpers.py", "gateway/common/dates.py", "gateway/api/base.py", "gateway/manager.py"],
)
def test_a_drawer_is_found(planted: str) -> None:
    """As a file or as a folder."""
    assert rules.drawer(planted)


def test_a_name_that_says_what_is_inside_is_left_alone() -> None:
    """``base_headers.py`` is not ``base.py``."""
    assert not rules.drawer("gateway/api/base_headers.py")


def test_a_lock_that_leaks_or_lacks_is_found() -> None:
    """A missing dependency, a missing hash, an address."""
    lock = "fast-api==1 \\\n    --hash=sha256:aa\nhttpx[http2]==2\n"
    assert rules.not_locked(["Fast_API>=1", "httpx~=2", "orjson"], lock) == ["orjson"]
    assert rules.without_hash(lock) == ["httpx[http2]"]
    assert rules.addresses(lock) == []
    assert rules.addresses("--index-url somewhere\n") and rules.addresses("a @ https://example.org/a.whl\n")
