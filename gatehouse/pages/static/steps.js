// Pages with one form: what scripts add to sending it, and times in the user's own zone.
import { onPage } from "./enhance.js";
import { localizeTimes } from "./local_times.js";

onPage(() => localizeTimes(document));
