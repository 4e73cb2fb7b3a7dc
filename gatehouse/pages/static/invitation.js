// Accepts an invitation.
import { submitTo } from "./link_form.js";

submitTo("/auth/invitation");
