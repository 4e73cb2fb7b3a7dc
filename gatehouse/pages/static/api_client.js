// Requests to the service, with the cookies of the session; no script ever sees a token.
import { sendSolved } from "./captcha.js";
import { words } from "./messages.js";

const STALE = ["csrf_failed", "token_missing", "token_expired", "insufficient_user_authentication"];
let csrfToken; // of the session; other tabs may have begun another one

/** What the service said when it refused: the problem document of RFC 9457. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? words.failed);
    this.code = problem.code;
    const fields = Object.values(problem.errors ?? {}).flat().map((error) => error.message);
    this.sentences = fields.length ? fields : [this.message];
  }
}

/** Sends a request that needs no session, such as a login; answers what came back. */
export async function ask(method, path, body) {
  const response = await sendSolved(path, body, (form) => send(method, path, form));
  return read(response);
}

/** Sends a request of somebody who is signed in; what expired meanwhile is renewed once. */
export async function askSignedIn(method, path, body) {
  if (method !== "GET") csrfToken ??= await readCsrfToken();
  const response = await send(method, path, body);
  const code = response.ok ? "" : (await response.clone().json()).code;
  if (!STALE.includes(code) || !(await renew())) return read(response);
  return read(await send(method, path, body));
}

/** Forgets the CSRF token: the session has ended, or another one begins. */
export function forget() {
  csrfToken = undefined;
}

async function renew() {
  csrfToken = await readCsrfToken();
  if (!csrfToken) return false;
  return (await send("POST", "/auth/refresh")).ok;
}

async function readCsrfToken() {
  const response = await send("GET", "/auth/csrf");
  return response.ok ? (await response.json()).csrf_token : undefined;
}

async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (csrfToken && method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  try {
    return await fetch(path, { method, headers, credentials: "same-origin", body: body && JSON.stringify(body) });
  } catch {
    throw new Refused({ detail: words.unreachable });
  }
}

async function read(response) {
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (!response.ok) throw new Refused(answer);
  return answer;
}
