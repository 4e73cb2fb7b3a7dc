// The developer mailbox: new messages appear, a code is copied, a recipient chosen, the box emptied.
import { localise } from "./local_times.js";

const EVERY = 1500; // milliseconds
const result = document.getElementById("result");
const field = document.getElementById("to");
const messages = document.getElementById("messages");
const asked = field.value;

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    result.textContent = `Copied ${button.dataset.copy}.`;
  } catch {
    window.getSelection().selectAllChildren(button.previousElementSibling);
    result.textContent = "The browser keeps its clipboard closed here; the code is selected instead.";
  }
}

async function empty() {
  const response = await fetch("/dev/mailbox", { method: "DELETE" });
  if (response.ok) messages.replaceChildren();
  result.textContent = response.ok ? "The mailbox is empty." : "The mailbox could not be emptied.";
  filter();
}

/** Shows the messages to whom is typed, or to whoever contains it. */
function filter() {
  const wanted = field.value.trim().toLowerCase();
  for (const article of messages.children) article.hidden = !article.dataset.to.includes(wanted);
  document.getElementById("nothing").hidden = messages.querySelector("article:not([hidden])") !== null;
}

/** Puts what is new on top and takes away what is gone; what stays is not touched, nor its focus. */
function merge(fresh) {
  const ids = new Set([...fresh].map((article) => article.id));
  for (const old of [...messages.children]) if (!ids.has(old.id)) old.remove();
  const news = [...fresh].filter((article) => !document.getElementById(article.id));
  for (const article of news.reverse()) messages.prepend(document.adoptNode(article));
  if (news.length) localise(messages);
  filter();
}

async function look() {
  if (document.hidden) return;
  try {
    const query = field.value === asked ? window.location.search : "";
    const answer = await fetch(`/dev/mailbox${query}`, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) merge(page.querySelectorAll("#messages > article"));
  } catch {
    result.textContent = "The service does not answer; this page goes on asking.";
  }
}

async function watch() {
  await look();
  window.setTimeout(watch, EVERY);
}

messages.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.getElementById("empty").addEventListener("click", empty);
document.addEventListener("visibilitychange", look);
field.addEventListener("input", filter);
watch();
