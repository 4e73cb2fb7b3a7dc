// Cancels the pending removal of all second factors.
import { submitTo } from "./link_form.js";

submitTo("/auth/mfa/reset/cancel");
