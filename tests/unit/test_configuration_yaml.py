"""The strict reader of YAML: what scalars mean, what is refused, and at which line."""

from __future__ import annotations

import math
import time

import pytest
import yaml

from fastalliance.configuration import yaml_loader
from fastalliance.configuration.messages import UnreadableError
from fastalliance.configuration.scalars import resolve
from fastalliance.configuration.yaml_loader import load_yaml


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def _parser(request, monkeypatch):
    """Run every test with the parser of libyaml and with the pure Python one."""
    if not hasattr(yaml, request.param):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml_loader, "_LOADER", getattr(yaml, request.param))


def refused(text):
    with pytest.raises(UnreadableError) as caught:
        load_yaml(text)
    return caught.value.line, caught.value.text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5E+4", 15000.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-2.5", -2.5),
        ("0.0", 0.0),
        ("0e5", 0.0),
        (".inf", math.inf),
        ("+.Inf", math.inf),
        ("-.INF", -math.inf),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("18446744073709551615", 2**64 - 1),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
    ],
)
def test_scalar__is_what_yaml_1_2_says(text, value):
    data = load_yaml(f"key: {text}").data["key"]
    assert data == value
    assert type(data) is type(value)


def test_scalar__nan():
    assert math.isnan(load_yaml("[.nan]").data[0])


TEXTS = (
    "no yes on off y 12:30 1_000 0b11 2024-01-31 inf nan 1e - -0x1F 0o8 0xG 1.2.3 tRue ١٢ 1e-3x e5 "
    ". + dyad +-1"
)


@pytest.mark.parametrize("text", TEXTS.split())
def test_scalar__anything_else_is_text(text):
    assert resolve(text) == text


@pytest.mark.parametrize("text", ["'1e-3'", '"1e-3"', "|-\n  1e-3", ">-\n  1e-3"])
def test_scalar__quoted_or_block_is_text(text):
    assert load_yaml(f"key: {text}").data == {"key": "1e-3"}


@pytest.mark.parametrize(
    ("text", "instead"),
    [("012", "12"), ("-007", "-7"), ("00", "0"), ("01.5", "1.5"), ("+012e3", "+12e3")],
)
def test_scalar__leading_zero_is_refused_with_both_readings(text, instead):
    line, message = refused(f"a: 1\ndt: {text}")
    assert line == 2
    assert message.startswith("dt begins with a zero")
    assert message.endswith(f"got {text}: write {instead} or '{text}'")


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 310, "1" + "0" * 5000, "0x" + "f" * 300])
def test_scalar__beyond_double_precision_is_refused(text):
    line, message = refused(f"a: 1\ndt: {text}")
    assert line == 2
    assert message.startswith("dt is beyond the range of double precision, got ")
    assert len(message) < 100


def test_scalar__largest_whole_numbers_are_read():
    assert resolve("9" * 308) == int("9" * 308)


@pytest.mark.parametrize("text", ["1e-400", "-0.1e-330"])
def test_scalar__that_would_become_zero_is_refused(text):
    assert refused(f"dt: {text}") == (
        1,
        f"dt is too small for double precision, which reads 0, got {text}",
    )


@pytest.mark.parametrize(
    "text", ["a: 1\nb:", "a: 1\nb:\n", "a: 1\nb: # forgotten", "a: 1\nb: {c: }"]
)
def test_scalar__forgotten_value_is_refused(text):
    line, message = refused(text)
    assert line == 2
    assert message.startswith("b")
    assert message.endswith("has no value")


