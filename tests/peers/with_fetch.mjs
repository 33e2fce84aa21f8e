// The Freshsales flow through Node's fetch. Every status and correlation id is asserted; one JSON summary is printed.
import assert from "node:assert/strict";

const [base, key, prefix] = process.argv.slice(2);
assert.ok(prefix, "usage: with_fetch.mjs BASE_URL KEY CORRELATION_PREFIX");

const PER_PAGE = 25;
const email = "ada.fetch@flow.example";
const phone = "+1 202 555 0143";
const steps = [];

async function call(step, method, path, expected, body) {
  const correlationId = `${prefix}-${step}`;
  const headers = {
    Authorization: `Token token=${key}`,
    "X-Correlation-ID": correlationId,
    "X-Integration": "erp",
    "Content-Type": "application/json",
  };
  const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000) };
  const answer = await fetch(base + path, options);
  const text = await answer.text();
  assert.ok(expected.includes(answer.status), `${step}: status ${answer.status}, expected ${expected}: ${text}`);
  assert.equal(answer.headers.get("x-correlation-id"), correlationId, step);
  steps.push({ step, status: answer.status, correlation_id: correlationId });
  return JSON.parse(text);
}

async function upsertContact() {
  const person = { first_name: "Ada", last_name: "Lovelace-Flow", email, mobile_number: phone };
  const body = { unique_identifier: { emails: email }, contact: person };
  const first = await call("upsert", "POST", "/api/contacts/upsert", [200, 201], body);
  const again = await call("upsert-again", "POST", "/api/contacts/upsert", [200], body);
  assert.equal(first.contact.id, again.contact.id, "two contacts for one e-mail");
  return first.contact.id;
}

async function createDeal(contact) {
  const deal = { name: "Order of Lovelace-Flow", amount: 1250.5, contacts_added_list: [contact] };
  const made = await call("deal", "POST", "/api/deals", [200, 201], { deal });
  const changed = await call("deal-update", "PUT", `/api/deals/${made.deal.id}`, [200], { deal: { amount: 990 } });
  assert.equal(Number(changed.deal.amount), 990);
}

async function createTask(contact) {
  const due = "2030-01-15T09:00:00Z";
  const task = { title: "Call Lovelace-Flow", due_date: due, targetable_id: contact, targetable_type: "Contact" };
  const made = await call("task", "POST", "/api/tasks", [200, 201], { task });
  assert.ok(made.task.id);
}

async function readView() {
  const { filters } = await call("filters", "GET", "/api/contacts/filters", [200]);
  const view = filters.find((filter) => filter.name === "All Contacts").id;
  const seen = new Set();
  for (const number of [1, 2]) {
    const path = `/api/contacts/view/${view}?page=${number}&per_page=${PER_PAGE}`;
    const page = await call(`page-${number}`, "GET", path, [200]);
    assert.ok(page.meta.total > 2 * PER_PAGE, JSON.stringify(page.meta));
    page.contacts.forEach((contact) => seen.add(contact.id));
  }
  assert.equal(seen.size, 2 * PER_PAGE, "one contact on two pages, or a short page");
}

async function search(contact) {
  const hits = await call("search", "GET", `/api/search?q=${encodeURIComponent(email)}&include=contact`, [200]);
  assert.ok(hits.some((hit) => String(hit.id) === String(contact)), JSON.stringify(hits));
}

const contact = await upsertContact();
await createDeal(contact);
await createTask(contact);
await readView();
await search(contact);
await call("missing", "GET", "/api/contacts/99999999999", [404]);
const planted = [email, phone, "Lovelace-Flow", key, String(contact), "99999999999"];
console.log(JSON.stringify({ client: "fetch", steps, planted }));
