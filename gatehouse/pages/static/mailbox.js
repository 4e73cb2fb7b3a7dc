// The developer mailbox: shows new messages, copies codes, filters by recipient and deletes all messages.
import { localizeTimes } from "./local_times.js";

const POLL_INTERVAL = 1500; // milliseconds
const result = document.getElementById("result");
const recipient = document.getElementById("to");
const messages = document.getElementById("messages");
const initialRecipient = recipient.value;

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    result.textContent = `Copied ${button.dataset.copy}.`;
  } catch {
    window.getSelection().selectAllChildren(button.previousElementSibling);
    result.textContent = "The browser does not allow access to the clipboard here; the code is selected instead.";
  }
}

async function deleteAll() {
  const response = await fetch("/dev/mailbox", { method: "DELETE" });
  if (response.ok) messages.replaceChildren();
  result.textContent = response.ok ? "The mailbox is empty." : "The mailbox could not be emptied.";
  filter();
}

/** Shows the messages whose recipient contains the text of the search field. */
function filter() {
  const text = recipient.value.trim().toLowerCase();
  for (const article of messages.children) article.hidden = !article.dataset.to.includes(text);
  document.getElementById("empty-notice").hidden = messages.querySelector("article:not([hidden])") !== null;
}

/** Adds new messages on top and removes deleted ones; the others keep their state and their focus. */
function merge(articles) {
  const ids = new Set([...articles].map((article) => article.id));
  for (const old of [...messages.children]) if (!ids.has(old.id)) old.remove();
  const added = [...articles].filter((article) => !document.getElementById(article.id));
  for (const article of added.reverse()) messages.prepend(document.adoptNode(article));
  if (added.length) localizeTimes(messages);
  filter();
}

async function poll() {
  if (document.hidden) return;
  try {
    const query = recipient.value === initialRecipient ? window.location.search : "";
    const response = await fetch(`/dev/mailbox${query}`, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.ok) merge(page.querySelectorAll("#messages > article"));
  } catch {
    result.textContent = "The service does not respond; this page keeps trying.";
  }
}

async function pollRepeatedly() {
  await poll();
  window.setTimeout(pollRepeatedly, POLL_INTERVAL);
}

messages.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.getElementById("empty").addEventListener("click", deleteAll);
document.addEventListener("visibilitychange", poll);
recipient.addEventListener("input", filter);
pollRepeatedly();
