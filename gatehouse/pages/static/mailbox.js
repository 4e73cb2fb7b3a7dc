// The developer mailbox: a list of messages, and a reader that shows the one in the fragment of the URL.
import { localizeTimes } from "./local_times.js";

const POLL_INTERVAL = 1500; // milliseconds
const result = document.getElementById("result");
const search = document.getElementById("search");
const list = document.getElementById("list");
const messages = document.getElementById("messages");
const initialSearch = search.value;
const isWide = window.matchMedia("(min-width: 48rem)"); // as in pages.css: the list is beside the reader

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
  if (response.ok) merge([], []);
  result.textContent = response.ok ? "The mailbox is empty." : "The mailbox could not be emptied.";
}

/** Lists the messages that contain the text of the search field. */
function filter() {
  const text = search.value.trim().toLowerCase();
  for (const item of list.children) item.hidden = !item.dataset.text.includes(text);
  document.getElementById("empty-notice").hidden = list.querySelector("li:not([hidden])") !== null;
  select();
}

/** Shows the message of the fragment; without one, the newest of the list, if there is room beside the list. */
function select() {
  const newest = isWide.matches ? list.querySelector("li:not([hidden])")?.dataset.id : undefined;
  const selected = document.getElementById(window.location.hash.slice(1))?.id ?? newest;
  for (const article of messages.children) article.hidden = article.id !== selected;
  for (const item of list.children) item.firstElementChild.ariaCurrent = item.dataset.id === selected ? "true" : null;
}

/** Adds new messages on top and removes deleted ones; the others keep their state and their focus. */
function merge(items, articles) {
  const known = new Set([...list.children].map((item) => item.dataset.id));
  const current = new Set([...items].map((item) => item.dataset.id));
  for (const old of [...list.children]) if (!current.has(old.dataset.id)) old.remove();
  for (const old of [...messages.children]) if (!current.has(old.id)) old.remove();
  for (const item of [...items].reverse()) if (!known.has(item.dataset.id)) list.prepend(document.adoptNode(item));
  for (const article of [...articles].reverse()) if (!known.has(article.id)) messages.prepend(document.adoptNode(article));
  localizeTimes(document);
  filter();
}

async function poll() {
  if (document.hidden) return;
  try {
    const query = search.value === initialSearch ? window.location.search : "";
    const response = await fetch(`/dev/mailbox${query}`, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.ok) merge(page.querySelectorAll("#list > li"), page.querySelectorAll("#messages > article"));
  } catch {
    result.textContent = "The service does not respond; this page keeps trying.";
  }
}

async function pollRepeatedly() {
  await poll();
  window.setTimeout(pollRepeatedly, POLL_INTERVAL);
}

async function refresh() {
  await poll();
  result.textContent = `${list.querySelectorAll("li:not([hidden])").length} messages.`;
}

function showSelected() {
  select();
  (messages.querySelector("article:not([hidden])") ?? search).focus();
}

messages.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.getElementById("empty").addEventListener("click", deleteAll);
document.getElementById("refresh").addEventListener("click", refresh);
document.addEventListener("visibilitychange", poll);
window.addEventListener("hashchange", showSelected);
isWide.addEventListener("change", select);
search.addEventListener("input", filter);
filter();
pollRepeatedly();
