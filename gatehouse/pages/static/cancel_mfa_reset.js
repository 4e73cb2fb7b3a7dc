// The page by which an owner keeps the second factors that an operator is about to take.
import { send } from "./link_form.js";

send("/auth/mfa/reset/cancel");
