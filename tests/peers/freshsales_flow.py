"""What an ERP integration does with Freshsales, told once for any Python HTTP client.

A client is a function (method, path, query, body, headers) -> (status, headers, parsed JSON). Every call carries its
own correlation id and must get it back; every status is asserted; one JSON summary is printed at the end.
"""

import json
import sys

PER_PAGE = 25


class Flow:
    """One run of the flow; `name` is the client's, and goes into the planted personal data."""

    def __init__(self, name, send, key, prefix):
        self.name, self.send, self.key, self.prefix = name, send, key, prefix
        self.email = f"ada.{name}@flow.example"
        self.phone = "+1 202 555 0143"
        self.steps = []

    def call(self, step, method, path, expected, query=None, body=None):
        """One call; fails loudly on another status or another correlation id."""
        correlation_id = f"{self.prefix}-{step}"
        headers = {
            "Authorization": f"Token token={self.key}",
            "X-Correlation-ID": correlation_id,
            "X-Integration": "erp",
            "Accept": "application/json",
        }
        status, answered, parsed = self.send(method, path, query or {}, body, headers)
        assert status in expected, f"{step}: status {status}, expected {expected}: {parsed}"
        returned = answered.get("X-Correlation-ID")
        assert returned == correlation_id, f"{step}: correlation id {returned!r}, sent {correlation_id!r}"
        self.steps.append({"step": step, "status": status, "correlation_id": correlation_id})
        return parsed

    def run(self):
        """All steps, in the order an integration takes them."""
        contact = self.upsert_contact()
        self.create_deal(contact)
        self.create_task(contact)
        self.read_view()
        self.search(contact)
        self.call("missing", "GET", "/api/contacts/99999999999", {404})
        planted = [self.email, self.phone, "Lovelace-Flow", self.key, str(contact), "99999999999"]
        print(json.dumps({"client": self.name, "steps": self.steps, "planted": planted}))

    def upsert_contact(self):
        person = {"first_name": "Ada", "last_name": "Lovelace-Flow", "email": self.email, "mobile_number": self.phone}
        body = {"unique_identifier": {"emails": self.email}, "contact": person}
        first = self.call("upsert", "POST", "/api/contacts/upsert", {200, 201}, body=body)["contact"]["id"]
        again = self.call("upsert-again", "POST", "/api/contacts/upsert", {200}, body=body)["contact"]["id"]
        assert first == again, f"two contacts for one e-mail: {first}, {again}"
        return first

    def create_deal(self, contact):
        deal = {"name": "Order of Lovelace-Flow", "amount": 1250.5, "contacts_added_list": [contact]}
        made = self.call("deal", "POST", "/api/deals", {200, 201}, body={"deal": deal})["deal"]["id"]
        path = f"/api/deals/{made}"
        changed = self.call("deal-update", "PUT", path, {200}, body={"deal": {"amount": 990}})["deal"]
        assert float(changed["amount"]) == 990, changed

    def create_task(self, contact):
        task = {
            "title": "Call Lovelace-Flow",
            "due_date": "2030-01-15T09:00:00Z",
            "targetable_id": contact,
            "targetable_type": "Contact",
        }
        made = self.call("task", "POST", "/api/tasks", {200, 201}, body={"task": task})["task"]
        assert made["id"], made

    def read_view(self):
        filters = self.call("filters", "GET", "/api/contacts/filters", {200})["filters"]
        view = next(f["id"] for f in filters if f["name"] == "All Contacts")
        pages = [self.read_page(view, number) for number in (1, 2)]
        assert not set(pages[0]) & set(pages[1]), "one contact on two pages"

    def read_page(self, view, number):
        query = {"page": str(number), "per_page": str(PER_PAGE)}
        page = self.call(f"page-{number}", "GET", f"/api/contacts/view/{view}", {200}, query=query)
        assert page["meta"]["total"] > 2 * PER_PAGE, page["meta"]
        assert len(page["contacts"]) == PER_PAGE, len(page["contacts"])
        return [contact["id"] for contact in page["contacts"]]

    def search(self, contact):
        query = {"q": self.email, "include": "contact"}
        hits = self.call("search", "GET", "/api/search", {200}, query=query)
        assert str(contact) in [str(hit["id"]) for hit in hits], hits


def arguments():
    """Base URL, key and correlation prefix from the command line."""
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} BASE_URL KEY CORRELATION_PREFIX")
    return sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]