def test_document__lines_of_every_field():
    text = (
        "model: dyad\n\ndesign:\n  grid:\n    x: [0,\n        1]\n"
        "    'odd key': {linspace: [0, 1, 3]}\n"
    )
    data, lines = load_yaml(text)
    assert data["design"]["grid"]["odd key"] == {"linspace": [0, 1, 3]}
    assert lines == {
        "model": 1,
        "design": 3,
        "design.grid": 4,
        "design.grid.x": 5,
        "design.grid.x[0]": 5,
        "design.grid.x[1]": 6,
        "design.grid.'odd key'": 7,
        "design.grid.'odd key'.linspace": 7,
        "design.grid.'odd key'.linspace[0]": 7,
        "design.grid.'odd key'.linspace[1]": 7,
        "design.grid.'odd key'.linspace[2]": 7,
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n"])
def test_document__empty_text_is_none(text):
    assert load_yaml(text).data is None


def test_document__key_with_a_dot_is_told_from_nesting():
    data, lines = load_yaml("a: {b: 1}\na.b: 2\n")
    assert data == {"a": {"b": 1}, "a.b": 2}
    assert (lines["a.b"], lines["'a.b'"]) == (1, 2)


@pytest.mark.parametrize("second", ["seed", "'seed'", '"se\\x65d"'])
def test_refused__duplicate_key_names_both_lines(second):
    text = f"model: dyad\nseed: 1\nreplicates: 2\n{second}: 3\n"
    assert refused(text) == (4, "duplicate key seed (first on line 2)")


def test_refused__duplicate_key_inside():
    text = "parameters:\n  trust_gain: 1\n  trust_gain: 1\n"
    assert refused(text) == (3, "duplicate key parameters.trust_gain (first on line 2)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: &name 2", "anchors"),
        ("a: 1\nb: &name [2]", "anchors"),
        ("a: 1\n&name b: 2", "anchors"),
        ("a: 1\nb: *name", "aliases"),
        ("a: 1\n*name : 2", "aliases"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", "tags"),
        ("a: 1\nb: !!python/name:os.system", "tags"),
        ("a: 1\nb: !!int 1", "tags"),
        ("a: 1\nb: !!str 1", "tags"),
        ("a: 1\nb: ! 1", "tags"),
        ("a: 1\nb: !own {}", "tags"),
        ("a: 1\n!!str b: 1", "tags"),
        ("a: 1\n<<: {b: 1}", "merge keys"),
        ("a: 1\n---\nb: 1", "a second document"),
        ("a: 1\n12: 1", "a key must be text, got 12"),
        ("a: 1\n012: 1", "a key must be text, got 012"),
        ("a: 1\ntrue: 1", "a key must be text, got true"),
        ("a: 1\nnull: 1", "a key must be text, got null"),
        ("a: 1\n? \n: 1", "a key must be text, got nothing"),
        ("a: 1\n[b]: 1", "a key must be text, got a list"),
        ("a: 1\n? {b: 1}\n: 1", "a key must be text, got a list or a mapping"),
        ("a: 1\n" + "k" * 101 + ": 1", "a key is longer than 100 characters"),
        ("a: 1\n\tb: 1", "not valid YAML"),
        ("a: 1\nb: c: d", "not valid YAML"),
        ("a: 1\nb: [1, 2", "not valid YAML"),
        ("a: 1\nb: 'never closed", "not valid YAML"),
        ("a: 1\nb: @c", "not valid YAML"),
        ("a: 1\nb: \0", "the character '\\x00' is not allowed"),
        ("a: 1\nb: \x1b[31m", "the character '\\x1b' is not allowed"),
        ("a: 1\nb: \u2028", "the character '\\u2028' is not allowed"),
        ("a: 1\nb: \ud800", "the character '\\ud800' is not allowed"),
    ],
)
def test_refused__with_its_line(text, words):
    line, message = refused(text)
    assert message.startswith(words)
    assert line == 2


@pytest.mark.parametrize("directive", ["%YAML 1.1", "%TAG ! tag:example.com,2000:"])
def test_refused__directives(directive):
    assert refused(f"{directive}\n---\na: 1") == (1, "directives (%YAML, %TAG) are not supported")


@pytest.mark.parametrize("escape", ["\\ud800", "\\U00110000", "\\Uffffffff"])
def test_refused__escape_of_no_character(escape):
    refused(f'a: "{escape}"')


def test_refused__tab_indentation_is_named():
    line, message = refused("parameters:\n\ttrust_noise: 0.2\n")
    assert line == 2
    assert message.endswith("the line holds a tab, and YAML indents by spaces")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_refused__nesting_deeper_than_32(opening, closing):
    assert load_yaml(opening * 32 + "1" + closing * 32).data
    assert refused(opening * 33 + "1" + closing * 33) == (1, "nested deeper than 32 levels")


def test_refused__deep_nesting_is_not_even_read():
    start = time.process_time()
    refused("[" * 1_000_000)
    refused("- " * 500_000)
    assert time.process_time() - start < 5.0
