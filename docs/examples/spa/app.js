// A page that signs people in with cookies. No script ever sees a token: the browser keeps them.
import { isOurs, solve } from "./altcha.js";

const SERVICE = document.querySelector('meta[name="gatehouse"]').content;
const UNTIL = "signed-in-until"; // shared by all tabs: when the access cookie expires, no secret
const element = (id) => document.getElementById(id);

let csrfToken; // of the session; another one after another sign-in, perhaps in another tab
let timer;

// Requests

/** Sends one request, with the cookies and, where it changes something, the CSRF token if we know it. */
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

/** Sends a request of somebody who is signed in; what expired or changed meanwhile is renewed once. */
async function ask(method, path, body) {
  if (method !== "GET") csrfToken ??= await readCsrfToken();
  const response = await send(method, path, body);
  if (response.status === 403 && (await response.clone().json()).code === "csrf_failed") {
    csrfToken = await readCsrfToken();
    return send(method, path, body);
  }
  if (response.status === 401 && (await renew())) return send(method, path, body);
  return response;
}

/** Sends a form that robots like, too: where a CAPTCHA is asked for, once more with its answer. */
async function post(path, action, form) {
  const response = await send("POST", path, form);
  if (response.status !== 403 || (await response.clone().json()).code !== "captcha_required") return response;
  const asked = await send("GET", `/auth/captcha?action=${action}`);
  const challenge = asked.ok ? await asked.json() : {};
  return isOurs(challenge) ? send("POST", path, { ...form, captcha: await solve(challenge) }) : response;
}

// An account

async function register(email, password) {
  const response = await post("/auth/register", "register", { email, password });
  if (!response.ok) return say(reasons(await response.json()));
  element("proof").hidden = false;
  return say("If this address is new here, a code is on its way to it.");
}

/** The password comes along: without it a code counts only where one registered (same network). */
async function confirm(email, code, password) {
  const form = { email, code, ...(password && { password }) };
  const response = await send("POST", "/auth/email/verify", form);
  if (!response.ok) return say(reasons(await response.json()));
  element("proof").hidden = true;
  return say("Your address is confirmed. You can sign in now.");
}

/** Answers what is wrong with each field, or with the whole. */
function reasons(problem) {
  const fields = Object.values(problem.errors ?? {}).flat();
  return fields.map((error) => error.message).join(" ") || problem.detail;
}

// The session

async function signIn(identifier, password) {
  const form = { identifier, password, transport: "cookie" };
  const response = await post("/auth/login", "login", form);
  const answer = await response.json();
  if (!response.ok) return say(answer.detail);
  keep(answer);
  return show(answer.user);
}

/**
 * Exchanges the refresh cookie; answers whether somebody is signed in.
 *
 * Several tabs may do this at once: the service gives a token that was just used its successor once
 * more. The lock only saves the others their request.
 */
async function renew() {
  const seen = localStorage.getItem(UNTIL);
  return navigator.locks.request("gatehouse-renew", async () => {
    const now = localStorage.getItem(UNTIL);
    if (now !== seen) return now !== null; // another tab has been here while we waited
    csrfToken = await readCsrfToken(); // ours may be of a session that has ended
    const response = csrfToken && (await send("POST", "/auth/refresh"));
    if (response?.ok) keep(await response.json());
    if (!response || response.status === 401) leave();
    return Boolean(response?.ok);
  });
}

async function signOut() {
  const response = await ask("POST", "/auth/logout");
  if (response.ok || response.status === 401) leave();
  else say("Signing out did not work. Please try again.");
}

/** Remembers what an answer says about the session, and renews it before it expires. */
function keep(answer) {
  csrfToken = answer.csrf_token;
  localStorage.setItem(UNTIL, Date.now() + answer.expires_in * 1000);
  schedule();
}

function schedule() {
  clearTimeout(timer);
  const left = Number(localStorage.getItem(UNTIL)) - Date.now();
  if (left > 0) timer = setTimeout(renew, left * 0.9);
}

/** Forgets the session. */
function leave() {
  csrfToken = undefined;
  clearTimeout(timer);
  localStorage.removeItem(UNTIL);
  showSignedOut();
}

// What is seen

function show(user) {
  for (const id of ["sign-in", "proof"]) element(id).hidden = true;
  element("inside").hidden = false;
  element("name").value = user.name ?? "";
  say(`Signed in as ${user.email}.`);
}

function showSignedOut() {
  element("sign-in").hidden = false;
  element("inside").hidden = true;
  say("Nobody is signed in.");
}

function say(sentence) {
  element("status").textContent = sentence;
}

async function look() {
  const response = await ask("GET", "/auth/me");
  if (response.ok) show(await response.json());
  else if (response.status === 401) leave();
  else say("The service does not answer as it should. Please try again.");
}

async function save() {
  const response = await ask("PATCH", "/auth/me", { name: element("name").value || null });
  say(response.ok ? "Saved." : (await response.json()).detail);
}

/** Lets a button do something, and says so where the service cannot be reached. */
function on(target, event, act) {
  target.addEventListener(event, async (happened) => {
    happened.preventDefault();
    say("…");
    await act().catch(() => say("The service cannot be reached. Please try again."));
  });
}

on(element("sign-in"), "submit", async () => {
  await signIn(element("identifier").value, element("password").value);
  element("password").value = "";
});
on(element("register"), "click", () => register(element("identifier").value, element("password").value));
on(element("proof"), "submit", () =>
  confirm(element("identifier").value, element("code").value.trim(), element("password").value),
);
on(element("save"), "click", save);
on(element("look"), "click", look);
on(element("renew"), "click", async () => {
  if (await renew()) await look();
});
on(element("sign-out"), "click", signOut);

// Another tab signed in, renewed or signed out.
window.addEventListener("storage", ({ key, newValue }) => {
  if (key !== UNTIL) return;
  csrfToken = undefined;
  schedule();
  if (newValue === null) showSignedOut();
  else if (element("inside").hidden) look();
});

schedule();
look().catch(() => say("The service cannot be reached."));
