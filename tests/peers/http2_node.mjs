// Calls over HTTP/2 through Node's own client, side by side on one connection. Arguments: BASE_URL CA_FILE CALLS.
import { readFileSync } from "node:fs";
import { connect } from "node:http2";

const [base, caFile, calls] = process.argv.slice(2);
const session = connect(base, { ca: readFileSync(caFile) });
session.on("error", (error) => { throw error; });
const body = JSON.stringify({ deal: { name: "Order" } });

function call() {
  return new Promise((resolve, reject) => {
    const request = session.request({ ":method": "POST", ":path": "/api/deals", "content-type": "application/json" });
    let status, text = "";
    request.setEncoding("utf8");
    request.on("response", (headers) => { status = headers[":status"]; });
    request.on("data", (data) => { text += data; });
    request.on("error", reject);
    request.on("end", () => (status === 200 && text === body ? resolve() : reject(new Error(`${status}: ${text}`))));
    request.end(body);
  });
}

await Promise.all(Array.from({ length: Number(calls) }, call));
session.close();
console.log(JSON.stringify({ answered: Number(calls) }));
