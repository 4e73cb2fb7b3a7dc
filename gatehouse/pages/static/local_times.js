// Rewrites every <time> in the reader's own zone, in the language of the page.
const language = document.documentElement.lang || undefined;

export function localise(part) {
  for (const time of part.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
  }
}

localise(document);
