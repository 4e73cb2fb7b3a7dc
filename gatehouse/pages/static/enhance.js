// Sends marked forms without leaving the page: errors appear in place, and nothing typed is lost.
import { isOurs as isAltcha, solve } from "./altcha.js";
import { messages } from "./messages.js";

const HEADERS = { Accept: "text/html", "X-Requested-With": "fetch" };
const FOCUS = ["[aria-invalid=true]", "#result.bad", "[autofocus]", "h1"];
const initializers = [];

/** Calls `initialize` for this page, and again for each page that an answer puts in its place. */
export function onPage(initialize) {
  initializers.push(initialize);
  initialize();
}

/** Runs what a form does: it leads to another page, or fails, and then its error is shown. */
export async function run(form, action) {
  setBusy(form, true);
  try {
    await action();
  } catch (problem) {
    showMessage(problem.message || messages.failed);
    setBusy(form, false);
  }
}

/** Shows one message of the page; an error, unless `kind` says something else. */
export function showMessage(text, kind = "bad") {
  const result = document.getElementById("result");
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  result.className = kind;
  result.replaceChildren(paragraph);
}

async function send(form, button) {
  const typed = new URLSearchParams(new FormData(form));
  const body = new URLSearchParams(typed);
  if (button?.name) body.append(button.name, button.value);
  if (form.dataset.captcha) body.append("captcha", await solveFor(form.dataset.captcha));
  const response = await post(form.getAttribute("action"), body);
  if (response.headers.has("X-Location")) return location.assign(response.headers.get("X-Location"));
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.querySelector("main")) throw new Error(messages.failed);
  if (response.ok && response.url !== location.href) history.pushState(null, "", response.url);
  show(page, response.ok ? [] : typed);
  const again = response.ok || form.dataset.captcha ? null : findForm(form.getAttribute("action"));
  return again?.dataset.captcha && again.requestSubmit(); // it was refused for the lack of an answer only
}

const findForm = (action) => document.querySelector(`form[action="${CSS.escape(action)}"]`);

async function post(url, body) {
  try {
    return await fetch(url, { method: "POST", headers: HEADERS, credentials: "same-origin", body });
  } catch {
    throw new Error(messages.unreachable);
  }
}

/** Solves the CAPTCHA that the service has asked for; the user does not have to click. */
async function solveFor(action) {
  showMessage(messages.captcha, "");
  const response = await fetch(`/auth/captcha?action=${action}`, { headers: { Accept: "application/json" } })
    .catch(() => { throw new Error(messages.unreachable); });
  const challenge = response.ok ? await response.json() : {};
  if (!isAltcha(challenge)) throw new Error(messages.unsolvable); // our content policy allows no other provider
  return solve(challenge);
}

/** Puts another page in the place of this one, with what was typed, and moves the focus to it. */
function show(page, typed) {
  const main = document.importNode(page.querySelector("main"), true);
  for (const each of main.querySelectorAll("noscript")) each.remove();
  for (const [name, value] of typed) {
    const fields = main.querySelectorAll(`input:not([type=hidden], [type=checkbox])[name="${CSS.escape(name)}"]`);
    for (const field of fields) field.value ||= value;
  }
  document.title = page.title;
  document.querySelector("main").replaceWith(main);
  loadScripts(page);
  for (const initialize of initializers) initialize();
  const target = FOCUS.map((selector) => main.querySelector(selector)).find(Boolean);
  if (!target?.matches("input, select, textarea")) target?.setAttribute("tabindex", "-1");
  target?.focus();
}

/** Loads the scripts of a page that this one lacks. */
function loadScripts(page) {
  const { nonce } = document.querySelector("script[nonce]");
  for (const { src } of page.querySelectorAll("script[src]")) {
    if ([...document.scripts].some((script) => script.src === src)) continue;
    document.head.append(Object.assign(document.createElement("script"), { type: "module", nonce, src }));
  }
}

function setBusy(form, isBusy) {
  form.ariaBusy = String(isBusy);
  for (const button of form.querySelectorAll("button")) button.disabled = isBusy;
}

addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-enhance]")) return;
  event.preventDefault();
  run(form, () => send(form, event.submitter));
});
addEventListener("popstate", () => location.reload());
addEventListener("pageshow", () => document.querySelectorAll("form:not([data-incomplete])").forEach((form) => setBusy(form, false)));
