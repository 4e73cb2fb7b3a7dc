// Pages with forms: what scripts add to sending them, and times in the user's own zone.
import { onPage } from "./enhance.js";
import { localizeTimes } from "./local_times.js";

onPage(() => localizeTimes(document));
