// What a page says, in the reader's language.

export const words = document.getElementById("result").dataset;

/** Fills the `{name}`s of a sentence in. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
