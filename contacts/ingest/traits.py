"""Traits: what a message says about its contact, cleaned to Contact's columns and free attributes."""

from collections.abc import Mapping
from typing import Any, Final

from contacts.ingest.identifiers import company_domain, normalise_domain
from contacts.ingest.incoming import Refused

TEXT_COLUMNS: Final[Mapping[str, int]] = {
    "first_name": 150,
    "last_name": 150,
    "phone": 64,
    "job_title": 255,
    "role": 100,
    "country": 100,
}
ANSWER_COLUMNS: Final = frozenset({"means", "authority"})
READ_ONLY: Final = frozenset({"owner", "consent", "stage", "scores", "source", "id"})
COMPANY_TEXTS: Final[Mapping[str, int]] = {"name": 255, "industry": 100, "country": 100}
ATTRIBUTE_PREFIX: Final = "attributes."
MAX_EMPLOYEES: Final = 2**31 - 1
MAX_ATTRIBUTE_KEY: Final = 255


def clean_traits(traits: Mapping[str, Any], field: str = "traits") -> dict[str, Any]:
    """Return ``traits`` under the names that are recorded; identifiers (``email``) are the caller's to take out first.

    A text of only spaces says nothing and is left out; None clears. Unknown names become ``attributes.<name>``.

    Raises:
        Refused: ``read_only``, ``invalid_type``, ``invalid_choice``, ``too_long``, naming the field.
    """
    cleaned: dict[str, Any] = {}
    for name, value in traits.items():
        where = f"{field}.{name}" if field else name
        if name in READ_ONLY:
            raise Refused("read_only", where, f"“{name}” cannot be set from outside.")
        if name in TEXT_COLUMNS:
            text = clean_text(value, where, TEXT_COLUMNS[name])
            if text != "":
                cleaned[name] = text
        elif name in ANSWER_COLUMNS:
            cleaned[name] = _clean_answer(value, where)
        elif name == "details_confirmed":
            if value is not None and not isinstance(value, bool):
                raise Refused("invalid_type", where, "This is true or false.")
            cleaned[name] = value
        elif name == "company":
            company = clean_company(value, where)
            if company != {}:
                cleaned[name] = company
        elif name == "attributes":
            if not isinstance(value, dict):
                raise Refused("invalid_type", where, "Attributes are an object.")
            for key, item in value.items():
                _add_attribute(cleaned, key, item, f"{where}.{key}")
        else:
            _add_attribute(cleaned, name, value, where)
    return cleaned


def clean_text(value: Any, field: str, longest: int) -> str | None:
    """Return a text without surrounding space (numbers become text); None stays None."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Refused("invalid_type", field, "This is a text.")
    text = value.strip()
    if len(text) > longest:
        raise Refused("too_long", field, f"At most {longest} characters fit.")
    return text


def clean_company(value: Any, field: str) -> dict[str, Any] | None:
    """Return ``{name, domain, industry, employees, country}`` as far as given; a bare text is the name; None clears.

    Raises:
        Refused: ``invalid_type``, ``invalid_number``, ``too_long``.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise Refused("invalid_type", field, "A company is an object or its name.")
    company: dict[str, Any] = {}
    prefix = f"{field}." if field else ""
    for name, longest in COMPANY_TEXTS.items():
        if name in value:
            text = clean_text(value[name], prefix + name, longest)
            if text != "" and not (text is None and name == "name"):
                company[name] = text
    domain = value.get("domain")
    if domain is not None and domain != "":
        if not isinstance(domain, str):
            raise Refused("invalid_type", f"{prefix}domain", "A domain is a text.")
        bare = normalise_domain(domain)
        if bare:
            company["domain"] = bare
    if "employees" in value:
        employees = clean_employees(value["employees"], f"{prefix}employees")
        if employees != "":
            company["employees"] = employees
    return company


def name_company(traits: dict[str, Any], email: str | None) -> None:
    """Say which company the attributes in ``traits`` describe: where they name none, that of the e-mail's domain.

    Attributes of a company that nothing names are dropped.
    """
    company = traits.get("company")
    if not company or "name" in company or "domain" in company:
        return
    domain = company_domain(email) if email else ""
    if domain:
        company["domain"] = domain
    else:
        del traits["company"]


def clean_employees(value: Any, field: str) -> int | str | None:
    """Return a head count; ``""`` where a blank text was given; None clears."""
    if value is None or value == "":
        return None if value is None else ""
    if isinstance(value, str):
        digits = value.strip().replace(",", "").replace(" ", "")
        value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < len(str(MAX_EMPLOYEES)) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_EMPLOYEES:
        raise Refused("invalid_number", field, "A number of employees is a whole number, zero or more.")
    return value


def _clean_answer(value: Any, field: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    answer = value.strip().lower() if isinstance(value, str) else ""
    if answer not in {"yes", "no", "unknown"}:
        raise Refused("invalid_choice", field, "The answer is yes, no or unknown.")
    return answer


def _add_attribute(cleaned: dict[str, Any], key: str, value: Any, field: str) -> None:
    if not key or len(key) > MAX_ATTRIBUTE_KEY:
        raise Refused("too_long", field, f"An attribute's name holds 1 to {MAX_ATTRIBUTE_KEY} characters.")
    cleaned[ATTRIBUTE_PREFIX + key] = value
