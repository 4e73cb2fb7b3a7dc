// The page a reset's mail leads to.
import { send } from "./link_form.js";

send("/auth/password/reset");
