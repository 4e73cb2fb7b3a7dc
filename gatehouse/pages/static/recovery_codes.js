// What users do with their recovery codes: copy them, and save them as a file. Printing is in pages.css.
import { messages } from "./messages.js";

const list = () => document.getElementById("recovery-codes");
const asText = () => [...list().children].map((item) => `${item.textContent}\n`).join("");

/** Copies the codes; returns the message to show. Without access to the clipboard it selects them. */
export async function copy() {
  try {
    await navigator.clipboard.writeText(asText());
    return messages.copied;
  } catch {
    window.getSelection().selectAllChildren(list());
    return messages.selected;
  }
}

/** Downloads the codes as a text file, which begins with the name of the service. */
export function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${document.title}\n\n${asText()}`], { type: "text/plain" }));
  link.download = "recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}
