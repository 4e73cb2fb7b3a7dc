// Receive webhooks of Gatehouse: verify each, and store it once. Node 18, no packages.
//
// WEBHOOK_SECRET=whsec_... node receiver.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const KEY = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const TOLERANCE = 300; // seconds that a message may be old, so that it cannot be sent again later
const MAX_BODY = 65_536;
const stored = new Map(); // by id; a database in real life

function verify(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !signatures || !/^\d+$/.test(timestamp ?? "")) return false;
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const expected = Buffer.from("v1," + createHmac("sha256", KEY).update(signed).digest("base64"));
  const isSigned = signatures.split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return isSigned && Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE;
}

async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) <= MAX_BODY) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const body = await read(request); // the bytes as they came: JSON written again would differ
  if (!verify(request.headers, body)) return response.writeHead(401).end();
  const event = JSON.parse(body);
  if (!stored.has(event.id)) {
    stored.set(event.id, event); // a repeated message is accepted, and changes nothing
    console.log(event.type, JSON.stringify(event.data));
  }
  response.writeHead(204).end(); // only now: what is not answered 2xx is sent again
});

server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}`);
});
