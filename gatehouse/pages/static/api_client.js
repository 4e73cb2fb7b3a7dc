// Requests to the service, with the cookies of the session; no script ever sees a token.
import { messages } from "./messages.js";

const RENEWABLE = ["csrf_failed", "token_missing", "token_expired", "insufficient_user_authentication"];
let csrfToken; // of the session; another tab may have started a new session

/** An error response of the service: a problem document (RFC 9457). */
export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail ?? messages.failed);
    this.code = problem.code;
    const fields = Object.values(problem.errors ?? {}).flat().map((error) => error.message);
    this.messages = fields.length ? fields : [this.message];
  }
}

/** Sends a request that needs no session, such as a login; returns the response body. */
export async function request(method, path, body) {
  return read(await send(method, path, body));
}

/** Sends a request with the session; renews an expired session or CSRF token once. */
export async function authenticatedRequest(method, path, body) {
  if (method !== "GET") csrfToken ??= await readCsrfToken();
  const response = await send(method, path, body);
  const code = response.ok ? "" : (await response.clone().json()).code;
  if (!RENEWABLE.includes(code) || !(await renew())) return read(response);
  return read(await send(method, path, body));
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
    throw new ApiError({ detail: messages.unreachable });
  }
}

async function read(response) {
  const text = await response.text();
  const body = text ? JSON.parse(text) : {};
  if (!response.ok) throw new ApiError(body);
  return body;
}
