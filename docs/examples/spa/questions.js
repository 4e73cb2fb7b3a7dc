// Questions to the user, in a modal dialog: a value to type, or one of several choices.
const element = (id) => document.getElementById(id);
const dialog = element("question");
const WRONG = ["invalid_code", "invalid_credentials", "validation_failed"];

/** The user has closed the dialog. */
export class Cancelled extends Error {}

/** Asks for a value; `attributes` are those of the input. */
export async function askFor(title, attributes = {}, { hint = "", error = "", picture = "" } = {}) {
  const input = element("answer").cloneNode(); // without the attributes of the question before
  for (const [name, value] of Object.entries({ type: "text", autocomplete: "off", ...attributes })) {
    input.setAttribute(name, value);
  }
  input.value = "";
  element("answer").replaceWith(input);
  await show({ title, hint, error, picture, choices: [] });
  return input.value;
}

/** Asks to choose one of `choices`, each an array of text and value; returns its value. */
export async function choose(title, choices) {
  const index = await show({ title, hint: "", error: "", picture: "", choices: choices.map(([text]) => text) });
  return choices[index][1];
}

/** Asks for a value and passes it to `submit`, until the service answers with none of the errors in `wrong`. */
export async function askUntilRight(title, attributes, submit, { wrong = WRONG, ...more } = {}) {
  for (let error = ""; ; ) {
    const answer = await askFor(title, attributes, { ...more, error });
    try {
      return await submit(answer);
    } catch (problem) {
      if (!wrong.includes(problem.code)) throw problem;
      error = problem.message;
    }
  }
}

async function show({ title, hint, error, picture, choices }) {
  element("question-title").textContent = title;
  element("question-hint").textContent = hint;
  element("question-error").textContent = error;
  element("picture").hidden = !picture;
  element("picture").src = picture || "data:,";
  element("value").hidden = element("value").disabled = choices.length > 0;
  element("choices").replaceChildren(...choices.map(createChoice));
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (!dialog.returnValue) throw new Cancelled();
  return dialog.returnValue;
}

function createChoice(text, index) {
  const button = document.createElement("button");
  button.textContent = text;
  button.value = index;
  return button;
}
