// The page of one's own data: what is stored, readably, and the whole export as a file.
import { authenticatedRequest } from "./api_client.js";
import { messages } from "./messages.js";

const FIELDS = ["email", "username", "phone", "name", "locale", "created_at"];
const LINES = { // of each section: its text, and its time
  factors: (row) => [row.label, row.created_at],
  sessions: (row) => [[row.device, row.ip_address].filter(Boolean).join(", "), row.created_at],
  devices: (row) => [row.device, row.last_used_at],
  roles: (row) => [row.role, row.created_at],
  external_identities: (row) => [`${row.provider}: ${row.subject}`, row.created_at],
  service_accounts: (row) => [row.name, row.created_at],
  messages: (row) => [`${row.recipient}: ${row.template}`, row.created_at],
  codes: (row) => [row.purpose, row.created_at],
  history: (row) => [[row.text, row.device, row.ip_address].filter(Boolean).join(" "), row.at],
};
const element = (id) => document.getElementById(id);

function create(name, ...content) {
  const created = document.createElement(name);
  created.append(...content);
  return created;
}

/** Returns a time in the user's own time zone, in the language of the page. */
function formatTime(text) {
  return new Date(text).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}

function showAccount(account) {
  const values = FIELDS.filter((name) => account[name]).map((name) => [messages[name], name.endsWith("_at") ? formatTime(account[name]) : account[name]]);
  const attributes = Object.entries(account.attributes ?? {}).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  element("account").replaceChildren(...[...values, ...attributes].flatMap(([name, value]) => [create("dt", name), create("dd", value)]));
}

function showSection(section, rows) {
  const lines = rows.map(LINES[section.dataset.section]);
  section.querySelector("ul").replaceChildren(...lines.map(([text, time]) => create("li", create("span", text), create("span", formatTime(time)))));
  section.querySelector("ul").hidden = !rows.length;
  section.querySelector(".hint").hidden = rows.length > 0;
}

/** Downloads the export, as the service returned it. */
function download(data) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: "application/json" }));
  link.download = "account.json";
  link.click();
  URL.revokeObjectURL(link.href);
}

async function signInAgain() {
  await authenticatedRequest("POST", "/auth/logout").catch(() => {}); // there may be no session
  location.assign("/account#data");
}

async function showData() {
  const data = await authenticatedRequest("GET", "/auth/me/export");
  const history = (await authenticatedRequest("GET", "/auth/me/history?limit=100")).items;
  showAccount(data.account);
  for (const section of document.querySelectorAll("[data-section]")) {
    showSection(section, { ...data, history }[section.dataset.section]);
  }
  element("download").addEventListener("click", () => download(data));
  element("data").hidden = false;
  element("title").focus();
}

element("sign-in").addEventListener("click", signInAgain);
try {
  await showData();
} catch (problem) {
  const needsSignIn = problem.code?.startsWith("token_") || problem.code === "insufficient_user_authentication";
  element("sign-in").hidden = !needsSignIn;
  element("result").className = "bad";
  element("result").replaceChildren(create("p", needsSignIn ? messages.again : problem.message));
}
