// Signs users in with cookies. No script ever sees a token: the browser keeps them.
import { isOurs as isAltcha, solve } from "./altcha.js";

const SERVICE = document.querySelector('meta[name="gatehouse"]').content;
const EXPIRY_KEY = "session-expires-at"; // in localStorage, shared by all tabs: expiry of the access cookie, no secret
const element = (id) => document.getElementById(id);

let registration = {}; // the address and the token of the registration whose code is awaited
let csrfToken; // of the session; changes with every sign-in, perhaps in another tab
let timer;

// Requests

/** Sends a request with the cookies and, for a write, the CSRF token if it is known. */
async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  return fetch(SERVICE + path, {
    method,
    headers,
    credentials: "include",
    body: body && JSON.stringify(body),
  });
}

/** Reads the CSRF token of the session, if there is one. */
async function readCsrfToken() {
  const response = await send("GET", "/auth/csrf");
  return response.ok ? (await response.json()).csrf_token : undefined;
}

/** Sends a request with the session; renews an expired session or CSRF token once. */
async function authenticatedRequest(method, path, body) {
  if (method !== "GET") csrfToken ??= await readCsrfToken();
  const response = await send(method, path, body);
  if (response.status === 403 && (await response.clone().json()).code === "csrf_failed") {
    csrfToken = await readCsrfToken();
    return send(method, path, body);
  }
  if (response.status === 401 && (await renew())) return send(method, path, body);
  return response;
}

/** Posts a form; if a CAPTCHA is required, solves it and posts the form again with the answer. */
async function post(path, action, form) {
  const response = await send("POST", path, form);
  if (response.status !== 403 || (await response.clone().json()).code !== "captcha_required") return response;
  const challengeResponse = await send("GET", `/auth/captcha?action=${action}`);
  const challenge = challengeResponse.ok ? await challengeResponse.json() : {};
  return isAltcha(challenge) ? send("POST", path, { ...form, captcha: await solve(challenge) }) : response;
}

// Registration

async function register(email, password) {
  const response = await post("/auth/register", "register", { email, password });
  if (!response.ok) return showStatus(errorMessage(await response.json()));
  registration = { email, token: (await response.json()).registration_token };
  element("verification").hidden = false;
  return showStatus("If this e-mail address has no account yet, you will receive a code.");
}

/**
 * Verifies the e-mail address. A code alone verifies nothing: it comes with the token of the registration, or, if that
 * was made elsewhere, with its password.
 */
async function verifyEmail(email, code, password) {
  const isOurs = registration.email === email;
  const form = isOurs ? { email, code, registration_token: registration.token } : { email, code, password };
  const response = await send("POST", "/auth/email/verify", form);
  if (!response.ok) return showStatus(errorMessage(await response.json()));
  element("verification").hidden = true;
  return showStatus("Your e-mail address is verified. You can sign in now.");
}

/** Returns the messages of a problem document: those of its fields, else its detail. */
function errorMessage(problem) {
  const fields = Object.values(problem.errors ?? {}).flat();
  return fields.map((error) => error.message).join(" ") || problem.detail;
}

// The session

async function signIn(identifier, password) {
  const form = { identifier, password, transport: "cookie" };
  const response = await post("/auth/login", "login", form);
  const login = await response.json();
  if (!response.ok) return showStatus(login.detail);
  rememberSession(login);
  return showSignedIn(login.user);
}

/**
 * Exchanges the refresh cookie; returns whether the user is signed in.
 *
 * Several tabs may do this at the same time: a refresh token that was just used gets the same successor again.
 * The lock only saves the other tabs their request.
 */
async function renew() {
  const before = localStorage.getItem(EXPIRY_KEY);
  return navigator.locks.request("gatehouse-renew", async () => {
    const now = localStorage.getItem(EXPIRY_KEY);
    if (now !== before) return now !== null; // another tab renewed the session or signed out in the meantime
    csrfToken = await readCsrfToken(); // the known one may belong to a session that has ended
    const response = csrfToken && (await send("POST", "/auth/refresh"));
    if (response?.ok) rememberSession(await response.json());
    if (!response || response.status === 401) forgetSession();
    return Boolean(response?.ok);
  });
}

async function signOut() {
  const response = await authenticatedRequest("POST", "/auth/logout");
  if (response.ok || response.status === 401) forgetSession();
  else showStatus("You could not be signed out. Please try again.");
}

/** Stores the CSRF token and the expiry of a new session, and renews it before it expires. */
function rememberSession(session) {
  csrfToken = session.csrf_token;
  localStorage.setItem(EXPIRY_KEY, Date.now() + session.expires_in * 1000);
  scheduleRenewal();
}

function scheduleRenewal() {
  clearTimeout(timer);
  const left = Number(localStorage.getItem(EXPIRY_KEY)) - Date.now();
  if (left > 0) timer = setTimeout(renew, left * 0.9);
}

function forgetSession() {
  csrfToken = undefined;
  clearTimeout(timer);
  localStorage.removeItem(EXPIRY_KEY);
  showSignedOut();
}

// Display

function showSignedIn(user) {
  for (const id of ["sign-in", "verification"]) element(id).hidden = true;
  element("signed-in").hidden = false;
  element("name").value = user.name ?? "";
  showStatus(`Signed in as ${user.email}.`);
}

function showSignedOut() {
  element("sign-in").hidden = false;
  element("signed-in").hidden = true;
  showStatus("You are not signed in.");
}

function showStatus(message) {
  element("status").textContent = message;
}

async function showUser() {
  const response = await authenticatedRequest("GET", "/auth/me");
  if (response.ok) showSignedIn(await response.json());
  else if (response.status === 401) forgetSession();
  else showStatus("Something went wrong. Please try again.");
}

async function saveName() {
  const response = await authenticatedRequest("PATCH", "/auth/me", { name: element("name").value || null });
  showStatus(response.ok ? "Saved." : (await response.json()).detail);
}

/** Runs an action on an event; shows a message if the service cannot be reached. */
function on(target, type, action) {
  target.addEventListener(type, async (event) => {
    event.preventDefault();
    showStatus("…");
    await action().catch(() => showStatus("The service cannot be reached. Please try again."));
  });
}

on(element("sign-in"), "submit", async () => {
  await signIn(element("identifier").value, element("password").value);
  element("password").value = "";
});
on(element("register"), "click", () => register(element("identifier").value, element("password").value));
on(element("verification"), "submit", () =>
  verifyEmail(element("identifier").value, element("code").value.trim(), element("password").value),
);
on(element("save"), "click", saveName);
on(element("show-user"), "click", showUser);
on(element("renew"), "click", async () => {
  if (await renew()) await showUser();
});
on(element("sign-out"), "click", signOut);

// Another tab signed in, renewed the session or signed out.
window.addEventListener("storage", ({ key, newValue }) => {
  if (key !== EXPIRY_KEY) return;
  csrfToken = undefined;
  scheduleRenewal();
  if (newValue === null) showSignedOut();
  else if (element("signed-in").hidden) showUser();
});

scheduleRenewal();
showUser().catch(() => showStatus("The service cannot be reached."));
