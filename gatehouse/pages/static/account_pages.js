// What all account pages gain from scripts: forms in place, and times in the user's own time zone.
import { onPage } from "./enhance.js";
import { localizeTimes } from "./local_times.js";

onPage(() => localizeTimes(document));
