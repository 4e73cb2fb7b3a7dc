// The page an invitation's mail leads to.
import { send } from "./link_form.js";

send("/auth/invitation");
