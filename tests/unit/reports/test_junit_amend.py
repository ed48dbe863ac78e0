"""Properties in a JUnit file of somebody else: every other byte stays, and what cannot be amended is left alone."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.reports import junit_amend
from pytest_aifootprint.reports.junit_amend import NotAmendedError, amend, amended_text
from pytest_aifootprint.reports.junit_values import of_run, of_test, on_suite, xml_text

RUN = samples.run_of(
    samples.footprint_of("t.py::test_a", samples.remote_call(1.0)),
    samples.footprint_of('t.py::test_b[<&">]', samples.remote_call(2.0)),
)
A, B = RUN.tests
HEAD = '<?xml version="1.0" encoding="utf-8"?>'


def text_of(data: str | bytes, *, on_tests: bool = True, prefix: str = "") -> bytes:
    return b"".join(
        amended_text(data.encode() if isinstance(data, str) else data, RUN, on_tests=on_tests, prefix=prefix)
    )


def properties_of(element: ET.Element | None) -> list[tuple[str, str]]:
    assert element is not None
    return [(p.attrib["name"], p.attrib["value"]) for p in element.findall("properties/property")]


def cases(data: bytes) -> list[ET.Element]:
    return ET.fromstring(data).findall(".//testcase")


def test_tests_and_suite_get_their_properties() -> None:
    data = text_of(
        f'{HEAD}<testsuites><testsuite name="pytest"><testcase classname="t" name="test_a"/>'
        '<testcase classname="t" name=\'test_b[&lt;&amp;">]\'><failure message=">"/></testcase>'
        "</testsuite></testsuites>"
    )
    suite = ET.fromstring(data).find("testsuite")
    assert properties_of(suite) == of_run(RUN)
    assert [properties_of(case) for case in cases(data)] == [of_test(A), of_test(B)]
    assert [child.tag for child in cases(data)[1]] == ["properties", "failure"]


def test_where_tests_may_have_none_the_suite_has_them() -> None:
    data = text_of('<testsuite><testcase classname="t" name="test_a"/></testsuite>', on_tests=False)
    assert properties_of(ET.fromstring(data)) == [*of_run(RUN), *on_suite(RUN.tests)]
    assert len(cases(data)[0]) == 0


def test_a_test_that_is_not_in_the_file_stands_with_the_suite() -> None:
    data = text_of(
        '<testsuite><testcase classname="t" name="renamed"/><testcase classname="t" name="test_a"/></testsuite>'
    )
    assert properties_of(ET.fromstring(data)) == [*of_run(RUN), *on_suite([B])]
    assert [properties_of(case) for case in cases(data)] == [[], of_test(A)]


def test_a_prefix_of_the_class_names_is_known() -> None:
    data = text_of('<testsuite><testcase classname="mine.t" name="test_a"/></testsuite>', prefix="mine")
    assert properties_of(cases(data)[0]) == of_test(A)


def test_what_was_said_at_once_is_replaced_and_what_others_said_stays() -> None:
    case = (
        '<testcase classname="t" name="test_a"><properties><property name="x" value="1" />'
        '<property name="aifootprint.direct.carbon_g" value="9" /><property name="aifootprint.calls" value=">" />'
        '<property name="aifootprint.mine" value="2" /></properties><system-out>o</system-out></testcase>'
    )
    # A failed call and a failed teardown are two cases of one test.
    data = text_of(f'<testsuite><properties><property name="y" value="2"/></properties>{case}{case}</testsuite>')
    first, second = cases(data)
    others = [("x", "1"), ("aifootprint.mine", "2")]
    assert properties_of(first) == [*others, *of_test(A)]
    assert properties_of(second) == others
    assert properties_of(ET.fromstring(data)) == [("y", "2"), *of_run(RUN), *on_suite([B])]


def test_empty_properties_are_filled() -> None:
    data = text_of(
        '<testsuite><properties/><testcase classname="t" name="test_a"><properties /></testcase></testsuite>'
    )
    root = ET.fromstring(data)
    assert len(root.findall("properties")) == 1
    assert len(cases(data)[0].findall("properties")) == 1
    assert properties_of(cases(data)[0]) == of_test(A)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "us-ascii"])
def test_every_other_byte_stays(encoding: str) -> None:
    before = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- a > b -->\r\n<testsuite  name = \'p"q\' >\t'
        '<testcase classname="t" name="test_a" ><!-- <testcase name="test_b"> --><system-out><![CDATA[<testcase>]]>'
        "&#233;</system-out></testcase><?pi <testsuite>?></testsuite>\n<!-- end -->"
    ).encode(encoding)
    after = text_of(before)
    suite = b"<properties>" + b"".join(_tags([*of_run(RUN), *on_suite([B])])) + b"</properties>"
    case = b"<properties>" + b"".join(_tags(of_test(A))) + b"</properties>"
    assert after.replace(suite, b"", 1).replace(case, b"", 1) == before
    ET.fromstring(after)


def _tags(properties: list[tuple[str, str]]) -> list[bytes]:
    return [ET.tostring(ET.Element("property", name=name, value=value)) for name, value in properties]


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.booleans())
def test_whatever_a_test_is_called_the_file_stays_valid(name: str, on_tests: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    run = samples.run_of(samples.footprint_of(f"t.py::test[{name}]", samples.remote_call(1.0)))
    case = ET.Element("testcase", classname="t", name=xml_text(f"test[{name}]"))
    before = b"<testsuite>" + ET.tostring(case, encoding="utf-8") + b"</testsuite>"
    root = ET.fromstring(b"".join(amended_text(before, run, on_tests=on_tests)))
    expected = of_test(run.tests[0]) if on_tests else []
    assert properties_of(root.find("testcase")) == expected


# --- what is left alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<testsuite><testcase></testsuite>", "not well-formed"),
        (b"", "not well-formed"),
        (b"<html/>", "no testsuite"),
        ("<testsuite/>".encode("utf-16"), "encoding"),
    ],
)
def test_a_file_that_is_no_junit_file_is_left_as_it_was(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "j.xml"
    path.write_bytes(content)
    with pytest.raises(NotAmendedError, match=reason) as raised:
        amend(path, RUN, on_tests=True)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_a_folder_and_a_large_file_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotAmendedError, match="not there"):
        amend(tmp_path / "missing.xml", RUN, on_tests=True)
    with pytest.raises(NotAmendedError, match="no regular file"):
        amend(tmp_path, RUN, on_tests=True)
    path = tmp_path / "j.xml"
    path.write_text("<testsuite/>")
    monkeypatch.setattr(junit_amend, "LARGEST_BYTES", 5)
    with pytest.raises(NotAmendedError, match="larger than"):
        amend(path, RUN, on_tests=True)
    assert path.read_text() == "<testsuite/>"


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.xml"
    path.write_text("<testsuite/>")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(NotAmendedError, match="No space left on device"):
        amend(path, RUN, on_tests=True)
    assert path.read_text() == "<testsuite/>"
    assert list(tmp_path.iterdir()) == [path]


def test_links_stay_links(tmp_path: Path) -> None:
    real = tmp_path / "real.xml"
    real.write_text("<testsuite/>")
    link = tmp_path / "link.xml"
    link.symlink_to(real)
    amend(link, RUN, on_tests=True)
    assert link.is_symlink()
    assert b"aifootprint.carbon_g" in real.read_bytes()
