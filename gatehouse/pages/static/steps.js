// Pages with one form: what scripts add to sending it, and times in the user's own zone.
import "./form_sending.js";
import "./local_times.js";
