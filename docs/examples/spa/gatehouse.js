// The client: requests with the session cookies. No script ever sees a token: the browser keeps them.
import { isOurs as isAltcha, solve } from "./altcha.js";

const SERVICE = document.querySelector('meta[name="gatehouse"]').content;
const EXPIRY_KEY = "session-expires-at"; // in localStorage, shared by all tabs: expiry of the access cookie, no secret
const RETRY = 30_000; // milliseconds until a renewal that got no answer is tried again

/** Set these: what to do when the session begins, ends, or has to be confirmed again (returns whether it was). */
export const on = { signedIn() {}, signedOut() {}, stepUp: async () => false };

let csrfToken; // of the session; changes with every sign-in, perhaps in another tab
let timer;

/** An error of the service (a problem document, RFC 9457), or no answer at all (then `status` is 0). */
export class Problem extends Error {
  constructor(status, problem, level) {
    const fields = Object.values(problem.errors ?? {}).flat();
    super(fields.map((error) => error.message).join(" ") || problem.detail);
    this.status = status;
    this.code = problem.code;
    this.level = level; // "aal1" or "aal2": how the user has to authenticate (RFC 9470)
  }
}

/** Sends a request and returns the body of the answer; throws a Problem. */
export async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  const init = { method, headers, credentials: "include", body: body && JSON.stringify(body) };
  const response = await fetch(SERVICE + path, init).catch(() => {
    throw new Problem(0, { detail: "The service cannot be reached. Please try again." });
  });
  const content = response.status === 204 ? {} : await response.json();
  if (response.ok) return content;
  const [, level] = (response.headers.get("WWW-Authenticate") ?? "").match(/acr_values="(\w+)"/) ?? [];
  throw new Problem(response.status, content, level);
}

/** Sends a form; if a CAPTCHA is required, solves it and sends the form again with the answer. */
export async function requestWithCaptcha(path, action, form) {
  try {
    return await request("POST", path, form);
  } catch (problem) {
    if (problem.code !== "captcha_required") throw problem;
    const challenge = await request("GET", `/auth/captcha?action=${action}`);
    if (!isAltcha(challenge)) throw problem; // other providers have a widget of their own
    return request("POST", path, { ...form, captcha: await solve(challenge) });
  }
}

/** Sends a request of the signed-in user. What keeps it from succeeding is mended once, then it is sent again. */
export async function authenticatedRequest(method, path, body, mended = []) {
  if (method !== "GET") csrfToken ??= await readCsrfToken();
  try {
    return await request(method, path, body);
  } catch (problem) {
    if (mended.includes(problem.code) || !(await mend(problem))) throw problem;
    return authenticatedRequest(method, path, body, [...mended, problem.code]);
  }
}

/** Returns whether the cause of an error is gone. A wrong code or password must never be sent a second time. */
async function mend(problem) {
  if (problem.code === "insufficient_user_authentication") return on.stepUp(problem.level);
  if (problem.code?.startsWith("token_")) return renew(); // expired, or revoked since roles have changed
  if (problem.code === "session_ended") endSession();
  if (problem.code !== "csrf_failed") return false;
  csrfToken = await readCsrfToken(); // the user has signed in again in another tab
  return Boolean(csrfToken);
}

/**
 * Exchanges the refresh cookie; returns whether the user is still signed in.
 *
 * Tabs that do this at the same time stay signed in: a refresh token that was just used gets the same successor again.
 * The lock only saves the other tabs their request.
 */
export async function renew() {
  const before = localStorage.getItem(EXPIRY_KEY);
  return navigator.locks.request("gatehouse-renew", async () => {
    const now = localStorage.getItem(EXPIRY_KEY);
    if (now !== before) return now !== null; // another tab has renewed or ended the session meanwhile
    try {
      csrfToken = await readCsrfToken(); // the known one may belong to a session that has ended
      if (csrfToken) beginSession(await refresh());
      else endSession();
    } catch (problem) {
      if (problem.status === 401) endSession();
      else throw problem; // no answer says nothing about the session: keep it
    }
    return Boolean(csrfToken);
  });
}

/** Refreshes; when the answer is lost, sends the same again: within ten seconds it returns the same new tokens. */
async function refresh() {
  for (const pause of [500, 2000]) {
    try {
      return await request("POST", "/auth/refresh");
    } catch (problem) {
      if (problem.status !== 0 && problem.status !== 503) throw problem;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return request("POST", "/auth/refresh");
}

async function readCsrfToken() {
  try {
    return (await request("GET", "/auth/csrf")).csrf_token;
  } catch (problem) {
    if (problem.status === 401) return undefined; // there is no session
    throw problem;
  }
}

export async function signOut() {
  await authenticatedRequest("POST", "/auth/logout").catch((problem) => {
    if (problem.status !== 401) throw problem; // otherwise the session had ended before
  });
  endSession();
}

/** Notes a new or renewed session, which is a login answer with the status `authenticated`. */
export function beginSession({ csrf_token, expires_in }) {
  csrfToken = csrf_token;
  localStorage.setItem(EXPIRY_KEY, Date.now() + expires_in * 1000);
  scheduleRenewal();
}

function endSession() {
  csrfToken = undefined;
  clearTimeout(timer);
  localStorage.removeItem(EXPIRY_KEY);
  on.signedOut();
}

/** Renews the session before its access cookie expires. */
function scheduleRenewal() {
  clearTimeout(timer);
  const left = Number(localStorage.getItem(EXPIRY_KEY)) - Date.now();
  if (left > 0) timer = setTimeout(renewOrRetry, left * 0.9);
}

function renewOrRetry() {
  renew().catch(() => {
    timer = setTimeout(renewOrRetry, RETRY);
  });
}

// Another tab has signed in, renewed the session or signed out.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key !== EXPIRY_KEY) return;
  csrfToken = undefined;
  scheduleRenewal();
  if (newValue === null) on.signedOut();
  else if (oldValue === null) on.signedIn();
});

scheduleRenewal();
