// Shows every <time> in the user's own time zone, in the language of the page.
const language = document.documentElement.lang || undefined;

export function localizeTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]:not([title])")) {
    const date = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = date.toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
  }
}

localizeTimes(document);
