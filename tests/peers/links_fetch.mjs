// Follows a job's address and a redirect through Node's fetch; prints where the redirect ended.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

const [base, key, prefix, caFile] = process.argv.slice(2);
assert.ok(caFile, "usage: links_fetch.mjs BASE_URL KEY CORRELATION_PREFIX CA_FILE");

// Node reads further authorities at its start, and only then.
if (process.env.NODE_EXTRA_CA_CERTS !== caFile) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile };
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: "inherit" });
  process.exit(status ?? 1);
}

async function call(step, method, url, body) {
  const headers = { Authorization: `Token token=${key}`, "X-Correlation-ID": `${prefix}-${step}` };
  const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000) };
  const answer = await fetch(url, options);
  assert.equal(answer.status, 200, step);
  assert.equal(answer.headers.get("alt-svc"), null, step);
  return { answer, told: await answer.json() };
}

const contacts = [{ emails: `job.${prefix}@fetch.example`, data: { last_name: "Job" } }];
const job = await call("job", "POST", `${base}/crm/sales/api/contacts/bulk_upsert`, { contacts });
const url = job.told.job_status_url;
assert.ok(url.startsWith(`${base}/`), url);
for (const [n, state] of [[1, "In Progress"], [2, "Completed"]]) {
  assert.equal((await call(`status-${n}`, "GET", url)).told.status, state);
}
const moved = await call("moved", "GET", `${base}/api/contacts/filters`);
assert.ok(moved.answer.redirected);
console.log(JSON.stringify({ client: "fetch", redirected_to: moved.answer.url }));
