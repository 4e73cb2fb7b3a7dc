// The page a registration's mail leads to.
import { send } from "./link_form.js";

send("/auth/email/verify");
